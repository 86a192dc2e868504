// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import "../generated/Opcodes.sol";
import {StepContext} from "../machine/IOneStepProver.sol";
import {Step} from "../machine/Step.sol";
import {Float32} from "./Float32.sol";
import {StepNumeric} from "./StepNumeric.sol";

/// @title Family 4: f32 and its conversions
/// @dev Mirrors vm/machine/src/step/float32.rs.
contract StepFloat32 is StepNumeric {
    /// @inheritdoc StepNumeric
    function _evaluate(uint256 op, uint256 a, uint256 b) internal pure override returns (bool, uint256) {
        if (op >= OP_F32_CONVERT_I32_S) return (true, _fromInteger(op, a));
        a = uint32(a);
        b = uint32(b);
        if (op >= OP_I32_TRUNC_F32_S) return _toInteger(op, a);
        if (op <= OP_F32_GE) return (true, _compare(op, a, b) ? 1 : 0);
        return (true, _arithmetic(op, a, b));
    }

    function _execute(Step memory s, StepContext calldata) internal pure override {
        _require(s, FAMILY_F32, KNOWN_F32, IMM_FORMS_F32);
        _compute(s, UNARY_F32);
    }

    function _compare(uint256 op, uint256 a, uint256 b) private pure returns (bool) {
        if (op == OP_F32_EQ) return Float32.eq(a, b);
        if (op == OP_F32_NE) return !Float32.eq(a, b);
        if (op == OP_F32_LT) return Float32.lt(a, b);
        if (op == OP_F32_GT) return Float32.lt(b, a);
        if (op == OP_F32_LE) return Float32.le(a, b);
        assert(op == OP_F32_GE);
        return Float32.le(b, a);
    }

    function _arithmetic(uint256 op, uint256 a, uint256 b) private pure returns (uint256) {
        if (op == OP_F32_ADD) return Float32.add(a, b);
        if (op == OP_F32_MUL) return Float32.mul(a, b);
        if (op == OP_F32_SUB) return Float32.sub(a, b);
        if (op == OP_F32_DIV) return Float32.div(a, b);
        if (op == OP_F32_SQRT) return Float32.sqrt(a);
        if (op == OP_F32_MIN) return Float32.min(a, b);
        if (op == OP_F32_MAX) return Float32.max(a, b);
        if (op == OP_F32_COPYSIGN) return Float32.copysign(a, b);
        if (op == OP_F32_ABS) return Float32.abs(a);
        if (op == OP_F32_NEG) return Float32.neg(a);
        if (op == OP_F32_CEIL) return Float32.ceil(a);
        if (op == OP_F32_FLOOR) return Float32.floor(a);
        if (op == OP_F32_TRUNC) return Float32.trunc(a);
        assert(op == OP_F32_NEAREST);
        return Float32.nearest(a);
    }

    function _toInteger(uint256 op, uint256 a) private pure returns (bool, uint256) {
        if (op == OP_I32_TRUNC_F32_S) return Float32.toSigned(a, 32);
        if (op == OP_I32_TRUNC_F32_U) return Float32.toUnsigned(a, 32);
        if (op == OP_I64_TRUNC_F32_S) return Float32.toSigned(a, 64);
        if (op == OP_I64_TRUNC_F32_U) return Float32.toUnsigned(a, 64);
        if (op == OP_I32_TRUNC_SAT_F32_S) return (true, Float32.toSignedSat(a, 32));
        if (op == OP_I32_TRUNC_SAT_F32_U) return (true, Float32.toUnsignedSat(a, 32));
        if (op == OP_I64_TRUNC_SAT_F32_S) return (true, Float32.toSignedSat(a, 64));
        assert(op == OP_I64_TRUNC_SAT_F32_U);
        return (true, Float32.toUnsignedSat(a, 64));
    }

    function _fromInteger(uint256 op, uint256 a) private pure returns (uint256) {
        if (op == OP_F32_CONVERT_I32_S) return Float32.fromSigned(uint32(a), 32);
        if (op == OP_F32_CONVERT_I32_U) return Float32.fromUnsigned(uint32(a));
        if (op == OP_F32_CONVERT_I64_S) return Float32.fromSigned(a, 64);
        assert(op == OP_F32_CONVERT_I64_U);
        return Float32.fromUnsigned(a);
    }
}

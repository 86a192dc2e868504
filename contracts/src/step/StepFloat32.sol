// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import "../generated/Opcodes.sol";
import {StepContext} from "../machine/IOneStepProver.sol";
import {Step} from "../machine/Step.sol";
import {Float32} from "./Float32.sol";
import {Float32Operators} from "./Float32Operators.sol";
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
        if (op <= OP_F32_GE) return (true, Float32Operators.compare(op, a, b) ? 1 : 0);
        return (true, Float32Operators.arithmetic(op, a, b));
    }

    function _execute(Step memory s, StepContext calldata) internal pure override {
        _require(s, FAMILY_F32, KNOWN_F32, IMM_FORMS_F32);
        _compute(s, UNARY_F32);
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

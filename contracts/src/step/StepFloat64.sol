// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import "../generated/Opcodes.sol";
import {StepContext} from "../machine/IOneStepProver.sol";
import {Step} from "../machine/Step.sol";
import {Float64} from "./Float64.sol";
import {Float64Operators} from "./Float64Operators.sol";
import {FloatWidth} from "./FloatWidth.sol";
import {StepNumeric} from "./StepNumeric.sol";

/// @title Family 5: f64 and its conversions
/// @dev Mirrors vm/machine/src/step/float64.rs.
contract StepFloat64 is StepNumeric {
    /// @inheritdoc StepNumeric
    function _evaluate(uint256 op, uint256 a, uint256 b) internal pure override returns (bool, uint256) {
        if (op >= OP_F64_CONVERT_I32_S) return (true, _convert(op, a));
        if (op >= OP_I32_TRUNC_F64_S) return _toInteger(op, a);
        if (op <= OP_F64_GE) return (true, Float64Operators.compare(op, a, b) ? 1 : 0);
        return (true, Float64Operators.arithmetic(op, a, b));
    }

    function _execute(Step memory s, StepContext calldata) internal pure override {
        _require(s, FAMILY_F64, KNOWN_F64, IMM_FORMS_F64);
        _compute(s, UNARY_F64);
    }

    function _toInteger(uint256 op, uint256 a) private pure returns (bool, uint256) {
        if (op == OP_I32_TRUNC_F64_S) return Float64.toSigned(a, 32);
        if (op == OP_I32_TRUNC_F64_U) return Float64.toUnsigned(a, 32);
        if (op == OP_I64_TRUNC_F64_S) return Float64.toSigned(a, 64);
        if (op == OP_I64_TRUNC_F64_U) return Float64.toUnsigned(a, 64);
        if (op == OP_I32_TRUNC_SAT_F64_S) return (true, Float64.toSignedSat(a, 32));
        if (op == OP_I32_TRUNC_SAT_F64_U) return (true, Float64.toUnsignedSat(a, 32));
        if (op == OP_I64_TRUNC_SAT_F64_S) return (true, Float64.toSignedSat(a, 64));
        assert(op == OP_I64_TRUNC_SAT_F64_U);
        return (true, Float64.toUnsignedSat(a, 64));
    }

    function _convert(uint256 op, uint256 a) private pure returns (uint256) {
        if (op == OP_F64_CONVERT_I32_S) return Float64.fromSigned(uint32(a), 32);
        if (op == OP_F64_CONVERT_I32_U) return Float64.fromUnsigned(uint32(a));
        if (op == OP_F64_CONVERT_I64_S) return Float64.fromSigned(a, 64);
        if (op == OP_F64_CONVERT_I64_U) return Float64.fromUnsigned(a);
        if (op == OP_F32_DEMOTE_F64) return FloatWidth.demote(a);
        assert(op == OP_F64_PROMOTE_F32);
        return FloatWidth.promote(uint32(a));
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import "../generated/Opcodes.sol";
import {StepContext} from "../machine/IOneStepProver.sol";
import {Step} from "../machine/Step.sol";
import {Float64} from "./Float64.sol";
import {Float64Operators} from "./Float64Operators.sol";
import {FloatWidth} from "./FloatWidth.sol";
import {StepVectorFloat} from "./StepVectorFloat.sol";

/// @title Family 9: two lanes of f64
/// @dev Mirrors vm/machine/src/step/vector_float.rs. The operators of numbers and of lanes are in the same order, so an
/// opcode less `LANES_TO_NUMBER` is its f64 twin; tests/tests/floats.rs holds the table to that.
contract StepVectorF64 is StepVectorFloat {
    uint256 private constant LANES_TO_NUMBER = OP_F64X2_EQ - OP_F64_EQ;

    /// @inheritdoc StepVectorFloat
    /// @dev Conversions from lanes of 32 bits take the two low ones, conversions to such leave the two high ones zero.
    function _evaluate(uint256 op, uint256 a, uint256 b) internal pure override returns (uint256 value) {
        if (op <= OP_F64X2_P_MAX) return _lane(op, uint64(a), uint64(b)) | _lane(op, a >> 64, b >> 64) << 64;
        if (op == OP_F32X4_DEMOTE_F64X2_ZERO || op <= OP_I32X4_TRUNC_SAT_F64X2_U_ZERO) {
            return _narrow(op, uint64(a)) | _narrow(op, a >> 64) << 32;
        }
        return _widen(op, uint32(a)) | _widen(op, uint32(a >> 32)) << 64;
    }

    function _execute(Step memory s, StepContext calldata) internal pure override {
        _require(s, FAMILY_F64X2, KNOWN_F64X2, IMM_FORMS_F64X2);
        _compute(s, UNARY_F64X2);
    }

    function _lane(uint256 op, uint256 a, uint256 b) private pure returns (uint256) {
        unchecked {
            if (op <= OP_F64X2_GE) return Float64Operators.compare(op - LANES_TO_NUMBER, a, b) ? type(uint64).max : 0;
            if (op <= OP_F64X2_MAX) return Float64Operators.arithmetic(op - LANES_TO_NUMBER, a, b);
        }
        // These two choose an operand as it is, NaN or not; `a` unless `b` is the lesser, or the greater.
        if (op == OP_F64X2_P_MIN) return Float64.lt(b, a) ? b : a;
        assert(op == OP_F64X2_P_MAX);
        return Float64.lt(a, b) ? b : a;
    }

    function _narrow(uint256 op, uint256 a) private pure returns (uint256) {
        if (op == OP_I32X4_TRUNC_SAT_F64X2_S_ZERO) return Float64.toSignedSat(a, 32);
        if (op == OP_I32X4_TRUNC_SAT_F64X2_U_ZERO) return Float64.toUnsignedSat(a, 32);
        assert(op == OP_F32X4_DEMOTE_F64X2_ZERO);
        return FloatWidth.demote(a);
    }

    function _widen(uint256 op, uint256 a) private pure returns (uint256) {
        if (op == OP_F64X2_CONVERT_LOW_I32X4_S) return Float64.fromSigned(a, 32);
        if (op == OP_F64X2_CONVERT_LOW_I32X4_U) return Float64.fromUnsigned(a);
        assert(op == OP_F64X2_PROMOTE_LOW_F32X4);
        return FloatWidth.promote(a);
    }
}

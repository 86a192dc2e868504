// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import "../generated/Opcodes.sol";
import {StepContext} from "../machine/IOneStepProver.sol";
import {Step} from "../machine/Step.sol";
import {Float32} from "./Float32.sol";
import {Float32Operators} from "./Float32Operators.sol";
import {StepVectorFloat} from "./StepVectorFloat.sol";

/// @title Family 8: four lanes of f32
/// @dev Mirrors vm/machine/src/step/vector_float.rs. The operators of numbers and of lanes are in the same order, so an
/// opcode less `LANES_TO_NUMBER` is its f32 twin; tests/tests/floats.rs holds the table to that.
contract StepVectorF32 is StepVectorFloat {
    uint256 private constant LANES_TO_NUMBER = OP_F32X4_EQ - OP_F32_EQ;

    /// @inheritdoc StepVectorFloat
    function _evaluate(uint256 op, uint256 a, uint256 b) internal pure override returns (uint256 value) {
        unchecked {
            for (uint256 shift = 0; shift < 128; shift += 32) {
                value |= _lane(op, uint32(a >> shift), uint32(b >> shift)) << shift;
            }
        }
    }

    function _execute(Step memory s, StepContext calldata) internal pure override {
        _require(s, FAMILY_F32X4, KNOWN_F32X4, IMM_FORMS_F32X4);
        _compute(s, UNARY_F32X4);
    }

    function _lane(uint256 op, uint256 a, uint256 b) private pure returns (uint256) {
        unchecked {
            if (op <= OP_F32X4_GE) return Float32Operators.compare(op - LANES_TO_NUMBER, a, b) ? type(uint32).max : 0;
            if (op <= OP_F32X4_MAX) return Float32Operators.arithmetic(op - LANES_TO_NUMBER, a, b);
        }
        // These two choose an operand as it is, NaN or not; `a` unless `b` is the lesser, or the greater.
        if (op == OP_F32X4_P_MIN) return Float32.lt(b, a) ? b : a;
        if (op == OP_F32X4_P_MAX) return Float32.lt(a, b) ? b : a;
        if (op == OP_I32X4_TRUNC_SAT_F32X4_S) return Float32.toSignedSat(a, 32);
        if (op == OP_I32X4_TRUNC_SAT_F32X4_U) return Float32.toUnsignedSat(a, 32);
        if (op == OP_F32X4_CONVERT_I32X4_S) return Float32.fromSigned(a, 32);
        assert(op == OP_F32X4_CONVERT_I32X4_U);
        return Float32.fromUnsigned(a);
    }
}

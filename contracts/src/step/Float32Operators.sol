// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import "../generated/Opcodes.sol";
import {Float32} from "./Float32.sol";

/// @title Operators of f32 by their opcode, for numbers and for lanes
/// @dev Float64Operators.sol is the same text but for the width.
library Float32Operators {
    function compare(uint256 op, uint256 a, uint256 b) internal pure returns (bool) {
        if (op == OP_F32_EQ) return Float32.eq(a, b);
        if (op == OP_F32_NE) return !Float32.eq(a, b);
        if (op == OP_F32_LT) return Float32.lt(a, b);
        if (op == OP_F32_GT) return Float32.lt(b, a);
        if (op == OP_F32_LE) return Float32.le(a, b);
        assert(op == OP_F32_GE);
        return Float32.le(b, a);
    }

    function arithmetic(uint256 op, uint256 a, uint256 b) internal pure returns (uint256) {
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
}

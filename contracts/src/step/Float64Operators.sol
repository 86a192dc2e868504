// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import "../generated/Opcodes.sol";
import {Float64} from "./Float64.sol";

/// @title Operators of f64 by their opcode, for numbers and for lanes
/// @dev Float32Operators.sol is the same text but for the width.
library Float64Operators {
    function compare(uint256 op, uint256 a, uint256 b) internal pure returns (bool) {
        if (op == OP_F64_EQ) return Float64.eq(a, b);
        if (op == OP_F64_NE) return !Float64.eq(a, b);
        if (op == OP_F64_LT) return Float64.lt(a, b);
        if (op == OP_F64_GT) return Float64.lt(b, a);
        if (op == OP_F64_LE) return Float64.le(a, b);
        assert(op == OP_F64_GE);
        return Float64.le(b, a);
    }

    function arithmetic(uint256 op, uint256 a, uint256 b) internal pure returns (uint256) {
        if (op == OP_F64_ADD) return Float64.add(a, b);
        if (op == OP_F64_MUL) return Float64.mul(a, b);
        if (op == OP_F64_SUB) return Float64.sub(a, b);
        if (op == OP_F64_DIV) return Float64.div(a, b);
        if (op == OP_F64_SQRT) return Float64.sqrt(a);
        if (op == OP_F64_MIN) return Float64.min(a, b);
        if (op == OP_F64_MAX) return Float64.max(a, b);
        if (op == OP_F64_COPYSIGN) return Float64.copysign(a, b);
        if (op == OP_F64_ABS) return Float64.abs(a);
        if (op == OP_F64_NEG) return Float64.neg(a);
        if (op == OP_F64_CEIL) return Float64.ceil(a);
        if (op == OP_F64_FLOOR) return Float64.floor(a);
        if (op == OP_F64_TRUNC) return Float64.trunc(a);
        assert(op == OP_F64_NEAREST);
        return Float64.nearest(a);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import "../generated/Opcodes.sol";
import {StepContext} from "../machine/IOneStepProver.sol";
import {Step} from "../machine/Step.sol";
import {StepNumeric} from "./StepNumeric.sol";

/// @title Families 2 and 3: i32 and i64
/// @dev Mirrors vm/machine/src/step/integer.rs. The operators that both families have are in the same order, so an i64
/// opcode less `I64_TO_I32` is its i32 twin; tests/tests/machine/lockstep.rs holds the table to that.
contract StepInteger is StepNumeric {
    uint256 private constant I64_TO_I32 = OP_I64_EQZ - OP_I32_EQZ;

    /// @inheritdoc StepNumeric
    function _evaluate(uint256 op, uint256 a, uint256 b) internal pure override returns (bool, uint256) {
        if (op >= OP_I64_EQZ) {
            if (op > OP_I64_ROTR) return (true, _extend64(op, a));
            return _operator(op - I64_TO_I32, a, b, 64);
        }
        if (op > OP_I32_ROTR) return (true, _extend32(op, a));
        return _operator(op, uint32(a), uint32(b), 32);
    }

    function _execute(Step memory s, StepContext calldata) internal pure override {
        if (s.ins.op < OP_I64_EQZ) {
            _require(s, FAMILY_I32, KNOWN_I32, IMM_FORMS_I32);
            _compute(s, UNARY_I32);
        } else {
            _require(s, FAMILY_I64, KNOWN_I64, IMM_FORMS_I64);
            _compute(s, UNARY_I64);
        }
    }

    /// @dev An operator by its i32 opcode, on `bits`-bit operands.
    function _operator(uint256 op, uint256 a, uint256 b, uint256 bits) private pure returns (bool, uint256) {
        if (op <= OP_I32_GE_U) return (true, _compare(op, a, b, bits) ? 1 : 0);
        if (op <= OP_I32_POPCNT) return (true, _count(op, a, bits));
        if (op >= OP_I32_DIV_S && op <= OP_I32_REM_U) return _divide(op, a, b, bits);
        return (true, _arithmetic(op, a, b, bits));
    }

    function _compare(uint256 op, uint256 a, uint256 b, uint256 bits) private pure returns (bool) {
        if (op == OP_I32_EQZ) return a == 0;
        if (op == OP_I32_EQ) return a == b;
        if (op == OP_I32_NE) return a != b;
        if (op == OP_I32_LT_U) return a < b;
        if (op == OP_I32_GT_U) return a > b;
        if (op == OP_I32_LE_U) return a <= b;
        if (op == OP_I32_GE_U) return a >= b;
        int256 x = _signed(a, bits);
        int256 y = _signed(b, bits);
        if (op == OP_I32_LT_S) return x < y;
        if (op == OP_I32_GT_S) return x > y;
        if (op == OP_I32_LE_S) return x <= y;
        assert(op == OP_I32_GE_S);
        return x >= y;
    }

    function _count(uint256 op, uint256 a, uint256 bits) private pure returns (uint256 n) {
        unchecked {
            if (op == OP_I32_POPCNT) {
                for (; a != 0; ++n) {
                    a &= a - 1;
                }
            } else if (op == OP_I32_CTZ) {
                while (n < bits && a >> n & 1 == 0) ++n;
            } else {
                assert(op == OP_I32_CLZ);
                while (n < bits && a >> bits - 1 - n == 0) ++n;
            }
        }
    }

    function _divide(uint256 op, uint256 a, uint256 b, uint256 bits) private pure returns (bool, uint256) {
        unchecked {
            if (b == 0) return (false, 0);
            if (op == OP_I32_DIV_U) return (true, a / b);
            if (op == OP_I32_REM_U) return (true, a % b);
            int256 x = _signed(a, bits);
            int256 y = _signed(b, bits);
            // The least number has no remainder, but no quotient either.
            if (op == OP_I32_REM_S) return (true, _wrap(uint256(x % y), bits));
            assert(op == OP_I32_DIV_S);
            int256 quotient = x / y;
            return (quotient >> bits - 1 == 0 || quotient < 0, _wrap(uint256(quotient), bits));
        }
    }

    function _arithmetic(uint256 op, uint256 a, uint256 b, uint256 bits) private pure returns (uint256) {
        unchecked {
            if (op == OP_I32_ADD) return _wrap(a + b, bits);
            if (op == OP_I32_SUB) return _wrap(a - b, bits);
            if (op == OP_I32_MUL) return _wrap(a * b, bits);
            if (op == OP_I32_AND) return a & b;
            if (op == OP_I32_OR) return a | b;
            if (op == OP_I32_XOR) return a ^ b;
            uint256 n = b & bits - 1;
            if (op == OP_I32_SHL) return _wrap(a << n, bits);
            if (op == OP_I32_SHR_S) return _wrap(uint256(_signed(a, bits) >> n), bits);
            if (op == OP_I32_SHR_U) return a >> n;
            if (op == OP_I32_ROTL) return _wrap(a << n | a >> bits - n, bits);
            assert(op == OP_I32_ROTR);
            return _wrap(a >> n | a << bits - n, bits);
        }
    }

    function _extend32(uint256 op, uint256 a) private pure returns (uint256) {
        if (op == OP_I32_WRAP_I64) return uint32(a);
        if (op == OP_I32_EXTEND8_S) return uint32(int32(int8(uint8(a))));
        assert(op == OP_I32_EXTEND16_S);
        return uint32(int32(int16(uint16(a))));
    }

    function _extend64(uint256 op, uint256 a) private pure returns (uint256) {
        if (op == OP_I64_EXTEND_I32_U) return uint32(a);
        if (op == OP_I64_EXTEND8_S) return uint64(int64(int8(uint8(a))));
        if (op == OP_I64_EXTEND16_S) return uint64(int64(int16(uint16(a))));
        assert(op == OP_I64_EXTEND_I32_S || op == OP_I64_EXTEND32_S);
        return uint64(int64(int32(uint32(a))));
    }

    function _signed(uint256 a, uint256 bits) private pure returns (int256) {
        return bits == 32 ? int256(int32(uint32(a))) : int256(int64(uint64(a)));
    }

    function _wrap(uint256 a, uint256 bits) private pure returns (uint256) {
        return bits == 32 ? uint32(a) : uint64(a);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import "../generated/Opcodes.sol";
import {StepContext} from "../machine/IOneStepProver.sol";
import {Step} from "../machine/Step.sol";
import {StepBase} from "./StepBase.sol";

/// @title Family 7: integer lanes
/// @notice One implementation of each operator for all widths.
///
/// | bits of the opcode | meaning                                 |
/// |--------------------|-----------------------------------------|
/// | 6-7                | shape: log2 of the bytes of a lane      |
/// | 0-5                | operator, named by an opcode that is it |
///
/// @dev Mirrors vm/machine/src/step/lanes.rs; tests/tests/lockstep_vectors.rs holds the table to the numbering.
contract StepLanes is StepBase {
    uint256 private constant OPERATOR = 0x3f;
    uint256 private constant EQ = OP_I8X16_EQ & OPERATOR;
    uint256 private constant NE = OP_I8X16_NE & OPERATOR;
    uint256 private constant LT_S = OP_I8X16_LT_S & OPERATOR;
    uint256 private constant LT_U = OP_I8X16_LT_U & OPERATOR;
    uint256 private constant GT_S = OP_I8X16_GT_S & OPERATOR;
    uint256 private constant GT_U = OP_I8X16_GT_U & OPERATOR;
    uint256 private constant LE_S = OP_I8X16_LE_S & OPERATOR;
    uint256 private constant LE_U = OP_I8X16_LE_U & OPERATOR;
    uint256 private constant GE_S = OP_I8X16_GE_S & OPERATOR;
    uint256 private constant GE_U = OP_I8X16_GE_U & OPERATOR;
    uint256 private constant ABS = OP_I8X16_ABS & OPERATOR;
    uint256 private constant NEG = OP_I8X16_NEG & OPERATOR;
    uint256 private constant POPCNT = OP_I8X16_POPCNT & OPERATOR;
    uint256 private constant ALL_TRUE = OP_I8X16_ALL_TRUE & OPERATOR;
    uint256 private constant BITMASK = OP_I8X16_BITMASK & OPERATOR;
    uint256 private constant ADD = OP_I8X16_ADD & OPERATOR;
    uint256 private constant SUB = OP_I8X16_SUB & OPERATOR;
    uint256 private constant MUL = OP_I16X8_MUL & OPERATOR;
    uint256 private constant ADD_SAT_S = OP_I8X16_ADD_SAT_S & OPERATOR;
    uint256 private constant ADD_SAT_U = OP_I8X16_ADD_SAT_U & OPERATOR;
    uint256 private constant SUB_SAT_S = OP_I8X16_SUB_SAT_S & OPERATOR;
    uint256 private constant SUB_SAT_U = OP_I8X16_SUB_SAT_U & OPERATOR;
    uint256 private constant MIN_S = OP_I8X16_MIN_S & OPERATOR;
    uint256 private constant MIN_U = OP_I8X16_MIN_U & OPERATOR;
    uint256 private constant MAX_S = OP_I8X16_MAX_S & OPERATOR;
    uint256 private constant MAX_U = OP_I8X16_MAX_U & OPERATOR;
    uint256 private constant AVGR_U = OP_I8X16_AVGR_U & OPERATOR;
    uint256 private constant SHL = OP_I8X16_SHL & OPERATOR;
    uint256 private constant SHR_S = OP_I8X16_SHR_S & OPERATOR;
    uint256 private constant SHR_U = OP_I8X16_SHR_U & OPERATOR;
    uint256 private constant NARROW_S = OP_I8X16_NARROW_I16X8_S & OPERATOR;
    uint256 private constant NARROW_U = OP_I8X16_NARROW_I16X8_U & OPERATOR;
    uint256 private constant EXTEND_HIGH_U = OP_I16X8_EXTEND_HIGH_I8X16_U & OPERATOR;
    uint256 private constant EXT_MUL_HIGH_U = OP_I16X8_EXT_MUL_HIGH_I8X16_U & OPERATOR;
    uint256 private constant EXT_ADD_PAIRWISE_U = OP_I16X8_EXT_ADD_PAIRWISE_I8X16_U & OPERATOR;
    uint256 private constant Q15_MULR_SAT_S = OP_I16X8_Q15_MULR_SAT_S & OPERATOR;
    uint256 private constant DOT_S = OP_I32X4_DOT_I16X8_S & OPERATOR;
    uint256 private constant SPLAT = OP_I8X16_SPLAT & OPERATOR;
    uint256 private constant EXTRACT_LANE_S = OP_I8X16_EXTRACT_LANE_S & OPERATOR;
    uint256 private constant EXTRACT_LANE_U = OP_I8X16_EXTRACT_LANE_U & OPERATOR;
    uint256 private constant REPLACE_LANE = OP_I8X16_REPLACE_LANE & OPERATOR;

    function _execute(Step memory s, StepContext calldata) internal pure override {
        _require(s, FAMILY_LANES, KNOWN_LANES, IMM_FORMS_LANES);
        uint256 op = s.ins.op & OPERATOR;
        uint256 bits = 8 << (s.ins.op >> 6 & 3);
        if (op == SPLAT) return _setVector(s, _splat(_a(s), bits));
        uint256 a = _vector(s, s.ins.a);
        if (op == ALL_TRUE) return _set(s, _allTrue(a, bits) ? 1 : 0);
        if (op == BITMASK) return _set(s, _bitmask(a, bits));
        if (op == EXTRACT_LANE_S) return _set(s, uint32(uint256(_signed(_extract(s, a, bits), bits))));
        if (op == EXTRACT_LANE_U) return _set(s, _extract(s, a, bits));
        if (op == REPLACE_LANE) return _setVector(s, _replace(s, a, _b(s), bits));
        uint256 b;
        // The count mod the lane's bits, a power of two, in every lane.
        if (op >= SHL && op <= SHR_U) b = _splat(_b(s) & bits - 1, bits);
        else if (UNARY_LANES >> (s.ins.op & 0xff) & 1 == 0) b = _vector(s, s.ins.b);
        _setVector(s, _map(op, a, b, bits));
    }

    /// @dev The vector whose lanes are the operator's results.
    function _map(uint256 op, uint256 a, uint256 b, uint256 bits) private pure returns (uint256 v) {
        unchecked {
            uint256 mask = (1 << bits) - 1;
            bool same = op <= SHR_U || op == Q15_MULR_SAT_S;
            for (uint256 place = 0; place < 128; place += bits) {
                uint256 lane = same
                    ? uint256(_lane(op, a >> place & mask, b >> place & mask, bits))
                    : uint256(_resized(op, a, b, place, bits));
                v |= (lane & mask) << place;
            }
        }
    }

    /// @dev An operator on one lane of each vector, modulo `2^bits`.
    function _lane(uint256 op, uint256 a, uint256 b, uint256 bits) private pure returns (int256) {
        unchecked {
            if (op == AVGR_U) return int256(a + b + 1 >> 1);
            if (op == POPCNT) return _popcnt(a);
            // What is left of the even operators is signed; the odd ones are unsigned or the same for both.
            (int256 x, int256 y) = op & 1 == 0 ? (_signed(a, bits), _signed(b, bits)) : (int256(a), int256(b));
            if (op <= GE_U) return _compare(op, x, y) ? -1 : int256(0);
            if (op == ADD) return x + y;
            if (op == SUB) return x - y;
            if (op == MUL) return x * y;
            if (op == ADD_SAT_S || op == ADD_SAT_U) return _clamp(x + y, op & 1 == 0, bits);
            if (op == SUB_SAT_S || op == SUB_SAT_U) return _clamp(x - y, op & 1 == 0, bits);
            if (op == MIN_S || op == MIN_U) return x < y ? x : y;
            if (op == MAX_S || op == MAX_U) return x > y ? x : y;
            if (op == SHL) return x << b;
            if (op == SHR_S || op == SHR_U) return x >> b;
            if (op == ABS) return x < 0 ? -x : x;
            if (op == NEG) return -x;
            assert(op == Q15_MULR_SAT_S);
            return _clamp(x * y + 0x4000 >> 15, true, bits);
        }
    }

    function _compare(uint256 op, int256 x, int256 y) private pure returns (bool) {
        if (op == EQ) return x == y;
        if (op == NE) return x != y;
        if (op == LT_S || op == LT_U) return x < y;
        if (op == GT_S || op == GT_U) return x > y;
        if (op == LE_S || op == LE_U) return x <= y;
        assert(op == GE_S || op == GE_U);
        return x >= y;
    }

    function _popcnt(uint256 a) private pure returns (int256 n) {
        unchecked {
            for (; a != 0; ++n) {
                a &= a - 1;
            }
        }
    }

    /// @dev The result's lane from bit `place` on of an operator between lanes of different widths, modulo `2^bits`.
    function _resized(uint256 op, uint256 a, uint256 b, uint256 place, uint256 bits) private pure returns (int256) {
        unchecked {
            // A lane of twice the width for each of the result: those of `a`, then those of `b`.
            if (op <= NARROW_U) return _clamp(_signed((a | b << 128) >> 2 * place, 2 * bits), op == NARROW_S, bits);
            uint256 half = bits / 2;
            if (op <= EXT_MUL_HIGH_U) {
                // Bit 1: unsigned. Bit 0: from the high half.
                bool unsigned = op & 2 != 0;
                uint256 from = (op & 1) * 64 + place / 2;
                int256 x = _widen(a, from, half, unsigned);
                return op <= EXTEND_HIGH_U ? x : x * _widen(b, from, half, unsigned);
            }
            if (op <= EXT_ADD_PAIRWISE_U) {
                bool unsigned = op & 1 != 0;
                return _widen(a, place, half, unsigned) + _widen(a, place + half, half, unsigned);
            }
            assert(op == DOT_S);
            int256 first = _widen(a, place, half, false) * _widen(b, place, half, false);
            return first + _widen(a, place + half, half, false) * _widen(b, place + half, half, false);
        }
    }

    /// @dev The lane of `bits` bits of `v` at bit `from`.
    function _widen(uint256 v, uint256 from, uint256 bits, bool unsigned) private pure returns (int256) {
        unchecked {
            return unsigned ? int256(v >> from & (1 << bits) - 1) : _signed(v >> from, bits);
        }
    }

    /// @dev The number that is nearest to `x` among the signed or unsigned ones of `bits` bits.
    function _clamp(int256 x, bool signed, uint256 bits) private pure returns (int256) {
        unchecked {
            int256 most = int256((1 << (signed ? bits - 1 : bits)) - 1);
            int256 least = signed ? ~most : int256(0);
            return x < least ? least : x > most ? most : x;
        }
    }

    /// @dev The low `bits` bits of `a` as a signed number.
    function _signed(uint256 a, uint256 bits) private pure returns (int256) {
        unchecked {
            return int256(a << 256 - bits) >> 256 - bits;
        }
    }

    function _splat(uint256 a, uint256 bits) private pure returns (uint256) {
        unchecked {
            uint256 mask = (1 << bits) - 1;
            return (a & mask) * (type(uint128).max / mask);
        }
    }

    function _allTrue(uint256 a, uint256 bits) private pure returns (bool) {
        unchecked {
            uint256 mask = (1 << bits) - 1;
            for (uint256 place = 0; place < 128; place += bits) {
                if (a >> place & mask == 0) return false;
            }
            return true;
        }
    }

    /// @dev The lanes' highest bits, lane 0's lowest.
    function _bitmask(uint256 a, uint256 bits) private pure returns (uint256 v) {
        unchecked {
            for (uint256 lane = 0; lane < 128 / bits; ++lane) {
                v |= (a >> lane * bits + bits - 1 & 1) << lane;
            }
        }
    }

    function _extract(Step memory s, uint256 a, uint256 bits) private pure returns (uint256) {
        unchecked {
            return a >> _place(s, bits) & (1 << bits) - 1;
        }
    }

    function _replace(Step memory s, uint256 a, uint256 value, uint256 bits) private pure returns (uint256) {
        unchecked {
            uint256 mask = (1 << bits) - 1;
            uint256 place = _place(s, bits);
            return a & ~(mask << place) | (value & mask) << place;
        }
    }

    /// @dev The lowest bit of the lane that the immediate names.
    function _place(Step memory s, uint256 bits) private pure returns (uint256) {
        return s.ins.imm % (128 / bits) * bits;
    }
}

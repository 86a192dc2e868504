// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import "../../src/generated/Opcodes.sol";
import {IOneStepProver} from "../../src/machine/IOneStepProver.sol";
import {StepFloat64} from "../../src/step/StepFloat64.sol";
import {StepVectorF32} from "../../src/step/StepVectorF32.sol";
import {StepVectorF64} from "../../src/step/StepVectorF64.sol";
import {StepFixture} from "../base/StepFixture.sol";

/// @notice Whole steps of families 5, 8 and 9: operands, lanes, traps, imm forms and gas.
contract StepFloatsTest is StepFixture {
    /// @dev Operands in leaves of their own, the dearest case: slots of `a`, `b` and `d`.
    uint256 private constant A = 4;
    uint256 private constant B = 20;
    uint256 private constant D = 36;
    uint256 private constant GAS_LIMIT = 120_000;
    uint64 private constant ONE = 0x3ff0000000000000;
    uint64 private constant TWO = 0x4000000000000000;

    IOneStepProver private float64;
    IOneStepProver private vectorF32;
    IOneStepProver private vectorF64;

    function setUp() public {
        float64 = new StepFloat64();
        vectorF32 = new StepVectorF32();
        vectorF64 = new StepVectorF64();
        // What an operator does not write stays.
        for (uint256 i = 0; i < 64; ++i) {
            _cell(Tree.Stack, i, uint64(0x0101010101010101 * i));
        }
    }

    /// @dev A step of `op` that opens its operands begins.
    function _operator(IOneStepProver family_, uint256 op, bool unary) private {
        family = family_;
        _begin(op, D, A, B, 0);
        _open(Tree.Stack, A);
        if (!unary) _open(Tree.Stack, B);
    }

    function _number(uint256 op, uint64 a, uint64 b, bool unary, uint64 result, string memory what) private {
        _cell(Tree.Stack, A, a);
        _cell(Tree.Stack, B, b);
        _operator(float64, op, unary);
        _open(Tree.Stack, D);
        _cell(Tree.Stack, D, result);
        _expectNext(what);
    }

    function _lanes(
        IOneStepProver family_,
        uint256 op,
        uint128 a,
        uint128 b,
        bool unary,
        uint128 result,
        string memory what
    ) private {
        _vector(A, a);
        _vector(B, b);
        _operator(family_, op, unary);
        _open(Tree.Stack, D);
        _vector(D, result);
        _expectNext(what);
    }

    /// @dev An instruction that traps before anything but itself is opened.
    function _expectTrapAtOnce(IOneStepProver family_, uint256 op, string memory what) private {
        family = family_;
        _begin(op, D, A, B, 0);
        _expectTrap(what);
    }

    function test_float64_operatorsAndConversions_succeed() external {
        _number(OP_F64_ADD, ONE, ONE, false, TWO, "1 + 1");
        _number(OP_F64_SUB, ONE, TWO, false, 0xbff0000000000000, "1 - 2");
        _number(OP_F64_LT, ONE, TWO, false, 1, "1 < 2");
        _number(OP_F64_GT, ONE, TWO, false, 0, "1 > 2");
        _number(OP_F64_LE, TWO, ONE, false, 0, "2 <= 1");
        _number(OP_F64_GE, TWO, ONE, false, 1, "2 >= 1");
        _number(OP_F64_SQRT, TWO, 0, true, 0x3ff6a09e667f3bcd, "sqrt 2");
        _number(OP_I32_TRUNC_F64_S, 0xc004000000000000, 0, true, 0xfffffffe, "i32 of -2.5");
        _number(OP_I64_TRUNC_F64_S, 0xc004000000000000, 0, true, 0xfffffffffffffffe, "i64 of -2.5");
        _number(OP_I32_TRUNC_SAT_F64_U, 0xc004000000000000, 0, true, 0, "u32 of -2.5, saturated");
        _number(OP_F64_CONVERT_I32_S, 0x12345678ffffffff, 0, true, 0xbff0000000000000, "f64 of the low half, -1");
        _number(OP_F64_CONVERT_I64_U, 3, 0, true, 0x4008000000000000, "f64 of 3");
        _number(OP_F32_DEMOTE_F64, TWO, 0, true, 0x40000000, "f32 of 2");
        _number(OP_F64_PROMOTE_F32, 0x123456783f800000, 0, true, ONE, "f64 of the low half, 1");
    }

    function test_float64_immForm_readsTheImmediate() external {
        family = float64;
        _cell(Tree.Stack, A, ONE);
        _begin(IMM_FORM | OP_F64_ADD, D, A, B, ONE);
        _open(Tree.Stack, A);
        _open(Tree.Stack, D);
        _cell(Tree.Stack, D, TWO);
        _expectNext("1 + imm 1");
    }

    function test_float64_truncOutOfRange_traps() external {
        _cell(Tree.Stack, A, 0x41e0000000000000);
        _operator(float64, OP_I32_TRUNC_F64_S, true);
        _expectTrap("2^31 is no i32");
        _cell(Tree.Stack, A, 0x7ff8000000000000);
        _operator(float64, OP_I64_TRUNC_F64_U, true);
        _expectTrap("NaN is no u64");
    }

    function test_immForm_whereTheTableHasNone_traps() external {
        _expectTrapAtOnce(float64, IMM_FORM | OP_F64_SQRT, "f64.sqrt");
        _expectTrapAtOnce(vectorF32, IMM_FORM | OP_F32X4_ADD, "f32x4.add");
        _expectTrapAtOnce(vectorF64, IMM_FORM | OP_F64X2_ADD, "f64x2.add");
    }

    function test_unknownOpcode_traps() external {
        _expectTrapAtOnce(float64, OP_F64_PROMOTE_F32 + 1, "family 5");
        _expectTrapAtOnce(vectorF32, OP_F32X4_CONVERT_I32X4_U + 1, "family 8");
        _expectTrapAtOnce(vectorF64, OP_F64X2_PROMOTE_LOW_F32X4 + 1, "family 9");
        _expectTrapAtOnce(vectorF64, OP_F32X4_ADD, "another family's");
    }

    function test_vectorAtOddSlot_trapsWhereItIsReached() external {
        family = vectorF64;
        _begin(OP_F64X2_ADD, D, A + 1, B, 0);
        _expectTrap("a");
        _begin(OP_F64X2_ADD, D, A, B + 1, 0);
        _open(Tree.Stack, A);
        _expectTrap("b");
        _begin(OP_F64X2_ADD, D + 1, A, B, 0);
        _open(Tree.Stack, A);
        _open(Tree.Stack, B);
        _expectTrap("d");
        // A unary operator has no b.
        _vector(A, 0);
        _begin(OP_F64X2_NEG, D, A, B + 1, 0);
        _open(Tree.Stack, A);
        _open(Tree.Stack, D);
        _vector(D, 0x8000000000000000_8000000000000000);
        _expectNext("no b");
    }

    function test_vectorF32_lanes_succeed() external {
        uint128 a = 0x3f800000_40000000_7fc00001_80000000;
        uint128 b = 0x40000000_3f800000_3f800000_00000000;
        _lanes(vectorF32, OP_F32X4_ADD, a, b, false, 0x40400000_40400000_7fc00000_00000000, "add");
        _lanes(vectorF32, OP_F32X4_EQ, a, b, false, 0x00000000_00000000_00000000_ffffffff, "eq");
        _lanes(vectorF32, OP_F32X4_NE, a, b, false, 0xffffffff_ffffffff_ffffffff_00000000, "ne");
        _lanes(vectorF32, OP_F32X4_GT, a, b, false, 0x00000000_ffffffff_00000000_00000000, "gt");
        _lanes(vectorF32, OP_F32X4_MIN, a, b, false, 0x3f800000_3f800000_7fc00000_80000000, "min");
        _lanes(vectorF32, OP_F32X4_P_MIN, a, b, false, 0x3f800000_3f800000_7fc00001_80000000, "pmin keeps a");
        _lanes(vectorF32, OP_F32X4_P_MAX, a, b, false, 0x40000000_40000000_7fc00001_80000000, "pmax keeps a");
        _lanes(vectorF32, OP_F32X4_P_MIN, b, a, false, 0x3f800000_3f800000_3f800000_00000000, "pmin keeps a, no NaN");
        _lanes(vectorF32, OP_F32X4_NEG, a, 0, true, 0xbf800000_c0000000_ffc00001_00000000, "neg");
        uint128 c = 0xcf000000_4f000000_7fc00001_bf800000;
        _lanes(vectorF32, OP_I32X4_TRUNC_SAT_F32X4_S, c, 0, true, 0x80000000_7fffffff_00000000_ffffffff, "to i32");
        _lanes(vectorF32, OP_I32X4_TRUNC_SAT_F32X4_U, c, 0, true, 0x00000000_80000000_00000000_00000000, "to u32");
        uint128 i = 0xffffffff_00000001_80000000_00000000;
        _lanes(vectorF32, OP_F32X4_CONVERT_I32X4_S, i, 0, true, 0xbf800000_3f800000_cf000000_00000000, "of i32");
        _lanes(vectorF32, OP_F32X4_CONVERT_I32X4_U, i, 0, true, 0x4f800000_3f800000_4f000000_00000000, "of u32");
    }

    function test_vectorF64_lanes_succeed() external {
        uint128 a = 0x3ff0000000000000_7ff8000000000001;
        uint128 b = 0x4000000000000000_3ff0000000000000;
        _lanes(vectorF64, OP_F64X2_SUB, b, a, false, 0x3ff0000000000000_7ff8000000000000, "sub");
        _lanes(vectorF64, OP_F64X2_LE, a, b, false, 0xffffffffffffffff_0000000000000000, "le");
        _lanes(vectorF64, OP_F64X2_GE, a, b, false, 0, "ge");
        _lanes(vectorF64, OP_F64X2_MAX, a, b, false, 0x4000000000000000_7ff8000000000000, "max");
        _lanes(vectorF64, OP_F64X2_P_MIN, a, b, false, a, "pmin keeps a");
        _lanes(vectorF64, OP_F64X2_P_MAX, a, b, false, 0x4000000000000000_7ff8000000000001, "pmax");
        _lanes(vectorF64, OP_F64X2_ABS, 0xbff0000000000000_fff8000000000001, 0, true, a, "abs");
    }

    function test_vectorF64_conversions_takeOrLeaveTheHighHalf() external {
        uint128 a = 0xc1e0000000200000_41efffffffe00000;
        _lanes(vectorF64, OP_I32X4_TRUNC_SAT_F64X2_S_ZERO, a, 0, true, 0x80000000_7fffffff, "to i32");
        _lanes(vectorF64, OP_I32X4_TRUNC_SAT_F64X2_U_ZERO, a, 0, true, 0x00000000_ffffffff, "to u32");
        uint128 i = 0xaaaaaaaa_bbbbbbbb_ffffffff_00000002;
        _lanes(vectorF64, OP_F64X2_CONVERT_LOW_I32X4_S, i, 0, true, 0xbff0000000000000_4000000000000000, "of i32");
        _lanes(vectorF64, OP_F64X2_CONVERT_LOW_I32X4_U, i, 0, true, 0x41efffffffe00000_4000000000000000, "of u32");
        uint128 f = 0x3ff0000000000000_fff0000000000001;
        _lanes(vectorF64, OP_F32X4_DEMOTE_F64X2_ZERO, f, 0, true, 0x3f800000_7fc00000, "demote");
        uint128 p = 0xaaaaaaaa_bbbbbbbb_3f800000_ff800001;
        _lanes(vectorF64, OP_F64X2_PROMOTE_LOW_F32X4, p, 0, true, 0x3ff0000000000000_7ff8000000000000, "promote");
    }

    function test_gas_ofF64Steps_isBelowTheLimit() external {
        _snapshotDearest("dearest f64", float64, FAMILY_F64, KNOWN_F64, UNARY_F64);
    }

    function test_gas_ofF32x4Steps_isBelowTheLimit() external {
        _snapshotDearest("dearest f32x4", vectorF32, FAMILY_F32X4, KNOWN_F32X4, UNARY_F32X4);
    }

    function test_gas_ofF64x2Steps_isBelowTheLimit() external {
        _snapshotDearest("dearest f64x2", vectorF64, FAMILY_F64X2, KNOWN_F64X2, UNARY_F64X2);
    }

    /// @dev Every operator on subnormals and on numbers of all bits, each operand in a leaf of its own.
    function _snapshotDearest(string memory name, IOneStepProver family_, uint256 number, uint256 known, uint256 unary)
        private
    {
        uint256 most = _dearest(family_, number, known, unary);
        vm.snapshotValue("step", name, most);
        // A step is 55 hashes at least: this measured something.
        assertTrue(most > 10_000 && most < GAS_LIMIT, name);
    }

    /// @dev From outside, so that the memory that building a witness takes is given back.
    function gasOf(IOneStepProver family_, uint256 op, bool unary) external returns (uint256) {
        _operator(family_, op, unary);
        _open(Tree.Stack, D);
        return this.gasOfStep();
    }

    function _dearest(IOneStepProver family_, uint256 number, uint256 known, uint256 unary)
        private
        returns (uint256 most)
    {
        // None that a conversion would trap on.
        uint64[4] memory words = [0x0000000000000001, 0x0000123400412345, 0x3ff123453f812345, 0x4123456789abcdef];
        for (uint256 i = 0; i < 16; ++i) {
            _vector(A, words[i / 4] * uint256(1 << 64 | 1));
            _vector(B, words[i % 4] * uint256(1 << 64 | 1));
            for (uint256 low = 0; low < 64; ++low) {
                if (known >> low & 1 == 0) continue;
                uint256 spent = this.gasOf(family_, number << 8 | low, unary >> low & 1 != 0);
                if (spent > most) most = spent;
            }
        }
        assertEq(known >> 64, 0, "all opcodes were asked");
    }
}

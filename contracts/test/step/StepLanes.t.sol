// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import "../../src/generated/Opcodes.sol";
import {StepLanes} from "../../src/step/StepLanes.sol";
import {StepFixture} from "../base/StepFixture.sol";

contract StepLanesTest is StepFixture {
    function setUp() public {
        family = new StepLanes();
    }

    /// @dev `op` of the vectors `a` and `b` is `result`.
    function _binary(uint256 op, uint256 a, uint256 b, uint256 result, string memory what) private {
        _vector(2, a);
        _vector(4, b);
        _begin(op, 6, 2, 4, 0);
        _open(Tree.Stack, 2);
        _vector(6, result);
        _expectNext(what);
    }

    /// @dev `op` of a vector, with the lane or the shift's count `imm`, is the cell `result`.
    function _test(uint256 op, uint256 a, uint256 imm, uint256 result, string memory what) private {
        _vector(2, a);
        _begin(op, 7, 2, 0, imm);
        _open(Tree.Stack, 2);
        _cell(Tree.Stack, 7, result);
        _expectNext(what);
    }

    function test_extractLane_pastTheLast_wraps_succeeds() public {
        uint256 v = 0x80_00 << 112 | 0x7f;
        _test(OP_I8X16_EXTRACT_LANE_S, v, 15, 0xffffff80, "lane 15, signed to 32 bits");
        _test(OP_I8X16_EXTRACT_LANE_U, v, 15, 0x80, "lane 15, unsigned");
        _test(OP_I8X16_EXTRACT_LANE_S, v, 16, 0x7f, "lane 16 is lane 0");
        _test(OP_I16X8_EXTRACT_LANE_S, v, 7, 0xffff8000, "lane 7");
        _test(OP_I32X4_EXTRACT_LANE, v, type(uint64).max, 0x80000000, "the greatest immediate is lane 3");
        _test(OP_I64X2_EXTRACT_LANE, v, 3, 0x8000000000000000, "lane 3 is lane 1");
    }

    function test_replaceLane_takesTheCellsLowBits_succeeds() public {
        _vector(2, type(uint128).max);
        _cell(Tree.Stack, 9, 0x1122334455667788);
        _begin(OP_I16X8_REPLACE_LANE, 6, 2, 9, 8 + 7);
        _open(Tree.Stack, 2);
        _vector(6, 0x7788 << 112 | type(uint112).max);
        _expectNext("lane 15 is lane 7");
    }

    function test_replaceLane_ofAnOddVector_trapsBeforeTheCell_succeeds() public {
        _begin(OP_I16X8_REPLACE_LANE, 6, 3, 20, 0);
        _expectTrap("odd");
    }

    function test_splat_takesTheCellsLowBits_succeeds() public {
        _cell(Tree.Stack, 3, 0x1122334455667788);
        _begin(OP_I8X16_SPLAT, 6, 3, 0, 0);
        _open(Tree.Stack, 3);
        _vector(6, 0x88888888888888888888888888888888);
        _expectNext("bytes");
        _begin(OP_I64X2_SPLAT, 6, 3, 0, 0);
        _open(Tree.Stack, 3);
        _vector(6, 0x11223344556677881122334455667788);
        _expectNext("halves");
    }

    function test_shift_takesTheCountModTheLane_succeeds() public {
        _vector(2, 0x8001 << 112 | 0x7fff);
        _cell(Tree.Stack, 5, 0xffff_ffff_0000_0011);
        _begin(OP_I16X8_SHR_S, 6, 2, 5, 0);
        _open(Tree.Stack, 2);
        _vector(6, 0xc000 << 112 | 0x3fff);
        _expectNext("17 is 1");
        _begin(OP_I16X8_SHR_U | IMM_FORM, 6, 2, 5, 33);
        _open(Tree.Stack, 2);
        _vector(6, 0x4000 << 112 | 0x3fff);
        _expectNext("33 is 1");
        _begin(OP_I16X8_SHL | IMM_FORM, 6, 2, 5, 15);
        _open(Tree.Stack, 2);
        _vector(6, 0x8000 << 112 | 0x8000);
        _expectNext("nothing spills into the next lane");
    }

    function test_arithmetic_wrapsInItsLane_succeeds() public {
        _binary(OP_I8X16_ADD, 0xff << 8, 0x01 << 8, 0, "add carries nowhere");
        _binary(OP_I8X16_SUB, 0, 0x01 << 8, 0xff << 8, "sub borrows nowhere");
        _binary(OP_I16X8_MUL, 0xffff << 16, 0xffff << 16, 1 << 16, "mul of -1 and -1");
        _binary(OP_I64X2_MUL, type(uint128).max, type(uint128).max, 1 << 64 | 1, "mul of 64 bits");
        _binary(OP_I8X16_ABS, 0x80, 0, 0x80, "abs of the least number");
        _binary(OP_I64X2_NEG, 1 << 127 | 1, 0, 1 << 127 | type(uint64).max, "neg");
    }

    function test_saturation_stopsAtTheLanesEnds_succeeds() public {
        _binary(OP_I8X16_ADD_SAT_S, 0x7f80, 0x01ff, 0x7f80, "add_sat_s");
        _binary(OP_I8X16_ADD_SAT_U, 0xff01, 0x01ff, 0xffff, "add_sat_u");
        _binary(OP_I16X8_SUB_SAT_S, 0x8000_7fff, 0x0001_ffff, 0x8000_7fff, "sub_sat_s");
        _binary(OP_I16X8_SUB_SAT_U, 0x0001_0002, 0x0002_0001, 0x0000_0001, "sub_sat_u");
        _binary(OP_I16X8_Q15_MULR_SAT_S, 0x8000_4000, 0x8000_0001, 0x7fff_0001, "q15mulr: the one overflow, a half up");
        _binary(OP_I8X16_AVGR_U, 0xff_fe_00, 0xff_ff_01, 0xff_ff_01, "avgr rounds up and keeps the carry");
    }

    function test_narrow_putsTheFirstVectorLow_succeeds() public {
        uint256 a = 0x7fff_0080_007f_ff80_ff7f_8000_00ff_0100;
        uint256 signed = 0x7f7f7f80_80807f7f;
        _binary(OP_I8X16_NARROW_I16X8_S, a, 0, signed, "signed");
        _binary(OP_I8X16_NARROW_I16X8_S, 0, a, signed << 64, "of the second");
        _binary(OP_I8X16_NARROW_I16X8_U, 0, a, 0xff807f000000ffff << 64, "the source is signed");
        _binary(OP_I16X8_NARROW_I32X4_U, 0xffffffff_00010000_0000ffff, 0, 0x0000_ffff_ffff, "32 bits");
    }

    function test_extend_takesTheHalfThatItsNameSays_succeeds() public {
        uint256 v = 0x81 << 120 | 0x82 << 64 | 0x83 << 56 | 0x84;
        _binary(OP_I16X8_EXTEND_LOW_I8X16_S, v, 0, 0xff83 << 112 | 0xff84, "low, signed");
        _binary(OP_I16X8_EXTEND_HIGH_I8X16_U, v, 0, 0x0081 << 112 | 0x0082, "high, unsigned");
        _binary(OP_I16X8_EXT_MUL_HIGH_I8X16_S, v, v, 0x3f01 << 112 | 0x3e04, "-127^2, -126^2");
        _binary(OP_I16X8_EXT_MUL_LOW_I8X16_U, v, v, 0x4309 << 112 | 0x4410, "131^2, 132^2");
        _binary(OP_I16X8_EXT_ADD_PAIRWISE_I8X16_S, 0x80_80_7f_7f, 0, 0xff00_00fe, "pairs, signed");
        _binary(OP_I32X4_EXT_ADD_PAIRWISE_I16X8_U, 0xffff_ffff, 0, 0x1fffe, "pairs, unsigned");
    }

    function test_dot_wrapsAtTheOneOverflow_succeeds() public {
        _binary(OP_I32X4_DOT_I16X8_S, 0x8000_8000, 0x8000_8000, 0x80000000, "2 * 2^30");
        _binary(OP_I32X4_DOT_I16X8_S, 0x0002_ffff << 96, 0x0003_0004 << 96, 0x2 << 96, "6 - 4");
    }

    function test_compare_isSignedOrUnsigned_succeeds() public {
        uint256 least = 0x80;
        _binary(OP_I8X16_LT_S, least, 0x01, 0xff, "-128 < 1");
        _binary(OP_I8X16_LT_U, least, 0x01, 0, "128 >= 1, 0 >= 0");
        _binary(OP_I64X2_GE_S, 1 << 127, 0, type(uint64).max, "the least number is less than 0");
        _binary(OP_I32X4_MIN_S, 0x80000000_00000001, 0x00000001_80000000, 0x80000000_80000000, "min_s");
        _binary(OP_I32X4_MAX_U, 0x80000000_00000001, 0x00000001_80000000, 0x80000000_80000000, "max_u");
    }

    function test_tests_lookAtEveryLane_succeeds() public {
        _test(OP_I8X16_BITMASK, 0x80 << 120 | 0x80, 0, 0x8001, "bitmask of bytes");
        _test(OP_I64X2_BITMASK, 1 << 127 | type(uint64).max >> 1, 0, 2, "bitmask of halves");
        _test(OP_I8X16_ALL_TRUE, type(uint128).max ^ 0xff << 56, 0, 0, "a byte is zero");
        _test(OP_I16X8_ALL_TRUE, type(uint128).max ^ 0xff << 56, 0, 1, "no pair of bytes is");
        _binary(OP_I8X16_POPCNT, 0xff_00_80_7f, 0, 0x08_00_01_07, "popcnt");
    }

    /// @dev Shapes have gaps in the numbering: i8x16 has no mul, i64x2 no unsigned order.
    function test_opcodeOfAnotherShape_traps_succeeds() public {
        _begin(OP_I16X8_MUL - 0x40, 6, 2, 4, 0);
        _expectTrap("i8x16.mul");
        _begin(OP_I32X4_LT_U + 0x40, 6, 2, 4, 0);
        _expectTrap("i64x2.lt_u");
        _begin(OP_I8X16_ADD | IMM_FORM, 6, 2, 4, 0);
        _expectTrap("imm form");
    }

    /// @dev Against arithmetic lane by lane, written another way.
    function testFuzz_add_equalsLaneByLane_succeeds(uint128 a, uint128 b) public {
        uint256 slow;
        for (uint256 i = 8; i > 0; --i) {
            uint256 x = uint16(a >> 16 * (i - 1));
            slow = slow << 16 | (x + uint16(b >> 16 * (i - 1))) % 65536;
        }
        _binary(OP_I16X8_ADD, a, b, slow, "add");
    }
}

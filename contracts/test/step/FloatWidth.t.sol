// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {FloatWidth} from "../../src/step/FloatWidth.sol";
import {TestBase} from "../base/TestBase.sol";

/// @notice Results worked out by hand, at the edges; tests/tests/floats.rs compares with hardware by the million.
contract FloatWidthTest is TestBase {
    function test_demote_ties_goToEven() external pure {
        assertEq(FloatWidth.demote(0x3ff0000010000000), 0x3f800000, "1 + half an ulp");
        assertEq(FloatWidth.demote(0x3ff0000010000001), 0x3f800001, "and a little more");
        assertEq(FloatWidth.demote(0x3ff0000030000000), 0x3f800002, "1 + one and a half");
        assertEq(FloatWidth.demote(0x3fffffffefffffff), 0x3fffffff, "under the tie below 2");
        assertEq(FloatWidth.demote(0x3ffffffff0000000), 0x40000000, "a carry into the exponent");
        assertEq(FloatWidth.demote(0xc7efffffefffffff), 0xff7fffff, "under the tie below 2^128");
        assertEq(FloatWidth.demote(0x47effffff0000000), 0x7f800000, "a carry into infinity");
    }

    function test_demote_subnormals_roundOnce() external pure {
        assertEq(FloatWidth.demote(0x36a0000000000000), 1, "2^-149");
        assertEq(FloatWidth.demote(0xb690000000000000), 0x80000000, "half of it: even is 0");
        assertEq(FloatWidth.demote(0x3690000000000001), 1, "a little over half");
        assertEq(FloatWidth.demote(0x368fffffffffffff), 0, "under half");
        assertEq(FloatWidth.demote(0x36a8000000000000), 2, "one and a half");
        assertEq(FloatWidth.demote(0x380fffffffffffff), 0x00800000, "a carry into the least normal");
        assertEq(FloatWidth.demote(0x380fffffdfffffff), 0x007fffff, "under the tie below it");
        assertEq(FloatWidth.demote(0x3810000010000000), 0x00800000, "a tie at the least normal");
        assertEq(FloatWidth.demote(0x0010000000000000), 0, "the least normal binary64");
        assertEq(FloatWidth.demote(0x800fffffffffffff), 0x80000000, "a subnormal binary64");
    }

    function test_demote_specials() external pure {
        assertEq(FloatWidth.demote(0xfff0000000000000), 0xff800000, "-inf");
        assertEq(FloatWidth.demote(0x7fefffffffffffff), 0x7f800000, "greatest");
        assertEq(FloatWidth.demote(0xfff0000000000001), 0x7fc00000, "NaN");
        assertEq(FloatWidth.demote(0x8000000000000000), 0x80000000, "-0");
    }

    function test_promote_edges() external pure {
        assertEq(FloatWidth.promote(1), 0x36a0000000000000, "the least subnormal");
        assertEq(FloatWidth.promote(0x807fffff), 0xb80fffffc0000000, "the greatest subnormal");
        assertEq(FloatWidth.promote(0x00800000), 0x3810000000000000, "the least normal");
        assertEq(FloatWidth.promote(0x7f7fffff), 0x47efffffe0000000, "the greatest");
        assertEq(FloatWidth.promote(0xff800000), 0xfff0000000000000, "-inf");
        assertEq(FloatWidth.promote(0xff800001), 0x7ff8000000000000, "NaN");
        assertEq(FloatWidth.promote(0x80000000), 0x8000000000000000, "-0");
    }

    function testFuzz_demote_ofPromote_isTheNumber(uint32 a) external pure {
        bool nan = a & 0x7fffffff > 0x7f800000;
        assertEq(FloatWidth.demote(FloatWidth.promote(a)), nan ? 0x7fc00000 : a, "there and back");
    }

    function testFuzz_demote_keepsTheOrder(uint64 a, uint64 b) external pure {
        a >>= 1;
        b >>= 1;
        vm.assume(a <= b && b <= 0x7ff0000000000000);
        assertTrue(FloatWidth.demote(a) <= FloatWidth.demote(b), "positive numbers are ordered as their bits");
    }
}

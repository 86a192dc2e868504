// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {floorLog2, floorSqrt, halfEven} from "../../src/step/FloatBits.sol";
import {TestBase} from "../base/TestBase.sol";

contract FloatBitsTest is TestBase {
    function testFuzz_halfEven_isTheNearestAndEvenInTheMiddle(uint128 x, uint8 drop) external pure {
        vm.assume(x != 0 && drop != 0);
        uint256 kept = halfEven(x, drop);
        // Twice the distance to what was kept, in units of the last bit of x.
        int256 off = int256(uint256(x)) - int256(drop < 128 ? kept << drop : 0);
        if (drop >= 130) {
            assertEq(kept, 0, "all of it is dropped");
            return;
        }
        int256 unit = int256(1) << drop;
        assertTrue(2 * off <= unit && 2 * off >= -unit, "no nearer integer");
        if (2 * off == unit || 2 * off == -unit) assertTrue(kept % 2 == 0, "the even one of two");
    }

    function test_halfEven_shiftsOfAWholeWord_giveZero() external pure {
        assertEq(halfEven(type(uint128).max, 255), 0, "255");
        assertEq(halfEven(type(uint128).max, 256), 0, "256");
        assertEq(halfEven(1, 257), 0, "257");
        assertEq(halfEven(type(uint128).max, 2150), 0, "2150");
    }

    function test_halfEven_ties() external pure {
        assertEq(halfEven(2, 2), 0, "0.5");
        assertEq(halfEven(3, 2), 1, "0.75");
        assertEq(halfEven(5, 2), 1, "1.25");
        assertEq(halfEven(6, 2), 2, "1.5");
        assertEq(halfEven(10, 2), 2, "2.5");
        assertEq(halfEven(11, 2), 3, "2.75");
        assertEq(halfEven(1, 1), 0, "a half");
        assertEq(halfEven(3, 1), 2, "one and a half");
    }

    function testFuzz_floorLog2(uint128 x) external pure {
        vm.assume(x != 0);
        uint256 r = floorLog2(x);
        assertTrue(uint256(x) >> r == 1, "the highest bit");
    }

    function test_floorLog2_ofPowersAndWhatIsBelow() external pure {
        for (uint256 bit = 0; bit < 128; ++bit) {
            assertEq(floorLog2(1 << bit), bit, "power");
            if (bit != 0) assertEq(floorLog2((1 << bit) - 1), bit - 1, "below");
        }
    }

    function testFuzz_floorSqrt(uint128 x) external pure {
        vm.assume(x > 3);
        _root(x);
    }

    function test_floorSqrt_ofSquaresAndTheirNeighbours() external pure {
        for (uint256 bit = 2; bit < 64; ++bit) {
            for (uint256 k = 0; k < 8; ++k) {
                uint256 root = k < 4 ? (1 << bit) + k : (2 << bit) + 3 - k;
                _root(root * root);
                _root(root * root - 1);
                _root(root * root + 1);
            }
        }
        _root(type(uint128).max);
    }

    function _root(uint256 x) private pure {
        uint256 root = floorSqrt(x, floorLog2(x) / 2);
        assertTrue(root * root <= x && x < (root + 1) * (root + 1), "the floor of the root");
    }
}

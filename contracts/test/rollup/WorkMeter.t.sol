// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {WorkLaw, WorkMeter, WorkShare, WorkSlot} from "../../src/rollup/WorkMeter.sol";
import {TestBase} from "../base/TestBase.sol";
import {WorkPrice} from "../base/WorkPrice.sol";

contract WorkMeterTest is TestBase {
    uint256 private constant NOW = 1_700_000_000;

    /// @dev Laws from tiny to larger than any model and window.
    function _law(uint96 perWindow, uint32 window, uint64 floor, uint8 doublings)
        private
        pure
        returns (WorkLaw memory law)
    {
        law.perWindow = 100 + perWindow % 1e24;
        law.window = 1 + window % 30 days;
        law.floor = 1 + floor % 1e15;
        law.doublings = 1 + doublings % 30;
    }

    /// @dev The slot after one claim, as the rollup makes it; unchanged where the claim does not fit.
    function _add(WorkSlot slot, uint256 time, WorkLaw memory law, uint256 work, bool direct)
        private
        pure
        returns (bool fits, uint256 burned, WorkSlot next)
    {
        WorkShare memory share = slot.share(time, law, direct);
        uint256 level = share.level;
        (fits, burned) = WorkMeter.pour(share, law, work);
        assertEq(share.level, fits ? level + work : level, "level");
        next = fits ? slot.filled(time, law, share.level, direct) : slot;
    }

    /// @dev A level and an amount that fit the batches' share together.
    function _span(WorkLaw memory law, uint256 a, uint256 b)
        private
        pure
        returns (uint256 cap, uint256 level, uint256 work)
    {
        cap = WorkMeter.batchCap(law.perWindow);
        level = a % (cap + 1);
        work = b % (cap - level + 1);
    }

    function testFuzz_cost_isTheAreaUnderThePrice_succeeds(uint96 w, uint64 f, uint8 k, uint96 a, uint96 b)
        public
        pure
    {
        WorkLaw memory law = _law(w, 30, f, k);
        (uint256 cap, uint256 level, uint256 work) = _span(law, a, b);
        uint256 expected = WorkPrice.burn(law.floor, law.doublings, cap, level, work);
        assertEq(WorkMeter.cost(law, cap, level, work), expected, "cost");
    }

    /// @dev The price is `floor` where a share is idle and `floor * 2^doublings` where it is full.
    function testFuzz_cost_betweenFloorAndCeiling_succeeds(uint96 w, uint64 f, uint8 k, uint96 a, uint96 b)
        public
        pure
    {
        WorkLaw memory law = _law(w, 30, f, k);
        (uint256 cap, uint256 level, uint256 work) = _span(law, a, b);
        uint256 cost = WorkMeter.cost(law, cap, level, work);
        assertTrue(cost << 20 >= work * law.floor, "floor");
        // Rounding up adds less than a wei.
        assertTrue(cost == 0 || (cost - 1) << 20 < (work * law.floor) << law.doublings, "ceiling");
    }

    /// @dev [S] No work is free, however small its pieces.
    function testFuzz_cost_inPieces_isNeverCheaper_succeeds(uint96 w, uint64 f, uint8 k, uint96 a, uint96 b, uint96 c)
        public
        pure
    {
        WorkLaw memory law = _law(w, 30, f, k);
        (uint256 cap, uint256 level, uint256 work) = _span(law, a, b);
        uint256 first = c % (work + 1);
        uint256 pieces = WorkMeter.cost(law, cap, level, first) + WorkMeter.cost(law, cap, level + first, work - first);
        uint256 whole = WorkMeter.cost(law, cap, level, work);
        assertTrue(pieces >= whole && pieces <= whole + 1, "rounding alone");
        assertTrue(work == 0 || whole > 0, "free work");
    }

    function testFuzz_cost_risesWithTheLevel_succeeds(uint96 w, uint64 f, uint8 k, uint96 a, uint96 b, uint96 c)
        public
        pure
    {
        WorkLaw memory law = _law(w, 30, f, k);
        (uint256 cap, uint256 level, uint256 work) = _span(law, a, b);
        uint256 lower = c % (level + 1);
        assertTrue(WorkMeter.cost(law, cap, lower, work) <= WorkMeter.cost(law, cap, level, work), "monotone");
    }

    /// @dev Claim after claim into one share, each burns what its own span costs.
    function testFuzz_pour_oneAfterAnother_asCost_succeeds(uint96 w, uint64 f, uint8 k, uint96 a, uint96 b, uint96 c)
        public
        pure
    {
        WorkLaw memory law = _law(w, 30, f, k);
        (uint256 cap, uint256 level, uint256 work) = _span(law, a, b);
        uint256 first = c % (work + 1);
        WorkSlot slot = WorkSlot.wrap(NOW | level << 64);
        WorkShare memory share = slot.share(NOW, law, false);
        (bool fits, uint256 burned) = WorkMeter.pour(share, law, first);
        assertTrue(fits && burned == WorkMeter.cost(law, cap, level, first), "first");
        (fits,) = WorkMeter.pour(share, law, cap - level - first + 1);
        assertTrue(!fits && share.level == level + first, "beyond the cap");
        (fits, burned) = WorkMeter.pour(share, law, work - first);
        assertTrue(fits && burned == WorkMeter.cost(law, cap, level + first, work - first), "second");
        assertEq(WorkSlot.unwrap(slot.filled(NOW, law, share.level, false)), NOW | (level + work) << 64, "slot");
    }

    /// @dev By hand: 4 doublings over 4 * 2^20 units at 8 wei: 1.5 * 8 * (1 + 2 + 4 + 8) wei; a unit at the top 8 * 16 wei.
    function test_cost_wholeShare_succeeds() public pure {
        WorkLaw memory law = WorkLaw(0, 30, 8, 4);
        uint256 cap = 4 << 20;
        assertEq(WorkMeter.cost(law, cap, 0, cap), 180, "all of it");
        assertEq(WorkMeter.cost(law, cap, 3 << 20, 1 << 20), 96, "the last quarter");
        assertEq(WorkMeter.cost(law, cap, 0, 1), 1, "one unit");
        assertEq(WorkMeter.cost(law, cap, 1 << 20, 0), 0, "none");
    }

    /// @dev A share that is full drains to nothing in one window, evenly; the other one on its own.
    function test_levels_drainEvenly_succeeds() public pure {
        WorkLaw memory law = WorkLaw(1000, 50, 1, 1);
        WorkSlot slot;
        (bool fits,, WorkSlot next) = _add(slot, NOW, law, 400, false);
        assertTrue(fits, "batch share");
        (fits,, next) = _add(next, NOW, law, 100, true);
        assertTrue(fits, "direct share");
        (uint256 batched, uint256 directly) = next.levels(NOW + 10, law);
        assertEq(batched, 320, "a fifth of the time, a fifth of the share");
        assertEq(directly, 80, "direct");
        (batched, directly) = next.levels(NOW + 49, law);
        assertEq(batched, 8, "nearly");
        (batched, directly) = next.levels(NOW + 50, law);
        assertEq(batched + directly, 0, "empty");
        (batched, directly) = next.levels(NOW + 1e9, law);
        assertEq(batched + directly, 0, "stays empty");
    }

    function test_add_beyondTheCap_changesNothing_succeeds() public pure {
        WorkLaw memory law = WorkLaw(1000, 50, 1, 1);
        WorkSlot slot;
        (,, WorkSlot next) = _add(slot, NOW, law, 400, false);
        (bool fits, uint256 burned, WorkSlot same) = _add(next, NOW, law, 1, false);
        assertTrue(!fits && burned == 0, "refused");
        assertEq(WorkSlot.unwrap(same), WorkSlot.unwrap(next), "slot");
        (fits,,) = _add(next, NOW + 1, law, 8, false);
        assertTrue(fits, "what has drained");
        (fits,,) = _add(next, NOW + 1, law, 9, false);
        assertTrue(!fits, "and no more");
    }

    /// @dev [S] No stretch of one window takes more than the window's work, whatever is claimed when.
    function testFuzz_add_anyStretchOfAWindow_staysBelow_succeeds(uint256 seed) public pure {
        WorkLaw memory law = WorkLaw(1000, 20, 1, 1);
        uint256[] memory took = new uint256[](120);
        WorkSlot slot;
        for (uint256 i = 0; i < 300; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 second = i * took.length / 300;
            uint256 work = seed % 3 == 0 ? seed >> 8 & 0xff : seed >> 8 & 0xf;
            (bool fits,, WorkSlot next) = _add(slot, NOW + second, law, work, seed & 4 == 0);
            if (fits) (slot, took[second]) = (next, took[second] + work);
        }
        uint256 most = 0;
        for (uint256 from = 0; from + law.window < took.length; ++from) {
            uint256 sum = 0;
            for (uint256 i = from; i <= from + law.window; ++i) {
                sum += took[i];
            }
            if (sum > most) most = sum;
        }
        assertTrue(most <= law.perWindow, "more than the window's work");
        assertTrue(most > law.perWindow / 2, "too little was tried to show anything");
    }
}

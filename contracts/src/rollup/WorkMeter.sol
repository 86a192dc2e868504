// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice How full the window is.
///
/// | bits | field |
/// |---|---|
/// | 0-63 | time of the two levels, unix seconds |
/// | 64-159 | level of the batches' share |
/// | 160-255 | level of the direct claims' share |
type WorkSlot is uint256;

using {WorkMeter.levels, WorkMeter.share, WorkMeter.filled} for WorkSlot global;

/// @notice What a deployment fixes about work.
/// @param perWindow most work in any stretch of one window
/// @param window seconds
/// @param floor price in an idle window, in wei for 2^20 units of work
/// @param doublings how often the price doubles from an empty share to a full one
struct WorkLaw {
    uint256 perWindow;
    uint256 window;
    uint256 floor;
    uint256 doublings;
}

/// @notice One share of the window while claims fill it.
/// @param cap level at which it is full
/// @param level level now
/// @param area area below the price up to `level`, so that a claim costs one area
struct WorkShare {
    uint256 cap;
    uint256 level;
    uint256 area;
}

/// @title How much work may be claimed in a window, and what it burns
/// @notice Each share is a bucket that holds half of its part of a window and drains as much in a window, so no stretch of
///         one window takes more than the whole part. Batches have four fifths, direct claims a fifth. The price follows
///         the level; a claim pays the area under the price over the levels that it fills.
library WorkMeter {
    uint256 private constant MASK = type(uint96).max;
    uint256 private constant UNIT_LOG2 = 20;

    /// @notice Level at which batches may claim no more.
    function batchCap(uint256 perWindow) internal pure returns (uint256) {
        return perWindow / 2 - directCap(perWindow);
    }

    /// @notice Level at which nothing more may be claimed directly.
    function directCap(uint256 perWindow) internal pure returns (uint256) {
        return perWindow / 10;
    }

    /// @notice The share of the direct claims or of the batches at `time`, to be poured into.
    function share(WorkSlot slot, uint256 time, WorkLaw memory law, bool direct)
        internal
        pure
        returns (WorkShare memory s)
    {
        (uint256 batched, uint256 directly) = levels(slot, time, law);
        s.cap = direct ? directCap(law.perWindow) : batchCap(law.perWindow);
        s.level = direct ? directly : batched;
        s.area = _area(law, s.cap, s.level);
    }

    /// @notice Adds `work` to a share, if it still fits, and says what it burns.
    function pour(WorkShare memory s, WorkLaw memory law, uint256 work)
        internal
        pure
        returns (bool fits, uint256 burned)
    {
        uint256 level = s.level + work;
        if (level > s.cap) return (false, 0);
        uint256 area = _area(law, s.cap, level);
        burned = _priceOf(law, s.cap, area - s.area);
        (s.level, s.area) = (level, area);
        return (true, burned);
    }

    /// @notice The slot at `time` with one share at `level`.
    // INVARIANT: perWindow < 2^96, so whatever fits its cap fits its field.
    function filled(WorkSlot slot, uint256 time, WorkLaw memory law, uint256 level, bool direct)
        internal
        pure
        returns (WorkSlot)
    {
        (uint256 batched, uint256 directly) = levels(slot, time, law);
        if (direct) directly = level;
        else batched = level;
        return WorkSlot.wrap(uint256(uint64(time)) | batched << 64 | directly << 160);
    }

    /// @notice Both levels at `time`, which is not before the slot's.
    // INVARIANT: rounded so that a share never drains more than its cap in a window.
    function levels(WorkSlot slot, uint256 time, WorkLaw memory law)
        internal
        pure
        returns (uint256 batched, uint256 directly)
    {
        uint256 word = WorkSlot.unwrap(slot);
        uint256 elapsed = time - uint64(word);
        batched = _less(word >> 64 & MASK, elapsed * batchCap(law.perWindow) / law.window);
        directly = _less(word >> 160, elapsed * directCap(law.perWindow) / law.window);
    }

    /// @notice Wei burned for `work` that lifts a share of `cap` from `level`; `level + work <= cap`. Rounded up.
    // INVARIANT: cutting work into pieces never makes it cheaper, and no work is free.
    function cost(WorkLaw memory law, uint256 cap, uint256 level, uint256 work) internal pure returns (uint256) {
        return _priceOf(law, cap, _area(law, cap, level + work) - _area(law, cap, level));
    }

    function _priceOf(WorkLaw memory law, uint256 cap, uint256 area) private pure returns (uint256) {
        uint256 unit = 2 * law.doublings * cap << UNIT_LOG2;
        return (law.floor * area + unit - 1) / unit;
    }

    /// @dev The price doubles `doublings` times from level 0 to `cap` and is a straight line between two doublings. This is
    ///      the area below it up to `level`, in units of `floor / (2 * doublings * cap)`.
    function _area(WorkLaw memory law, uint256 cap, uint256 level) private pure returns (uint256) {
        uint256 scaled = level * law.doublings;
        uint256 doubled = 1 << (scaled / cap);
        uint256 rest = scaled % cap;
        return 3 * (doubled - 1) * cap * cap + doubled * rest * (2 * cap + rest);
    }

    function _less(uint256 level, uint256 drained) private pure returns (uint256) {
        return level > drained ? level - drained : 0;
    }
}

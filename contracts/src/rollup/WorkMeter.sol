// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice Work claimed in the present epoch.
///
/// | bits | field |
/// |---|---|
/// | 0-63 | epoch: block time / window |
/// | 64-159 | work claimed by batches |
/// | 160-255 | work claimed directly |
type WorkSlot is uint256;

using {WorkMeter.add, WorkMeter.left} for WorkSlot global;

/// @title How much work may be claimed in a window
/// @notice An epoch is one window long and takes half of the window's work, since any stretch of one window touches at
///         most two epochs. A fifth of each epoch is kept for direct claims.
library WorkMeter {
    uint256 private constant MASK = type(uint96).max;

    /// @notice Most that batches may claim in an epoch.
    function batchCap(uint256 perWindow) internal pure returns (uint256) {
        return perWindow / 2 - directCap(perWindow);
    }

    /// @notice Most that may be claimed directly in an epoch.
    function directCap(uint256 perWindow) internal pure returns (uint256) {
        return perWindow / 10;
    }

    /// @notice The slot with `work` added, if it still fits.
    function add(WorkSlot slot, uint64 epoch, uint256 perWindow, uint256 work, bool direct)
        internal
        pure
        returns (bool fits, WorkSlot next)
    {
        (uint256 batched, uint256 directly) = used(slot, epoch);
        if (direct) directly += work;
        else batched += work;
        fits = direct ? directly <= directCap(perWindow) : batched <= batchCap(perWindow);
        // INVARIANT: perWindow < 2^96, so whatever fits its cap fits its field.
        if (fits) next = WorkSlot.wrap(uint256(epoch) | batched << 64 | directly << 160);
    }

    /// @notice What is left of both caps.
    function left(WorkSlot slot, uint64 epoch, uint256 perWindow)
        internal
        pure
        returns (uint256 batch, uint256 direct)
    {
        (uint256 batched, uint256 directly) = used(slot, epoch);
        return (batchCap(perWindow) - batched, directCap(perWindow) - directly);
    }

    /// @notice Work used in `epoch`: an older epoch's is forgotten.
    function used(WorkSlot slot, uint64 epoch) internal pure returns (uint256 batched, uint256 directly) {
        uint256 word = WorkSlot.unwrap(slot);
        if (uint64(word) != epoch) return (0, 0);
        return (word >> 64 & MASK, word >> 160);
    }
}

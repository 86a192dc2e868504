// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Callback, RequestState, RequestStatus} from "../interfaces/Types.sol";

/// @notice A `RequestStatus` in one word; its layout table stands at the struct.
type StatusSlot is uint256;

using {unpack, isOpen, claimedBy} for StatusSlot global;

/// @notice The fields of a slot.
function unpack(StatusSlot slot) pure returns (RequestStatus memory s) {
    uint256 w = StatusSlot.unwrap(slot);
    s.state = RequestState(uint8(w));
    s.deadline = uint40(w >> 8);
    s.segmentId = uint64(w >> 48);
    s.index = uint16(w >> 112);
    s.claims = uint16(w >> 128);
    s.result = Callback(uint8(w >> 144));
    s.finality = Callback(uint8(w >> 152));
    s.overturn = Callback(uint8(w >> 160));
    s.feeHalvesPaid = uint8(w >> 168);
    s.burn = uint80(w >> 176);
}

/// @notice Inverse of `unpack`.
function pack(RequestStatus memory s) pure returns (StatusSlot) {
    uint256 low = uint256(s.state) | uint256(s.deadline) << 8 | uint256(s.segmentId) << 48;
    uint256 mid = uint256(s.index) << 112 | uint256(s.claims) << 128;
    uint256 high = uint256(s.result) << 144 | uint256(s.finality) << 152 | uint256(s.overturn) << 160;
    return StatusSlot.wrap(low | mid | high | uint256(s.feeHalvesPaid) << 168 | uint256(s.burn) << 176);
}

/// @notice Whether the request is Open.
function isOpen(StatusSlot slot) pure returns (bool) {
    return uint8(StatusSlot.unwrap(slot)) == uint8(RequestState.Open);
}

/// @notice The slot, Claimed: as `unpack`, new fields and `pack` make it, which cost a batch a thousand gas a result.
function claimedBy(StatusSlot slot, uint64 segmentId, uint16 index, uint80 burn) pure returns (StatusSlot) {
    uint256 w = StatusSlot.unwrap(slot);
    uint16 claims = uint16(w >> 128);
    unchecked {
        ++claims;
    }
    // The deadline, and the callbacks with the fees paid for them.
    uint256 kept = w & (uint256(type(uint40).max) << 8 | uint256(type(uint32).max) << 144);
    uint256 claim = uint256(segmentId) << 48 | uint256(index) << 112 | uint256(claims) << 128 | uint256(burn) << 176;
    return StatusSlot.wrap(kept | claim | uint256(RequestState.Claimed));
}

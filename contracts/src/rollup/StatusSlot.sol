// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Callback, RequestState, RequestStatus} from "../interfaces/Types.sol";

/// @notice A `RequestStatus` in one word; its layout table stands at the struct.
type StatusSlot is uint256;

using {unpack} for StatusSlot global;

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

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {GameState, GameStatus} from "../interfaces/Types.sol";

/// @notice A `GameState` in one word; its layout table stands at the struct.
type GameSlot is uint256;

using {unpack} for GameSlot global;

/// @dev Gas tallies saturate: 2^44 gwei is 17,592 ether.
uint256 constant MAX_GAS_GWEI = (1 << 44) - 1;

/// @notice The fields of a slot.
function unpack(GameSlot slot) pure returns (GameState memory g) {
    uint256 w = GameSlot.unwrap(slot);
    g.status = GameStatus(uint8(w));
    g.start = w >> 8 & type(uint56).max;
    g.strideLog2 = w >> 64 & type(uint8).max;
    g.piecesLog2 = w >> 72 & type(uint8).max;
    g.challengerUsed = w >> 80 & type(uint24).max;
    g.executorUsed = w >> 104 & type(uint24).max;
    g.lastAt = w >> 128 & type(uint40).max;
    g.challengerGas = w >> 168 & MAX_GAS_GWEI;
    g.executorGas = w >> 212;
}

/// @notice Inverse of `unpack`.
// INVARIANT: every field fits. start < 2^traceLog2 <= 2^56; used < allowance < 2^24; gas is capped where it is added.
function pack(GameState memory g) pure returns (GameSlot) {
    uint256 board = uint256(g.status) | g.start << 8 | g.strideLog2 << 64 | g.piecesLog2 << 72;
    uint256 clocks = g.challengerUsed << 80 | g.executorUsed << 104 | g.lastAt << 128;
    return GameSlot.wrap(board | clocks | g.challengerGas << 168 | g.executorGas << 212);
}

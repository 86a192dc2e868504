// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISeeds} from "../interfaces/ISeeds.sol";
import {BlockHeader} from "./BlockHeader.sol";
import {RequestLaws} from "./RequestLaws.sol";

/// @title Where the seeds of requests come from
abstract contract Seeds is ISeeds {
    /// @dev Keeps the hashes of the last 8,191 blocks (EIP-2935), where the chain has it.
    address private constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;
    uint256 private constant HISTORY_BLOCKS = 8191;
    uint64 private constant MOST_DELAY = 1_000_000;

    /// @inheritdoc ISeeds
    uint64 public immutable seedDelay;
    /// @inheritdoc ISeeds
    // INVARIANT: written once for each block, and never zero: what a claim was checked against stands for ever.
    mapping(uint256 number => bytes32 prevrandao) public recordedSeed;

    constructor(uint64 seedDelay_) {
        // INVARIANT: a block's number and a delay have 64 bits together, by which the rollup tells them from a drawn entropy.
        if (seedDelay_ > MOST_DELAY) revert DelayTooLong(MOST_DELAY);
        seedDelay = seedDelay_;
    }

    /// @inheritdoc ISeeds
    function recordSeed(uint64 number, bytes calldata header) external {
        if (recordedSeed[number] != 0) return;
        bytes32 expected = _blockHash(number);
        if (expected == 0) revert NoBlockHash(number);
        bytes32 given = keccak256(header);
        if (given != expected) revert WrongHeader(number, expected, given);
        (uint64 named, bytes32 prevrandao) = BlockHeader.read(header);
        if (named != number) revert WrongNumber(number, named);
        // Storing anything in its place would be a seed known beforehand.
        if (prevrandao == 0) revert NoRandomness(number);
        recordedSeed[number] = prevrandao;
        emit SeedRecorded(number, prevrandao);
    }

    /// @inheritdoc ISeeds
    function seedLost(uint256 number) public view returns (bool) {
        return number < block.number && recordedSeed[number] == 0 && _blockHash(number) == 0;
    }

    /// @dev What a request made now says of its seed.
    function _drawFrom() internal view returns (uint8 origin, bytes32 entropy) {
        if (seedDelay == 0) return (RequestLaws.ORIGIN_CHAIN, bytes32(block.prevrandao));
        return (RequestLaws.ORIGIN_LATER, bytes32(block.number + seedDelay));
    }

    /// @dev The hash of a block that is over, while the chain knows it; else 0.
    // INVARIANT: once 0 for a block that is over, always 0. Want of gas can't feign it: a call that the 63/64 given to it do
    //            not carry leaves too little for anything behind it.
    function _blockHash(uint256 number) private view returns (bytes32 hash) {
        hash = blockhash(number);
        bool older = hash == 0 && number < block.number && block.number - number <= HISTORY_BLOCKS;
        if (!older || HISTORY.code.length == 0) return hash;
        (bool ok, bytes memory answer) = HISTORY.staticcall(abi.encode(number));
        if (ok && answer.length == 32) hash = bytes32(answer);
    }
}

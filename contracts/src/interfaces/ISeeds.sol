// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Where the seeds of requests come from
/// @notice A request asked on chain fixes the number of the one later block whose `prevrandao` its seed is drawn from:
///         `block.number + seedDelay`. Nobody knows it when the request is paid. Once the block is there, anyone records its
///         `prevrandao` by its header; no result is a claim before. A block that nobody recorded while its hash could still be
///         looked up is lost, and its requests are refunded.
/// @dev A block is one of the chain that this contract is on: `block.number`, `blockhash` and the header's number have to
///      count the same blocks. Where `block.number` is another chain's (Arbitrum chains: L1's) they don't, no header fits,
///      and all requests are refunded. `prevrandao` is constant there, so `seedDelay` has to be 0 and a seed is known
///      beforehand. Whoever answers waits until the record is too deep to be undone: a reorganization may give the same
///      request another seed, and so make a lie of an answer that was signed before.
interface ISeeds {
    /// @notice The `prevrandao` of block `number` is known from now on and never changes.
    event SeedRecorded(uint64 indexed number, bytes32 prevrandao);

    /// @notice The chain has no hash of this block: it is to come, or neither `blockhash` nor the history contract
    ///         (EIP-2935) reaches back to it.
    error NoBlockHash(uint64 number);
    /// @notice A deployment's delay is at most `most` blocks.
    error DelayTooLong(uint64 most);
    /// @notice The header is not that of the block, whose hash is `expected`.
    error WrongHeader(uint64 number, bytes32 expected, bytes32 given);
    /// @notice The block with this hash says of itself that it is block `named`: the chain counts two kinds of blocks.
    error WrongNumber(uint64 number, uint64 named);
    /// @notice The block's `prevrandao` is zero, so the chain has none. Its requests are refunded once the block is lost.
    error NoRandomness(uint64 number);

    /// @notice Records the `prevrandao` of block `number`. Anyone; does nothing where it is recorded.
    /// @param header RLP of the block's header, as it was hashed
    function recordSeed(uint64 number, bytes calldata header) external;

    /// @notice Blocks from a request to the one that its seed is drawn from; 0 takes the request's own block.
    function seedDelay() external view returns (uint64);

    /// @notice The `prevrandao` of block `number`; 0 while it is not recorded.
    function recordedSeed(uint256 number) external view returns (bytes32 prevrandao);

    /// @notice Whether block `number` is over, not recorded, and can't be any more.
    function seedLost(uint256 number) external view returns (bool);
}

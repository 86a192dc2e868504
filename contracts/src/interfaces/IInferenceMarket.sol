// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {AskTerms, Checkpoint, SignedAsk} from "./MarketTypes.sol";

/// @title What executors ask
/// @notice Permissionless: anyone posts, for itself. An ask binds nobody to answer; it says what an answer is paid.
interface IInferenceMarket {
    /// @notice An ask holds from `from` on, or is withdrawn there (`validUntil` 0). What was to begin later is dropped.
    event AskPosted(address indexed executor, bytes32 indexed modelId, Checkpoint ask);
    /// @notice Signed asks whose nonces are `word * 256 + i`, for each bit `i` of `bits`, are void from now on.
    event AsksCancelled(address indexed executor, uint256 word, uint256 bits);

    /// @notice No such model is registered.
    error UnknownModel(bytes32 modelId);
    /// @notice The ask would end before it begins at `from`.
    error EndsTooSoon(uint256 from, uint256 validUntil);
    /// @notice There is no ask to withdraw.
    error NoAsk(address executor, bytes32 modelId);
    /// @notice The signed ask is not its executor's.
    error BadAskSignature(address executor);
    /// @notice The signed ask is over or cancelled.
    error AskEnded(address executor, uint64 nonce);
    /// @notice A notice of nothing would let an executor raise its price under a claim's eyes.
    error NoNotice();

    /// @notice Posts the caller's ask. A fall from the ask in force (same token, no price higher) holds at once; anything
    ///         else, a first ask included, after the notice. It replaces what was to begin later.
    /// @return from when it begins to hold, unix seconds
    function post(bytes32 modelId, AskTerms calldata terms) external returns (uint40 from);

    /// @notice Ends the caller's ask from the next second on, and drops what was to begin later.
    function withdraw(bytes32 modelId) external;

    /// @notice Voids the caller's signed asks with these nonces. Orders that carry one already keep it.
    function cancel(uint256 word, uint256 bits) external;

    /// @notice The ask of `executor` at `time`; all zero if none was in force. For a time that is over it never changes.
    function askAt(address executor, bytes32 modelId, uint256 time) external view returns (Checkpoint memory ask);

    /// @notice Reverts unless `ask` is signed by its executor, not over and not cancelled.
    function verify(SignedAsk calldata ask) external view;

    /// @notice EIP-712 digest that the executor of a signed ask signs.
    function askDigest(SignedAsk calldata ask) external view returns (bytes32);

    /// @notice Whether `executor` cancelled `nonce`.
    function cancelled(address executor, uint64 nonce) external view returns (bool);

    /// @notice Executors that ever asked for this model.
    function executorCount(bytes32 modelId) external view returns (uint256);

    /// @notice Those numbered `start` to `start + count - 1`, in the order of their first ask; fewer at the end.
    function executors(bytes32 modelId, uint256 start, uint256 count) external view returns (address[] memory);

    /// @notice Checkpoints of an executor's ask; one at most begins later than now, and it is the last.
    function checkpointCount(address executor, bytes32 modelId) external view returns (uint256);

    /// @notice One of them.
    function checkpoint(address executor, bytes32 modelId, uint256 index) external view returns (Checkpoint memory);

    /// @notice Seconds before a raise, or a first ask, holds.
    function notice() external view returns (uint32);

    /// @notice EIP-712 domain separator.
    function domainSeparator() external view returns (bytes32);
}

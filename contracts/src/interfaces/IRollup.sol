// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ClaimRef, Request, Segment, SignedRequest} from "./Types.sol";
import {IInbox} from "./IInbox.sol";

/// @title Batches of answers, their finality and their delivery
interface IRollup {
    /// @notice Why a segment was left out.
    enum SegmentError {
        None,
        Empty,
        TooManyResults,
        Expired,
        NumberUsed,
        BadSignature,
        NoSuchBlob
    }

    /// @notice Why a result was left out.
    enum ResultError {
        None,
        NotOpen,
        NoStake,
        Oversized,
        WindowFull,
        FeeTooLow,
        NoSeed,
        BadReference,
        HasConsumer
    }

    /// @notice A segment stands. Its leaves are those of its `ResultClaimed` and `ResultSkipped` events, by index.
    event SegmentPosted(
        uint64 indexed segmentId,
        address indexed executor,
        uint64 number,
        bytes32 root,
        uint16 count,
        uint16 claimed,
        uint256 locked
    );
    /// @notice A segment was left out.
    event SegmentSkipped(address indexed executor, uint64 number, SegmentError reason);
    /// @notice A result is now a claim.
    event ResultClaimed(
        bytes32 indexed requestId, uint64 indexed segmentId, uint16 index, address indexed executor, bytes output
    );
    /// @notice A result was left out.
    event ResultSkipped(
        bytes32 indexed requestId, uint64 indexed segmentId, uint16 index, bytes32 outputHash, ResultError reason
    );
    /// @notice A claim is final and paid.
    event ClaimFinalized(
        bytes32 indexed requestId, uint64 indexed segmentId, uint16 index, address executor, bytes32 outputHash
    );
    /// @notice A claim lost a game.
    event ClaimRejected(bytes32 indexed requestId, uint64 indexed segmentId, uint16 index, address executor);
    /// @notice A callback was made; `success` is false where the consumer reverted (it can be retried).
    event Delivered(bytes32 indexed requestId, IInbox.Mode mode, address consumer, bool success);

    /// @notice It is not the caller's turn to post but that of `whose`.
    error NotSequencer(address caller, address whose);
    /// @notice The caller is not the game contract.
    error NotGame(address caller);
    /// @notice The leaf is not in the segment, or the request's standing claim is another one.
    error NotTheClaim(bytes32 requestId);
    /// @notice A direct claim is possible from `from` on.
    error NotYetDirect(uint256 from);
    /// @notice A direct claim can't stand.
    error ClaimRefused(ResultError reason);
    /// @notice The challenge window is open until `until`.
    error WindowOpen(uint256 until);
    /// @notice The claim has open games, or lost one.
    error Disputed(uint32 openGames, bool lost);
    /// @notice Bytes do not match the hash that the request or claim names.
    error HashMismatch();
    /// @notice The request has no consumer.
    error NoConsumer();
    /// @notice Too little gas to give the consumer what the request paid for.
    error NotEnoughGas(uint256 have, uint256 need);
    /// @notice Deployment parameters that contradict each other.
    error BadParameters();

    /// @notice Admits signed requests, then turns results into claims. Bad entries are skipped with an event. Only the
    ///         sequencer whose turn it is.
    function postBatch(Segment[] calldata segments, SignedRequest[] calldata signed) external;

    /// @notice Claims a request that the sequencers left past its deadline. Any executor with free stake.
    function claimDirect(Request calldata req, bytes calldata output) external returns (uint64 segmentId);

    /// @notice Makes a claim final: unlocks the bond, burns what its work costs, credits the rest of the fee. Anyone, after the window, with no game open or lost.
    function finalize(Request calldata req, ClaimRef calldata claim) external;

    /// @notice Hands the output to the consumer: after finality, or at once for Optimistic delivery.
    function deliverResult(
        Request calldata req,
        ClaimRef calldata claim,
        bytes calldata output,
        bytes calldata userData
    ) external returns (bool success);

    /// @notice Tells an Optimistic consumer that the delivered result is final.
    function deliverFinality(Request calldata req) external returns (bool success);

    /// @notice Tells an Optimistic consumer that the delivered result was a lie.
    function deliverOverturn(Request calldata req) external returns (bool success);

    /// @notice Takes a lost claim back: its request is Open again. Game only.
    function reject(bytes32 requestId, uint64 segmentId, uint16 index) external;

    /// @notice Checks that `claim` is the standing claim of `requestId`; reverts with `NotTheClaim`.
    /// @return executor who claimed
    /// @return postedAt when, unix seconds
    function checkClaim(bytes32 requestId, ClaimRef calldata claim)
        external
        view
        returns (address executor, uint40 postedAt);

    /// @notice A posted segment; all zero if there is none.
    function segments(uint64 segmentId)
        external
        view
        returns (bytes32 root, address executor, uint40 postedAt, uint16 count);

    /// @notice Segments posted so far.
    function segmentCount() external view returns (uint64);

    /// @notice Whether `executor` has spent segment number `number`.
    function numberUsed(address executor, uint64 number) external view returns (bool);

    /// @notice EIP-712 digest that an executor signs for a segment.
    function segmentDigest(uint64 number, uint64 expiry, bytes32 root) external view returns (bytes32);

    /// @notice EIP-712 domain separator.
    function domainSeparator() external view returns (bytes32);

    /// @notice Wei that a claim on `req` locks: the larger of `claimBond` and the request's `minBond`.
    function bondOf(Request calldata req) external view returns (uint256);

    /// @notice Least wei that a claim locks.
    function claimBond() external view returns (uint128);

    /// @notice Challenge window, in seconds.
    function window() external view returns (uint64);

    /// @notice Most work (model bytes x tokens) of all claims within any stretch of one window.
    function workPerWindow() external view returns (uint256);

    /// @notice Work that batches, and direct claims, may still add now.
    function workLeft() external view returns (uint256 batch, uint256 direct);

    /// @notice Least fee with which the inbox takes a request of `work` at its max tokens: twice what a claim burns that
    ///         finds the direct share idle. A claim is skipped unless the fee is twice what it burns.
    function leastFee(uint256 work) external view returns (uint256);

    /// @notice Least fee of a request of `work` to be claimed now: by a batch, directly. The largest number where it does
    ///         not fit.
    function presentFee(uint256 work) external view returns (uint256 batch, uint256 direct);

    /// @notice Price of work in an idle window, in wei burned for 2^20 units (model bytes x tokens).
    function workPriceFloor() external view returns (uint256);

    /// @notice How often that price doubles until a share of the window is full.
    function workPriceDoublings() external view returns (uint8);

    /// @notice Who posts batches at `time`, unix seconds: the accounts of the list, a turn each, one after the other.
    function sequencerAt(uint256 time) external view returns (address);

    /// @notice All who post batches, in the order of their turns.
    function sequencers() external view returns (address[] memory);

    /// @notice Length of a turn, in seconds.
    function turnLength() external view returns (uint64);
}

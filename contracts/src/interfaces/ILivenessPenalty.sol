// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Promise, Request, RequestState} from "./Types.sol";
import {IInbox} from "./IInbox.sol";
import {IStaking} from "./IStaking.sol";

/// @title What a promised answer costs that does not come
/// @notice An executor signs a promise off chain; it concerns nobody who does not want it. Whoever holds it shows it here once it
///         is broken: when its time is over and the chain says that the request has no standing or final claim, by anyone.
///         A request that was claimed and whose claim was rejected has none; a rejection gives the promise the request's fresh
///         inclusion deadline and half of the time for direct claims, if that is later. A late answer that is claimed before
///         anybody penalizes is still an answer.
interface ILivenessPenalty {
    /// @notice `executor` broke a promise; from now on no answer mends it.
    event PromiseBroken(address indexed executor, bytes32 indexed requestId, bytes32 digest, uint256 penalty);
    /// @notice `executor` lost `amount` wei of its stake for it. Of what came half was burned, half credited to `payee` at the
    ///         staking contract.
    event Penalized(address indexed executor, bytes32 indexed requestId, address indexed payee, uint256 amount);

    /// @notice The promise is about another request.
    error WrongRequest(bytes32 expected, bytes32 given);
    /// @notice The signature is nobody's.
    error BadSignature();
    /// @notice The promise is due at `deadline`, when the request may have been refunded at `until`.
    error PromiseTooLong(uint256 deadline, uint256 until);
    /// @notice The promise is not broken before `due` is over.
    error NotYetBroken(uint256 due);
    /// @notice The request has a claim, or was given up before the promise was due, or the block of its seed is lost.
    error NotMissing(bytes32 requestId, RequestState state);
    /// @notice All was taken, or nothing can be now.
    error NothingToTake();
    /// @notice Deployment parameters that contradict each other.
    error BadParameters();

    /// @notice Takes what a broken promise costs: the smaller of `penalty` and `cap`, as far as the executor has stake that backs
    ///         no claim; the rest whenever it has. All promises of one executor on one request cost what the dearest does. Anyone.
    /// @param req the request
    /// @param given the promise
    /// @param signature 65 bytes r, s, v over it, by the executor
    /// @return taken wei
    function penalize(Request calldata req, Promise calldata given, bytes calldata signature)
        external
        returns (uint256 taken);

    /// @notice Wei that a promise of `executor` due at `deadline` can be worth to whoever receives it now: its free stake, `cap` at
    ///         most; nothing if stake could leave before the deadline is over. What it locks later is out of reach until it is
    ///         unlocked, and lost with a lost claim.
    function cover(address executor, uint64 deadline) external view returns (uint256);

    /// @notice Wei taken from `executor` over `requestId` so far.
    function taken(address executor, bytes32 requestId) external view returns (uint256);

    /// @notice Whether the promise with this digest was found broken.
    function broken(address executor, bytes32 digest) external view returns (bool);

    /// @notice EIP-712 digest that an executor signs.
    function promiseDigest(Promise calldata given) external view returns (bytes32);

    /// @notice EIP-712 domain separator.
    function domainSeparator() external view returns (bytes32);

    /// @notice The inbox whose requests are promised to be answered.
    function inbox() external view returns (IInbox);

    /// @notice Where the stakes are.
    function staking() external view returns (IStaking);

    /// @notice Most wei that one executor can lose over one request.
    function cap() external view returns (uint256);
}

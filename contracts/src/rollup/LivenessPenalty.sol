// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Promise, Request, RequestState, RequestStatus} from "../interfaces/Types.sol";
import {IInbox} from "../interfaces/IInbox.sol";
import {ILivenessPenalty} from "../interfaces/ILivenessPenalty.sol";
import {IRollup} from "../interfaces/IRollup.sol";
import {IStaking} from "../interfaces/IStaking.sol";
import {Ecdsa} from "./Ecdsa.sol";
import {Eip712} from "./Eip712.sol";
import {RequestLaws} from "./RequestLaws.sol";

/// @title What a promised answer costs that does not come
/// @notice Holds no money: the staking contract burns and credits.
contract LivenessPenalty is ILivenessPenalty, Eip712 {
    bytes32 private constant PROMISE_TYPEHASH = keccak256("Promise(bytes32 requestId,uint64 deadline,uint128 penalty)");

    /// @inheritdoc ILivenessPenalty
    IInbox public immutable inbox;
    /// @inheritdoc ILivenessPenalty
    IStaking public immutable staking;
    /// @inheritdoc ILivenessPenalty
    uint256 public immutable cap;

    /// @inheritdoc ILivenessPenalty
    mapping(address executor => mapping(bytes32 requestId => uint256)) public taken;
    /// @inheritdoc ILivenessPenalty
    mapping(address executor => mapping(bytes32 digest => bool)) public broken;

    constructor(IInbox inbox_, IStaking staking_, uint256 cap_) {
        (inbox, staking, cap) = (inbox_, staking_, cap_);
        address rollup = inbox_.rollup();
        bool wired = staking_.liveness() == address(this) && staking_.rollup() == rollup;
        // INVARIANT: of a false claim's bond half at least is burned, so a lie told to put a promise off costs its author no less
        //            than the promise does.
        bool small = cap_ != 0 && cap_ <= IRollup(rollup).claimBond() / 2;
        if (!(wired && small)) revert BadParameters();
    }

    /// @inheritdoc ILivenessPenalty
    function penalize(Request calldata req, Promise calldata given, bytes calldata signature)
        external
        returns (uint256 amount)
    {
        bytes32 id = RequestLaws.idOf(req, address(inbox));
        if (given.requestId != id) revert WrongRequest(id, given.requestId);
        bytes32 digest = promiseDigest(given);
        address executor = Ecdsa.signerOf(signature, digest);
        if (executor == address(0)) revert BadSignature();
        uint256 penalty = given.penalty < cap ? given.penalty : cap;
        bool first = !broken[executor][digest];
        if (first) {
            _checkBroken(id, req, given.deadline);
            // INVARIANT: kept, or a late answer would end what the executor owes while all of its stake is locked.
            broken[executor][digest] = true;
            emit PromiseBroken(executor, id, digest, penalty);
        }
        // INVARIANT: what was taken by another promise on this request counts, and a small one does not use up a larger one.
        uint256 before = taken[executor][id];
        if (before < penalty) {
            taken[executor][id] = penalty;
            amount = staking.penalize(executor, penalty - before, req.params.refundTo);
            taken[executor][id] = before + amount;
        }
        if (amount == 0) {
            (uint128 staked,,,) = staking.accounts(executor);
            if (!first || staked == 0) revert NothingToTake();
        }
        emit Penalized(executor, id, req.params.refundTo, amount);
    }

    /// @inheritdoc ILivenessPenalty
    function cover(address executor, uint64 deadline) external view returns (uint256) {
        if (deadline >= block.timestamp + staking.unbondingDelay()) return 0;
        uint256 free = staking.freeStake(executor);
        return free < cap ? free : cap;
    }

    /// @inheritdoc ILivenessPenalty
    function promiseDigest(Promise calldata given) public view returns (bytes32) {
        return _digest(keccak256(abi.encode(PROMISE_TYPEHASH, given)));
    }

    /// @inheritdoc ILivenessPenalty
    function domainSeparator() public view override(ILivenessPenalty, Eip712) returns (bytes32) {
        return Eip712.domainSeparator();
    }

    /// @dev Reverts unless the chain shows that a promise for `deadline` was not kept.
    function _checkBroken(bytes32 id, Request calldata req, uint64 deadline) private view {
        uint256 directPeriod = inbox.directPeriod();
        uint256 until = uint256(req.params.inclusionDeadline) + directPeriod;
        // INVARIANT: due within the longest inclusion delay and the direct period of being asked, which unbonding outlasts.
        if (deadline >= until) revert PromiseTooLong(deadline, until);
        RequestStatus memory s = inbox.status(id);
        bool refunded = s.state == RequestState.Refunded;
        if (s.state != RequestState.Open && !refunded) revert NotMissing(id, s.state);
        // A request that was claimed and is not got its deadline when the last claim was rejected. Until then its standing claim
        // may have been another's, and kept this executor from answering.
        // INVARIANT: half of the time for direct claims is left to it then, so no lie and no sequencer can break its promise.
        uint256 fresh = uint256(s.deadline) + directPeriod / 2;
        uint256 due = s.claims != 0 && fresh > deadline ? fresh : deadline;
        if (block.timestamp <= due) revert NotYetBroken(due);
        // A refund came no sooner than this: before it was due, the chain can't tell.
        if (refunded && due >= uint256(s.deadline) + directPeriod) revert NotMissing(id, s.state);
        // Nobody could answer what no seed was recorded for, and whoever wanted the answer could have recorded it.
        bool lost = req.origin == RequestLaws.ORIGIN_LATER && inbox.seedLost(uint256(req.entropy));
        if (lost) revert NotMissing(id, s.state);
    }
}

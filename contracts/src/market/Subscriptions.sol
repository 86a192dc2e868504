// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IInbox} from "../interfaces/IInbox.sol";
import {ISubscriptions} from "../interfaces/ISubscriptions.sol";
import {Plan} from "../interfaces/MarketTypes.sol";
import {RequestParams} from "../interfaces/Types.sol";
import {Credits} from "../rollup/Credits.sol";

/// @title Questions that are asked again and again
// INVARIANT: balance = what is left of live subscriptions, question by question, + credits.
contract Subscriptions is ISubscriptions, Credits {
    struct Subscription {
        bytes32 planHash;
        address owner;
        uint40 nextDue;
        uint32 left;
    }

    uint256 private constant MIN_PERIOD = 60;
    /// @dev The inbox's own bound.
    uint256 private constant MAX_INCLUSION_DELAY = 7 days;

    /// @notice Where the questions go.
    IInbox public immutable inbox;
    /// @inheritdoc ISubscriptions
    uint64 public subscriptionCount;
    /// @inheritdoc ISubscriptions
    mapping(uint64 subscription => Subscription) public subscriptions;

    constructor(IInbox inbox_) {
        inbox = inbox_;
    }

    /// @inheritdoc ISubscriptions
    function subscribe(Plan calldata plan, uint32 times, bytes calldata payload, bytes calldata userData)
        external
        payable
        returns (uint64 subscription)
    {
        bool delayed = plan.inclusionDelay != 0 && plan.inclusionDelay <= MAX_INCLUSION_DELAY;
        bool paced = plan.every >= MIN_PERIOD && times != 0;
        // Refunds of the inbox that came here would be nobody's.
        bool owned = plan.params.refundTo != address(0) && plan.params.refundTo != address(this);
        if (!(delayed && paced && owned) || plan.params.inclusionDeadline != 0) revert BadPlan();
        uint256 due = times * _each(plan);
        if (msg.value != due) revert WrongValue(due, msg.value);
        subscription = subscriptionCount++;
        if (!_shows(plan, payload, userData)) revert NotThePlan(subscription);
        subscriptions[subscription] = Subscription(_hash(plan), msg.sender, uint40(block.timestamp), times);
        emit Subscribed(subscription, msg.sender, times, plan, payload, userData);
    }

    /// @inheritdoc ISubscriptions
    function tick(uint64 subscription, Plan calldata plan, bytes calldata payload, bytes calldata userData)
        external
        returns (bytes32 id)
    {
        Subscription memory s = subscriptions[subscription];
        if (s.planHash != _hash(plan) || !_shows(plan, payload, userData)) revert NotThePlan(subscription);
        if (block.timestamp < s.nextDue) revert NotDue(s.nextDue);
        // INVARIANT: at most one question in each period, however many were missed.
        s.nextDue += uint40(((block.timestamp - s.nextDue) / plan.every + 1) * plan.every);
        --s.left;
        if (s.left == 0) delete subscriptions[subscription];
        else subscriptions[subscription] = s;
        RequestParams memory params = plan.params;
        params.inclusionDeadline = uint64(block.timestamp) + plan.inclusionDelay;
        id = inbox.request{value: uint256(params.fee) + params.callbackFee}(params, payload, userData);
        _credit(msg.sender, plan.tip);
        emit Ticked(subscription, id, msg.sender, s.left, s.nextDue);
    }

    /// @inheritdoc ISubscriptions
    function cancel(uint64 subscription, Plan calldata plan) external returns (uint256 refunded) {
        Subscription memory s = subscriptions[subscription];
        if (s.planHash != _hash(plan)) revert NotThePlan(subscription);
        if (s.owner != msg.sender) revert NotOwner(msg.sender);
        delete subscriptions[subscription];
        refunded = s.left * _each(plan);
        _credit(msg.sender, refunded);
        emit Cancelled(subscription, msg.sender, refunded);
    }

    /// @dev What one question costs.
    function _each(Plan calldata plan) private pure returns (uint256) {
        return uint256(plan.params.fee) + plan.params.callbackFee + plan.tip;
    }

    function _hash(Plan calldata plan) private pure returns (bytes32) {
        return keccak256(abi.encode(plan));
    }

    function _shows(Plan calldata plan, bytes calldata payload, bytes calldata userData) private pure returns (bool) {
        return keccak256(payload) == plan.payloadHash && keccak256(userData) == plan.userDataHash;
    }
}

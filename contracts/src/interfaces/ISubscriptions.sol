// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ICredits} from "./ICredits.sol";
import {Plan} from "./MarketTypes.sol";

/// @title Questions that are asked again and again
/// @notice Prepaid in ether. Whoever makes a tick that is due has its tip as credit.
interface ISubscriptions is ICredits {
    /// @notice `owner` paid for `times` questions. Keep `plan`, `payload` and `userData`: only hashes are stored.
    event Subscribed(
        uint64 indexed subscription, address indexed owner, uint32 times, Plan plan, bytes payload, bytes userData
    );
    /// @notice A question was asked; `left` more are paid for, the next from `nextDue` on.
    event Ticked(uint64 indexed subscription, bytes32 indexed id, address indexed by, uint32 left, uint40 nextDue);
    /// @notice What was not asked went back.
    event Cancelled(uint64 indexed subscription, address indexed owner, uint256 refunded);

    /// @notice The plan or its bytes are not those subscribed to, or the subscription is over.
    error NotThePlan(uint64 subscription);
    /// @notice The next question is due at `from`.
    error NotDue(uint256 from);
    /// @notice Not the subscription's owner.
    error NotOwner(address caller);
    /// @notice `msg.value` is not what all questions cost.
    error WrongValue(uint256 expected, uint256 given);
    /// @notice The plan asks too often, for no time, for nothing, or names a deadline.
    error BadPlan();

    /// @notice Pays for `times` questions, the first due at once. Send `times * (fee + callbackFee + tip)`.
    function subscribe(Plan calldata plan, uint32 times, bytes calldata payload, bytes calldata userData)
        external
        payable
        returns (uint64 subscription);

    /// @notice Asks, if due. The next is due at the first multiple of `every` after now: what was missed is asked later, never in
    ///         a burst. What the inbox refuses reverts, and nothing is spent.
    function tick(uint64 subscription, Plan calldata plan, bytes calldata payload, bytes calldata userData)
        external
        returns (bytes32 id);

    /// @notice Ends the caller's subscription and credits it with what was not asked.
    function cancel(uint64 subscription, Plan calldata plan) external returns (uint256 refunded);

    /// @notice How a subscription stands; all zero if it is over or never was.
    function subscriptions(uint64 subscription)
        external
        view
        returns (bytes32 planHash, address owner, uint40 nextDue, uint32 left);

    /// @notice Subscriptions made so far.
    function subscriptionCount() external view returns (uint64);
}

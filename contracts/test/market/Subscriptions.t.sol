// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IInbox} from "../../src/interfaces/IInbox.sol";
import {ISubscriptions} from "../../src/interfaces/ISubscriptions.sol";
import {Plan} from "../../src/interfaces/MarketTypes.sol";
import {ClaimRef, Request, RequestState} from "../../src/interfaces/Types.sol";
import {Subscriptions} from "../../src/market/Subscriptions.sol";
import {Fixture} from "../base/Fixture.sol";

contract SubscriptionsTest is Fixture {
    uint32 private constant EVERY = 3600;
    uint128 private constant TIP = 0.01 ether;
    uint256 private constant EACH = 1 ether + TIP;
    Subscriptions private subs;

    function setUp() public override {
        super.setUp();
        subs = new Subscriptions(inbox);
    }

    function _plan() private view returns (Plan memory p) {
        p.params = _params();
        p.params.inclusionDeadline = 0;
        (p.payloadHash, p.userDataHash) = (keccak256(payload), keccak256(userData));
        (p.every, p.inclusionDelay, p.tip) = (EVERY, 120, TIP);
    }

    function _subscribe(Plan memory p, uint32 times) private returns (uint64 id) {
        uint256 each = uint256(p.params.fee) + p.params.callbackFee + p.tip;
        vm.prank(ASKER);
        return subs.subscribe{value: times * each}(p, times, payload, userData);
    }

    function _left(uint64 id) private view returns (uint256 left, uint256 nextDue) {
        (,, nextDue, left) = subs.subscriptions(id);
    }

    function _tick(uint64 id) private returns (bytes32) {
        Plan memory p = _plan();
        vm.prank(ANYONE);
        return subs.tick(id, p, payload, userData);
    }

    function test_tick_due_asksAndPaysTheTip_succeeds() public {
        uint64 id = _subscribe(_plan(), 3);
        assertEq(address(subs).balance, 3 * EACH, "prepaid");
        Plan memory p = _plan();
        p.params.inclusionDeadline = uint64(block.timestamp) + 120;
        Request memory r = _requestOf(p.params, address(subs), 0, 0, keccak256("entropy"));
        assertEq(_tick(id), _idOf(r), "the request, at once");
        assertEq(subs.credit(ANYONE), TIP, "tip");
        assertEq(address(subs).balance, 2 * EACH + TIP, "the rest is left");
        ClaimRef memory c = _claim(r);
        _finalize(r, c);
        assertTrue(inbox.credit(executor) > 0, "and is answered as any other");
    }

    /// @dev A callback's fee is prepaid with each question, and comes back with those that are not asked.
    function test_tick_withACallback_prepaysItsFee_succeeds() public {
        Plan memory p = _plan();
        (p.params.callback, p.params.callbackGas, p.params.callbackFee) = (address(0xCA11), 100_000, 0.3 ether);
        uint256 each = EACH + 0.3 ether;
        vm.deal(ASKER, 2 * each);
        vm.prank(ASKER);
        uint64 id = subs.subscribe{value: 2 * each}(p, 2, payload, userData);
        subs.tick(id, p, payload, userData);
        assertEq(address(inbox).balance, 1.3 ether, "both fees");
        vm.prank(ASKER);
        assertEq(subs.cancel(id, p), each, "the rest");
        assertEq(address(subs).balance, each + TIP, "is there, and the ticker's");
    }

    function test_tick_early_reverts() public {
        uint64 id = _subscribe(_plan(), 3);
        _tick(id);
        Plan memory p = _plan();
        vm.warp(START + EVERY - 1);
        vm.expectRevert(abi.encodeWithSelector(ISubscriptions.NotDue.selector, START + EVERY));
        subs.tick(id, p, payload, userData);
        vm.warp(START + EVERY);
        _tick(id);
    }

    /// @dev [S] Missed periods are not made up for in a burst, and the beat is kept.
    function test_tick_late_asksOnce_succeeds() public {
        uint64 id = _subscribe(_plan(), 3);
        vm.warp(START + 5 * EVERY + 17);
        _tick(id);
        (uint256 left, uint256 nextDue) = _left(id);
        assertEq(left, 2, "once");
        assertEq(nextDue, START + 6 * EVERY, "the first multiple after now");
        Plan memory p = _plan();
        vm.expectRevert(abi.encodeWithSelector(ISubscriptions.NotDue.selector, nextDue));
        subs.tick(id, p, payload, userData);
    }

    /// @dev Whenever ticks come: at most one in each period, on the beat.
    function testFuzz_tick_atMostOncePerPeriod_succeeds(uint16[10] calldata waits) public {
        uint64 id = _subscribe(_plan(), 20);
        uint256 period = type(uint256).max;
        for (uint256 i = 0; i < waits.length; ++i) {
            vm.warp(block.timestamp + waits[i]);
            uint256 now_ = (block.timestamp - START) / EVERY;
            (, uint256 due) = _left(id);
            assertTrue((due - START) % EVERY == 0, "on the beat");
            assertTrue((block.timestamp >= due) == (now_ != period), "due once in each period");
            if (block.timestamp < due) continue;
            _tick(id);
            period = now_;
        }
    }

    function test_tick_last_endsIt_succeeds() public {
        uint64 id = _subscribe(_plan(), 1);
        _tick(id);
        assertEq(address(subs).balance, TIP, "nothing is left but the tip");
        vm.warp(block.timestamp + EVERY);
        Plan memory p = _plan();
        bytes memory over = abi.encodeWithSelector(ISubscriptions.NotThePlan.selector, id);
        vm.expectRevert(over);
        subs.tick(id, p, payload, userData);
        vm.prank(ASKER);
        vm.expectRevert(over);
        subs.cancel(id, p);
    }

    /// @dev [S] A ticker shows the plan and bytes that were paid for, and chooses nothing.
    function test_tick_anotherPlan_reverts() public {
        uint64 id = _subscribe(_plan(), 3);
        Plan memory p = _plan();
        bytes memory why = abi.encodeWithSelector(ISubscriptions.NotThePlan.selector, id);
        vm.expectRevert(why);
        subs.tick(id, p, bytes.concat(payload, hex"00"), userData);
        vm.expectRevert(why);
        subs.tick(id, p, payload, "order 8");
        p.tip = 0.5 ether;
        vm.expectRevert(why);
        subs.tick(id, p, payload, userData);
        p = _plan();
        p.params.refundTo = ANYONE;
        vm.expectRevert(why);
        subs.tick(id, p, payload, userData);
        p = _plan();
        vm.expectRevert(abi.encodeWithSelector(ISubscriptions.NotThePlan.selector, id + 1));
        subs.tick(id + 1, p, payload, userData);
    }

    /// @dev What the inbox refuses costs nothing: the question is still paid for, and its owner can go.
    function test_tick_refusedByTheInbox_reverts() public {
        Plan memory p = _plan();
        p.params.fee = 1;
        uint64 id = _subscribe(p, 2);
        uint256 before = address(subs).balance;
        vm.prank(ANYONE);
        vm.expectRevert(abi.encodeWithSelector(IInbox.Refused.selector, IInbox.AdmitError.FeeTooLow));
        subs.tick(id, p, payload, userData);
        assertEq(address(subs).balance, before, "whole");
        vm.prank(ASKER);
        assertEq(subs.cancel(id, p), before, "and back");
    }

    function test_cancel_byOwner_refundsTheRest_succeeds() public {
        uint64 id = _subscribe(_plan(), 3);
        _tick(id);
        Plan memory p = _plan();
        vm.expectRevert(abi.encodeWithSelector(ISubscriptions.NotOwner.selector, address(this)));
        subs.cancel(id, p);
        vm.prank(ASKER);
        assertEq(subs.cancel(id, p), 2 * EACH, "two are left");
        assertEq(subs.credit(ASKER), 2 * EACH, "as credit");
        vm.prank(ASKER);
        subs.withdrawCredit(payable(address(0xF00)));
        assertEq(address(0xF00).balance, 2 * EACH, "sent");
        vm.prank(ASKER);
        vm.expectRevert(abi.encodeWithSelector(ISubscriptions.NotThePlan.selector, id));
        subs.cancel(id, p);
        assertEq(address(subs).balance, TIP, "the ticker's");
    }

    /// @dev A subscription is spent by itself: another one's money is not touched.
    function test_tick_twoSubscriptions_eachPaysItself_succeeds() public {
        uint64 one = _subscribe(_plan(), 1);
        uint64 two = _subscribe(_plan(), 2);
        _tick(one);
        (uint256 left,) = _left(two);
        assertEq(left, 2, "untouched");
        Plan memory p = _plan();
        vm.prank(ASKER);
        assertEq(subs.cancel(two, p), 2 * EACH, "whole");
    }

    function _bad(Plan memory p, uint32 times) private {
        uint256 each = uint256(p.params.fee) + p.params.callbackFee + p.tip;
        vm.expectRevert(ISubscriptions.BadPlan.selector);
        subs.subscribe{value: times * each}(p, times, payload, userData);
    }

    function test_subscribe_badPlan_reverts() public {
        _bad(_plan(), 0);
        Plan memory p = _plan();
        p.every = 59;
        _bad(p, 1);
        p = _plan();
        p.inclusionDelay = 0;
        _bad(p, 1);
        p.inclusionDelay = 7 days + 1;
        _bad(p, 1);
        p = _plan();
        p.params.inclusionDeadline = 1;
        _bad(p, 1);
        p = _plan();
        p.params.refundTo = address(subs);
        _bad(p, 1);
        p.params.refundTo = address(0);
        _bad(p, 1);
        p = _plan();
        (p.every, p.inclusionDelay) = (60, 7 days);
        _subscribe(p, 1);
    }

    function test_subscribe_wrongValueOrBytes_reverts() public {
        Plan memory p = _plan();
        vm.expectRevert(abi.encodeWithSelector(ISubscriptions.WrongValue.selector, 2 * EACH, 2 * EACH - 1));
        subs.subscribe{value: 2 * EACH - 1}(p, 2, payload, userData);
        vm.expectRevert(abi.encodeWithSelector(ISubscriptions.NotThePlan.selector, 0));
        subs.subscribe{value: EACH}(p, 1, payload, "other");
        vm.expectRevert(abi.encodeWithSelector(ISubscriptions.NotThePlan.selector, 0));
        subs.subscribe{value: EACH}(p, 1, "other", userData);
    }

    /// @dev Nobody's answer comes: the inbox gives the fee to whom the plan names, not here.
    function test_refund_goesWhereThePlanSays_succeeds() public {
        Plan memory p = _plan();
        uint64 id = _subscribe(p, 1);
        p.params.inclusionDeadline = uint64(block.timestamp) + 120;
        Request memory r = _requestOf(p.params, address(subs), 0, 0, keccak256("entropy"));
        _tick(id);
        vm.warp(block.timestamp + 120 + DIRECT);
        inbox.refund(r);
        _assertState(r, RequestState.Refunded, "refunded");
        assertEq(inbox.credit(REFUND), 1 ether, "there");
    }
}

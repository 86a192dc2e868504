// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IInferenceConsumer} from "../../src/interfaces/IInferenceConsumer.sol";
import {IRollup} from "../../src/interfaces/IRollup.sol";
import {IInbox} from "../../src/interfaces/IInbox.sol";
import {Terms} from "../../src/interfaces/MarketTypes.sol";
import {Callback, ClaimRef, Delivery, Request, RequestParams} from "../../src/interfaces/Types.sol";
import {InferenceHub} from "../../src/market/InferenceHub.sol";
import {Recorder} from "../base/Consumers.sol";
import {MarketFixture} from "./MarketFixture.sol";
import {HookToken, IHook} from "./Tokens.sol";

/// @notice A consumer that does one thing more when it hears a result: calls `target` with `data` and `value`.
contract Busybody is IInferenceConsumer {
    address private _target;
    bytes private _data;
    uint256 private _value;
    bool public succeeded;

    receive() external payable {}

    function arm(address target, bytes calldata data, uint256 value) external {
        (_target, _data, _value) = (target, data, value);
    }

    function onInferenceResult(bytes32, bytes calldata, bytes calldata, bool) external {
        (bool ok, bytes memory why) = _target.call{value: _value}(_data);
        if (!ok) {
            assembly {
                revert(add(why, 32), mload(why))
            }
        }
        succeeded = true;
    }

    function onInferenceFinal(bytes32) external {}
    function onInferenceOverturned(bytes32) external {}
}

/// @notice Delivers somebody's result while the hub takes a token of its own.
contract Disturber is IHook {
    address private _target;
    bytes private _data;

    function disturb(InferenceHub hub, HookToken token, bytes calldata ask, address target, bytes calldata data)
        external
        payable
    {
        (_target, _data) = (target, data);
        token.approve(address(hub), type(uint256).max);
        token.setHook(address(this));
        (bool ok,) = address(hub).call{value: msg.value}(ask);
        require(ok, "its own order");
    }

    function onMove(address, address, uint256) external {
        (bool ok,) = _target.call(_data);
        require(ok, "the delivery");
    }
}

/// @notice Who delivers through the hub is paid what the inbox pays, whatever the consumer does meanwhile.
contract HubDeliveryTest is MarketFixture {
    uint128 private constant BOUNTY = 0.101 ether;
    Busybody private busybody;

    function setUp() public override {
        super.setUp();
        busybody = new Busybody();
        vm.deal(address(busybody), 100 ether);
    }

    function _calling(address consumer, Delivery delivery) private view returns (RequestParams memory p) {
        p = _params();
        (p.callback, p.callbackGas, p.callbackFee) = (consumer, 1_500_000, BOUNTY);
        p.delivery = uint8(delivery);
    }

    function _claimed(RequestParams memory p) private returns (Request memory r, ClaimRef memory c) {
        (r,) = _order(p, _orderTerms(ETHER, 1 ether));
        c = _answerBy(EXECUTOR_KEY, r);
    }

    function _final(address consumer) private returns (Request memory r, ClaimRef memory c) {
        (r, c) = _claimed(_calling(consumer, Delivery.Final));
        _finalize(r, c);
    }

    function _retry(Request memory r, ClaimRef memory c) private returns (bool) {
        vm.prank(ANYONE);
        return hub.retryCallback(r, c, output, userData);
    }

    function _expect(uint256 earned, uint256 escrows, string memory what) private view {
        assertEq(hub.credit(ETHER, ANYONE), earned, what);
        assertEq(address(hub).balance, earned + escrows, "the hub has what it owes");
        assertEq(inbox.credit(address(hub)), 0, "and is owed nothing");
    }

    function test_retryCallback_first_paysTheCaller_succeeds() public {
        Recorder consumer = new Recorder();
        (Request memory r, ClaimRef memory c) = _final(address(consumer));
        assertTrue(_retry(r, c), "delivered");
        assertEq(consumer.results(), 1, "heard");
        _expect(BOUNTY, 1 ether, "all of it");
    }

    function test_retryCallback_optimistic_paysTheFirstHalf_succeeds() public {
        (Request memory r, ClaimRef memory c) = _claimed(_calling(address(new Recorder()), Delivery.Optimistic));
        _retry(r, c);
        _expect(BOUNTY / 2, 1 ether, "half");
    }

    /// @dev As on the rollup: the first try is paid, and a second only tells.
    function test_retryCallback_failedBefore_paysOnce_succeeds() public {
        Recorder consumer = new Recorder();
        consumer.setBroken(true);
        (Request memory r, ClaimRef memory c) = _final(address(consumer));
        assertTrue(!_retry(r, c), "failed");
        _expect(BOUNTY, 1 ether, "the try is paid");
        consumer.setBroken(false);
        assertTrue(_retry(r, c), "again");
        _expect(BOUNTY, 1 ether, "once");
        bytes memory notDue =
            abi.encodeWithSelector(IInbox.NotDue.selector, _idOf(r), IInbox.Mode.Result, Callback.Done);
        vm.expectRevert(notDue);
        hub.retryCallback(r, c, output, userData);
    }

    /// @dev Half was paid before the first result was overturned: the next one's delivery is paid nothing, the finality half.
    function test_retryCallback_afterAnOverturn_paysNoHalfTwice_succeeds() public {
        (Request memory r, ClaimRef memory c) = _claimed(_calling(address(new Recorder()), Delivery.Optimistic));
        _retry(r, c);
        vm.prank(address(game));
        rollup.reject(_idOf(r), c.segmentId, c.index);
        vm.prank(ASKER);
        rollup.deliverOverturn(r);
        c = _answerBy(OTHER_KEY, r);
        _finalize(r, c);
        _retry(r, c);
        _expect(BOUNTY / 2, 1 ether, "one half");
        assertEq(inbox.credit(ASKER), BOUNTY - BOUNTY / 2, "the other half went to who told of the overturn");
    }

    /// @dev [S] A consumer may ask again in its callback, whoever delivers and however: nothing of the hub's is locked.
    function test_retryCallback_consumerAsksAgain_succeeds() public {
        RequestParams memory p = _params();
        Terms memory t = _orderTerms(ETHER, 2 ether);
        bytes memory ask = abi.encodeCall(InferenceHub.request, (p, payload, userData, t));
        busybody.arm(address(hub), ask, 3 ether);
        (Request memory r, ClaimRef memory c) = _final(address(busybody));
        assertTrue(_retry(r, c), "delivered");
        assertTrue(busybody.succeeded(), "asked");
        _expect(BOUNTY, 3 ether, "the bounty, and two escrows");
    }

    /// @dev [S] A delivery in the middle of somebody's own token transfer does not make that consumer fail.
    function test_deliver_whileATokenComesIn_consumerAsksAgain_succeeds() public {
        RequestParams memory p = _params();
        token.mint(address(busybody), 7);
        vm.prank(address(busybody));
        token.approve(address(hub), 7);
        bytes memory ask = abi.encodeCall(InferenceHub.request, (p, payload, userData, _orderTerms(address(token), 7)));
        busybody.arm(address(hub), ask, 1 ether);
        (Request memory r, ClaimRef memory c) = _final(address(busybody));
        HookToken hooked = new HookToken();
        Disturber disturber = new Disturber();
        hooked.mint(address(disturber), 5);
        p = _params();
        ask = abi.encodeCall(InferenceHub.request, (p, payload, userData, _orderTerms(address(hooked), 5)));
        bytes memory delivery = abi.encodeCall(IRollup.deliverResult, (r, c, output, userData));
        disturber.disturb{value: 1 ether}(hub, hooked, ask, address(rollup), delivery);
        assertTrue(busybody.succeeded(), "asked");
        assertEq(uint256(inbox.status(_idOf(r)).result), uint256(Callback.Done), "heard");
        assertEq(address(hub).balance, 1 ether, "the first escrow");
        assertEq(token.balanceOf(address(hub)), 7, "the consumer's");
        assertEq(hooked.balanceOf(address(hub)), 5, "and the disturber's");
    }

    /// @dev [S] A consumer that delivers another result through the hub meanwhile takes its own fee and no more.
    function test_retryCallback_consumerDeliversAnother_eachIsPaidItsOwn_succeeds() public {
        RequestParams memory p = _calling(address(new Recorder()), Delivery.Final);
        p.callbackGas = 200_000;
        (Request memory r2, ClaimRef memory c2) = _claimed(p);
        _finalize(r2, c2);
        busybody.arm(address(hub), abi.encodeCall(InferenceHub.retryCallback, (r2, c2, output, userData)), 0);
        (Request memory r, ClaimRef memory c) = _final(address(busybody));
        assertTrue(_retry(r, c), "delivered");
        assertEq(hub.credit(ETHER, address(busybody)), BOUNTY, "its own");
        _expect(BOUNTY, 2 ether + BOUNTY, "and the caller's");
    }

    /// @dev [S] Money that the inbox credits the hub with meanwhile, for another reason, is not the deliverer's.
    function test_retryCallback_consumerRefundsMeanwhile_isNotEarned_succeeds() public {
        RequestParams memory p = _params();
        p.refundTo = address(hub);
        Request memory stray = _ask(p);
        busybody.arm(address(inbox), abi.encodeCall(IInbox.refund, (stray)), 0);
        (Request memory r, ClaimRef memory c) = _claimed(_calling(address(busybody), Delivery.Final));
        vm.warp(p.inclusionDeadline + DIRECT);
        rollup.finalize(r, c);
        assertTrue(_retry(r, c), "delivered");
        assertTrue(busybody.succeeded(), "refunded");
        assertEq(hub.credit(ETHER, ANYONE), BOUNTY, "the fee and no more");
    }
}

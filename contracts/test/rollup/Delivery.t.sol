// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {
    Callback,
    ClaimRef,
    Delivery,
    Request,
    RequestParams,
    RequestState,
    RequestStatus
} from "../../src/interfaces/Types.sol";
import {IInbox} from "../../src/interfaces/IInbox.sol";
import {IRollup} from "../../src/interfaces/IRollup.sol";
import {Counter, GasBurner, GasWitness, Recorder, Reenterer, ReturnBomb} from "../base/Consumers.sol";
import {Fixture} from "../base/Fixture.sol";

contract DeliveryTest is Fixture {
    Recorder private consumer;

    function setUp() public override {
        super.setUp();
        consumer = new Recorder();
    }

    function _askFor(address callback, Delivery delivery) private returns (Request memory) {
        RequestParams memory p = _params();
        (p.callback, p.callbackGas, p.callbackFee) = (callback, 300_000, 0.3 ether);
        p.delivery = uint8(delivery);
        return _ask(p);
    }

    function _deliver(Request memory r, ClaimRef memory c) private returns (bool) {
        vm.prank(ANYONE);
        return rollup.deliverResult(r, c, output, userData);
    }

    function _notDue(Request memory r, ClaimRef memory c, Callback progress) private {
        vm.expectRevert(abi.encodeWithSelector(IInbox.NotDue.selector, _idOf(r), IInbox.Mode.Result, progress));
        _deliver(r, c);
    }

    /// @dev The game says that the claim lost; what leads to that is tested there.
    function _reject(Request memory r, ClaimRef memory c) private {
        vm.prank(address(game));
        rollup.reject(_idOf(r), c.segmentId, c.index);
    }

    function test_deliverResult_final_afterFinality_succeeds() public {
        Request memory r = _askFor(address(consumer), Delivery.Final);
        ClaimRef memory c = _claim(r);
        _notDue(r, c, Callback.None);
        _finalize(r, c);
        assertTrue(_deliver(r, c), "success");
        assertEq(consumer.results(), 1, "told");
        assertEq(consumer.lastId(), _idOf(r), "id");
        assertEq(consumer.lastOutput(), output, "output");
        assertEq(consumer.lastUserData(), userData, "user data");
        assertTrue(consumer.lastIsFinal(), "final");
        assertEq(inbox.credit(ANYONE), 0.3 ether, "the whole callback fee");
    }

    /// @dev [S] No consumer runs inside a batch, so none can make one fail: a claim tells nobody, not even an Optimistic one.
    function test_postBatch_consumerInsideTheBatch_isNotCalled_succeeds() public {
        Request memory r = _askFor(address(consumer), Delivery.Optimistic);
        consumer.setBroken(true);
        ClaimRef memory c = _claim(r);
        assertEq(uint256(inbox.status(_idOf(r)).result), uint256(Callback.None), "nothing was tried");
        consumer.setBroken(false);
        assertTrue(_deliver(r, c), "it is called when somebody delivers");
        assertEq(consumer.results(), 1, "once");
    }

    /// @dev [S] Exactly once a mode.
    function test_deliverResult_twice_reverts() public {
        Request memory r = _askFor(address(consumer), Delivery.Final);
        ClaimRef memory c = _claim(r);
        _finalize(r, c);
        _deliver(r, c);
        _notDue(r, c, Callback.Done);
        assertEq(consumer.results(), 1, "once");
        vm.expectRevert();
        rollup.deliverFinality(r);
    }

    function test_deliverResult_optimistic_thenFinality_succeeds() public {
        Request memory r = _askFor(address(consumer), Delivery.Optimistic);
        ClaimRef memory c = _claim(r);
        assertTrue(_deliver(r, c), "at once");
        assertTrue(!consumer.lastIsFinal(), "not final yet");
        assertEq(inbox.credit(ANYONE), 0.15 ether, "half");
        vm.expectRevert(abi.encodeWithSelector(IInbox.NotDue.selector, _idOf(r), IInbox.Mode.Finality, Callback.None));
        rollup.deliverFinality(r);
        _finalize(r, c);
        vm.prank(ANYONE);
        assertTrue(rollup.deliverFinality(r), "then final");
        assertEq(consumer.finals(), 1, "told");
        assertEq(inbox.credit(ANYONE), 0.3 ether, "the other half");
        vm.expectRevert(abi.encodeWithSelector(IInbox.NotDue.selector, _idOf(r), IInbox.Mode.Finality, Callback.Done));
        rollup.deliverFinality(r);
    }

    /// @dev [S] A consumer that pays out when an answer is final is told so once, whether it heard the answer early, late or once final.
    function test_deliver_anyOrder_isFinalOnce_succeeds() public {
        Delivery[3] memory deliveries = [Delivery.Final, Delivery.Optimistic, Delivery.Optimistic];
        for (uint256 i = 0; i < 3; ++i) {
            Counter counter = new Counter(inbox);
            Request memory r = _askFor(address(counter), deliveries[i]);
            ClaimRef memory c = _claim(r);
            if (i == 1) assertTrue(_deliver(r, c), "early");
            _finalize(r, c);
            if (i != 1) assertTrue(_deliver(r, c), "late");
            if (i != 0) assertTrue(rollup.deliverFinality(r), "then final");
            assertEq(counter.results(), 1, "heard");
            assertEq(counter.finals(), 1, "final once");
            vm.expectRevert(
                abi.encodeWithSelector(
                    IInbox.NotDue.selector, _idOf(r), IInbox.Mode.Finality, i == 0 ? Callback.None : Callback.Done
                )
            );
            rollup.deliverFinality(r);
        }
    }

    /// @dev [S] A callback's fee is paid to the last wei, be its halves earned at once, one after the other or not at all.
    function test_callbackFee_odd_isPaidWhole_succeeds() public {
        uint256 fee = 0.3 ether + 1;
        RequestParams memory p = _params();
        (p.callback, p.callbackGas, p.callbackFee) = (address(consumer), 300_000, uint128(fee));
        Request memory r = _ask(p);
        ClaimRef memory c = _claim(r);
        _finalize(r, c);
        _deliver(r, c);
        assertEq(inbox.credit(ANYONE), fee, "at once");
        (p.delivery, p.inclusionDeadline) = (uint8(Delivery.Optimistic), uint64(block.timestamp) + 100);
        r = _ask(p);
        c = _claim(r);
        _deliver(r, c);
        _finalize(r, c);
        vm.prank(ANYONE);
        rollup.deliverFinality(r);
        assertEq(inbox.credit(ANYONE), 2 * fee, "one after the other");
        p.inclusionDeadline = uint64(block.timestamp) + 100;
        r = _ask(p);
        vm.warp(p.inclusionDeadline + DIRECT);
        inbox.refund(r);
        assertEq(inbox.credit(REFUND), 1 ether + fee, "not at all");
        uint256 owed = inbox.credit(ANYONE) + inbox.credit(REFUND) + inbox.credit(executor);
        assertEq(address(inbox).balance, owed, "nothing stays behind");
    }

    function test_deliverOverturn_afterRejection_thenNewResult_succeeds() public {
        Request memory r = _askFor(address(consumer), Delivery.Optimistic);
        ClaimRef memory c = _claim(r);
        _deliver(r, c);
        _reject(r, c);
        _assertState(r, RequestState.Open, "open again");
        assertEq(inbox.status(_idOf(r)).deadline, START + REOPEN, "fresh deadline");

        ClaimRef memory second = _claim(r);
        _notDue(r, second, Callback.None);
        vm.prank(ANYONE);
        assertTrue(rollup.deliverOverturn(r), "overturn first");
        assertEq(consumer.overturns(), 1, "told");
        assertTrue(_deliver(r, second), "then the new result");
        assertEq(consumer.results(), 2, "told again");
        _finalize(r, second);
        rollup.deliverFinality(r);
        assertEq(consumer.finals(), 1, "final");
        assertEq(inbox.credit(ANYONE), 0.3 ether, "two halves and no more");
        assertEq(inbox.status(_idOf(r)).claims, 2, "claims");
    }

    function test_deliverOverturn_resultNeverDelivered_reverts() public {
        Request memory r = _askFor(address(consumer), Delivery.Optimistic);
        ClaimRef memory c = _claim(r);
        _reject(r, c);
        vm.expectRevert(abi.encodeWithSelector(IInbox.NotDue.selector, _idOf(r), IInbox.Mode.Overturn, Callback.None));
        rollup.deliverOverturn(r);
    }

    /// @dev The refund pays out exactly what the callbacks have not used.
    function test_refund_afterOverturnedDelivery_returnsUnpaidHalf_succeeds() public {
        Request memory r = _askFor(address(consumer), Delivery.Optimistic);
        ClaimRef memory c = _claim(r);
        _deliver(r, c);
        _reject(r, c);
        vm.warp(START + REOPEN + DIRECT);
        inbox.refund(r);
        assertEq(inbox.credit(REFUND), 1.15 ether, "fee and the unpaid half");
        rollup.deliverOverturn(r);
        assertEq(consumer.overturns(), 1, "told after the refund too");
        assertEq(inbox.credit(address(this)), 0, "without pay");
        assertEq(address(inbox).balance, inbox.credit(REFUND) + inbox.credit(ANYONE), "conserved");
    }

    /// @dev [S] A reverting consumer blocks nothing, is recorded, and can be told again.
    function test_deliverResult_consumerReverts_recordedAndRetried_succeeds() public {
        Request memory r = _askFor(address(consumer), Delivery.Final);
        ClaimRef memory c = _claim(r);
        _finalize(r, c);
        consumer.setBroken(true);
        assertTrue(!_deliver(r, c), "failed");
        RequestStatus memory s = inbox.status(_idOf(r));
        assertEq(uint256(s.result), uint256(Callback.Failed), "recorded");
        assertTrue(!_deliver(r, c), "fails again");
        assertEq(inbox.credit(ANYONE), 0.3 ether, "paid once");
        consumer.setBroken(false);
        assertTrue(_deliver(r, c), "retried");
        assertEq(consumer.results(), 1, "told once");
        assertEq(inbox.credit(ANYONE), 0.3 ether, "still paid once");
    }

    function test_finalize_consumerBrokeAtOptimisticDelivery_succeeds() public {
        Request memory r = _askFor(address(consumer), Delivery.Optimistic);
        ClaimRef memory c = _claim(r);
        consumer.setBroken(true);
        _deliver(r, c);
        _finalize(r, c);
        assertEq(inbox.credit(executor), 1 ether - inbox.status(_idOf(r)).burn, "executor paid");
    }

    function test_deliverOverturn_failedThenNewResult_isStale_reverts() public {
        Request memory r = _askFor(address(consumer), Delivery.Optimistic);
        ClaimRef memory c = _claim(r);
        _deliver(r, c);
        _reject(r, c);
        consumer.setBroken(true);
        assertTrue(!rollup.deliverOverturn(r), "consumer fails");
        consumer.setBroken(false);
        c = _claim(r);
        assertTrue(_deliver(r, c), "not blocked by it");
        vm.expectRevert(abi.encodeWithSelector(IInbox.NotDue.selector, _idOf(r), IInbox.Mode.Overturn, Callback.Failed));
        rollup.deliverOverturn(r);
    }

    /// @dev [S] A consumer that burns everything leaves the rollup enough to record it.
    function test_deliverResult_consumerBurnsItsGas_recorded_succeeds() public {
        Request memory r = _askFor(address(new GasBurner()), Delivery.Final);
        ClaimRef memory c = _claim(r);
        _finalize(r, c);
        assertTrue(!_deliver(r, c), "failed");
        assertEq(uint256(inbox.status(_idOf(r)).result), uint256(Callback.Failed), "recorded");
    }

    /// @dev [S] No return data is copied: a bomb of it costs its sender only.
    function test_deliverResult_returnBomb_costsOnlyItsSender_succeeds() public {
        Request memory r = _askFor(address(new ReturnBomb()), Delivery.Final);
        ClaimRef memory c = _claim(r);
        _finalize(r, c);
        // Copying 400 KB would cost the rollup more than 350k gas beyond the consumer's 300k.
        uint256 before = gasleft();
        assertTrue(!_deliver(r, c), "failed");
        assertTrue(before - gasleft() < 300_000 + 150_000, "not copied");
    }

    /// @dev [S] A deliverer that brings too little gas can't make a good consumer fail.
    function testFuzz_deliverResult_anyGas_neverStarvesTheConsumer(uint256 gasGiven) public {
        Request memory r = _askFor(address(consumer), Delivery.Final);
        ClaimRef memory c = _claim(r);
        _finalize(r, c);
        gasGiven = 50_000 + gasGiven % 700_000;
        bytes memory call = abi.encodeCall(rollup.deliverResult, (r, c, output, userData));
        (bool ok, bytes memory data) = address(rollup).call{gas: gasGiven}(call);
        if (ok) assertTrue(abi.decode(data, (bool)), "delivered");
        else assertEq(uint256(inbox.status(_idOf(r)).result), uint256(Callback.None), "untouched");
        assertEq(consumer.results(), ok ? 1 : 0, "all or nothing");
    }

    /// @dev What a consumer spends before it can look: the choice of its function.
    uint256 private constant LOOK_GAS = 100;

    /// @dev [S] A callback has the gas that was promised and paid for, no less and no more, whatever the deliverer brings.
    function testFuzz_deliver_anyGas_givesWhatWasPromised_succeeds(uint256 brought, uint256 promised) public {
        GasWitness witness = new GasWitness();
        promised = 30_000 + promised % 1_970_001;
        RequestParams memory p = _params();
        (p.callback, p.callbackGas, p.callbackFee) = (address(witness), uint32(promised), 0.3 ether);
        p.delivery = uint8(Delivery.Optimistic);
        Request memory r = _ask(p);
        ClaimRef memory c = _claim(r);
        // From what the rollup needs at least to as much again as it can use.
        brought = 300_000 + (promised + brought % (2 * promised + 300_000)) * 64 / 63;
        bytes memory result = abi.encodeCall(rollup.deliverResult, (r, c, output, userData));
        _givesExactly(witness, promised, brought, result, "result");
        _reject(r, c);
        _givesExactly(witness, promised, brought, abi.encodeCall(rollup.deliverOverturn, (r)), "overturn");
        c = _claim(r);
        result = abi.encodeCall(rollup.deliverResult, (r, c, output, userData));
        _givesExactly(witness, promised, brought, result, "new result");
        _finalize(r, c);
        _givesExactly(witness, promised, brought, abi.encodeCall(rollup.deliverFinality, (r)), "finality");
    }

    function _givesExactly(GasWitness witness, uint256 promised, uint256 brought, bytes memory call, string memory what)
        private
    {
        (bool ok, bytes memory data) = address(rollup).call{gas: brought}(call);
        assertTrue(ok && abi.decode(data, (bool)), what);
        uint256 given = witness.given();
        if (given > promised || given + LOOK_GAS < promised) revert Differs(what, promised, given);
    }

    function test_deliverResult_littleGas_reverts() public {
        Request memory r = _askFor(address(consumer), Delivery.Final);
        ClaimRef memory c = _claim(r);
        _finalize(r, c);
        bytes memory call = abi.encodeCall(rollup.deliverResult, (r, c, output, userData));
        (bool ok, bytes memory data) = address(rollup).call{gas: 350_000}(call);
        assertTrue(!ok && bytes4(data) == IRollup.NotEnoughGas.selector, "refused");
    }

    /// @dev [S] Marked before the call: a consumer can't be told twice by calling back in.
    function test_deliverResult_reentrant_toldOnce_succeeds() public {
        Reenterer reenterer = new Reenterer();
        RequestParams memory p = _params();
        (p.callback, p.callbackGas, p.callbackFee) = (address(reenterer), 1_000_000, 0.3 ether);
        Request memory r = _ask(p);
        ClaimRef memory c = _claim(r);
        _finalize(r, c);
        reenterer.arm(rollup, r, c);
        assertTrue(_deliver(r, c), "delivered");
        assertEq(reenterer.calls(), 1, "once");
        assertTrue(!reenterer.innerSucceeded(), "inner call refused");
    }

    function test_deliverResult_wrongBytes_reverts() public {
        Request memory r = _askFor(address(consumer), Delivery.Final);
        ClaimRef memory c = _claim(r);
        _finalize(r, c);
        vm.expectRevert(IRollup.HashMismatch.selector);
        rollup.deliverResult(r, c, "another output", userData);
        vm.expectRevert(IRollup.HashMismatch.selector);
        rollup.deliverResult(r, c, output, "another order");
    }

    function test_deliverResult_noConsumer_reverts() public {
        Request memory r = _ask();
        ClaimRef memory c = _claim(r);
        _finalize(r, c);
        vm.expectRevert(IRollup.NoConsumer.selector);
        rollup.deliverResult(r, c, output, userData);
    }
}

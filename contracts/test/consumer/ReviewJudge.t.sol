// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {InferenceConsumer} from "../../src/consumer/InferenceConsumer.sol";
import {RequestLib} from "../../src/consumer/RequestLib.sol";
import {ReviewJudge} from "../../src/consumer/ReviewJudge.sol";
import {ClaimRef, Delivery, Request, RequestState} from "../../src/interfaces/Types.sol";
import {Fixture} from "../base/Fixture.sol";

contract ReviewJudgeTest is Fixture {
    ReviewJudge private judge;

    function setUp() public override {
        super.setUp();
        judge = new ReviewJudge(inbox, modelId, 0.1 ether, 100);
        userData = "";
        payload = RequestLib.greedy("Review: a lovely kettle\nSentiment:", 8);
        // Two ids, text " positive".
        output = hex"0002000000070000000200000020706f736974697665";
    }

    function _judge() private returns (Request memory r) {
        uint64 nonce = inbox.requestCount();
        vm.prank(ASKER);
        bytes32 id = judge.judge{value: 1.1 ether}("a lovely kettle");
        r = _requestOf(_params(), address(judge), 0, nonce, keccak256("entropy"));
        r.maxTokens = 8;
        (r.params.callback, r.params.callbackGas, r.params.callbackFee) = (address(judge), 200_000, 0.1 ether);
        (r.params.delivery, r.params.refundTo) = (uint8(Delivery.Optimistic), ASKER);
        assertEq(id, _idOf(r), "what the dApp asked");
    }

    function _stage(Request memory r, ReviewJudge.Stage stage) private view {
        assertEq(uint256(judge.verdict(_idOf(r)).stage), uint256(stage), "stage");
    }

    function test_judge_answeredAndFinal_succeeds() public {
        Request memory r = _judge();
        _stage(r, ReviewJudge.Stage.Asked);
        ClaimRef memory c = _claim(r);
        assertTrue(rollup.deliverResult(r, c, output, ""), "at once");
        _stage(r, ReviewJudge.Stage.Provisional);
        assertEq(bytes(judge.verdict(_idOf(r)).text), " positive", "text");
        _finalize(r, c);
        assertTrue(rollup.deliverFinality(r), "then final");
        _stage(r, ReviewJudge.Stage.Settled);
        assertEq(judge.verdict(_idOf(r)).asker, ASKER, "asker");
        assertEq(inbox.credit(executor), 1 ether - inbox.status(_idOf(r)).burn, "the executor's fee");
    }

    function test_judge_overturned_thenTruth_succeeds() public {
        Request memory r = _judge();
        bytes memory truth = output;
        output = hex"000100000007000000206e65676174697665";
        ClaimRef memory c = _claim(r);
        rollup.deliverResult(r, c, output, "");
        assertEq(bytes(judge.verdict(_idOf(r)).text), " negative", "the lie");
        vm.prank(address(game));
        rollup.reject(_idOf(r), c.segmentId, c.index);
        assertTrue(rollup.deliverOverturn(r), "told");
        _stage(r, ReviewJudge.Stage.Asked);
        assertEq(bytes(judge.verdict(_idOf(r)).text), "", "withdrawn");
        output = truth;
        c = _claim(r);
        rollup.deliverResult(r, c, output, "");
        assertEq(bytes(judge.verdict(_idOf(r)).text), " positive", "the truth");
    }

    function test_judge_deliveredOnlyAfterFinality_settlesByItsCallback_succeeds() public {
        Request memory r = _judge();
        ClaimRef memory c = _claim(r);
        _finalize(r, c);
        assertTrue(rollup.deliverResult(r, c, output, ""), "late");
        _stage(r, ReviewJudge.Stage.Provisional);
        assertTrue(rollup.deliverFinality(r), "final");
        _stage(r, ReviewJudge.Stage.Settled);
    }

    function test_judge_errorOutput_fails_succeeds() public {
        Request memory r = _judge();
        output = hex"0400000000";
        ClaimRef memory c = _claim(r);
        assertTrue(rollup.deliverResult(r, c, output, ""), "delivered");
        _stage(r, ReviewJudge.Stage.Failed);
        assertEq(judge.verdict(_idOf(r)).errorCode, 4, "prompt too long");
    }

    function test_judge_tooLittleSent_reverts() public {
        vm.prank(ASKER);
        vm.expectRevert(abi.encodeWithSelector(ReviewJudge.TooLittle.selector, 0.1 ether));
        judge.judge{value: 0.1 ether - 1}("a lovely kettle");
    }

    /// @dev [S] Only the rollup delivers.
    function test_onInference_byAnyoneElse_reverts() public {
        bytes memory refusal = abi.encodeWithSelector(InferenceConsumer.OnlyRollup.selector, address(this));
        vm.expectRevert(refusal);
        judge.onInferenceResult(0, output, "", true);
        vm.expectRevert(refusal);
        judge.onInferenceFinal(0);
        vm.expectRevert(refusal);
        judge.onInferenceOverturned(0);
    }
}

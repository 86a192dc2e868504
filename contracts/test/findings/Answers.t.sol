// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {
    Callback,
    ClaimRef,
    Delivery,
    Request,
    RequestParams,
    RequestState,
    Result
} from "../../src/interfaces/Types.sol";
import {IDisputeGame} from "../../src/interfaces/IDisputeGame.sol";
import {IInbox} from "../../src/interfaces/IInbox.sol";
import {IRollup} from "../../src/interfaces/IRollup.sol";
import {Recorder} from "../base/Consumers.sol";
import {FindingFixture} from "../base/FindingFixture.sol";

/// @notice Findings on answers: who may give one, and how often and when its consumer hears of it.
contract AnswerFindings is FindingFixture {
    Recorder private consumer;

    function setUp() public override {
        super.setUp();
        consumer = new Recorder();
    }

    function _askFor(Delivery delivery) private returns (Request memory) {
        RequestParams memory p = _params();
        (p.callback, p.callbackGas, p.callbackFee) = (address(consumer), 300_000, 0.3 ether);
        p.delivery = uint8(delivery);
        return _ask(p);
    }

    function _deliver(Request memory r, ClaimRef memory c) private returns (bool) {
        vm.prank(ANYONE);
        return rollup.deliverResult(r, c, output, userData);
    }

    function _notDelivered(Request memory r, ClaimRef memory c, bytes4 why, string memory what) private {
        _refused(ANYONE, address(rollup), 0, abi.encodeCall(rollup.deliverResult, (r, c, output, userData)), why, what);
    }

    /// @dev ORA's AI oracle: https://github.com/ora-io/OAO/blob/0426ecc0890f41ef1898d7c7d7d15451a7d27d51/contracts/AIOracle.sol
    ///      There: `updateResult` calls the consumer again whenever anybody asks for it, and nothing tells a repetition from a
    ///      correction.
    ///      Here: a result is told once. Another is told only after the consumer heard that the first was overturned, and a
    ///      rejected one never again.
    function test_finding_callbackRefired() public {
        Request memory r = _askFor(Delivery.Final);
        ClaimRef memory c = _claim(r);
        _finalize(r, c);
        _deliver(r, c);
        _notDelivered(r, c, IInbox.NotDue.selector, "again");
        assertEq(consumer.results(), 1, "told once");
        assertEq(inbox.credit(ANYONE), 0.3 ether, "paid once");

        r = _askFor(Delivery.Optimistic);
        c = _claim(r);
        _deliver(r, c);
        _notDelivered(r, c, IInbox.NotDue.selector, "again, before finality");
        _win(_open(r, c, CHALLENGER));
        _notDelivered(r, c, IRollup.NotTheClaim.selector, "the rejected answer");
        ClaimRef memory second = _claim(r);
        _notDelivered(r, c, IRollup.NotTheClaim.selector, "the rejected answer beside a new one");
        _notDelivered(r, second, IInbox.NotDue.selector, "a new one before the overturn was told");
        assertEq(consumer.results(), 2, "each told once");
        rollup.deliverOverturn(r);
        assertTrue(_deliver(r, second), "then the new one");
        assertEq(consumer.results(), 3, "once");
    }

    /// @dev As above, `invokeCallback`.
    ///      There: the answer reaches the consumer in the transaction that uploads it, before anyone can object, and a later
    ///      correction comes too late for what it did.
    ///      Here: unless the asker chose otherwise, a consumer hears nothing before its answer is final.
    function test_finding_callbackBeforeFinality() public {
        Request memory r = _askFor(Delivery.Final);
        ClaimRef memory c = _claim(r);
        _notDelivered(r, c, IInbox.NotDue.selector, "in the window");
        Match memory m = _open(r, c, CHALLENGER);
        vm.warp(START + WINDOW);
        _notDelivered(r, c, IInbox.NotDue.selector, "after it, while disputed");
        _win(m);
        _notDelivered(r, c, IRollup.NotTheClaim.selector, "a lie");
        assertEq(consumer.results(), 0, "nothing was told");
        _assertPaidInFull(m);
    }

    /// @dev ORA opML: https://github.com/ora-io/opml/blob/1219524d1e57418a1df2865dde55c7e053dd09c6/contracts/Challenge.sol
    ///      There: `uploadResult` is anyone's to call and overwrites what was uploaded before.
    ///      Here: only the sequencer posts, only what its executor signed, and nothing over a claim that stands or is final.
    function test_finding_answerOverwritten() public {
        Result[] memory lie = _results(req);
        lie[0].output = hex"0001000000070000006e6f";
        _assertOne(_segment(OTHER_KEY, 1, lie), IRollup.ResultError.NotOpen);
        vm.warp(uint256(req.params.inclusionDeadline) + 1);
        bytes memory direct = abi.encodeCall(rollup.claimDirect, (req, lie[0].output));
        _refused(other, address(rollup), 0, direct, IRollup.ClaimRefused.selector, "over a claim");
        rollup.finalize(req, ref);
        _assertOne(_segment(OTHER_KEY, 2, lie), IRollup.ResultError.NotOpen);
        _refused(other, address(rollup), 0, direct, IRollup.ClaimRefused.selector, "over a final answer");
        (address author,) = rollup.checkClaim(_idOf(req), ref);
        assertEq(author, executor, "the first answer stands");
        assertEq(staking.freeStake(other), 100 ether, "no second bond");
    }

    /// @dev As above, where the comparison of the challenged output with the claimed one is commented out.
    ///      There: a challenge could be about another output than the one that was claimed.
    ///      Here: a game's output ROM is computed from bytes whose hash is in the leaf that claimed the request.
    function test_finding_gameOverAnotherOutput() public {
        bytes memory lie = hex"0001000000070000006e6f";
        bytes memory open = abi.encodeCall(game.open, (req, ref, payload, lie));
        _refused(CHALLENGER, address(game), bond, open, IDisputeGame.HashMismatch.selector, "other bytes");
        ref.outputHash = keccak256(lie);
        open = abi.encodeCall(game.open, (req, ref, payload, lie));
        _refused(CHALLENGER, address(game), bond, open, IRollup.NotTheClaim.selector, "and their hash");
    }

    /// @dev Sherlock 2024-02 Optimism #145, and ORA's oracle, which requires each callback to succeed:
    ///      https://github.com/sherlock-audit/2024-02-optimism-2024-judging/issues/145
    ///      There: a call that failed was marked as done and could never be made again; or its failure undid the answer.
    ///      Here: a failing consumer is recorded and can be told again. It costs neither the executor nor itself anything.
    function test_finding_failingCallIsFinal() public {
        Request memory r = _askFor(Delivery.Final);
        ClaimRef memory c = _claim(r);
        consumer.setBroken(true);
        _finalize(r, c);
        assertEq(inbox.credit(executor), 1 ether - inbox.status(_idOf(r)).burn, "the executor is paid all the same");
        assertTrue(!_deliver(r, c), "the consumer fails");
        assertEq(uint256(inbox.status(_idOf(r)).result), uint256(Callback.Failed), "recorded");
        _assertState(r, RequestState.Final, "final");
        consumer.setBroken(false);
        assertTrue(_deliver(r, c), "told again");
        assertEq(consumer.results(), 1, "once");
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {
    Callback,
    ClaimRef,
    Delivery,
    Request,
    RequestParams,
    RequestState,
    RequestStatus,
    SignedRequest,
    Segment
} from "../../src/interfaces/Types.sol";
import {ICredits} from "../../src/interfaces/ICredits.sol";
import {IInbox} from "../../src/interfaces/IInbox.sol";
import {StatusSlot, pack} from "../../src/rollup/StatusSlot.sol";
import {Fixture} from "../base/Fixture.sol";

contract InboxTest is Fixture {
    // ---- request ----------------------------------------------------------------------------------------------------

    function test_request_opensAndKeepsTheMoney_succeeds() public {
        RequestParams memory p = _params();
        (p.callback, p.callbackFee, p.callbackGas) = (address(0xCB), 0.5 ether, 100_000);
        Request memory r = _ask(p);
        RequestStatus memory s = inbox.status(_idOf(r));
        assertEq(uint256(s.state), uint256(RequestState.Open), "open");
        assertEq(s.deadline, p.inclusionDeadline, "deadline");
        assertEq(address(inbox).balance, 1.5 ether, "held");
    }

    function test_request_sameTwice_differentIds_succeeds() public {
        Request memory a = _ask();
        Request memory b = _ask();
        assertTrue(_idOf(a) != _idOf(b), "nonce separates them");
        assertEq(inbox.idOf(b), _idOf(b), "idOf");
    }

    /// @dev [S] The seed is bound to entropy of the chain that the asker did not choose.
    function test_request_entropyIsTheBlocks_succeeds() public {
        vm.prevrandao(keccak256("another block"));
        RequestParams memory p = _params();
        vm.prank(ASKER);
        bytes32 id = inbox.request{value: p.fee}(p, payload, userData);
        assertEq(id, _idOf(_requestOf(p, ASKER, 0, 0, keccak256("another block"))), "entropy in the id");
    }

    function test_request_tolerant_takesModelsCeiling_succeeds() public {
        modelId = _registerModel(500, 3);
        RequestParams memory p = _params();
        p.tolerant = true;
        Request memory r = _requestOf(p, ASKER, 0, 0, keccak256("entropy"));
        r.tolerance = uint64(500) << 32 | 3;
        vm.prank(ASKER);
        assertEq(inbox.request{value: p.fee}(p, payload, userData), _idOf(r), "tolerance in the id");
    }

    function test_request_wrongValue_reverts() public {
        RequestParams memory p = _params();
        vm.prank(ASKER);
        vm.expectRevert(abi.encodeWithSelector(IInbox.WrongValue.selector, 1 ether, 1 ether - 1));
        inbox.request{value: 1 ether - 1}(p, payload, userData);
    }

    function _refused(RequestParams memory p, bytes memory what, IInbox.AdmitError reason) private {
        vm.prank(ASKER);
        vm.expectRevert(abi.encodeWithSelector(IInbox.Refused.selector, reason));
        inbox.request{value: uint256(p.fee) + p.callbackFee}(p, what, userData);
    }

    function test_request_badParams_reverts() public {
        RequestParams memory p = _params();
        p.refundTo = address(0);
        _refused(p, payload, IInbox.AdmitError.BadParams);
        p = _params();
        p.delivery = 2;
        _refused(p, payload, IInbox.AdmitError.BadParams);
        p = _params();
        p.callbackFee = 1;
        _refused(p, payload, IInbox.AdmitError.BadParams);
        p = _params();
        (p.callback, p.callbackGas) = (address(1), 2_000_001);
        _refused(p, payload, IInbox.AdmitError.BadParams);
        p = _params();
        userData = new bytes(4097);
        _refused(p, payload, IInbox.AdmitError.BadParams);
    }

    function test_request_badDeadline_reverts() public {
        RequestParams memory p = _params();
        p.inclusionDeadline = uint64(block.timestamp);
        _refused(p, payload, IInbox.AdmitError.PastDeadline);
        p.inclusionDeadline = uint64(block.timestamp + 7 days + 1);
        _refused(p, payload, IInbox.AdmitError.DeadlineTooFar);
    }

    function test_request_unknownModel_reverts() public {
        RequestParams memory p = _params();
        p.modelId = keccak256("no model");
        _refused(p, payload, IInbox.AdmitError.UnknownModel);
    }

    function test_request_badPayload_reverts() public {
        RequestParams memory p = _params();
        _refused(p, hex"02001000000000000000000100000500000068656c6c6f", IInbox.AdmitError.BadPayload);
        _refused(p, hex"01000000000000000000000100000500000068656c6c6f", IInbox.AdmitError.BadPayload);
        _refused(p, hex"01000110000000000000000100000500000068656c6c6f", IInbox.AdmitError.BadPayload);
        _refused(p, hex"0100ffffffff00000000000100000500000068656c6c6f", IInbox.AdmitError.BadPayload);
        _refused(p, hex"010010000000", IInbox.AdmitError.BadPayload);
        _refused(p, "", IInbox.AdmitError.BadPayload);
        bytes memory long = new bytes(65_532);
        (long[0], long[2]) = (0x01, 0x01);
        _refused(p, long, IInbox.AdmitError.BadPayload);
    }

    /// @dev [S] No request may cost a watchtower more than MAX_WORK.
    function test_request_aboveMaxWork_reverts() public {
        bytes memory long = new bytes(1000 - MAX_TOKENS + 1);
        (long[0], long[2]) = (0x01, bytes1(uint8(MAX_TOKENS)));
        _refused(_params(), long, IInbox.AdmitError.TooMuchWork);
        // One byte less is exactly the limit.
        bytes memory fits = new bytes(1000 - MAX_TOKENS);
        (fits[0], fits[2]) = (0x01, bytes1(uint8(MAX_TOKENS)));
        RequestParams memory p = _params();
        vm.prank(ASKER);
        inbox.request{value: p.fee}(p, fits, userData);
    }

    // ---- refund -----------------------------------------------------------------------------------------------------

    function test_refund_pastDeadline_succeeds() public {
        RequestParams memory p = _params();
        (p.callback, p.callbackFee) = (address(0xCB), 0.5 ether);
        Request memory r = _ask(p);
        vm.warp(p.inclusionDeadline + DIRECT);
        vm.prank(ANYONE);
        inbox.refund(r);
        _assertState(r, RequestState.Refunded, "refunded");
        assertEq(inbox.credit(REFUND), 1.5 ether, "to refundTo, whoever calls");
        vm.prank(REFUND);
        inbox.withdrawCredit(payable(address(0xF00)));
        assertEq(address(0xF00).balance, 1.5 ether, "pulled");
        assertEq(address(inbox).balance, 0, "nothing left");
        assertEq(inbox.credit(REFUND), 0, "nothing owed");
    }

    function test_refund_tooEarly_reverts() public {
        Request memory r = _ask();
        vm.warp(r.params.inclusionDeadline + DIRECT - 1);
        vm.expectRevert(abi.encodeWithSelector(IInbox.TooEarly.selector, r.params.inclusionDeadline + DIRECT));
        inbox.refund(r);
    }

    /// @dev [S] Exactly one of the states: a request can't be refunded twice, nor when claimed or final.
    function test_refund_notOpen_reverts() public {
        Request memory r = _ask();
        vm.warp(r.params.inclusionDeadline + DIRECT);
        inbox.refund(r);
        vm.expectRevert(abi.encodeWithSelector(IInbox.WrongState.selector, _idOf(r), RequestState.Refunded));
        inbox.refund(r);

        r = _ask();
        ClaimRef memory c = _claim(r);
        vm.warp(block.timestamp + 200);
        vm.expectRevert(abi.encodeWithSelector(IInbox.WrongState.selector, _idOf(r), RequestState.Claimed));
        inbox.refund(r);
        rollup.finalize(r, c);
        vm.expectRevert(abi.encodeWithSelector(IInbox.WrongState.selector, _idOf(r), RequestState.Final));
        inbox.refund(r);
    }

    /// @dev Another fee, payee or anything else makes another id, which was never opened.
    function test_refund_tamperedRequest_reverts() public {
        Request memory r = _ask();
        vm.warp(r.params.inclusionDeadline + DIRECT);
        r.params.refundTo = ANYONE;
        vm.expectRevert(abi.encodeWithSelector(IInbox.WrongState.selector, _idOf(r), RequestState.None));
        inbox.refund(r);
    }

    function test_withdrawCredit_none_reverts() public {
        vm.expectRevert(ICredits.NoCredit.selector);
        inbox.withdrawCredit(payable(address(this)));
    }

    function test_withdrawCredit_receiverRefuses_reverts() public {
        Request memory r = _ask();
        vm.warp(r.params.inclusionDeadline + DIRECT);
        inbox.refund(r);
        vm.prank(REFUND);
        vm.expectRevert(abi.encodeWithSelector(ICredits.CreditTransferFailed.selector, address(registry)));
        inbox.withdrawCredit(payable(address(registry)));
        assertEq(inbox.credit(REFUND), 1 ether, "still owed");
    }

    // ---- the one transition function --------------------------------------------------------------------------------

    /// @dev [S] Of all 25 pairs of states only the five edges of the table are passable.
    function test_transition_everyOtherEdge_reverts() public {
        Request memory r = _ask();
        bytes32 id = _idOf(r);
        vm.warp(uint256(r.params.inclusionDeadline) + DIRECT);
        for (uint256 from = 0; from < 5; ++from) {
            // Claimed -> Final, Claimed -> Open, Open -> Refunded, Open -> Claimed.
            _forceState(id, RequestState(from));
            assertTrue(_goes(abi.encodeCall(inbox.settle, (id, executor, r))) == (from == 2), "settle");
            _forceState(id, RequestState(from));
            assertTrue(_goes(abi.encodeCall(inbox.reopen, (id, 0, 0))) == (from == 2), "reopen");
            _forceState(id, RequestState(from));
            assertTrue(_goes(abi.encodeCall(inbox.refund, (r))) == (from == 1), "refund");
            _forceState(id, RequestState(from));
            vm.prank(address(rollup));
            assertTrue(inbox.claim(id, 1, 1, 0) == (from == 1), "claim");
            assertTrue(inbox.status(id).state == RequestState(from == 1 ? 2 : from), "claim's result");
        }
    }

    /// @dev [S] Only the standing claim can be taken back: an older one's loss does not touch the next.
    function test_reopen_anotherClaim_reverts() public {
        Request memory r = _ask();
        ClaimRef memory c = _claim(r);
        bytes memory refusal = abi.encodeWithSelector(IInbox.WrongState.selector, _idOf(r), RequestState.Claimed);
        vm.startPrank(address(rollup));
        vm.expectRevert(refusal);
        inbox.reopen(_idOf(r), c.segmentId + 1, c.index);
        vm.expectRevert(refusal);
        inbox.reopen(_idOf(r), c.segmentId, c.index + 1);
        inbox.reopen(_idOf(r), c.segmentId, c.index);
        vm.stopPrank();
        _assertState(r, RequestState.Open, "the right one");
    }

    /// @dev [S] A rejection gives a fresh deadline: a lie can't run out the time in which the truth may be posted.
    function test_reopen_deadlineRanOutMeanwhile_isFresh_succeeds() public {
        Request memory r = _ask();
        ClaimRef memory c = _claim(r);
        vm.warp(uint256(r.params.inclusionDeadline) + DIRECT + 1);
        vm.prank(address(game));
        rollup.reject(_idOf(r), c.segmentId, c.index);
        assertEq(inbox.status(_idOf(r)).deadline, block.timestamp + REOPEN, "deadline");
        uint256 from = block.timestamp + REOPEN + DIRECT;
        vm.expectRevert(abi.encodeWithSelector(IInbox.TooEarly.selector, from));
        inbox.refund(r);
        vm.warp(from - 1);
        _claim(r);
    }

    function _goes(bytes memory call) private returns (bool ok) {
        vm.prank(address(rollup));
        (ok,) = address(inbox).call(call);
    }

    function _forceState(bytes32 id, RequestState state) private {
        RequestStatus memory s;
        s.state = state;
        // Slot of _slots: credit, (requestCount), deposits before it; found by the live request below.
        vm.store(address(inbox), keccak256(abi.encode(id, uint256(4))), bytes32(StatusSlot.unwrap(pack(s))));
        assertTrue(inbox.status(id).state == state, "storage slot of the statuses moved");
    }

    function test_rollupOnly_byAnyoneElse_reverts() public {
        Request memory r = _ask();
        bytes memory refusal = abi.encodeWithSelector(IInbox.NotRollup.selector, address(this));
        vm.expectRevert(refusal);
        inbox.claim(_idOf(r), 0, 0, 0);
        vm.expectRevert(refusal);
        inbox.settle(_idOf(r), executor, r);
        vm.expectRevert(refusal);
        inbox.reopen(_idOf(r), 0, 0);
        vm.expectRevert(refusal);
        inbox.beginCallback(_idOf(r), IInbox.Mode.Result, r, address(this));
        vm.expectRevert(refusal);
        inbox.failCallback(_idOf(r), IInbox.Mode.Result);
        vm.expectRevert(refusal);
        inbox.admit(new SignedRequest[](0));
    }

    function testFuzz_statusSlot_packUnpack_succeeds(uint256 word) public pure {
        // Enum fields are brought into range; the layout fills the word.
        uint256 w = word;
        for (uint256 shift = 144; shift <= 160; shift += 8) {
            w &= ~(uint256(0xfc) << shift);
        }
        w = (w & ~uint256(0xff)) | uint256(uint8(w) % 5);
        assertEq(StatusSlot.unwrap(pack(StatusSlot.wrap(w).unpack())), w, "round trip");
    }

    // ---- signed requests --------------------------------------------------------------------------------------------

    function _fund(uint256 amount) private {
        inbox.deposit{value: amount}(payer);
    }

    function _balance() private view returns (uint256 balance) {
        (balance,,) = inbox.deposits(payer);
    }

    function _assertSkipped(SignedRequest memory s, IInbox.AdmitError reason) private {
        uint256 before = _balance();
        assertEq(uint256(_admit(s)), uint256(reason), "reason");
        assertEq(_balance(), before, "nothing charged");
    }

    function test_admit_signed_opensAndCharges_succeeds() public {
        _fund(3 ether);
        RequestParams memory p = _params();
        SignedRequest memory s = _signed(p, 700);
        assertEq(uint256(_admit(s)), 0, "admitted");
        Request memory r = _requestOf(p, payer, 1, 700, keccak256("payer's own"));
        _assertState(r, RequestState.Open, "open");
        assertEq(_balance(), 2 ether, "charged");
        assertTrue(inbox.nonceUsed(payer, 700), "spent");
        assertTrue(!inbox.nonceUsed(payer, 701), "only that one");
    }

    /// @dev [S] A payer's nonce opens one request, in whatever batch it stands.
    function test_admit_nonceTwice_skips() public {
        _fund(3 ether);
        _admit(_signed(_params(), 5));
        _assertSkipped(_signed(_params(), 5), IInbox.AdmitError.NonceUsed);
    }

    /// @dev [S] A payer that can't pay is skipped.
    function test_admit_cannotPay_skips() public {
        _fund(1 ether - 1);
        _assertSkipped(_signed(_params(), 5), IInbox.AdmitError.CannotPay);
        assertTrue(!inbox.nonceUsed(payer, 5), "nonce kept");
    }

    function test_admit_badSignature_skips() public {
        _fund(3 ether);
        SignedRequest memory s = _signed(_params(), 5);
        s.params.fee += 1;
        _assertSkipped(s, IInbox.AdmitError.BadSignature);
        s = _signed(_params(), 5);
        s.signature = _sign(OTHER_KEY, inbox.signedRequestDigest(s));
        _assertSkipped(s, IInbox.AdmitError.BadSignature);
        s.signature = "";
        _assertSkipped(s, IInbox.AdmitError.BadSignature);
    }

    /// @dev [S] The twin of a signature with the other s is not a second signature.
    function test_admit_highS_skips() public {
        _fund(3 ether);
        SignedRequest memory s = _signed(_params(), 5);
        (uint8 v, bytes32 r, bytes32 sig) = vm.sign(PAYER_KEY, inbox.signedRequestDigest(s));
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        s.signature = abi.encodePacked(r, bytes32(order - uint256(sig)), v == 27 ? uint8(28) : uint8(27));
        assertEq(
            ecrecover(inbox.signedRequestDigest(s), v == 27 ? 28 : 27, r, bytes32(order - uint256(sig))),
            payer,
            "a twin"
        );
        _assertSkipped(s, IInbox.AdmitError.BadSignature);
    }

    function test_admit_whatRequestRefuses_skips() public {
        _fund(3 ether);
        RequestParams memory p = _params();
        p.modelId = 0;
        _assertSkipped(_signed(p, 5), IInbox.AdmitError.UnknownModel);
        p = _params();
        p.inclusionDeadline = uint64(block.timestamp);
        _assertSkipped(_signed(p, 5), IInbox.AdmitError.PastDeadline);
        SignedRequest memory s = _signed(_params(), 5);
        s.payload = hex"00";
        s.signature = _sign(PAYER_KEY, inbox.signedRequestDigest(s));
        _assertSkipped(s, IInbox.AdmitError.BadPayload);
        s.payload = new bytes(1001);
        (s.payload[0], s.payload[2]) = (0x01, 0x01);
        s.signature = _sign(PAYER_KEY, inbox.signedRequestDigest(s));
        _assertSkipped(s, IInbox.AdmitError.TooMuchWork);
    }

    /// @dev [S] One bad entry does not kill a batch.
    function test_admit_badBetweenGood_admitsTheGood_succeeds() public {
        _fund(3 ether);
        SignedRequest[] memory signed = new SignedRequest[](3);
        for (uint64 i = 0; i < 3; ++i) {
            signed[i] = _signed(_params(), i);
        }
        signed[1].signature = "nonsense";
        vm.prank(SEQUENCER);
        rollup.postBatch(new Segment[](0), signed);
        assertTrue(inbox.nonceUsed(payer, 0) && inbox.nonceUsed(payer, 2), "good ones");
        assertTrue(!inbox.nonceUsed(payer, 1), "bad one");
    }

    function test_withdrawDeposit_afterDelay_succeeds() public {
        _fund(3 ether);
        vm.prank(payer);
        inbox.startDepositWithdrawal(2 ether);
        vm.warp(START + 1 hours);
        vm.prank(payer);
        inbox.withdrawDeposit(payable(address(0xF00)));
        assertEq(address(0xF00).balance, 2 ether, "paid");
        assertEq(_balance(), 1 ether, "rest");
    }

    function test_withdrawDeposit_tooEarly_reverts() public {
        _fund(3 ether);
        vm.prank(payer);
        inbox.startDepositWithdrawal(2 ether);
        vm.warp(START + 1 hours - 1);
        vm.prank(payer);
        vm.expectRevert(abi.encodeWithSelector(IInbox.TooEarly.selector, START + 1 hours));
        inbox.withdrawDeposit(payable(payer));
    }

    /// @dev A payer can't take back what signed requests were promised: leaving money still pays.
    function test_withdrawDeposit_afterCharge_paysTheRest_succeeds() public {
        _fund(1.5 ether);
        vm.prank(payer);
        inbox.startDepositWithdrawal(1.5 ether);
        assertEq(uint256(_admit(_signed(_params(), 1))), 0, "still pays");
        vm.warp(START + 1 hours);
        vm.prank(payer);
        assertEq(inbox.withdrawDeposit(payable(address(0xF00))), 0.5 ether, "what is left");
    }

    function test_startDepositWithdrawal_tooMuch_reverts() public {
        _fund(1 ether);
        vm.prank(payer);
        vm.expectRevert(abi.encodeWithSelector(IInbox.InsufficientDeposit.selector, 1 ether, 2 ether));
        inbox.startDepositWithdrawal(2 ether);
    }

    // ---- EIP-712 ----------------------------------------------------------------------------------------------------

    function test_domainSeparator_isTheStandardOne_succeeds() public {
        bytes32 typeHash =
            keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
        bytes32 expected =
            keccak256(abi.encode(typeHash, keccak256("Assay"), keccak256("1"), block.chainid, address(inbox)));
        assertEq(inbox.domainSeparator(), expected, "domain");
        vm.chainId(999);
        expected = keccak256(abi.encode(typeHash, keccak256("Assay"), keccak256("1"), 999, address(inbox)));
        assertEq(inbox.domainSeparator(), expected, "follows a fork");
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IInbox} from "../../src/interfaces/IInbox.sol";
import {ClaimRef, Request, RequestParams, RequestState, SignedRequest} from "../../src/interfaces/Types.sol";
import {Fixture} from "../base/Fixture.sol";

/// @notice A signed request that anyone sends and pays for.
contract RequestForTest is Fixture {
    function _send(SignedRequest memory s) private returns (bytes32) {
        return inbox.requestFor{value: uint256(s.params.fee) + s.params.callbackFee}(s);
    }

    function _refused(SignedRequest memory s, IInbox.AdmitError reason) private {
        vm.expectRevert(abi.encodeWithSelector(IInbox.Refused.selector, reason));
        _send(s);
    }

    function _deposit() private view returns (uint256 balance) {
        (balance,,) = inbox.deposits(payer);
    }

    /// @dev The id is the one that a batch would give it, and the sender's money pays.
    function test_requestFor_signed_opensAtTheSendersCost_succeeds() public {
        inbox.deposit{value: 3 ether}(payer);
        SignedRequest memory s = _signed(_params(), 700);
        Request memory r = _requestOf(s.params, payer, 1, 700, s.entropy);
        uint256 before = ANYONE.balance;
        vm.deal(ANYONE, before + 1 ether);
        vm.prank(ANYONE);
        assertEq(inbox.requestFor{value: 1 ether}(s), _idOf(r), "a batch's id");
        _assertState(r, RequestState.Open, "open");
        assertEq(_deposit(), 3 ether, "the signer's deposit is whole");
        assertEq(ANYONE.balance, before, "the sender paid");
        assertTrue(inbox.nonceUsed(payer, 700), "spent");
        assertEq(inbox.requestCount(), 0, "the chain's own nonces are untouched");
    }

    /// @dev What such a request pays is what any other does.
    function test_requestFor_answered_paysItsExecutor_succeeds() public {
        SignedRequest memory s = _signed(_params(), 1);
        _send(s);
        Request memory r = _requestOf(s.params, payer, 1, 1, s.entropy);
        ClaimRef memory c = _claim(r);
        uint256 burn = inbox.status(_idOf(r)).burn;
        _finalize(r, c);
        assertEq(inbox.credit(executor), 1 ether - burn, "paid");
        assertEq(address(inbox).balance, inbox.credit(executor), "nothing else is held");
    }

    /// @dev [S] A signature opens one request, whichever way it comes first.
    function test_requestFor_afterAdmit_reverts() public {
        inbox.deposit{value: 3 ether}(payer);
        SignedRequest memory s = _signed(_params(), 5);
        assertEq(uint256(_admit(s)), uint256(IInbox.AdmitError.None), "admitted");
        _refused(s, IInbox.AdmitError.NonceUsed);
        assertEq(_deposit(), 2 ether, "charged once");
    }

    function test_requestFor_thenAdmit_skips() public {
        inbox.deposit{value: 3 ether}(payer);
        SignedRequest memory s = _signed(_params(), 5);
        _send(s);
        assertEq(uint256(_admit(s)), uint256(IInbox.AdmitError.NonceUsed), "not again");
        assertEq(_deposit(), 3 ether, "not charged");
        _refused(s, IInbox.AdmitError.NonceUsed);
    }

    function test_requestFor_wrongValue_reverts() public {
        SignedRequest memory s = _signed(_params(), 5);
        vm.expectRevert(abi.encodeWithSelector(IInbox.WrongValue.selector, 1 ether, 1 ether + 1));
        inbox.requestFor{value: 1 ether + 1}(s);
        // Not even where a deposit could fill the gap.
        inbox.deposit{value: 3 ether}(payer);
        vm.expectRevert(abi.encodeWithSelector(IInbox.WrongValue.selector, 1 ether, 0));
        inbox.requestFor(s);
    }

    function test_requestFor_whatABatchSkips_reverts() public {
        SignedRequest memory s = _signed(_params(), 5);
        s.params.refundTo = ANYONE;
        _refused(s, IInbox.AdmitError.BadSignature);
        s = _signed(_params(), 5);
        s.signature = _sign(OTHER_KEY, inbox.signedRequestDigest(s));
        _refused(s, IInbox.AdmitError.BadSignature);
        RequestParams memory p = _params();
        p.modelId = 0;
        _refused(_signed(p, 5), IInbox.AdmitError.UnknownModel);
        p = _params();
        p.inclusionDeadline = uint64(block.timestamp);
        _refused(_signed(p, 5), IInbox.AdmitError.PastDeadline);
        p = _params();
        p.fee = uint128(rollup.leastFee(uint256(MODEL_LENGTH) * (payload.length + MAX_TOKENS)) - 1);
        _refused(_signed(p, 5), IInbox.AdmitError.FeeTooLow);
        assertTrue(!inbox.nonceUsed(payer, 5), "nonce kept");
    }
}

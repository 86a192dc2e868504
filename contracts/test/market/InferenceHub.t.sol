// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IInbox} from "../../src/interfaces/IInbox.sol";
import {IInferenceHub} from "../../src/interfaces/IInferenceHub.sol";
import {IInferenceMarket} from "../../src/interfaces/IInferenceMarket.sol";
import {IRollup} from "../../src/interfaces/IRollup.sol";
import {IStaking} from "../../src/interfaces/IStaking.sol";
import {ITokenCredits} from "../../src/interfaces/ITokenCredits.sol";
import {Inquiry, Order, OrderState, Quote, SignedAsk, Terms} from "../../src/interfaces/MarketTypes.sol";
import {ClaimRef, Request, RequestParams, RequestState, SignedRequest} from "../../src/interfaces/Types.sol";
import {InferenceHub} from "../../src/market/InferenceHub.sol";
import {Staking} from "../../src/rollup/Staking.sol";
import {MarketFixture} from "./MarketFixture.sol";

contract InferenceHubTest is MarketFixture {
    /// @dev 23 bytes of payload at 1 ether for 1,000, and two tokens at 0.01 ether.
    uint96 private constant PROMPT = 1 ether;
    uint96 private constant PER_TOKEN = 0.01 ether;
    uint256 private constant PRICE = 0.023 ether + 0.02 ether;
    uint256 private constant WORST = 0.023 ether + 0.16 ether;
    uint128 private constant CAP = 0.5 ether;

    function _notTheOrder(Request memory r) private view returns (bytes memory) {
        return abi.encodeWithSelector(IInferenceHub.NotTheOrder.selector, _idOf(r));
    }

    function _wrongState(Request memory r) private view returns (bytes memory) {
        return abi.encodeWithSelector(IInferenceHub.WrongState.selector, _idOf(r));
    }

    function _expectPaid(address paidIn, uint256 paid, uint256 royalty, uint256 rest) private view {
        assertEq(hub.credit(paidIn, executor), paid, "executor");
        assertEq(hub.credit(paidIn, AUTHOR), royalty, "royalty");
        assertEq(hub.credit(paidIn, CHANGE), rest, "rest");
        uint256 held = paidIn == ETHER ? address(hub).balance : token.balanceOf(address(hub));
        assertEq(held, paid + royalty + rest, "the hub has what it owes");
    }

    // ---- what is paid -----------------------------------------------------------------------------------------------

    function test_settle_askInEther_paysItsPrice_succeeds() public {
        _asks(executor, ETHER, PROMPT, PER_TOKEN);
        (Request memory r, Order memory o) = _order(ETHER, CAP);
        assertEq(address(inbox).balance, 1 ether, "the fee is the inbox's");
        _assertOrder(r, OrderState.Held, "held");
        _answerAndSettle(r, o);
        _expectPaid(ETHER, PRICE, 0, CAP - PRICE);
        _assertOrder(r, OrderState.Closed, "closed");
        assertEq(hub.orderHash(_idOf(r)), bytes32(0), "no order");
        vm.prank(executor);
        assertEq(hub.withdraw(ETHER, address(0xF00)), PRICE, "withdrawn");
        assertEq(address(0xF00).balance, PRICE, "sent");
        assertEq(hub.credit(ETHER, executor), 0, "nothing more");
    }

    function test_settle_askInToken_paysItsPrice_succeeds() public {
        _asks(executor, address(token), PROMPT, PER_TOKEN);
        (Request memory r, Order memory o) = _order(address(token), CAP);
        assertEq(token.balanceOf(address(hub)), CAP, "escrow");
        assertEq(address(hub).balance, 0, "no ether");
        _answerAndSettle(r, o);
        _expectPaid(address(token), PRICE, 0, CAP - PRICE);
        vm.prank(CHANGE);
        hub.withdraw(address(token), address(0xF00));
        assertEq(token.balanceOf(address(0xF00)), CAP - PRICE, "sent");
    }

    /// @dev A price is rounded up, so a prompt is never free.
    function test_settle_promptPriceOfOne_isRoundedUp_succeeds() public {
        _asks(executor, ETHER, 1, 0);
        (Request memory r, Order memory o) = _order(ETHER, CAP);
        _answerAndSettle(r, o);
        _expectPaid(ETHER, 1, 0, CAP - 1);
    }

    /// @dev An error is paid for its prompt: its author wrote nothing.
    function test_settle_errorOutput_paysThePromptAlone_succeeds() public {
        _asks(executor, ETHER, PROMPT, PER_TOKEN);
        (Request memory r, Order memory o) = _order(ETHER, CAP);
        output = hex"0300000000";
        _answerAndSettle(r, o);
        _expectPaid(ETHER, 0.023 ether, 0, CAP - 0.023 ether);
    }

    /// @dev A `non_finite` error carries ids, a lie may carry any count: neither is paid for tokens.
    function test_settle_errorOutputWithTokens_paysThePromptAlone_succeeds() public {
        _asks(executor, ETHER, PROMPT, PER_TOKEN);
        (Request memory r, Order memory o) = _order(ETHER, CAP);
        output = hex"07020000000700000009000000";
        _answerAndSettle(r, o);
        _expectPaid(ETHER, 0.023 ether, 0, CAP - 0.023 ether);
    }

    /// @dev [S] No answer is so short that its order can't be settled: an empty one is an error like any other.
    function test_settle_emptyOutput_paysThePromptAlone_succeeds() public {
        _asks(executor, ETHER, PROMPT, PER_TOKEN);
        (Request memory r, Order memory o) = _order(ETHER, CAP);
        output = "";
        _answerAndSettle(r, o);
        _expectPaid(ETHER, 0.023 ether, 0, CAP - 0.023 ether);
    }

    /// @dev An output that claims more tokens than were asked for is paid for as many as were.
    function test_settle_moreTokensThanAsked_paysTheMost_succeeds() public {
        _asks(executor, ETHER, PROMPT, PER_TOKEN);
        (Request memory r, Order memory o) = _order(ETHER, CAP);
        output = hex"00ffffffff";
        _answerAndSettle(r, o);
        _expectPaid(ETHER, WORST, 0, CAP - WORST);
    }

    /// @dev Whoever asks more than the cap and answers all the same chose the cap.
    function test_settle_priceAboveTheCap_paysTheCap_succeeds() public {
        _asks(executor, ETHER, 1000 ether, 1 ether);
        (Request memory r, Order memory o) = _order(ETHER, CAP);
        _answerAndSettle(r, o);
        _expectPaid(ETHER, CAP, 0, 0);
    }

    function test_settle_noAsk_paysNothing_succeeds() public {
        (Request memory r, Order memory o) = _order(ETHER, CAP);
        _answerAndSettle(r, o);
        _expectPaid(ETHER, 0, 0, CAP);
        assertTrue(inbox.credit(executor) > 0, "but the inbox's fee");
    }

    function test_settle_askInAnotherToken_paysNothing_succeeds() public {
        _asks(executor, address(token), PROMPT, PER_TOKEN);
        (Request memory r, Order memory o) = _order(ETHER, CAP);
        _answerAndSettle(r, o);
        _expectPaid(ETHER, 0, 0, CAP);
    }

    function test_settle_askOfAnotherExecutor_paysNothing_succeeds() public {
        _asks(other, ETHER, PROMPT, PER_TOKEN);
        (Request memory r, Order memory o) = _order(ETHER, CAP);
        _answerAndSettle(r, o);
        _expectPaid(ETHER, 0, 0, CAP);
        assertEq(hub.credit(ETHER, other), 0, "nor the one that asked");
    }

    function test_settle_askForAnotherModel_paysNothing_succeeds() public {
        bytes32 asked = modelId;
        modelId = _registerModel(500, 3);
        _asks(executor, ETHER, PROMPT, PER_TOKEN);
        modelId = asked;
        (Request memory r, Order memory o) = _order(ETHER, CAP);
        _answerAndSettle(r, o);
        _expectPaid(ETHER, 0, 0, CAP);
    }

    /// @dev The ask in force when the claim was posted, not when it is settled.
    function test_settle_askWithdrawnAfterTheClaim_paysItsPrice_succeeds() public {
        _asks(executor, ETHER, PROMPT, PER_TOKEN);
        (Request memory r, Order memory o) = _order(ETHER, CAP);
        ClaimRef memory c = _answerBy(EXECUTOR_KEY, r);
        _finalize(r, c);
        vm.prank(executor);
        market.withdraw(modelId);
        hub.settle(o, r, c, output);
        _expectPaid(ETHER, PRICE, 0, CAP - PRICE);
    }

    /// @dev [S] Nobody pays less by settling late: not when the ask has fallen since, nor when it is over.
    function test_settle_longAfterTheClaim_paysTheAskThen_succeeds() public {
        _asks(executor, ETHER, PROMPT, PER_TOKEN);
        (Request memory r, Order memory o) = _order(ETHER, CAP);
        ClaimRef memory c = _answerBy(EXECUTOR_KEY, r);
        _finalize(r, c);
        _post(executor, _terms(ETHER, 0, 0));
        uint256 state = vm.snapshotState();
        hub.settle(o, r, c, output);
        _expectPaid(ETHER, PRICE, 0, CAP - PRICE);
        assertTrue(vm.revertToState(state), "back");
        vm.warp(block.timestamp + 31 days);
        assertEq(market.askAt(executor, modelId, block.timestamp).from, 0, "the ask is over");
        hub.settle(o, r, c, output);
        _expectPaid(ETHER, PRICE, 0, CAP - PRICE);
    }

    // ---- raises -----------------------------------------------------------------------------------------------------

    /// @dev [S] An executor that sees an order come can't raise its price in front of it.
    function test_settle_raiseInFrontOfTheOrder_paysTheOldPrice_succeeds() public {
        _asks(executor, ETHER, PROMPT, PER_TOKEN);
        _post(executor, _terms(ETHER, 100 ether, 1 ether));
        (Request memory r, Order memory o) = _order(ETHER, CAP);
        _answerAndSettle(r, o);
        _expectPaid(ETHER, PRICE, 0, CAP - PRICE);
    }

    /// @dev [S] Nor does it gain by waiting with its answer until the raise holds.
    function test_settle_raiseHoldsBeforeTheClaim_paysTheOldPrice_succeeds() public {
        _asks(executor, ETHER, PROMPT, PER_TOKEN);
        RequestParams memory p = _params();
        p.inclusionDeadline = uint64(block.timestamp) + 2 * NOTICE;
        (Request memory r, Order memory o) = _order(p, _orderTerms(ETHER, CAP));
        _asks(executor, ETHER, 100 ether, 1 ether);
        _answerAndSettle(r, o);
        _expectPaid(ETHER, PRICE, 0, CAP - PRICE);
    }

    /// @dev [S] Withdrawing and posting anew is no way around it either.
    function test_settle_withdrawnAndPostedAnew_paysTheOldPrice_succeeds() public {
        _asks(executor, ETHER, PROMPT, PER_TOKEN);
        RequestParams memory p = _params();
        p.inclusionDeadline = uint64(block.timestamp) + 2 * NOTICE;
        (Request memory r, Order memory o) = _order(p, _orderTerms(ETHER, CAP));
        vm.warp(block.timestamp + 1);
        vm.prank(executor);
        market.withdraw(modelId);
        _asks(executor, ETHER, 100 ether, 1 ether);
        _answerAndSettle(r, o);
        _expectPaid(ETHER, PRICE, 0, CAP - PRICE);
    }

    function test_settle_fallAfterTheOrder_paysTheNewPrice_succeeds() public {
        _asks(executor, ETHER, PROMPT, PER_TOKEN);
        (Request memory r, Order memory o) = _order(ETHER, CAP);
        _asks(executor, ETHER, 0, PER_TOKEN);
        _answerAndSettle(r, o);
        _expectPaid(ETHER, 0.02 ether, 0, CAP - 0.02 ether);
    }

    /// @dev An executor that comes later is paid its own ask, the cap at most: the cap is what an asker offers to anyone.
    function test_settle_sniperAtTheCap_isPaidTheCapAtMost_succeeds() public {
        RequestParams memory p = _params();
        p.inclusionDeadline = uint64(block.timestamp) + 2 * NOTICE;
        _asks(other, ETHER, PROMPT, PER_TOKEN);
        p.inclusionDeadline = uint64(block.timestamp) + 2 * NOTICE;
        (Request memory r, Order memory o) = _order(p, _orderTerms(ETHER, CAP));
        _asks(executor, ETHER, type(uint96).max, type(uint96).max);
        _answerAndSettle(r, o);
        _expectPaid(ETHER, CAP, 0, 0);
    }

    // ---- signed asks ------------------------------------------------------------------------------------------------

    function _carrying(SignedAsk memory ask, uint128 cap) private pure returns (Terms memory t) {
        t = _orderTerms(ask.token, cap);
        t.asks = new SignedAsk[](1);
        t.asks[0] = ask;
    }

    /// @dev A carried ask counts, whatever the executor asks on chain, and whatever it cancels later.
    function test_settle_carriedAsk_comesBeforeTheOneOnChain_succeeds() public {
        _asks(executor, ETHER, 100 ether, 1 ether);
        (Request memory r, Order memory o) =
            _order(_params(), _carrying(_signedAsk(EXECUTOR_KEY, ETHER, PROMPT, PER_TOKEN), CAP));
        vm.prank(executor);
        market.cancel(0, 1 << 77);
        _answerAndSettle(r, o);
        _expectPaid(ETHER, PRICE, 0, CAP - PRICE);
    }

    /// @dev An ask that names somebody else is nothing to the one that answers.
    function test_settle_carriedAskOfAnother_countsNot_succeeds() public {
        (Request memory r, Order memory o) =
            _order(_params(), _carrying(_signedAsk(OTHER_KEY, ETHER, PROMPT, PER_TOKEN), CAP));
        _answerAndSettle(r, o);
        _expectPaid(ETHER, 0, 0, CAP);
    }

    function _refusedTerms(Terms memory t, bytes memory why) private {
        RequestParams memory p = _params();
        uint256 value = _due(p, t);
        vm.prank(ASKER);
        vm.expectRevert(why);
        hub.request{value: value}(p, payload, userData, t);
    }

    function test_request_badCarriedAsk_reverts() public {
        SignedAsk memory ask = _signedAsk(EXECUTOR_KEY, ETHER, PROMPT, PER_TOKEN);
        ask.tokenPrice -= 1;
        bytes memory bad = abi.encodeWithSelector(IInferenceMarket.BadAskSignature.selector, executor);
        _refusedTerms(_carrying(ask, CAP), bad);
        ask = _signedAsk(EXECUTOR_KEY, ETHER, PROMPT, PER_TOKEN);
        ask.signature = "";
        _refusedTerms(_carrying(ask, CAP), bad);
    }

    /// @dev [S] A signed ask can't be replayed once it is over or cancelled, nor for another model or token.
    function test_request_replayedAsk_reverts() public {
        SignedAsk memory ask = _signedAsk(EXECUTOR_KEY, ETHER, PROMPT, PER_TOKEN);
        _order(_params(), _carrying(ask, CAP));
        _order(_params(), _carrying(ask, CAP));
        bytes memory mismatch = abi.encodeWithSelector(IInferenceHub.AskMismatch.selector, executor);
        Terms memory t = _carrying(ask, CAP);
        t.token = address(token);
        _refusedTerms(t, mismatch);
        bytes32 asked = modelId;
        modelId = _registerModel(500, 3);
        _refusedTerms(_carrying(ask, CAP), mismatch);
        modelId = asked;
        bytes memory ended = abi.encodeWithSelector(IInferenceMarket.AskEnded.selector, executor, 77);
        vm.prank(executor);
        market.cancel(0, 1 << 77);
        _refusedTerms(_carrying(ask, CAP), ended);
        ask = _signedAsk(OTHER_KEY, ETHER, PROMPT, PER_TOKEN);
        vm.warp(uint256(ask.validUntil) + 1);
        ended = abi.encodeWithSelector(IInferenceMarket.AskEnded.selector, other, 77);
        _refusedTerms(_carrying(ask, CAP), ended);
    }

    function test_request_nineAsks_reverts() public {
        Terms memory t = _orderTerms(ETHER, CAP);
        t.asks = new SignedAsk[](9);
        _refusedTerms(t, abi.encodeWithSelector(IInferenceHub.TooManyAsks.selector, 9));
        t.asks = new SignedAsk[](8);
        for (uint256 i = 0; i < 8; ++i) {
            t.asks[i] = _signedAsk(EXECUTOR_KEY, ETHER, PROMPT, PER_TOKEN);
        }
        _order(_params(), t);
    }

    // ---- royalty ----------------------------------------------------------------------------------------------------

    function _listed(uint128 cap) private pure returns (Terms memory t) {
        t = _orderTerms(ETHER, cap);
        t.publisher = PUBLISHER;
    }

    /// @dev The royalty comes on top: an asker that names itself as publisher pays its executor no less.
    function test_settle_royalty_comesOnTop_succeeds() public {
        _asks(executor, ETHER, PROMPT, PER_TOKEN);
        _publish(1000);
        (Request memory r, Order memory o) = _order(_params(), _listed(CAP));
        _answerAndSettle(r, o);
        _expectPaid(ETHER, PRICE, PRICE / 10, CAP - PRICE - PRICE / 10);
    }

    /// @dev A cap that does not pay both is shared: the royalty is its part of what is paid.
    function test_settle_royaltyWithinTheCap_succeeds() public {
        _asks(executor, ETHER, 1000 ether, 1 ether);
        _publish(2000);
        (Request memory r, Order memory o) = _order(_params(), _listed(0.6 ether));
        _answerAndSettle(r, o);
        _expectPaid(ETHER, 0.5 ether, 0.1 ether, 0);
    }

    /// @dev [S] A publisher can't make an order dearer that names it; a lower royalty counts, and its new payee is paid.
    function test_settle_royaltyChangedAfterTheOrder_onlyFalls_succeeds() public {
        _asks(executor, ETHER, PROMPT, PER_TOKEN);
        _publish(1000);
        (Request memory r, Order memory o) = _order(_params(), _listed(CAP));
        vm.startPrank(PUBLISHER);
        vm.expectRevert();
        catalog.lowerRoyalty(modelId, 1001);
        vm.expectRevert();
        catalog.publish(modelId, _provenance(), 2000, AUTHOR);
        catalog.lowerRoyalty(modelId, 500);
        catalog.redirectRoyalty(modelId, address(0xBEEF));
        vm.stopPrank();
        _answerAndSettle(r, o);
        assertEq(hub.credit(ETHER, address(0xBEEF)), PRICE / 20, "the lower one");
        _expectPaid(ETHER, PRICE, 0, CAP - PRICE - PRICE / 20, PRICE / 20);
    }

    function _expectPaid(address paidIn, uint256 paid, uint256 royalty, uint256 rest, uint256 elsewhere) private view {
        assertEq(hub.credit(paidIn, executor), paid, "executor");
        assertEq(hub.credit(paidIn, AUTHOR), royalty, "royalty");
        assertEq(hub.credit(paidIn, CHANGE), rest, "rest");
        assertEq(address(hub).balance, paid + royalty + rest + elsewhere, "the hub has what it owes");
    }

    function test_request_unlistedPublisher_reverts() public {
        _refusedTerms(_listed(CAP), abi.encodeWithSelector(IInferenceHub.NotPublished.selector, modelId, PUBLISHER));
    }

    /// @dev Whatever the prices, the three parts are the escrow; the executor has its price if the cap allows.
    function testFuzz_settle_sharesTheEscrow_succeeds(uint96 prompt, uint96 perToken, uint64 cap, uint16 bps) public {
        bps %= 2001;
        _asks(executor, ETHER, prompt, perToken);
        _publish(bps);
        (Request memory r, Order memory o) = _order(_params(), _listed(cap));
        _answerAndSettle(r, o);
        uint256 price = (uint256(prompt) * payload.length + 999) / 1000 + uint256(perToken) * 2;
        uint256 paid = hub.credit(ETHER, executor);
        uint256 royalty = hub.credit(ETHER, AUTHOR);
        assertTrue(paid <= price && paid <= cap, "no more than the price, nor than the cap");
        assertEq(royalty, paid * bps / 10_000, "royalty");
        assertEq(paid + royalty + hub.credit(ETHER, CHANGE), cap, "all of the escrow");
        assertEq(address(hub).balance, cap, "held");
        if (price + price * bps / 10_000 < cap) assertEq(paid, price, "in full");
        else assertTrue(paid + royalty + 2 >= cap || paid == price, "as much as the cap pays");
    }

    // ---- quotes -----------------------------------------------------------------------------------------------------

    /// @dev What a quote says to send asks, and pays the executor in full at the longest answer.
    function test_quote_sent_paysTheLongestAnswer_succeeds() public {
        _publish(333);
        _asks(executor, ETHER, 1 ether + 1, PER_TOKEN + 1);
        Inquiry memory q = _inquiry(ETHER);
        q.publisher = PUBLISHER;
        Quote memory quoted = hub.quote(q, 0, 10);
        assertEq(quoted.executor, executor, "who");
        uint256 work = uint256(MODEL_LENGTH) * (payload.length + MAX_TOKENS);
        assertEq(quoted.leastFee, rollup.leastFee(work), "the inbox's floor");
        (uint256 batch, uint256 direct) = rollup.presentFee(work);
        assertTrue(quoted.batchFee == batch && quoted.directFee == direct, "and what it is now");
        RequestParams memory p = _params();
        p.fee = uint128(quoted.fee);
        Terms memory t = _listed(uint128(quoted.priceCap));
        assertEq(_due(p, t), quoted.value, "value");
        (Request memory r, Order memory o) = _order(p, t);
        output = hex"00ffffffff";
        _answerAndSettle(r, o);
        assertEq(hub.credit(ETHER, executor), quoted.price, "in full");
        assertTrue(hub.credit(ETHER, CHANGE) <= 1, "and nothing over but rounding");
    }

    function test_quote_cheapestOfThoseWithABond_succeeds() public {
        _asks(executor, ETHER, PROMPT, PER_TOKEN);
        address poor = address(0x9009);
        _asks(poor, ETHER, 0, 0);
        _asks(other, ETHER, PROMPT, PER_TOKEN - 1);
        assertEq(hub.quote(_inquiry(ETHER), 0, 10).executor, other, "not the one without stake");
        assertEq(hub.quote(_inquiry(ETHER), _list(poor, executor)).executor, executor, "of those given");
        assertEq(hub.quote(_inquiry(ETHER), 0, 1).executor, executor, "of the page");
        staking.deposit{value: CLAIM_BOND}(poor);
        Quote memory q = hub.quote(_inquiry(ETHER), 0, 10);
        assertEq(q.executor, poor, "once it has a bond");
        assertEq(q.price, 0, "for nothing");
        Inquiry memory dear = _inquiry(ETHER);
        dear.minBond = CLAIM_BOND + 1;
        assertEq(hub.quote(dear, 0, 10).executor, other, "the request's own bond counts");
        assertEq(hub.quote(_inquiry(address(token)), 0, 10).executor, address(0), "nobody asks for that token");
        vm.prank(other);
        market.withdraw(modelId);
        vm.warp(block.timestamp + 1);
        assertEq(hub.quote(dear, 0, 10).executor, executor, "nor who withdrew");
        assertEq(hub.quote(_inquiry(ETHER), 3, 10).executor, address(0), "an empty page");
    }

    function test_quote_unknownModel_reverts() public {
        Inquiry memory q = _inquiry(ETHER);
        q.modelId = keccak256("no model");
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.UnknownModel.selector, q.modelId));
        hub.quote(q, 0, 10);
    }

    /// @dev Where no window takes the work there is no fee to send, and nothing overflows.
    function test_quote_moreThanAWindow_saysSo_succeeds() public {
        _asks(executor, ETHER, PROMPT, PER_TOKEN);
        Inquiry memory q = _inquiry(ETHER);
        q.maxTokens = type(uint32).max;
        Quote memory quoted = hub.quote(q, 0, 10);
        assertEq(quoted.fee, type(uint256).max, "no fee");
        assertEq(quoted.value, type(uint256).max, "no value");
    }

    // ---- asking -----------------------------------------------------------------------------------------------------

    function test_request_wrongValue_reverts() public {
        RequestParams memory p = _params();
        Terms memory t = _orderTerms(ETHER, CAP);
        vm.startPrank(ASKER);
        vm.expectRevert(abi.encodeWithSelector(IInferenceHub.WrongValue.selector, 1.5 ether, 1 ether));
        hub.request{value: 1 ether}(p, payload, userData, t);
        t.token = address(token);
        vm.expectRevert(abi.encodeWithSelector(IInferenceHub.WrongValue.selector, 1 ether, 1.5 ether));
        hub.request{value: 1.5 ether}(p, payload, userData, t);
        vm.stopPrank();
    }

    /// @dev Money that came back to the hub, or to nobody, would be lost.
    function test_request_badRefundTo_reverts() public {
        Terms memory t = _orderTerms(ETHER, CAP);
        t.refundTo = address(0);
        _refusedTerms(t, abi.encodeWithSelector(IInferenceHub.BadRefundTo.selector, address(0)));
        t.refundTo = address(hub);
        _refusedTerms(t, abi.encodeWithSelector(IInferenceHub.BadRefundTo.selector, address(hub)));
        RequestParams memory p = _params();
        p.refundTo = address(hub);
        t = _orderTerms(ETHER, CAP);
        vm.prank(ASKER);
        vm.expectRevert(abi.encodeWithSelector(IInferenceHub.BadRefundTo.selector, address(hub)));
        hub.request{value: 1.5 ether}(p, payload, userData, t);
    }

    /// @dev What the inbox refuses takes no escrow.
    function test_request_refusedByTheInbox_reverts() public {
        _fund(token, CAP);
        RequestParams memory p = _params();
        p.fee = 0;
        vm.prank(ASKER);
        vm.expectRevert(abi.encodeWithSelector(IInbox.Refused.selector, IInbox.AdmitError.FeeTooLow));
        hub.request(p, payload, userData, _orderTerms(address(token), CAP));
        assertEq(token.balanceOf(ASKER), CAP, "still the asker's");
    }

    function test_request_withoutACap_holdsNothing_succeeds() public {
        (Request memory r, Order memory o) = _order(address(token), 0);
        _answerAndSettle(r, o);
        assertEq(token.balanceOf(address(hub)), 0, "nothing");
    }

    /// @dev The signer needs neither ether nor tokens; what is left goes where each said.
    function test_requestFor_anyPayer_succeeds() public {
        _asks(executor, address(token), PROMPT, PER_TOKEN);
        SignedRequest memory s = _signed(_params(), 9);
        Terms memory t = _orderTerms(address(token), CAP);
        Order memory o = _orderOf(t, CAP);
        _fund(token, CAP);
        vm.prank(ASKER);
        bytes32 id = hub.requestFor{value: 1 ether}(s, t);
        Request memory r = _requestOf(s.params, payer, 1, 9, s.entropy);
        assertEq(id, _idOf(r), "the signer's request");
        _answerAndSettle(r, o);
        _expectPaid(address(token), PRICE, 0, CAP - PRICE);
    }

    /// @dev [S] One signature, one request and one order, whichever way it comes first.
    function test_requestFor_replayed_reverts() public {
        SignedRequest memory s = _signed(_params(), 9);
        Terms memory t = _orderTerms(ETHER, CAP);
        vm.deal(ASKER, 10 ether);
        vm.startPrank(ASKER);
        hub.requestFor{value: 1.5 ether}(s, t);
        bytes memory used = abi.encodeWithSelector(IInbox.Refused.selector, IInbox.AdmitError.NonceUsed);
        vm.expectRevert(used);
        hub.requestFor{value: 1.5 ether}(s, t);
        vm.stopPrank();
        inbox.deposit{value: 3 ether}(payer);
        assertEq(uint256(_admit(s)), uint256(IInbox.AdmitError.NonceUsed), "nor by a batch");
        SignedRequest memory s2 = _signed(_params(), 10);
        assertEq(uint256(_admit(s2)), uint256(IInbox.AdmitError.None), "a batch first");
        vm.prank(ASKER);
        vm.expectRevert(used);
        hub.requestFor{value: 1.5 ether}(s2, t);
        assertEq(address(hub).balance, CAP, "one order");
    }

    // ---- settling ---------------------------------------------------------------------------------------------------

    function test_settle_twice_reverts() public {
        (Request memory r, Order memory o) = _order(ETHER, CAP);
        ClaimRef memory c = _answerBy(EXECUTOR_KEY, r);
        _finalize(r, c);
        hub.settle(o, r, c, output);
        vm.expectRevert(_notTheOrder(r));
        hub.settle(o, r, c, output);
        vm.expectRevert(_notTheOrder(r));
        hub.refundExpired(o, r);
    }

    function test_settle_notFinal_reverts() public {
        (Request memory r, Order memory o) = _order(ETHER, CAP);
        ClaimRef memory c;
        vm.expectRevert(_wrongState(r));
        hub.settle(o, r, c, output);
        c = _answerBy(EXECUTOR_KEY, r);
        vm.expectRevert(_wrongState(r));
        hub.settle(o, r, c, output);
        vm.warp(block.timestamp + WINDOW);
        hub.finalize(r, c);
        hub.settle(o, r, c, output);
    }

    /// @dev [S] Only the claim that stands is paid for: the overturned one is nobody's answer, before and after the next.
    function test_settle_overturnedClaim_reverts() public {
        _asks(executor, ETHER, PROMPT, PER_TOKEN);
        (Request memory r, Order memory o) = _order(ETHER, CAP);
        ClaimRef memory lie = _answerBy(OTHER_KEY, r);
        vm.prank(address(game));
        rollup.reject(_idOf(r), lie.segmentId, lie.index);
        vm.expectRevert(_wrongState(r));
        hub.settle(o, r, lie, output);
        ClaimRef memory c = _answerBy(EXECUTOR_KEY, r);
        _finalize(r, c);
        vm.expectRevert(abi.encodeWithSelector(IRollup.NotTheClaim.selector, _idOf(r)));
        hub.settle(o, r, lie, output);
        hub.settle(o, r, c, output);
        _expectPaid(ETHER, PRICE, 0, CAP - PRICE);
        assertEq(hub.credit(ETHER, other), 0, "nothing for a lie");
    }

    function test_settle_anotherOutput_reverts() public {
        (Request memory r, Order memory o) = _order(ETHER, CAP);
        ClaimRef memory c = _answerBy(EXECUTOR_KEY, r);
        _finalize(r, c);
        vm.expectRevert(abi.encodeWithSelector(IInferenceHub.OutputMismatch.selector, _idOf(r)));
        hub.settle(o, r, c, hex"00ffffffff");
        c.outputHash = keccak256(hex"00ffffffff");
        vm.expectRevert(abi.encodeWithSelector(IRollup.NotTheClaim.selector, _idOf(r)));
        hub.settle(o, r, c, hex"00ffffffff");
    }

    /// @dev Any field of the order, or any other order, is refused.
    function test_settle_anotherOrder_reverts() public {
        Terms memory t = _orderTerms(ETHER, CAP);
        t.refundTo = ANYONE;
        _order(_params(), t);
        (Request memory r, Order memory o) = _order(ETHER, CAP);
        ClaimRef memory c = _answerBy(EXECUTOR_KEY, r);
        _finalize(r, c);
        Order memory wrong = _orderOf(t, CAP);
        wrong.orderedAt = o.orderedAt;
        vm.expectRevert(_notTheOrder(r));
        hub.settle(wrong, r, c, output);
        o.escrow += 1;
        vm.expectRevert(_notTheOrder(r));
        hub.settle(o, r, c, output);
        o.escrow -= 1;
        hub.settle(o, r, c, output);
    }

    // ---- refunds ----------------------------------------------------------------------------------------------------

    function test_refundExpired_open_refundsBoth_succeeds() public {
        (Request memory r, Order memory o) = _order(ETHER, CAP);
        uint256 from = r.params.inclusionDeadline + DIRECT;
        vm.warp(from - 1);
        vm.expectRevert(abi.encodeWithSelector(IInbox.TooEarly.selector, from));
        hub.refundExpired(o, r);
        vm.warp(from);
        vm.prank(ANYONE);
        hub.refundExpired(o, r);
        _assertState(r, RequestState.Refunded, "refunded");
        assertEq(inbox.credit(REFUND), 1 ether, "the fee");
        _expectPaid(ETHER, 0, 0, CAP);
        _assertOrder(r, OrderState.Closed, "closed");
        vm.expectRevert(_notTheOrder(r));
        hub.refundExpired(o, r);
    }

    function test_refundExpired_refundedByAnother_succeeds() public {
        (Request memory r, Order memory o) = _order(address(token), CAP);
        vm.warp(r.params.inclusionDeadline + DIRECT);
        inbox.refund(r);
        hub.refundExpired(o, r);
        _expectPaid(address(token), 0, 0, CAP);
    }

    /// @dev [S] Whoever answers is paid: an order is not refunded while its request is claimed, nor once it is final.
    function test_refundExpired_answered_reverts() public {
        (Request memory r, Order memory o) = _order(ETHER, CAP);
        ClaimRef memory c = _answerBy(EXECUTOR_KEY, r);
        vm.warp(r.params.inclusionDeadline + DIRECT);
        vm.expectRevert(_wrongState(r));
        hub.refundExpired(o, r);
        rollup.finalize(r, c);
        vm.expectRevert(_wrongState(r));
        hub.refundExpired(o, r);
        hub.settle(o, r, c, output);
    }

    // ---- the rest ---------------------------------------------------------------------------------------------------

    function test_withdraw_none_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ITokenCredits.NoCredit.selector, ETHER));
        hub.withdraw(ETHER, address(this));
    }

    /// @dev A payee that refuses money hurts itself: the order is settled, and it withdraws elsewhere.
    function test_withdraw_receiverRefuses_reverts() public {
        (Request memory r, Order memory o) = _order(ETHER, CAP);
        _answerAndSettle(r, o);
        vm.startPrank(CHANGE);
        vm.expectRevert(abi.encodeWithSelector(ITokenCredits.TransferFailed.selector, address(registry)));
        hub.withdraw(ETHER, address(registry));
        assertEq(hub.credit(ETHER, CHANGE), CAP, "still owed");
        hub.withdraw(ETHER, address(0xF00));
        vm.stopPrank();
        assertEq(address(0xF00).balance, CAP, "sent");
    }

    function test_receive_byAnyoneElse_reverts() public {
        vm.prank(ASKER);
        (bool ok,) = address(hub).call{value: 1}("");
        assertTrue(!ok, "refused");
    }

    function test_constructor_stakingOfAnotherRollup_reverts() public {
        Staking strange = new Staking(address(this), address(this), address(0), 1);
        vm.expectRevert(IInferenceHub.BadParameters.selector);
        new InferenceHub(inbox, IStaking(strange), registry, market, catalog);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IInbox} from "../interfaces/IInbox.sol";
import {IInferenceHub} from "../interfaces/IInferenceHub.sol";
import {IInferenceMarket} from "../interfaces/IInferenceMarket.sol";
import {IModelCatalog} from "../interfaces/IModelCatalog.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {IRollup} from "../interfaces/IRollup.sol";
import {IStaking} from "../interfaces/IStaking.sol";
import {Checkpoint, Inquiry, Offer, Order, OrderState, Quote, SignedAsk, Terms} from "../interfaces/MarketTypes.sol";
import {ClaimRef, Request, RequestParams, RequestState, RequestStatus, SignedRequest} from "../interfaces/Types.sol";
import {BlobRefs} from "../rollup/BlobRefs.sol";
import {CallbackFee} from "../rollup/CallbackFee.sol";
import {RequestLaws} from "../rollup/RequestLaws.sol";
import {AskLaws} from "./AskLaws.sol";
import {TokenCredits} from "./TokenCredits.sol";

/// @title The one contract that a dApp talks to
// INVARIANT: balance in each token = escrows of held orders + credits; an order is settled or refunded, once.
contract InferenceHub is IInferenceHub, TokenCredits {
    /// @dev What stands for the hash of an order that is settled or refunded.
    bytes32 private constant CLOSED = bytes32(uint256(1));
    uint256 private constant MAX_ASKS = 8;

    /// @notice Where requests go.
    IInbox public immutable inbox;
    /// @notice Where claims become final.
    IRollup public immutable rollup;
    /// @notice Where bonds are.
    IStaking public immutable staking;
    /// @notice What models are known.
    IModelRegistry public immutable registry;
    /// @notice What executors ask.
    IInferenceMarket public immutable market;
    /// @notice What models earn.
    IModelCatalog public immutable catalog;

    mapping(bytes32 id => bytes32 hash) private _orders;

    constructor(
        IInbox inbox_,
        IStaking staking_,
        IModelRegistry registry_,
        IInferenceMarket market_,
        IModelCatalog catalog_
    ) {
        (inbox, rollup, staking) = (inbox_, IRollup(inbox_.rollup()), staking_);
        (registry, market, catalog) = (registry_, market_, catalog_);
        if (staking_.rollup() != address(rollup)) revert BadParameters();
    }

    /// @notice The inbox alone pays without asking: what it owes the hub for a callback.
    receive() external payable {
        if (msg.sender != address(inbox)) revert NotInbox(msg.sender);
    }

    // ---- quotes -----------------------------------------------------------------------------------------------------

    /// @inheritdoc IInferenceHub
    function quote(Inquiry calldata inquiry, address[] calldata executors) external view returns (Quote memory) {
        return _quote(inquiry, executors);
    }

    /// @inheritdoc IInferenceHub
    function quote(Inquiry calldata inquiry, uint256 start, uint256 count) external view returns (Quote memory) {
        return _quote(inquiry, market.executors(inquiry.modelId, start, count));
    }

    /// @inheritdoc IInferenceHub
    function status(bytes32 id) external view returns (RequestStatus memory, OrderState) {
        bytes32 hash = _orders[id];
        OrderState state = hash == 0 ? OrderState.None : hash == CLOSED ? OrderState.Closed : OrderState.Held;
        return (inbox.status(id), state);
    }

    /// @inheritdoc IInferenceHub
    function orderHash(bytes32 id) external view returns (bytes32) {
        return _orders[id] == CLOSED ? bytes32(0) : _orders[id];
    }

    // ---- asking -----------------------------------------------------------------------------------------------------

    /// @inheritdoc IInferenceHub
    function request(
        RequestParams calldata params,
        bytes calldata payload,
        bytes calldata userData,
        Terms calldata terms
    ) external payable returns (bytes32 id) {
        uint256 due = uint256(params.fee) + params.callbackFee;
        Order memory order = _take(params, due, terms);
        id = inbox.request{value: due}(params, payload, userData);
        _hold(id, order);
    }

    /// @inheritdoc IInferenceHub
    function requestFor(SignedRequest calldata signed, Terms calldata terms) external payable returns (bytes32 id) {
        uint256 due = uint256(signed.params.fee) + signed.params.callbackFee;
        Order memory order = _take(signed.params, due, terms);
        id = inbox.requestFor{value: due}(signed);
        _hold(id, order);
    }

    // ---- after the answer -------------------------------------------------------------------------------------------

    /// @inheritdoc IInferenceHub
    function finalize(Request calldata req, ClaimRef calldata claim) external {
        rollup.finalize(req, claim);
    }

    /// @inheritdoc IInferenceHub
    function settle(Order calldata order, Request calldata req, ClaimRef calldata claim, bytes calldata output)
        external
    {
        _settle(order, req, claim, output, keccak256(output));
    }

    /// @inheritdoc IInferenceHub
    function settleFromBlob(
        Order calldata order,
        Request calldata req,
        ClaimRef calldata claim,
        bytes32 blob,
        bytes calldata ref
    ) external {
        _settle(order, req, claim, BlobRefs.head(ref), BlobRefs.hash(blob, ref));
    }

    /// @inheritdoc IInferenceHub
    function refundExpired(Order calldata order, Request calldata req) external {
        bytes32 id = RequestLaws.idOf(req, address(inbox));
        _close(id, order);
        if (inbox.status(id).state == RequestState.Open) inbox.refund(req);
        if (inbox.status(id).state != RequestState.Refunded) revert WrongState(id);
        _credit(order.token, order.refundTo, order.escrow);
        emit OrderRefunded(id, order.refundTo, order.escrow);
    }

    /// @inheritdoc IInferenceHub
    function retryCallback(
        Request calldata req,
        ClaimRef calldata claim,
        bytes calldata output,
        bytes calldata userData
    ) external returns (bool success) {
        // INVARIANT: what the inbox will pay is known before the consumer is called: a measure around the call would count what
        //            a consumer has delivered or refunded meanwhile.
        uint256 earned = _callbackFee(RequestLaws.idOf(req, address(inbox)), req.params);
        success = rollup.deliverResult(req, claim, output, userData);
        // A consumer that came back in may have had it fetched already.
        if (inbox.credit(address(this)) != 0) inbox.withdrawCredit(payable(address(this)));
        _credit(ETHER, msg.sender, earned);
    }

    // ---- inside: asking ---------------------------------------------------------------------------------------------

    /// @dev Checks the terms, takes the escrow, and says what is to be held.
    function _take(RequestParams calldata params, uint256 due, Terms calldata terms)
        private
        returns (Order memory order)
    {
        // Money that went back to the hub would be nobody's.
        if (params.refundTo == address(this)) revert BadRefundTo(params.refundTo);
        if (terms.refundTo == address(0) || terms.refundTo == address(this)) revert BadRefundTo(terms.refundTo);
        if (terms.publisher != address(0) && !catalog.published(params.modelId, terms.publisher)) {
            revert NotPublished(params.modelId, terms.publisher);
        }
        (order.token, order.publisher, order.refundTo) = (terms.token, terms.publisher, terms.refundTo);
        order.orderedAt = uint40(block.timestamp);
        order.offers = _offers(params.modelId, terms);
        bool inEther = terms.token == ETHER;
        uint256 expected = inEther ? due + terms.priceCap : due;
        if (msg.value != expected) revert WrongValue(expected, msg.value);
        // INVARIANT: an escrow is what came, so no order spends another's; and so a token's fee lowers its order's cap alone.
        bool pulls = !inEther && terms.priceCap != 0;
        uint256 received = pulls ? _pull(terms.token, terms.priceCap) : terms.priceCap;
        if (received > type(uint128).max) revert TooMuch(received);
        order.escrow = uint128(received);
    }

    function _offers(bytes32 modelId, Terms calldata terms) private view returns (Offer[] memory offers) {
        uint256 count = terms.asks.length;
        if (count > MAX_ASKS) revert TooManyAsks(count);
        offers = new Offer[](count);
        for (uint256 i = 0; i < count; ++i) {
            SignedAsk calldata ask = terms.asks[i];
            if (ask.modelId != modelId || ask.token != terms.token) revert AskMismatch(ask.executor);
            market.verify(ask);
            offers[i] = Offer(ask.executor, ask.promptPrice, ask.tokenPrice);
        }
    }

    function _hold(bytes32 id, Order memory order) private {
        _orders[id] = keccak256(abi.encode(order));
        emit Ordered(id, msg.sender, order);
    }

    // ---- inside: paying ---------------------------------------------------------------------------------------------

    /// @dev `output` is the claimed one or as much of it as says how many tokens are paid for.
    function _settle(
        Order calldata order,
        Request calldata req,
        ClaimRef calldata claim,
        bytes calldata output,
        bytes32 outputHash
    ) private {
        bytes32 id = RequestLaws.idOf(req, address(inbox));
        _close(id, order);
        if (inbox.status(id).state != RequestState.Final) revert WrongState(id);
        (address executor, uint40 postedAt) = rollup.checkClaim(id, claim);
        if (outputHash != claim.outputHash) revert OutputMismatch(id);
        uint256 tokens = AskLaws.paidTokens(output, req.maxTokens);
        uint256 price = _price(order, req, executor, postedAt, tokens);
        _payOut(id, order, req.params.modelId, executor, price);
    }

    /// @dev The one way out of an order.
    // INVARIANT: closed before anything is paid, so an order pays out once.
    function _close(bytes32 id, Order calldata order) private {
        if (_orders[id] != keccak256(abi.encode(order))) revert NotTheOrder(id);
        _orders[id] = CLOSED;
    }

    function _payOut(bytes32 id, Order calldata order, bytes32 modelId, address executor, uint256 price) private {
        (uint16 bps, address royaltyTo) = catalog.royalty(modelId, order.publisher);
        uint256 paid = AskLaws.within(price, bps, order.escrow);
        uint256 royalty = AskLaws.royalty(paid, bps);
        // INVARIANT: paid + royalty <= escrow, and all three go out.
        uint256 rest = order.escrow - paid - royalty;
        _credit(order.token, executor, paid);
        _credit(order.token, royaltyTo, royalty);
        _credit(order.token, order.refundTo, rest);
        emit Settled(id, executor, paid, royaltyTo, royalty, rest);
    }

    /// @dev What `executor` is owed: by the ask that the order carries, or else by its ask on chain when it claimed. Zero
    ///      without one in the order's token.
    // INVARIANT: an ask raised after an order never makes that order dearer.
    function _price(Order calldata order, Request calldata req, address executor, uint256 postedAt, uint256 tokens)
        private
        view
        returns (uint256 price)
    {
        for (uint256 i = 0; i < order.offers.length; ++i) {
            Offer calldata offer = order.offers[i];
            if (offer.executor != executor) continue;
            return AskLaws.cost(offer.promptPrice, offer.tokenPrice, req.payloadLength, tokens);
        }
        bool asked;
        (asked, price) = _priceAt(order.token, req, executor, postedAt, tokens);
        if (!asked) return 0;
        (bool before, uint256 earlier) = _priceAt(order.token, req, executor, order.orderedAt, tokens);
        if (before && earlier < price) price = earlier;
    }

    function _priceAt(address token, Request calldata req, address executor, uint256 time, uint256 tokens)
        private
        view
        returns (bool asked, uint256 price)
    {
        Checkpoint memory ask = market.askAt(executor, req.params.modelId, time);
        asked = ask.from != 0 && ask.token == token;
        if (asked) price = AskLaws.cost(ask.promptPrice, ask.tokenPrice, req.payloadLength, tokens);
    }

    /// @dev What the inbox pays for delivering a result now.
    function _callbackFee(bytes32 id, RequestParams calldata params) private view returns (uint256) {
        uint8 paid = inbox.status(id).feeHalvesPaid;
        return CallbackFee.amount(CallbackFee.halves(IInbox.Mode.Result, params.delivery, paid), params.callbackFee);
    }

    // ---- inside: quotes ---------------------------------------------------------------------------------------------

    function _quote(Inquiry calldata inquiry, address[] memory executors) private view returns (Quote memory q) {
        uint256 length = registry.model(inquiry.modelId).length;
        if (length == 0) revert IInferenceMarket.UnknownModel(inquiry.modelId);
        uint256 work = RequestLaws.work(length, inquiry.payloadLength, inquiry.maxTokens);
        q.leastFee = rollup.leastFee(work);
        (q.batchFee, q.directFee) = rollup.presentFee(work);
        (q.executor, q.price) = _cheapest(inquiry, executors);
        (uint16 bps,) = catalog.royalty(inquiry.modelId, inquiry.publisher);
        // Rounded up, so that the cap pays both in full.
        q.royalty = (q.price * bps + AskLaws.BPS - 1) / AskLaws.BPS;
        q.priceCap = q.price + q.royalty;
        q.fee = q.batchFee == type(uint256).max || q.batchFee < q.leastFee ? q.leastFee : q.batchFee;
        q.value = inquiry.token == ETHER && q.fee != type(uint256).max ? q.fee + q.priceCap : q.fee;
    }

    function _cheapest(Inquiry calldata inquiry, address[] memory executors)
        private
        view
        returns (address executor, uint256 price)
    {
        uint256 bond = rollup.claimBond();
        if (inquiry.minBond > bond) bond = inquiry.minBond;
        for (uint256 i = 0; i < executors.length; ++i) {
            Checkpoint memory ask = market.askAt(executors[i], inquiry.modelId, block.timestamp);
            if (ask.from == 0 || ask.token != inquiry.token) continue;
            uint256 cost = AskLaws.cost(ask.promptPrice, ask.tokenPrice, inquiry.payloadLength, inquiry.maxTokens);
            bool better = executor == address(0) || cost < price;
            if (better && staking.freeStake(executors[i]) >= bond) (executor, price) = (executors[i], cost);
        }
    }
}

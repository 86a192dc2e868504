// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {
    AskTerms,
    Inquiry,
    Order,
    OrderState,
    Offer,
    Provenance,
    SignedAsk,
    Terms
} from "../../src/interfaces/MarketTypes.sol";
import {ClaimRef, Request, RequestParams, Result} from "../../src/interfaces/Types.sol";
import {InferenceHub} from "../../src/market/InferenceHub.sol";
import {InferenceMarket} from "../../src/market/InferenceMarket.sol";
import {ModelCatalog} from "../../src/market/ModelCatalog.sol";
import {Fixture} from "../base/Fixture.sol";
import {Token} from "./Tokens.sol";

/// @notice The toy rollup with the market above it.
abstract contract MarketFixture is Fixture {
    uint32 internal constant NOTICE = 600;
    address internal constant PUBLISHER = address(0x9B1);
    address internal constant AUTHOR = address(0xA07);
    /// @dev Who gets unspent escrow; `REFUND` gets unspent fees.
    address internal constant CHANGE = address(0xC4A);
    address internal constant ETHER = address(0);

    InferenceMarket internal market;
    ModelCatalog internal catalog;
    InferenceHub internal hub;
    Token internal token;

    function setUp() public virtual override {
        super.setUp();
        _deployMarket();
    }

    function _deployMarket() internal {
        market = new InferenceMarket(registry, NOTICE);
        catalog = new ModelCatalog(registry);
        hub = new InferenceHub(inbox, staking, registry, market, catalog);
        token = new Token();
    }

    // ---- asks -------------------------------------------------------------------------------------------------------

    function _terms(address paidIn, uint96 promptPrice, uint96 tokenPrice) internal view returns (AskTerms memory) {
        return AskTerms(paidIn, 3, 100, promptPrice, tokenPrice, uint40(block.timestamp + 30 days));
    }

    function _post(address who, AskTerms memory terms) internal returns (uint40 from) {
        vm.prank(who);
        return market.post(modelId, terms);
    }

    /// @dev An ask of `who` that is in force when this returns.
    function _asks(address who, address paidIn, uint96 promptPrice, uint96 tokenPrice) internal {
        uint40 from = _post(who, _terms(paidIn, promptPrice, tokenPrice));
        if (from > block.timestamp) vm.warp(from);
    }

    function _signedAsk(uint256 key, address paidIn, uint96 promptPrice, uint96 tokenPrice)
        internal
        view
        returns (SignedAsk memory ask)
    {
        (ask.executor, ask.modelId, ask.token) = (vm.addr(key), modelId, paidIn);
        (ask.promptPrice, ask.tokenPrice, ask.nonce) = (promptPrice, tokenPrice, 77);
        (ask.hardware, ask.capacity, ask.validUntil) = (3, 400, uint40(block.timestamp + 1 hours));
        ask.signature = _sign(key, market.askDigest(ask));
    }

    // ---- orders -----------------------------------------------------------------------------------------------------

    function _orderTerms(address paidIn, uint128 cap) internal pure returns (Terms memory t) {
        (t.token, t.priceCap, t.refundTo, t.asks) = (paidIn, cap, CHANGE, new SignedAsk[](0));
    }

    /// @dev What the hub should hold for these terms, now.
    function _orderOf(Terms memory t, uint128 escrow) internal view returns (Order memory o) {
        (o.token, o.escrow, o.orderedAt) = (t.token, escrow, uint40(block.timestamp));
        (o.publisher, o.refundTo, o.offers) = (t.publisher, t.refundTo, new Offer[](t.asks.length));
        for (uint256 i = 0; i < t.asks.length; ++i) {
            o.offers[i] = Offer(t.asks[i].executor, t.asks[i].promptPrice, t.asks[i].tokenPrice);
        }
    }

    function _due(RequestParams memory p, Terms memory t) internal pure returns (uint256) {
        return uint256(p.fee) + p.callbackFee + (t.token == ETHER ? t.priceCap : 0);
    }

    function _order(RequestParams memory p, Terms memory t) internal returns (Request memory r, Order memory o) {
        r = _requestOf(p, address(hub), 0, inbox.requestCount(), keccak256("entropy"));
        o = _orderOf(t, t.priceCap);
        vm.prank(ASKER);
        bytes32 id = hub.request{value: _due(p, t)}(p, payload, userData, t);
        assertEq(id, _idOf(r), "request id");
        assertEq(hub.orderHash(id), keccak256(abi.encode(o)), "order");
    }

    function _order(address paidIn, uint128 cap) internal returns (Request memory r, Order memory o) {
        if (paidIn != ETHER) _fund(Token(paidIn), cap);
        return _order(_params(), _orderTerms(paidIn, cap));
    }

    function _fund(Token what, uint256 amount) internal {
        what.mint(ASKER, amount);
        vm.prank(ASKER);
        what.approve(address(hub), type(uint256).max);
    }

    function _answerBy(uint256 key, Request memory r) internal returns (ClaimRef memory) {
        Result[] memory results = _results(r);
        return _refOf(_post(_segment(key, ++_segmentNumber, results)), 0, results);
    }

    uint64 private _segmentNumber = 1000;

    function _answerAndSettle(Request memory r, Order memory o) internal {
        ClaimRef memory c = _answerBy(EXECUTOR_KEY, r);
        _finalize(r, c);
        hub.settle(o, r, c, output);
    }

    function _orderState(Request memory r) internal view returns (OrderState state) {
        (, state) = hub.status(_idOf(r));
    }

    function _assertOrder(Request memory r, OrderState state, string memory what) internal view {
        assertEq(uint256(_orderState(r)), uint256(state), what);
    }

    function _publish(uint16 bps) internal {
        Provenance memory p = _provenance();
        vm.prank(PUBLISHER);
        catalog.publish(modelId, p, bps, AUTHOR);
    }

    function _provenance() internal pure returns (Provenance memory p) {
        (p.sourceUri, p.license, p.attestationsUri) = ("ipfs://file", "Apache-2.0", "ipfs://attestations");
        (p.fileSha256, p.programSourceHash) = (keccak256("sha"), keccak256("source"));
        p.attestations = new bytes32[](2);
        (p.attestations[0], p.attestations[1]) = (keccak256("one"), keccak256("two"));
    }

    function _inquiry(address paidIn) internal view returns (Inquiry memory) {
        return Inquiry(modelId, uint32(payload.length), MAX_TOKENS, paidIn, address(0), 0);
    }

    function _list(address a, address b) internal pure returns (address[] memory list) {
        list = new address[](2);
        (list[0], list[1]) = (a, b);
    }
}

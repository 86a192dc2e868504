// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {OrderState, Order, Plan, SignedAsk, Terms} from "../../src/interfaces/MarketTypes.sol";
import {ClaimRef, Delivery, Request, RequestParams, RequestState, SignedRequest} from "../../src/interfaces/Types.sol";
import {Subscriptions} from "../../src/market/Subscriptions.sol";
import {Recorder} from "../base/Consumers.sol";
import {TestBase} from "../base/TestBase.sol";
import {MarketFixture} from "./MarketFixture.sol";
import {FeeToken, Token} from "./Tokens.sol";

/// @notice Random users of the market: asks, orders in three tokens, claims and their loss, settlements, refunds, deliveries,
///         subscriptions, withdrawals, in any order.
contract MarketUsers is MarketFixture {
    struct Asked {
        Request request;
        Order order;
        ClaimRef claim;
        uint256 payouts;
    }

    Subscriptions public subs;
    Recorder private _consumer;
    FeeToken private _feeToken;
    Asked[] private _asked;
    Plan[] private _plans;
    uint64 private _nonce;
    mapping(bytes32 what => uint256 count) public done;
    /// @dev Calls that got through; the runner counts all.
    uint256 public calls;

    constructor() {
        _deploy(5, 50, true);
        _deployMarket();
        (subs, _consumer, _feeToken) = (new Subscriptions(inbox), new Recorder(), new FeeToken());
        vm.deal(address(this), 1_000_000 ether);
        vm.deal(ASKER, 1_000_000 ether);
        staking.deposit{value: 500 ether}(executor);
        _fund(token, 1e30);
        _fund(_feeToken, 1e30);
        _publish(700);
        _asks(executor, ETHER, 1 ether, 0.01 ether);
        // Every user's ask and order is in one of the three.
        _asks(other, address(token), 1 ether, 0.02 ether);
    }

    modifier counted() {
        ++calls;
        _;
    }

    function _did(bytes32 what) private {
        ++done[what];
    }

    function _tokens() private view returns (address[3] memory) {
        return [ETHER, address(token), address(_feeToken)];
    }

    // ---- actions ----------------------------------------------------------------------------------------------------

    function post(uint8 kind, uint64 promptPrice, uint64 tokenPrice) external counted {
        address who = kind % 2 == 0 ? executor : other;
        uint40 from = _post(who, _terms(_tokens()[kind % 3], promptPrice, tokenPrice));
        if (kind % 8 < 4 && from > block.timestamp) vm.warp(from);
        _did("post");
    }

    function order(uint8 kind, uint64 cap) external counted {
        RequestParams memory p = _params();
        p.delivery = kind % 2;
        if (kind % 3 != 0) {
            (p.callback, p.callbackGas, p.callbackFee) = (address(_consumer), 200_000, cap % 0.1 ether);
        }
        Terms memory t = _orderTerms(_tokens()[(kind >> 2) % 3], cap);
        if (kind % 5 < 3) t.publisher = PUBLISHER;
        if (kind % 7 == 0) {
            t.asks = new SignedAsk[](1);
            t.asks[0] = _signedAsk(EXECUTOR_KEY, t.token, uint96(cap), 7);
        }
        bool signed = kind % 4 == 3;
        Asked storage a = _asked.push();
        uint256 kept = t.token == address(_feeToken) ? cap - uint256(cap) / 100 : cap;
        Order memory o = _orderOf(t, uint128(kept));
        uint256 value = _due(p, t);
        SignedRequest memory s;
        if (signed) s = _signed(p, ++_nonce);
        a.request = signed
            ? _requestOf(p, payer, 1, s.nonce, s.entropy)
            : _requestOf(p, address(hub), 0, inbox.requestCount(), keccak256("entropy"));
        _store(a.order, o);
        vm.prank(ASKER);
        bytes32 id = signed ? hub.requestFor{value: value}(s, t) : hub.request{value: value}(p, payload, userData, t);
        assertEq(hub.orderHash(id), keccak256(abi.encode(a.order)), "order");
        _did("order");
    }

    function _store(Order storage to, Order memory from) private {
        (to.token, to.escrow, to.orderedAt) = (from.token, from.escrow, from.orderedAt);
        (to.publisher, to.refundTo) = (from.publisher, from.refundTo);
        for (uint256 i = 0; i < from.offers.length; ++i) {
            to.offers.push(from.offers[i]);
        }
    }

    function answer(uint256 which, bool byOther) external counted {
        Asked storage a = _pick(which, RequestState.Open);
        a.claim = _answerBy(byOther ? OTHER_KEY : EXECUTOR_KEY, a.request);
        if (_state(a.request) == RequestState.Claimed) _did("claim");
    }

    /// @dev What a won game does, without the game.
    function overturn(uint256 which) external counted {
        Asked storage a = _pick(which, RequestState.Claimed);
        vm.prank(address(game));
        rollup.reject(_idOf(a.request), a.claim.segmentId, a.claim.index);
        _did("overturn");
    }

    function finalize(uint256 which) external counted {
        Asked storage a = _pick(which, RequestState.Claimed);
        vm.warp(block.timestamp + WINDOW);
        hub.finalize(a.request, a.claim);
        _did("finalize");
    }

    function settle(uint256 which) external counted {
        // Any order, most calls one that is due: the hub decides, and `payouts` counts what it let through.
        Asked storage a = which % 4 == 0 ? _asked[which % _asked.length] : _pickHeld(which, RequestState.Final);
        hub.settle(a.order, a.request, a.claim, output);
        ++a.payouts;
        _did("settle");
    }

    function refund(uint256 which) external counted {
        Asked storage a = which % 4 == 0 ? _asked[which % _asked.length] : _pickHeld(which, RequestState.Open);
        uint256 from = uint256(inbox.status(_idOf(a.request)).deadline) + DIRECT;
        if (block.timestamp < from) vm.warp(from);
        if (which % 2 == 0 && _state(a.request) == RequestState.Open) inbox.refund(a.request);
        hub.refundExpired(a.order, a.request);
        ++a.payouts;
        _did("refund");
    }

    function deliver(uint256 which, bool broken) external counted {
        Asked storage a = _asked[which % _asked.length];
        _consumer.setBroken(broken);
        vm.prank(ANYONE);
        hub.retryCallback(a.request, a.claim, output, userData);
        _did("deliver");
    }

    function royalty(uint16 bps) external counted {
        vm.prank(PUBLISHER);
        catalog.lowerRoyalty(modelId, bps % 700);
        _did("royalty");
    }

    function withdraw(uint8 who, uint8 what) external counted {
        address of_ = _tokens()[what % 3];
        // The first at or after `who` with something to withdraw, so that most calls find one.
        uint256 i = who % 5;
        for (uint256 n = 0; n < 4 && hub.credit(of_, _people()[i]) == 0; ++n) {
            i = (i + 1) % 5;
        }
        vm.prank(_people()[i]);
        hub.withdraw(of_, address(0xD00D));
        _did("withdraw");
    }

    function subscribe(uint8 times, uint64 tip) external counted {
        Plan memory p;
        p.params = _params();
        p.params.inclusionDeadline = 0;
        (p.payloadHash, p.userDataHash) = (keccak256(payload), keccak256(userData));
        (p.every, p.inclusionDelay, p.tip) = (60, 100, tip);
        _plans.push(p);
        vm.prank(ASKER);
        subs.subscribe{value: times * (uint256(p.params.fee) + tip)}(p, times, payload, userData);
        _did("subscribe");
    }

    function tick(uint256 which, uint8 wait_) external counted {
        uint64 id = uint64(which % _plans.length);
        vm.warp(block.timestamp + wait_);
        vm.prank(ANYONE);
        subs.tick(id, _plans[id], payload, userData);
        _did("tick");
    }

    function cancel(uint256 which) external counted {
        uint64 id = uint64(which % _plans.length);
        vm.prank(ASKER);
        subs.cancel(id, _plans[id]);
        _did("cancel");
    }

    function withdrawTip(bool ofAsker) external counted {
        vm.prank(ofAsker ? ASKER : ANYONE);
        subs.withdrawCredit(payable(address(0xD00D)));
        _did("withdrawTip");
    }

    // ---- what must hold ---------------------------------------------------------------------------------------------

    /// @dev In each token: what the hub has is the escrows of held orders and its credits.
    function checkHub() external view {
        address[3] memory tokens = _tokens();
        address[5] memory people = _people();
        for (uint256 t = 0; t < 3; ++t) {
            uint256 owed = 0;
            for (uint256 i = 0; i < _asked.length; ++i) {
                Asked storage a = _asked[i];
                if (a.order.token == tokens[t] && _orderState(a.request) == OrderState.Held) owed += a.order.escrow;
            }
            for (uint256 i = 0; i < 5; ++i) {
                owed += hub.credit(tokens[t], people[i]);
            }
            uint256 has = t == 0 ? address(hub).balance : Token(tokens[t]).balanceOf(address(hub));
            assertEq(has, owed, "hub");
        }
        assertEq(inbox.credit(address(hub)), 0, "the inbox owes the hub nothing");
    }

    /// @dev An order pays out at most once, and is closed exactly if it did.
    function checkPayouts() external view {
        for (uint256 i = 0; i < _asked.length; ++i) {
            assertTrue(_asked[i].payouts <= 1, "at most one payout");
            bool closed = _orderState(_asked[i].request) == OrderState.Closed;
            assertTrue(closed == (_asked[i].payouts == 1), "closed if paid");
        }
    }

    function checkSubscriptions() external view {
        uint256 owed = subs.credit(ANYONE) + subs.credit(ASKER);
        for (uint64 i = 0; i < _plans.length; ++i) {
            (,,, uint32 left) = subs.subscriptions(i);
            owed += left * (uint256(_plans[i].params.fee) + _plans[i].tip);
        }
        assertEq(address(subs).balance, owed, "subscriptions");
    }

    function _people() private view returns (address[5] memory) {
        return [executor, other, CHANGE, AUTHOR, ANYONE];
    }

    /// @dev The first request at or after `which` in this state, so that most calls find one.
    function _pick(uint256 which, RequestState state) private view returns (Asked storage) {
        for (uint256 i = 0; i < _asked.length; ++i) {
            uint256 index = (which % _asked.length + i) % _asked.length;
            if (_state(_asked[index].request) == state) return _asked[index];
        }
        revert("none in that state");
    }

    function _pickHeld(uint256 which, RequestState state) private view returns (Asked storage) {
        for (uint256 i = 0; i < _asked.length; ++i) {
            Asked storage a = _asked[(which % _asked.length + i) % _asked.length];
            if (_state(a.request) == state && _orderState(a.request) == OrderState.Held) return a;
        }
        revert("none in that state");
    }
}

contract MarketMoneyTest is TestBase {
    MarketUsers private users;

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function setUp() public {
        users = new MarketUsers();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(users);
    }

    /// @dev One caller that is no contract of ours: the runner pays unused gas back to callers.
    function targetSenders() public pure returns (address[] memory senders) {
        senders = new address[](1);
        senders[0] = address(0xCA11E4);
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory s = new bytes4[](20);
        (s[0], s[1], s[2]) = (MarketUsers.order.selector, MarketUsers.order.selector, MarketUsers.order.selector);
        (s[3], s[4], s[5]) = (MarketUsers.answer.selector, MarketUsers.answer.selector, MarketUsers.answer.selector);
        (s[6], s[7], s[8]) = (MarketUsers.finalize.selector, MarketUsers.finalize.selector, MarketUsers.settle.selector);
        (s[9], s[10], s[11]) = (MarketUsers.settle.selector, MarketUsers.refund.selector, MarketUsers.overturn.selector);
        (s[12], s[13], s[14]) = (MarketUsers.post.selector, MarketUsers.deliver.selector, MarketUsers.withdraw.selector);
        (s[15], s[16]) = (MarketUsers.subscribe.selector, MarketUsers.tick.selector);
        (s[17], s[18]) = (MarketUsers.cancel.selector, MarketUsers.withdrawTip.selector);
        s[19] = MarketUsers.royalty.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(users), s);
    }

    /// @dev [S] Money is conserved, token by token, and no order pays twice.
    function invariant_marketMoneyIsConserved() public view {
        users.checkHub();
        users.checkPayouts();
        users.checkSubscriptions();
    }

    /// @dev The gate: of the 64 calls of a run 20 at least get through, and some orders are made.
    function afterInvariant() public view {
        assertTrue(users.calls() >= 20, "too few calls got through");
        assertTrue(users.done("order") > 0 && users.done("claim") > 0, "nothing was ever claimed");
    }

    /// @dev Every action of the random users gets through, and money is conserved after each: the invariant is not vacuous.
    function test_marketMoneyIsConserved_throughEveryAction_succeeds() public {
        // In ether with a callback, in the token by a signer, in the token with a fee and a carried ask.
        users.order(13, 3 ether);
        users.order(7, 2 ether);
        users.order(56, 5 ether);
        _check("order");
        users.answer(0, false);
        users.answer(1, true);
        users.answer(2, false);
        _check("claim");
        users.overturn(2);
        _check("overturn");
        users.deliver(0, false);
        _check("deliver");
        users.finalize(0);
        users.finalize(1);
        _check("finalize");
        users.post(0, 5 ether, 1 ether);
        _check("post");
        users.royalty(400);
        users.settle(1);
        users.settle(1);
        _check("settle");
        users.refund(2);
        _check("refund");
        users.subscribe(3, 0.1 ether);
        _check("subscribe");
        users.tick(0, 1);
        users.tick(0, 60);
        _check("tick");
        users.cancel(0);
        _check("cancel");
        users.withdrawTip(true);
        users.withdrawTip(false);
        _check("withdrawTip");
        users.withdraw(2, 0);
        users.withdraw(2, 1);
        users.withdraw(2, 2);
        _check("withdraw");
        _check("royalty");
    }

    function _check(bytes32 what) private view {
        users.checkHub();
        users.checkPayouts();
        users.checkSubscriptions();
        assertTrue(users.done(what) > 0, string(abi.encodePacked(what)));
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ITokenCredits} from "../../src/interfaces/ITokenCredits.sol";
import {Order, Terms} from "../../src/interfaces/MarketTypes.sol";
import {ClaimRef, Request, RequestParams} from "../../src/interfaces/Types.sol";
import {InferenceHub} from "../../src/market/InferenceHub.sol";
import {MarketFixture} from "./MarketFixture.sol";
import {BrokenToken, FalseToken, FeeToken, HookToken, IHook, SilentToken, Token} from "./Tokens.sol";

/// @notice Makes a second order while the token of its first is on its way.
contract Doubler is IHook {
    InferenceHub private immutable _hub;
    RequestParams private _params;
    bytes private _payload;
    Terms private _terms;
    bytes4 public refusal;
    bytes4 private _again;

    constructor(InferenceHub hub) {
        _hub = hub;
    }

    receive() external payable {}

    function prepare(HookToken token, RequestParams calldata params, bytes calldata payload, Terms calldata terms)
        external
    {
        (_params, _payload) = (params, payload);
        (_terms.token, _terms.priceCap, _terms.refundTo) = (terms.token, terms.priceCap, terms.refundTo);
        token.approve(address(_hub), type(uint256).max);
        token.setHook(address(this));
    }

    function order() public {
        _hub.request{value: _params.fee}(_params, _payload, "", _terms);
    }

    /// @dev Takes its credit, and tries `again` while the money is on its way.
    function withdraw(address token, bytes4 again) external {
        _again = again;
        _hub.withdraw(token, address(this));
    }

    function onMove(address from, address, uint256) external {
        if (from == address(this) || _again == this.order.selector) {
            try this.orderAgain() {
                refusal = 0x00000001;
            } catch (bytes memory why) {
                refusal = bytes4(why);
            }
        }
    }

    function orderAgain() external {
        order();
    }
}

/// @notice Tokens that misbehave hurt the orders that chose them, and no other.
contract HostileTokensTest is MarketFixture {
    uint128 private constant CAP = 1000;

    function _paidIn(Token what) private returns (Request memory r, Order memory o) {
        _asks(executor, address(what), 10_000, 0);
        _fund(what, CAP);
        return _order(address(what), CAP);
    }

    function _request(Token what, bytes memory why) private {
        RequestParams memory p = _params();
        _fund(what, CAP);
        vm.prank(ASKER);
        vm.expectRevert(why);
        hub.request{value: p.fee}(p, payload, userData, _orderTerms(address(what), CAP));
    }

    /// @dev The escrow is what came, so a second order's money is never used for the first.
    function test_request_feeOnTransfer_holdsWhatCame_succeeds() public {
        FeeToken fee = new FeeToken();
        _asks(executor, address(fee), 1_000_000, 0);
        _fund(fee, 2 * CAP);
        RequestParams memory p = _params();
        Terms memory t = _orderTerms(address(fee), CAP);
        Request memory r = _requestOf(p, address(hub), 0, 0, keccak256("entropy"));
        Order memory o = _orderOf(t, CAP - CAP / 100);
        vm.startPrank(ASKER);
        bytes32 id = hub.request{value: p.fee}(p, payload, userData, t);
        hub.request{value: p.fee}(p, payload, userData, t);
        vm.stopPrank();
        assertEq(hub.orderHash(id), keccak256(abi.encode(o)), "the cap is what came");
        _answerAndSettle(r, o);
        assertEq(hub.credit(address(fee), executor), 990, "all of it");
        assertEq(fee.balanceOf(address(hub)), 2 * 990, "the other order's is whole");
        vm.prank(executor);
        hub.withdraw(address(fee), address(0xF00));
        assertEq(fee.balanceOf(address(hub)), 990, "still");
    }

    function test_settle_tokenWithoutReturn_succeeds() public {
        SilentToken silent = new SilentToken();
        (Request memory r, Order memory o) = _paidIn(silent);
        _answerAndSettle(r, o);
        vm.prank(executor);
        hub.withdraw(address(silent), address(0xF00));
        assertEq(silent.balanceOf(address(0xF00)), 230, "paid");
    }

    function test_request_tokenReturnsFalse_reverts() public {
        FalseToken liar = new FalseToken();
        liar.setLies(true);
        _request(liar, abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(liar)));
    }

    function test_withdraw_tokenReturnsFalse_keepsTheCredit_reverts() public {
        FalseToken liar = new FalseToken();
        (Request memory r, Order memory o) = _paidIn(liar);
        _answerAndSettle(r, o);
        liar.setLies(true);
        vm.startPrank(executor);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, address(liar)));
        hub.withdraw(address(liar), executor);
        assertEq(hub.credit(address(liar), executor), 230, "still owed");
        liar.setLies(false);
        hub.withdraw(address(liar), executor);
        vm.stopPrank();
        assertEq(liar.balanceOf(executor), 230, "paid");
    }

    function test_request_noToken_reverts() public {
        RequestParams memory p = _params();
        vm.prank(ASKER);
        vm.expectRevert();
        hub.request{value: p.fee}(p, payload, userData, _orderTerms(address(0x70CE), CAP));
    }

    /// @dev [S] A token that refuses or burns all gas is never called to settle, so it holds up no order, its own included.
    function test_settle_brokenToken_blocksNobody_succeeds() public {
        BrokenToken broken = new BrokenToken();
        (Request memory r, Order memory o) = _paidIn(broken);
        _asks(executor, address(token), 10_000, 0);
        (Request memory r2, Order memory o2) = _order(address(token), CAP);
        for (uint8 mode = 1; mode <= 2; ++mode) {
            broken.setMode(mode);
            _request(broken, mode == 1 ? abi.encodeWithSelector(BrokenToken.Broken.selector) : bytes(""));
        }
        _answerAndSettle(r, o);
        assertEq(hub.credit(address(broken), executor), 0, "the ask is in the other token by now");
        _answerAndSettle(r2, o2);
        vm.prank(CHANGE);
        vm.expectRevert();
        hub.withdraw{gas: 200_000}(address(broken), CHANGE);
        assertEq(hub.credit(address(broken), CHANGE), CAP, "still owed");
        vm.prank(executor);
        hub.withdraw(address(token), executor);
        assertEq(token.balanceOf(executor), 230, "the other token is paid");
    }

    function _doubler(HookToken hooked) private returns (Doubler attacker) {
        attacker = new Doubler(hub);
        Terms memory t = _orderTerms(address(hooked), CAP);
        t.refundTo = address(attacker);
        attacker.prepare(hooked, _params(), payload, t);
        hooked.mint(address(attacker), 2 * CAP);
        vm.deal(address(attacker), 10 ether);
    }

    /// @dev [S] Tokens that come in while others of their kind come in would be counted for both orders.
    function test_request_hookOrdersAgain_isRefused_succeeds() public {
        HookToken hooked = new HookToken();
        _fund(hooked, CAP);
        _order(address(hooked), CAP);
        Doubler attacker = _doubler(hooked);
        attacker.order();
        assertTrue(attacker.refusal() == ITokenCredits.TokenBusy.selector, "the second");
        assertEq(hooked.balanceOf(address(hub)), 2 * CAP, "two orders, two escrows");
        assertEq(inbox.requestCount(), 2, "two requests");
    }

    /// @dev [S] Nor can an order be made while credit in its token goes out.
    function test_withdraw_hookOrdersAgain_isRefused_succeeds() public {
        HookToken hooked = new HookToken();
        Doubler attacker = _doubler(hooked);
        attacker.order();
        Request memory r = _requestOf(_params(), address(hub), 0, 0, keccak256("entropy"));
        r.userDataHash = keccak256("");
        Terms memory t = _orderTerms(address(hooked), CAP);
        t.refundTo = address(attacker);
        Order memory o = _orderOf(t, CAP);
        ClaimRef memory c = _answerBy(EXECUTOR_KEY, r);
        _finalize(r, c);
        hub.settle(o, r, c, output);
        attacker.withdraw(address(hooked), Doubler.order.selector);
        assertTrue(attacker.refusal() == ITokenCredits.TokenBusy.selector, "refused");
        assertEq(hooked.balanceOf(address(hub)), 0, "nothing is owed any more, and nothing is there");
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Order} from "../../src/interfaces/MarketTypes.sol";
import {ClaimRef, Request, RequestParams} from "../../src/interfaces/Types.sol";
import {MarketFixture} from "../market/MarketFixture.sol";

/// @notice An executor that withdraws its ask in the very second of an order is paid that ask, not a later raise.
contract SameSecondWithdrawTest is MarketFixture {
    uint128 private constant CAP = 50 ether;

    function test_settle_withdrawnInTheOrdersSecond_paysTheOldPrice_succeeds() public {
        _asks(executor, ETHER, 1 ether, 0.01 ether);
        RequestParams memory p = _params();
        p.inclusionDeadline = uint64(block.timestamp) + 2 * NOTICE;
        (Request memory r, Order memory o) = _order(p, _orderTerms(ETHER, CAP));
        vm.prank(executor);
        market.withdraw(modelId);
        _asks(executor, ETHER, 10_000 ether, 100 ether);
        ClaimRef memory c = _answerBy(EXECUTOR_KEY, r);
        _finalize(r, c);
        hub.settle(o, r, c, output);
        assertTrue(hub.credit(ETHER, executor) < 1 ether, "the price of the ask that held when the order was made");
    }
}

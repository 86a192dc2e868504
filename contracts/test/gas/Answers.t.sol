// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ClaimRef, Request, RequestParams} from "../../src/interfaces/Types.sol";
import {GasMeter} from "./GasMeter.sol";

/// @notice One answer's way: asked, final, delivered; each by somebody who has done it before.
contract AnswersGasTest is GasMeter {
    function setUp() public override {
        _rollup(5, false, 2);
    }

    function test_gas_requestFinalizeCallback_measured() public {
        _answerOne();
    }

    function test_gas_storageAndEventsOfAnAnswer_recorded() public {
        splits = true;
        _answerOne();
    }

    function _answerOne() private {
        Request memory earlier = this.dappAsks();
        ClaimRef memory claim = _claim(earlier);
        _finalize(earlier, claim);
        vm.prank(ANYONE);
        rollup.deliverResult(earlier, claim, output, userData);

        RequestParams memory p = _dappParams();
        Request memory r = _dappRequest(p);
        bytes memory data = abi.encodeCall(inbox.request, (p, payload, userData));
        _record("gas_answers", "request", _send(address(consumer), address(inbox), 1.01 ether, data));
        claim = _claim(r);
        vm.warp(block.timestamp + WINDOW);
        data = abi.encodeCall(rollup.finalize, (r, claim));
        _record("gas_answers", "finalize", _send(ANYONE, address(rollup), 0, data));
        data = abi.encodeCall(rollup.deliverResult, (r, claim, output, userData));
        uint256 before = inbox.credit(ANYONE);
        _record("gas_answers", "callback", _send(ANYONE, address(rollup), 0, data));
        assertEq(inbox.credit(ANYONE) - before, 0.01 ether, "the callback was made and paid");
    }
}

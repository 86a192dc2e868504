// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {MockInferenceHub} from "../../mock/MockInferenceHub.sol";
import {IInbox} from "../../src/interfaces/IInbox.sol";
import {
    Callback,
    ClaimRef,
    Delivery,
    Request,
    RequestParams,
    RequestState,
    RequestStatus
} from "../../src/interfaces/Types.sol";
import {Recorder} from "../base/Consumers.sol";
import {Fixture} from "../base/Fixture.sol";

/// @notice The mock moves requests and callbacks as the rollup does: both get the same scripts.
contract MockInferenceHubTest is Fixture {
    MockInferenceHub private hub;
    Recorder private real;
    Recorder private mocked;
    Request private req;
    bytes32 private mockId;
    ClaimRef private standing;
    uint256 private told;

    function setUp() public override {
        super.setUp();
        hub = new MockInferenceHub();
        (real, mocked) = (new Recorder(), new Recorder());
        vm.deal(ASKER, 100 ether);
    }

    function _begin(bool optimistic) private {
        RequestParams memory p = _params();
        (p.callback, p.callbackGas, p.callbackFee) = (address(real), 300_000, 0.1 ether);
        p.delivery = uint8(optimistic ? Delivery.Optimistic : Delivery.Final);
        req = _ask(p);
        p.callback = address(mocked);
        IInbox to = hub.inbox();
        vm.prank(ASKER);
        mockId = to.request{value: uint256(p.fee) + p.callbackFee}(p, payload, userData);
    }

    /// @dev The deliveries that a rollup's deliverer would try, in the order in which they can be due.
    function _deliverAll(RequestState state) private {
        try rollup.deliverOverturn(req) {} catch {}
        if (state != RequestState.Open) {
            try rollup.deliverResult(req, standing, output, userData) {} catch {}
        }
        try rollup.deliverFinality(req) {} catch {}
    }

    /// @dev A second of them, for what the first made due.
    function _deliverMock() private {
        for (uint256 i = 0; i < 3; ++i) {
            try hub.deliver(mockId) {} catch {}
        }
    }

    function _act(uint8 action) private {
        RequestState state = _state(req);
        if (action == 0 && state == RequestState.Open) {
            standing = _claim(req);
            hub.claim(mockId, output);
        } else if (action == 1 && state == RequestState.Claimed) {
            vm.warp(block.timestamp + WINDOW);
            rollup.finalize(req, standing);
            hub.finalize(mockId);
        } else if (action == 2 && state == RequestState.Claimed) {
            vm.prank(address(game));
            rollup.reject(_idOf(req), standing.segmentId, standing.index);
            hub.overturn(mockId);
        } else if (action == 3) {
            (bool to) = !real.broken();
            real.setBroken(to);
            mocked.setBroken(to);
        }
        _deliverAll(_state(req));
        _deliverMock();
        _compare();
    }

    function _compare() private {
        RequestStatus memory a = inbox.status(_idOf(req));
        RequestStatus memory b = hub.inbox().status(mockId);
        assertEq(uint256(a.state), uint256(b.state), "state");
        assertEq(uint256(a.result), uint256(b.result), "result");
        assertEq(uint256(a.finality), uint256(b.finality), "finality");
        assertEq(uint256(a.overturn), uint256(b.overturn), "overturn");
        assertEq(a.feeHalvesPaid, b.feeHalvesPaid, "halves");
        assertEq(real.results(), mocked.results(), "results heard");
        assertEq(real.finals(), mocked.finals(), "finals heard");
        assertEq(real.overturns(), mocked.overturns(), "overturns heard");
        assertEq(real.lastOutput(), mocked.lastOutput(), "output heard");
        assertEq(real.lastUserData(), mocked.lastUserData(), "user data heard");
        assertTrue(real.lastIsFinal() == mocked.lastIsFinal(), "finality of what was heard");
        told += real.results();
    }

    function testFuzz_mock_sameScript_asTheRollup(bool optimistic, uint8[12] calldata actions) public {
        _begin(optimistic);
        for (uint256 i = 0; i < actions.length; ++i) {
            _act(actions[i] % 4);
        }
    }

    function test_mock_wholeLife_asTheRollup() public {
        _begin(true);
        uint8[9] memory script = [0, 2, 0, 3, 2, 0, 3, 1, 1];
        for (uint256 i = 0; i < script.length; ++i) {
            _act(script[i]);
        }
        assertTrue(told > 0 && real.overturns() > 0 && real.finals() > 0, "every callback came");
    }

    function test_mock_unknownModel_reverts() public {
        RequestParams memory p = _params();
        p.modelId = 0;
        IInbox to = hub.inbox();
        vm.prank(ASKER);
        vm.expectRevert(abi.encodeWithSelector(IInbox.Refused.selector, IInbox.AdmitError.UnknownModel));
        to.request{value: uint256(p.fee) + p.callbackFee}(p, payload, userData);
    }

    function test_mock_tooLittleGas_reverts() public {
        _begin(false);
        hub.claim(mockId, output);
        (bool ok, bytes memory why) = address(hub).call{gas: 340_000}(abi.encodeCall(hub.finalize, (mockId)));
        assertTrue(!ok && bytes4(why) == MockInferenceHub.NotEnoughGas.selector, "refused, not failed");
        assertTrue(hub.inbox().status(mockId).state == RequestState.Claimed, "nothing moved");
        assertTrue(hub.finalize(mockId), "with enough");
    }

    function test_mock_errorCodeZero_reverts() public {
        _begin(false);
        vm.expectRevert(MockInferenceHub.NotAnError.selector);
        hub.fail(mockId, 0);
    }
}

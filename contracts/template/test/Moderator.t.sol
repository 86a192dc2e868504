// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {MockInferenceHub} from "assay/mock/MockInferenceHub.sol";
import {InferenceConsumer} from "assay/src/consumer/InferenceConsumer.sol";
import {IInbox} from "assay/src/interfaces/IInbox.sol";
import {Callback, RequestState} from "assay/src/interfaces/Types.sol";
import {Moderator} from "../src/Moderator.sol";

/// @notice The cheatcodes used here; take forge-std's instead where you have it.
interface Vm {
    function warp(uint256 time) external;
    function prank(address sender) external;
    function deal(address who, uint256 wei_) external;
    function expectRevert(bytes calldata data) external;
}

contract ModeratorTest {
    Vm private constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    address private constant AUTHOR = address(0xA0);
    bytes32 private constant MODEL = keccak256("a model");

    MockInferenceHub private hub;
    Moderator private board;

    function setUp() public {
        hub = new MockInferenceHub();
        board = new Moderator(hub.inbox(), MODEL);
        vm.deal(AUTHOR, 10 ether);
    }

    function _post() private returns (bytes32) {
        vm.prank(AUTHOR);
        return board.post{value: 0.011 ether}("What a lovely day.");
    }

    function _is(bytes32 id, Moderator.State state) private view {
        require(board.postOf(id).state == state, "state of the post");
    }

    function test_post_politeAndFinal_isShown() public {
        bytes32 id = _post();
        _is(id, Moderator.State.Waiting);
        hub.answer(id, " yes");
        // An answer that may still be overturned shows nothing.
        _is(id, Moderator.State.Waiting);
        require(hub.finalize(id), "the callback");
        _is(id, Moderator.State.Shown);
        require(hub.inbox().credit(hub.EXECUTOR()) == 0.01 ether, "the executor's fee");
    }

    function test_post_rude_isRefused() public {
        bytes32 id = _post();
        hub.answer(id, " no");
        hub.finalize(id);
        _is(id, Moderator.State.Refused);
    }

    function test_post_lieOverturned_showsTheTruth() public {
        bytes32 id = _post();
        hub.answer(id, " yes");
        hub.overturn(id);
        _is(id, Moderator.State.Waiting);
        hub.answer(id, " no");
        hub.finalize(id);
        _is(id, Moderator.State.Refused);
    }

    function test_post_modelCannotAnswer_staysUndecided() public {
        bytes32 id = _post();
        hub.fail(id, 4);
        hub.finalize(id);
        _is(id, Moderator.State.Undecided);
    }

    function test_post_nobodyAnswers_isRefunded() public {
        bytes32 id = _post();
        vm.warp(hub.refundableAt(id));
        hub.refund(id);
        require(hub.inbox().credit(AUTHOR) == 0.011 ether, "all of it");
        require(hub.inbox().status(id).state == RequestState.Refunded, "refunded");
    }

    function test_post_answerOutsideTheChoices_failsAndIsKept() public {
        bytes32 id = _post();
        hub.answer(id, " perhaps");
        require(!hub.finalize(id), "the callback reverts");
        _is(id, Moderator.State.Waiting);
        require(hub.inbox().status(id).result == Callback.Failed, "and can be tried again");
        require(!hub.deliver(id), "with the same end");
    }

    function test_result_fromAnybodyElse_reverts() public {
        bytes32 id = _post();
        vm.expectRevert(abi.encodeWithSelector(InferenceConsumer.OnlyRollup.selector, address(this)));
        board.onInferenceResult(id, hex"000000000020796573", "", true);
    }

    function test_result_secondTime_reverts() public {
        bytes32 id = _post();
        hub.answer(id, " yes");
        hub.finalize(id);
        vm.expectRevert(abi.encodeWithSelector(MockInferenceHub.NothingDue.selector, id));
        hub.deliver(id);
        vm.expectRevert(abi.encodeWithSelector(IInbox.WrongState.selector, id, RequestState.Final));
        hub.finalize(id);
    }

    function test_post_feeTooLow_reverts() public {
        hub.setLeastFee(1 ether);
        vm.prank(AUTHOR);
        vm.expectRevert(abi.encodeWithSelector(IInbox.Refused.selector, IInbox.AdmitError.FeeTooLow));
        board.post{value: 0.5 ether}("What a lovely day.");
    }
}

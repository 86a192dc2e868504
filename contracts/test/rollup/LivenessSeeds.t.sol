// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Promise, Request, RequestState, SignedRequest} from "../../src/interfaces/Types.sol";
import {ILivenessPenalty} from "../../src/interfaces/ILivenessPenalty.sol";
import {SeedFixture} from "../base/SeedFixture.sol";

/// @notice Promises on requests whose seeds are drawn from later blocks.
contract LivenessSeedsTest is SeedFixture {
    Request private asked;
    Promise private given;
    bytes private signature;

    function setUp() public override {
        super.setUp();
        asked = _ask();
        given = Promise(_idOf(asked), uint64(asked.params.inclusionDeadline), 1 ether);
        signature = _sign(OTHER_KEY, liveness.promiseDigest(given));
    }

    function _refused(RequestState state) private {
        bytes memory why = abi.encodeWithSelector(ILivenessPenalty.NotMissing.selector, given.requestId, state);
        vm.expectRevert(why);
        liveness.penalize(asked, given, signature);
    }

    /// @dev [S] Nobody is held to an answer that nobody could give, whether the money is back or not.
    function test_penalize_seedLost_reverts() public {
        vm.roll(uint256(asked.entropy) + 9000);
        vm.warp(given.deadline + 1);
        assertTrue(inbox.seedLost(uint256(asked.entropy)), "lost");
        _refused(RequestState.Open);
        inbox.refund(asked);
        _refused(RequestState.Refunded);
    }

    /// @dev Who promises records.
    function test_penalize_seedRecordedAndNoAnswer_succeeds() public {
        _mineAndRecord(asked);
        vm.roll(uint256(asked.entropy) + 9000);
        vm.warp(given.deadline + 1);
        assertEq(liveness.penalize(asked, given, signature), 1 ether, "taken");
    }

    /// @dev [S] A signer's own entropy is no block's: no lost block of that number lets an executor off.
    function test_penalize_signedEntropyOfALostBlocksNumber_succeeds() public {
        inbox.deposit{value: 1 ether}(payer);
        SignedRequest memory s = _signed(_params(), 3);
        s.entropy = bytes32(uint256(1));
        s.signature = _sign(PAYER_KEY, inbox.signedRequestDigest(s));
        assertEq(uint256(_admit(s)), 0, "admitted");
        asked = _requestOf(s.params, payer, 1, 3, s.entropy);
        given.requestId = _idOf(asked);
        signature = _sign(OTHER_KEY, liveness.promiseDigest(given));
        vm.warp(given.deadline + 1);
        assertTrue(inbox.seedLost(1), "lost");
        assertEq(liveness.penalize(asked, given, signature), 1 ether, "taken");
    }
}

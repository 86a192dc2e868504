// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IInferenceHub} from "../../src/interfaces/IInferenceHub.sol";
import {Order, OrderState} from "../../src/interfaces/MarketTypes.sol";
import {ClaimRef, Request, Result} from "../../src/interfaces/Types.sol";
import {BlobRollup} from "../../src/rollup/BlobRollup.sol";
import {Rollup} from "../../src/rollup/Rollup.sol";
import {MarketFixture} from "./MarketFixture.sol";

/// @notice Orders whose answers are in blobs: what is paid for is what the claim's leaf says, and no more than in calldata.
contract BlobSettleTest is MarketFixture {
    bytes32 private constant BLOB = bytes32(uint256(1) << 248 | 0xb10b);
    uint96 private constant PROMPT = 1 ether;
    uint96 private constant PER_TOKEN = 0.01 ether;
    uint128 private constant CAP = 0.5 ether;
    uint64 private _number = 3000;

    function _newRollup() internal override returns (Rollup) {
        return new BlobRollup(inbox, staking, game, sequencers, turnLength, CLAIM_BOND, _law());
    }

    /// @dev An order, answered in the blob behind `head` and final.
    function _answered(bytes memory head)
        private
        returns (Request memory r, Order memory o, ClaimRef memory c, bytes memory ref)
    {
        _asks(executor, ETHER, PROMPT, PER_TOKEN);
        (r, o) = _order(ETHER, CAP);
        ref = bytes.concat(hex"00070200", head);
        Result[] memory results = new Result[](1);
        results[0] = Result(r, ref);
        blob = BLOB;
        c = _refOf(_post(_segment(EXECUTOR_KEY, _number++, results)), 0, results);
        _finalize(r, c);
    }

    function _assertPaid(uint256 paid) private view {
        assertEq(hub.credit(ETHER, executor), paid, "executor");
        assertEq(hub.credit(ETHER, CHANGE), CAP - paid, "rest");
        assertEq(address(hub).balance, CAP, "the hub has what it owes");
    }

    function test_settleFromBlob_answer_paysItsTokens_succeeds() public {
        (Request memory r, Order memory o, ClaimRef memory c, bytes memory ref) = _answered(hex"0002000000");
        hub.settleFromBlob(o, r, c, BLOB, ref);
        _assertPaid(0.023 ether + 2 * PER_TOKEN);
        _assertOrder(r, OrderState.Closed, "closed");
        vm.expectRevert(abi.encodeWithSelector(IInferenceHub.NotTheOrder.selector, _idOf(r)));
        hub.settleFromBlob(o, r, c, BLOB, ref);
    }

    function test_settleFromBlob_moreTokensThanAsked_paysTheMost_succeeds() public {
        (Request memory r, Order memory o, ClaimRef memory c, bytes memory ref) = _answered(hex"00ffffffff");
        hub.settleFromBlob(o, r, c, BLOB, ref);
        _assertPaid(0.023 ether + uint256(MAX_TOKENS) * PER_TOKEN);
    }

    function test_settleFromBlob_error_paysThePromptAlone_succeeds() public {
        (Request memory r, Order memory o, ClaimRef memory c, bytes memory ref) = _answered(hex"ff02000000");
        hub.settleFromBlob(o, r, c, BLOB, ref);
        _assertPaid(0.023 ether);
    }

    /// @dev [S] Neither bytes nor another reference settle it: the count that is paid for is the claim's own.
    function test_settle_claimInBlob_byAnythingElse_reverts() public {
        (Request memory r, Order memory o, ClaimRef memory c, bytes memory ref) = _answered(hex"0002000000");
        bytes memory mismatch = abi.encodeWithSelector(IInferenceHub.OutputMismatch.selector, _idOf(r));
        bytes[3] memory tries = [bytes.concat(BLOB, ref), ref, output];
        for (uint256 i = 0; i < tries.length; ++i) {
            vm.expectRevert(mismatch);
            hub.settle(o, r, c, tries[i]);
        }
        vm.expectRevert(mismatch);
        hub.settleFromBlob(o, r, c, BLOB, bytes.concat(hex"00070200", hex"0003000000"));
        vm.expectRevert(mismatch);
        hub.settleFromBlob(o, r, c, bytes32(uint256(BLOB) + 1), ref);
        hub.settleFromBlob(o, r, c, BLOB, ref);
    }

    /// @dev [S] An output that spells a reference is an error of kind 1, whose author is paid for the prompt.
    function test_settleFromBlob_claimInCalldata_reverts() public {
        _asks(executor, ETHER, PROMPT, PER_TOKEN);
        (Request memory r, Order memory o) = _order(ETHER, CAP);
        bytes memory ref = hex"000702000000000000";
        output = bytes.concat(BLOB, ref);
        ClaimRef memory c = _answerBy(EXECUTOR_KEY, r);
        _finalize(r, c);
        vm.expectRevert(abi.encodeWithSelector(IInferenceHub.OutputMismatch.selector, _idOf(r)));
        hub.settleFromBlob(o, r, c, BLOB, ref);
        hub.settle(o, r, c, output);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {
    ClaimRef,
    Request,
    RequestParams,
    RequestState,
    Result,
    Segment,
    SignedRequest
} from "../../src/interfaces/Types.sol";
import {IRollup} from "../../src/interfaces/IRollup.sol";
import {Fixture} from "../base/Fixture.sol";

contract RollupTest is Fixture {
    function _assertWhole(Segment memory segment, IRollup.SegmentError reason) private {
        uint64 count = rollup.segmentCount();
        (uint256 whole,) = _reasons(segment);
        assertEq(whole, uint256(reason), "segment's reason");
        assertEq(rollup.segmentCount(), count, "nothing stored");
    }

    // ---- postBatch --------------------------------------------------------------------------------------------------

    function test_postBatch_byAnyoneElse_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IRollup.NotSequencer.selector, address(this), SEQUENCER));
        rollup.postBatch(new Segment[](0), new SignedRequest[](0));
    }

    function test_postBatch_claimsAndLocks_succeeds() public {
        Request memory r = _ask();
        ClaimRef memory c = _claim(r);
        assertEq(staking.freeStake(executor), 100 ether - CLAIM_BOND, "bond locked");
        (address who, uint40 at_) = rollup.checkClaim(_idOf(r), c);
        assertEq(who, executor, "executor");
        assertEq(at_, START, "time");
    }

    function test_postBatch_requestsHigherBond_locksThat_succeeds() public {
        RequestParams memory p = _params();
        p.minBond = 9 ether;
        Request memory r = _ask(p);
        ClaimRef memory c = _claim(r);
        assertEq(staking.freeStake(executor), 91 ether, "larger bond");
        _finalize(r, c);
        assertEq(staking.freeStake(executor), 100 ether, "all of it comes back");
    }

    function test_postBatch_manyResults_eachProvable_succeeds() public {
        for (uint256 count = 1; count <= 7; ++count) {
            Result[] memory results = new Result[](count);
            for (uint256 i = 0; i < count; ++i) {
                results[i] = Result(_ask(), output);
            }
            uint64 segmentId = _post(_segment(OTHER_KEY, uint64(count), results));
            for (uint16 i = 0; i < count; ++i) {
                ClaimRef memory c = _refOf(segmentId, i, results);
                (address who,) = rollup.checkClaim(_idOf(results[i].request), c);
                assertEq(who, other, "claimed");
                c.index = i ^ 1;
                _notTheClaim(results[i].request, c);
            }
            vm.warp(block.timestamp + WINDOW);
            for (uint16 i = 0; i < count; ++i) {
                rollup.finalize(results[i].request, _refOf(segmentId, i, results));
            }
        }
    }

    function _notTheClaim(Request memory r, ClaimRef memory c) private {
        vm.expectRevert(abi.encodeWithSelector(IRollup.NotTheClaim.selector, _idOf(r)));
        rollup.checkClaim(_idOf(r), c);
    }

    /// @dev [S] One bad result does not kill the batch: each kind is skipped between two good ones.
    function test_postBatch_badResultsBetweenGood_claimsTheGood_succeeds() public {
        Result[] memory results = new Result[](6);
        results[0] = Result(_ask(), output);
        // Not Open: asked of nobody.
        results[1] = Result(_requestOf(_params(), ASKER, 0, 99, keccak256("entropy")), output);
        // The same again: Claimed by now.
        results[2] = results[0];
        // Too large beside its payload.
        results[3] = Result(_ask(), new bytes(65_536 - payload.length + 1));
        // More bond than the executor has.
        RequestParams memory p = _params();
        p.minBond = 97 ether;
        results[4] = Result(_ask(p), output);
        results[5] = Result(_ask(), output);
        (uint256 whole, uint256[] memory each) = _reasons(_segment(EXECUTOR_KEY, 1, results));
        assertEq(whole, 0, "segment stands");
        assertEq(each[0], NONE, "good");
        assertEq(each[1], uint256(IRollup.ResultError.NotOpen), "never asked");
        assertEq(each[2], uint256(IRollup.ResultError.NotOpen), "claimed already");
        assertEq(each[3], uint256(IRollup.ResultError.Oversized), "oversized");
        assertEq(each[4], uint256(IRollup.ResultError.NoStake), "no stake");
        assertEq(each[5], NONE, "good");
        assertEq(staking.freeStake(executor), 100 ether - 2 * CLAIM_BOND, "two bonds");
    }

    /// @dev [S] A result for another seed or another request than the chain's is skipped.
    function test_postBatch_otherSeed_skips() public {
        Request memory r = _ask();
        r.entropy = keccak256("a friendlier block");
        _assertOne(_segment(EXECUTOR_KEY, 1, _results(r)), IRollup.ResultError.NotOpen);
        r = _ask();
        r.modelLength -= 1;
        _assertOne(_segment(EXECUTOR_KEY, 2, _results(r)), IRollup.ResultError.NotOpen);
        r = _ask();
        r.params.fee += 1;
        _assertOne(_segment(EXECUTOR_KEY, 3, _results(r)), IRollup.ResultError.NotOpen);
    }

    /// @dev [S] A claim without a bond is no claim.
    function test_postBatch_executorWithoutStake_skips() public {
        vm.prank(executor);
        staking.startWithdrawal(100 ether - CLAIM_BOND + 1);
        _assertOne(_segment(EXECUTOR_KEY, 1, _results(_ask())), IRollup.ResultError.NoStake);
    }

    function test_postBatch_payloadAndOutputOfExactly64KiB_succeeds() public {
        Result[] memory results = _results(_ask());
        results[0].output = new bytes(65_536 - payload.length);
        _post(_segment(EXECUTOR_KEY, 1, results));
        _assertState(results[0].request, RequestState.Claimed, "fits");
    }

    /// @dev [S] An expired segment is skipped.
    function test_postBatch_expired_skips() public {
        Segment memory s = _segment(EXECUTOR_KEY, 1, _results(_ask()));
        vm.warp(s.expiry + 1);
        _assertWhole(s, IRollup.SegmentError.Expired);
        vm.warp(s.expiry);
        _post(s);
        _assertState(s.results[0].request, RequestState.Claimed, "at its expiry it still stands");
    }

    /// @dev [S] Posting spends the segment number: an old signature can't claim a reopened request.
    function test_postBatch_numberTwice_skips() public {
        _post(_segment(EXECUTOR_KEY, 300, _results(_ask())));
        assertTrue(rollup.numberUsed(executor, 300), "spent");
        _assertWhole(_segment(EXECUTOR_KEY, 300, _results(_ask())), IRollup.SegmentError.NumberUsed);
        Request memory r = _ask();
        _post(_segment(OTHER_KEY, 300, _results(r)));
        _assertState(r, RequestState.Claimed, "numbers are per executor");
    }

    function test_postBatch_badSignature_skips() public {
        Segment memory s = _segment(EXECUTOR_KEY, 1, _results(_ask()));
        s.executor = other;
        _assertWhole(s, IRollup.SegmentError.BadSignature);
        s = _segment(EXECUTOR_KEY, 1, _results(_ask()));
        s.results[0].output = hex"00";
        _assertWhole(s, IRollup.SegmentError.BadSignature);
        s = _segment(EXECUTOR_KEY, 1, _results(_ask()));
        s.expiry += 1;
        _assertWhole(s, IRollup.SegmentError.BadSignature);
        s = _segment(EXECUTOR_KEY, 1, _results(_ask()));
        s.number += 1;
        _assertWhole(s, IRollup.SegmentError.BadSignature);
        s.signature = hex"1234";
        _assertWhole(s, IRollup.SegmentError.BadSignature);
        assertTrue(!rollup.numberUsed(executor, 1), "a forgery spends nothing");
    }

    /// @dev [S] A signed segment is good once: its results don't claim again what a rejection reopened.
    function test_postBatch_oldSegmentAfterItsRejection_skips() public {
        Request memory r = _ask();
        Segment memory s = _segment(EXECUTOR_KEY, 7, _results(r));
        uint64 segmentId = _post(s);
        vm.prank(address(game));
        rollup.reject(_idOf(r), segmentId, 0);
        _assertWhole(s, IRollup.SegmentError.NumberUsed);
        _assertState(r, RequestState.Open, "still to be answered");
    }

    /// @dev [S] A signature for another chain, or another rollup, claims nothing here.
    function test_postBatch_signatureForAnotherChainOrRollup_skips() public {
        Segment memory s = _segment(EXECUTOR_KEY, 1, _results(_ask()));
        bytes32 root = _leaf(s.results[0].request, output);
        bytes memory right = _sign(EXECUTOR_KEY, _digestFor(block.chainid, address(rollup), s, root));
        assertEq(right, s.signature, "this chain, this rollup");
        s.signature = _sign(EXECUTOR_KEY, _digestFor(block.chainid + 1, address(rollup), s, root));
        _assertWhole(s, IRollup.SegmentError.BadSignature);
        s.signature = _sign(EXECUTOR_KEY, _digestFor(block.chainid, address(inbox), s, root));
        _assertWhole(s, IRollup.SegmentError.BadSignature);
        s.signature = right;
        _post(s);
        _assertState(s.results[0].request, RequestState.Claimed, "the right one");
    }

    function _digestFor(uint256 chain, address to, Segment memory s, bytes32 root) private pure returns (bytes32) {
        bytes32 typeHash =
            keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
        bytes32 domain = keccak256(abi.encode(typeHash, keccak256("Assay"), keccak256("1"), chain, to));
        bytes32 segmentType = keccak256("Segment(uint64 number,uint64 expiry,bytes32 root)");
        bytes32 what = keccak256(abi.encode(segmentType, s.number, s.expiry, root));
        return keccak256(abi.encodePacked(hex"1901", domain, what));
    }

    function test_postBatch_empty_skips() public {
        _assertWhole(_segment2(new Result[](0)), IRollup.SegmentError.Empty);
    }

    function _segment2(Result[] memory results) private view returns (Segment memory s) {
        (s.executor, s.number, s.expiry, s.results) = (executor, 1, uint64(block.timestamp) + 60, results);
    }

    /// @dev [S] One bad segment does not kill a batch.
    function test_postBatch_badSegmentBetweenGood_claimsTheGood_succeeds() public {
        Segment[] memory batch = new Segment[](3);
        for (uint64 i = 0; i < 3; ++i) {
            batch[i] = _segment(EXECUTOR_KEY, i, _results(_ask()));
        }
        batch[1].signature = "x";
        vm.prank(SEQUENCER);
        rollup.postBatch(batch, new SignedRequest[](0));
        _assertState(batch[0].results[0].request, RequestState.Claimed, "first");
        _assertState(batch[1].results[0].request, RequestState.Open, "second");
        _assertState(batch[2].results[0].request, RequestState.Claimed, "third");
    }

    function test_postBatch_signedRequestAnsweredInItsOwnBatch_succeeds() public {
        inbox.deposit{value: 2 ether}(payer);
        SignedRequest[] memory signed = new SignedRequest[](1);
        signed[0] = _signed(_params(), 9);
        Request memory r = _requestOf(_params(), payer, 1, 9, signed[0].entropy);
        Segment[] memory batch = new Segment[](1);
        batch[0] = _segment(EXECUTOR_KEY, 1, _results(r));
        vm.prank(SEQUENCER);
        rollup.postBatch(batch, signed);
        _assertState(r, RequestState.Claimed, "claimed");
    }

    function test_segmentDigest_isEip712_succeeds() public view {
        bytes32 structHash = keccak256(
            abi.encode(keccak256("Segment(uint64 number,uint64 expiry,bytes32 root)"), 7, 8, bytes32(uint256(9)))
        );
        bytes32 expected = keccak256(abi.encodePacked(hex"1901", rollup.domainSeparator(), structHash));
        assertEq(rollup.segmentDigest(7, 8, bytes32(uint256(9))), expected, "digest");
    }

    // ---- claimDirect ------------------------------------------------------------------------------------------------

    /// @dev [S] A censoring sequencer only delays: past the deadline any bonded executor claims.
    function test_claimDirect_pastDeadline_succeeds() public {
        Request memory r = _ask();
        vm.warp(uint256(r.params.inclusionDeadline) + 1);
        vm.prank(other);
        uint64 segmentId = rollup.claimDirect(r, output);
        _assertState(r, RequestState.Claimed, "claimed");
        assertEq(staking.freeStake(other), 100 ether - CLAIM_BOND, "bond locked");
        _finalize(r, _refOf(segmentId, 0, _results(r)));
        assertEq(inbox.credit(other), 1 ether - inbox.status(_idOf(r)).burn, "paid");
    }

    function test_claimDirect_beforeDeadline_reverts() public {
        Request memory r = _ask();
        vm.warp(r.params.inclusionDeadline);
        vm.prank(other);
        vm.expectRevert(abi.encodeWithSelector(IRollup.NotYetDirect.selector, uint256(r.params.inclusionDeadline) + 1));
        rollup.claimDirect(r, output);
    }

    function test_claimDirect_withoutStake_reverts() public {
        Request memory r = _ask();
        vm.warp(uint256(r.params.inclusionDeadline) + 1);
        vm.prank(ANYONE);
        vm.expectRevert(abi.encodeWithSelector(IRollup.ClaimRefused.selector, IRollup.ResultError.NoStake));
        rollup.claimDirect(r, output);
    }

    function test_claimDirect_notOpen_reverts() public {
        Request memory r = _ask();
        _claim(r);
        vm.warp(uint256(r.params.inclusionDeadline) + 1);
        vm.prank(other);
        vm.expectRevert(abi.encodeWithSelector(IRollup.ClaimRefused.selector, IRollup.ResultError.NotOpen));
        rollup.claimDirect(r, output);
    }

    // ---- finalize ---------------------------------------------------------------------------------------------------

    function test_finalize_afterWindow_paysAndUnlocks_succeeds() public {
        Request memory r = _ask();
        ClaimRef memory c = _claim(r);
        vm.warp(START + WINDOW);
        vm.prank(ANYONE);
        rollup.finalize(r, c);
        _assertState(r, RequestState.Final, "final");
        assertEq(inbox.credit(executor), 1 ether - inbox.status(_idOf(r)).burn, "fee");
        assertEq(inbox.credit(ANYONE), 0, "nothing to the caller");
        assertEq(staking.freeStake(executor), 100 ether, "bond back");
    }

    function test_finalize_insideWindow_reverts() public {
        Request memory r = _ask();
        ClaimRef memory c = _claim(r);
        vm.warp(START + WINDOW - 1);
        vm.expectRevert(abi.encodeWithSelector(IRollup.WindowOpen.selector, START + WINDOW));
        rollup.finalize(r, c);
    }

    function test_finalize_twice_reverts() public {
        Request memory r = _ask();
        ClaimRef memory c = _claim(r);
        _finalize(r, c);
        uint256 free = staking.freeStake(executor);
        vm.expectRevert();
        rollup.finalize(r, c);
        assertEq(staking.freeStake(executor), free, "one bond");
        assertEq(inbox.credit(executor), 1 ether - inbox.status(_idOf(r)).burn, "one fee");
    }

    /// @dev [S] Finality needs the very leaf that claimed the request.
    function test_finalize_anotherLeaf_reverts() public {
        Request memory r = _ask();
        ClaimRef memory c = _claim(r);
        vm.warp(START + WINDOW);
        bytes memory refusal = abi.encodeWithSelector(IRollup.NotTheClaim.selector, _idOf(r));
        ClaimRef memory bad = ClaimRef(c.segmentId, c.index, keccak256("another output"), c.proof);
        vm.expectRevert(refusal);
        rollup.finalize(r, bad);
        bad = ClaimRef(c.segmentId + 1, c.index, c.outputHash, c.proof);
        vm.expectRevert(refusal);
        rollup.finalize(r, bad);
        bad = ClaimRef(c.segmentId, 1, c.outputHash, c.proof);
        vm.expectRevert(refusal);
        rollup.finalize(r, bad);
        bad = ClaimRef(c.segmentId, 0, c.outputHash, new bytes32[](1));
        vm.expectRevert(refusal);
        rollup.finalize(r, bad);
    }

    function test_reject_byAnyoneElse_reverts() public {
        Request memory r = _ask();
        ClaimRef memory c = _claim(r);
        vm.expectRevert(abi.encodeWithSelector(IRollup.NotGame.selector, address(this)));
        rollup.reject(_idOf(r), c.segmentId, c.index);
    }
}

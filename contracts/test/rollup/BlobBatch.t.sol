// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {
    BlobSegment,
    ClaimRef,
    Request,
    RequestParams,
    RequestState,
    Result,
    Segment,
    SignedRequest
} from "../../src/interfaces/Types.sol";
import {IBlobRollup} from "../../src/interfaces/IBlobRollup.sol";
import {IRollup} from "../../src/interfaces/IRollup.sol";
import {BlobRollup} from "../../src/rollup/BlobRollup.sol";
import {Rollup} from "../../src/rollup/Rollup.sol";
import {WorkLaw} from "../../src/rollup/WorkMeter.sol";
import {Fixture} from "../base/Fixture.sol";

/// @notice Batches whose outputs are in blobs. What a blob holds is not asked when it is posted, so any hash will do.
contract BlobBatchTest is Fixture {
    bytes32 private constant BLOB = bytes32(uint256(1) << 248 | 0xb10b);
    bytes private constant TWO_TOKENS = hex"0002000000";

    function setUp() public override {
        super.setUp();
        blob = BLOB;
    }

    function _newRollup() internal override returns (Rollup) {
        WorkLaw memory law = _law();
        if (_longWindow != 0) law.window = _longWindow;
        return new BlobRollup(inbox, staking, game, sequencers, turnLength, CLAIM_BOND, law);
    }

    function _ref(uint256 first, uint256 length, bytes memory head) private pure returns (bytes memory) {
        return abi.encodePacked(uint16(first), uint16(length), head);
    }

    function _ref(uint256 first, uint256 length) private pure returns (bytes memory) {
        return _ref(first, length, TWO_TOKENS);
    }

    function _one(Request memory r, bytes memory ref) private pure returns (Result[] memory results) {
        results = new Result[](1);
        results[0] = Result(r, ref);
    }

    function _reasonOf(Request memory r, bytes memory ref) private returns (uint256) {
        (uint256 whole, uint256[] memory each) = _reasons(_segment(EXECUTOR_KEY, ++_number, _one(r, ref)));
        assertEq(whole, 0, "the segment stands");
        return each[0];
    }

    uint64 private _number;
    uint64 private _longWindow;

    // ---- deployment -------------------------------------------------------------------------------------------------

    /// @dev [S] Nodes forget a blob after 4096 epochs: a claim in it must be final by then, or nobody could dispute it.
    function test_deploy_windowAsLongAsBlobsAreKept_reverts() public {
        _longWindow = 1_572_864;
        unbonding = _longWindow + 2 * ALLOWANCE + 1;
        vm.expectRevert(IRollup.BadParameters.selector);
        this.deployAgain();
        --_longWindow;
        this.deployAgain();
    }

    // ---- claims -----------------------------------------------------------------------------------------------------

    function test_postBlobBatch_oneResult_isClaimedAndFinal_succeeds() public {
        Request memory r = _ask();
        Result[] memory results = _one(r, _ref(7, 33));
        vm.recordLogs();
        uint64 id = _post(_segment(EXECUTOR_KEY, 1, results));
        Log[] memory logs = _logs();
        bool said;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topic != IBlobRollup.ResultClaimedInBlob.selector) continue;
            assertEq(logs[i].data, abi.encode(uint256(0), BLOB, bytes9(_ref(7, 33))), "what is said of it");
            assertEq(logs[i].topics[1], _idOf(r), "of this request");
            said = true;
        }
        assertTrue(said, "said");
        ClaimRef memory c = _refOf(id, 0, results);
        (address claimer,) = rollup.checkClaim(_idOf(r), c);
        assertEq(claimer, executor, "claimed");
        assertEq(100 ether - staking.freeStake(executor), CLAIM_BOND, "a bond is locked");
        vm.expectRevert(abi.encodeWithSelector(IRollup.WindowOpen.selector, block.timestamp + WINDOW));
        rollup.finalize(r, c);
        uint256 burned = inbox.status(_idOf(r)).burn;
        _finalize(r, c);
        _assertState(r, RequestState.Final, "final");
        assertEq(inbox.credit(executor), 1 ether - burned, "paid");
        assertEq(staking.freeStake(executor), 100 ether, "the bond is free");
    }

    /// @dev Results share a blob, even its elements; what is skipped leaves its leaf in the tree.
    function test_postBlobBatch_manyResultsAmongBadOnes_succeeds() public {
        Result[] memory results = new Result[](7);
        results[0] = Result(_ask(), _ref(0, 4096));
        results[1] = Result(_ask(), _ref(0, 4097));
        results[2] = Result(_ask(_withConsumer()), _ref(5, 100));
        results[3] = Result(_ask(), _ref(5, 100));
        results[4] = Result(results[0].request, _ref(6, 1));
        results[5] = Result(_ask(), _ref(4095, 31));
        results[6] = Result(_ask(), "");
        (uint256 whole, uint256[] memory each) = _reasons(_segment(EXECUTOR_KEY, 1, results));
        assertEq(whole, 0, "the segment stands");
        uint256 bad = uint256(IRollup.ResultError.BadReference);
        uint256[7] memory expected = [
            NONE, bad, uint256(IRollup.ResultError.HasConsumer), NONE, uint256(IRollup.ResultError.NotOpen), NONE, bad
        ];
        for (uint256 i = 0; i < 7; ++i) {
            assertEq(each[i], expected[i], "reason");
        }
        uint64 id = rollup.segmentCount() - 1;
        vm.warp(block.timestamp + WINDOW);
        for (uint16 i = 0; i < 6; i += 3) {
            rollup.finalize(results[i].request, _refOf(id, i, results));
        }
        ClaimRef memory c = _refOf(id, 4, results);
        vm.expectRevert(abi.encodeWithSelector(IRollup.NotTheClaim.selector, _idOf(results[0].request)));
        rollup.finalize(results[0].request, c);
    }

    /// @dev [S] A segment whose blob is missing is left out; its neighbours stand.
    function test_postBlobBatch_severalBlobs_eachSegmentItsOwn_succeeds() public {
        bytes32[] memory hashes = new bytes32[](2);
        (hashes[0], hashes[1]) = (BLOB, bytes32(uint256(1) << 248 | 0xb10c));
        BlobSegment[] memory batch = new BlobSegment[](3);
        Result[] memory a = _one(_ask(), _ref(0, 10));
        Result[] memory b = _one(_ask(), _ref(0, 10));
        Result[] memory c = _one(_ask(), _ref(0, 10));
        batch[0] = BlobSegment(_segment(EXECUTOR_KEY, 1, a), 0);
        batch[2] = BlobSegment(_segment(OTHER_KEY, 1, c), 2);
        blob = hashes[1];
        batch[1] = BlobSegment(_segment(OTHER_KEY, 2, b), 1);
        vm.blobhashes(hashes);
        vm.recordLogs();
        vm.prank(SEQUENCER);
        BlobRollup(address(rollup)).postBlobBatch(batch, new SignedRequest[](0));
        _assertState(a[0].request, RequestState.Claimed, "in the first blob");
        _assertState(b[0].request, RequestState.Claimed, "in the second blob");
        _assertState(c[0].request, RequestState.Open, "there is no third");
        Log[] memory logs = _logs();
        (uint64 number, uint256 reason) = abi.decode(logs[logs.length - 1].data, (uint64, uint256));
        assertEq(number, 1, "the third segment");
        assertEq(reason, uint256(IRollup.SegmentError.NoSuchBlob), "why it is skipped");
        assertTrue(!rollup.numberUsed(other, 1), "its number is not spent");
        rollup.checkClaim(_idOf(b[0].request), _refOf(1, 0, b));
    }

    function test_postBlobBatch_signedRequests_areAdmitted_succeeds() public {
        vm.prank(payer);
        inbox.deposit{value: 10 ether}(payer);
        SignedRequest[] memory signed = new SignedRequest[](1);
        signed[0] = _signed(_params(), 3);
        Request memory r = _requestOf(_params(), payer, 1, 3, keccak256("payer's own"));
        BlobSegment[] memory batch = new BlobSegment[](1);
        batch[0] = BlobSegment(_segment(EXECUTOR_KEY, 1, _one(r, _ref(0, 10))), 0);
        _carry(BLOB);
        vm.prank(SEQUENCER);
        BlobRollup(address(rollup)).postBlobBatch(batch, signed);
        _assertState(r, RequestState.Claimed, "admitted and claimed");
    }

    function test_postBlobBatch_notSequencer_reverts() public {
        vm.prank(ANYONE);
        vm.expectRevert(abi.encodeWithSelector(IRollup.NotSequencer.selector, ANYONE, SEQUENCER));
        BlobRollup(address(rollup)).postBlobBatch(new BlobSegment[](0), new SignedRequest[](0));
    }

    /// @dev The rollup that takes outputs in blobs takes them in calldata too.
    function test_postBatch_onThisRollup_succeeds() public {
        blob = 0;
        Request memory r = _ask();
        ClaimRef memory c = _claim(r);
        assertEq(c.outputHash, keccak256(output), "the bytes' own hash");
        _finalize(r, c);
        _assertState(r, RequestState.Final, "final");
    }

    // ---- references -------------------------------------------------------------------------------------------------

    function test_postBlobBatch_referenceAtTheEdge_isClaimed_succeeds() public {
        uint16[2][6] memory good = [
            [uint16(0), 1],
            [uint16(0), 31],
            [uint16(4095), 31],
            [uint16(4094), 32],
            [uint16(3963), 4096],
            [uint16(0), 4096]
        ];
        for (uint256 i = 0; i < good.length; ++i) {
            assertEq(_reasonOf(_ask(), _ref(good[i][0], good[i][1])), NONE, "claimed");
        }
    }

    /// @dev A good one with a byte more, or a byte less, is none.
    function test_postBlobBatch_referenceOfAnotherSize_isSkipped_succeeds() public {
        uint256 bad = uint256(IRollup.ResultError.BadReference);
        assertEq(_reasonOf(_ask(), bytes.concat(_ref(0, 10), hex"00")), bad, "ten bytes");
        assertEq(_reasonOf(_ask(), _ref(0, 10, hex"00020000")), bad, "eight");
    }

    /// @dev [S] Elements beyond the blob, none at all, or more than a transaction can open.
    function test_postBlobBatch_referenceBeyondTheEdge_isSkipped_succeeds() public {
        uint16[2][8] memory bad = [
            [uint16(0), 0],
            [uint16(0), 4097],
            [uint16(4095), 32],
            [uint16(4094), 63],
            [uint16(4096), 1],
            [uint16(3964), 4096],
            [type(uint16).max, 1],
            [type(uint16).max, type(uint16).max]
        ];
        for (uint256 i = 0; i < bad.length; ++i) {
            uint256 reason = _reasonOf(_ask(), _ref(bad[i][0], bad[i][1]));
            assertEq(reason, uint256(IRollup.ResultError.BadReference), "skipped");
        }
    }

    /// @dev [S] A batch is never lost by one of its results, whatever stands for an output.
    function testFuzz_postBlobBatch_anyReference_claimsOrSkips_succeeds(bytes memory ref) public {
        Result[] memory results = new Result[](2);
        results[0] = Result(_ask(), ref);
        results[1] = Result(_ask(), _ref(0, 10));
        (, uint256[] memory each) = _reasons(_segment(EXECUTOR_KEY, 1, results));
        assertTrue(each[0] == NONE || each[0] == uint256(IRollup.ResultError.BadReference), "claimed or skipped");
        assertEq(each[1], NONE, "the one behind it");
        if (ref.length != 9) assertTrue(each[0] != NONE, "nine bytes");
    }

    function _withConsumer() private view returns (RequestParams memory p) {
        p = _params();
        (p.callback, p.callbackGas) = (address(0xCA11), 100_000);
    }

    /// @dev [S] What a consumer is to be told it would be told by opening elements, which nobody pays for.
    function test_postBlobBatch_requestWithConsumer_isSkipped_succeeds() public {
        Request memory r = _ask(_withConsumer());
        assertEq(_reasonOf(r, _ref(0, 10)), uint256(IRollup.ResultError.HasConsumer), "skipped");
        blob = 0;
        _claim(r);
    }

    function test_postBlobBatch_payloadAndOutputTooLong_isSkipped_succeeds() public {
        Request memory r = _ask();
        r.payloadLength = 65_536 - 5 - 100;
        assertEq(_reasonOf(r, _ref(0, 101)), uint256(IRollup.ResultError.Oversized), "a byte too long");
        // It was never asked, but its size is looked at first.
        assertTrue(_reasonOf(r, _ref(0, 100)) != uint256(IRollup.ResultError.Oversized), "just fits");
    }

    // ---- signatures -------------------------------------------------------------------------------------------------

    /// @dev [S] The executor has signed where its bytes are: in this blob, there, and as many.
    function test_postBlobBatch_signatureOverAnotherReference_skipsTheSegment_succeeds() public {
        Request memory r = _ask();
        bytes[4] memory others =
            [_ref(8, 33), _ref(7, 32), _ref(7, 33, hex"0003000000"), bytes(abi.encodePacked(_ref(7, 33), uint8(0)))];
        for (uint64 i = 0; i < others.length; ++i) {
            Segment memory s = _segment(EXECUTOR_KEY, 1, _one(r, _ref(7, 33)));
            s.results = _one(r, others[i]);
            _assertBadSignature(s);
        }
        Segment memory signed = _segment(EXECUTOR_KEY, 1, _one(r, _ref(7, 33)));
        blob = bytes32(uint256(1) << 248 | 0xb10c);
        _assertBadSignature(signed);
        blob = 0;
        Segment memory inCalldata = _segment(EXECUTOR_KEY, 1, _one(r, _ref(7, 33)));
        _assertBadSignature(signed);
        blob = BLOB;
        _assertBadSignature(inCalldata);
        (, uint256[] memory each) = _reasons(signed);
        assertEq(each[0], NONE, "what was signed stands");
    }

    function _assertBadSignature(Segment memory s) private {
        (uint256 whole,) = _reasons(s);
        assertEq(whole, uint256(IRollup.SegmentError.BadSignature), "skipped");
    }

    function test_postBlobBatch_segmentsThatCantStand_areSkipped_succeeds() public {
        Segment memory s = _segment(EXECUTOR_KEY, 1, _one(_ask(), _ref(0, 10)));
        _post(s);
        (uint256 whole,) = _reasons(s);
        assertEq(whole, uint256(IRollup.SegmentError.NumberUsed), "its number is spent");
        s = _segment(EXECUTOR_KEY, 2, _one(_ask(), _ref(0, 10)));
        vm.warp(uint256(s.expiry) + 1);
        (whole,) = _reasons(s);
        assertEq(whole, uint256(IRollup.SegmentError.Expired), "expired");
        s.results = new Result[](0);
        (whole,) = _reasons(s);
        assertEq(whole, uint256(IRollup.SegmentError.Empty), "empty");
    }

    // ---- one request, two claims ------------------------------------------------------------------------------------

    function test_claim_inBlobAndThenInCalldata_secondIsSkipped_succeeds() public {
        Request memory r = _ask();
        assertEq(_reasonOf(r, _ref(0, 10)), NONE, "the first");
        blob = 0;
        _assertOne(_segment(EXECUTOR_KEY, 90, _results(r)), IRollup.ResultError.NotOpen);
    }

    function test_claim_inCalldataAndThenInBlob_secondIsSkipped_succeeds() public {
        Request memory r = _ask();
        blob = 0;
        _claim(r);
        blob = BLOB;
        assertEq(_reasonOf(r, _ref(0, 10)), uint256(IRollup.ResultError.NotOpen), "the second");
    }

    // ---- work -------------------------------------------------------------------------------------------------------

    /// @dev [S] What a claim burns by its head, wherever the rest is and however long it is said to be.
    function testFuzz_postBlobBatch_burnsWhatItWouldInCalldata_succeeds(bytes5 head, uint16 first, uint16 length)
        public
    {
        length = uint16(1 + length % 4096);
        first = uint16(first % (4096 - (length + 30) / 31 + 1));
        Request memory r = _ask();
        uint256 state = vm.snapshotState();
        assertEq(_reasonOf(r, _ref(first, length, abi.encodePacked(head))), NONE, "claimed");
        uint256 inBlob = inbox.status(_idOf(r)).burn;
        (uint256 left,) = rollup.workLeft();
        vm.revertToState(state);
        blob = 0;
        Result[] memory results = _one(r, abi.encodePacked(head, new bytes(length)));
        (, uint256[] memory each) = _reasons(_segment(EXECUTOR_KEY, 1, results));
        assertEq(each[0], NONE, "claimed in calldata");
        assertEq(inBlob, inbox.status(_idOf(r)).burn, "burned");
        (uint256 leftThen,) = rollup.workLeft();
        assertEq(left, leftThen, "work");
    }

    /// @dev [S] Refuting an error may take as long as the longest answer, however short its output.
    function test_postBlobBatch_errorOfOneByte_countsMaxTokens_succeeds() public {
        (uint256 before,) = rollup.workLeft();
        assertEq(_reasonOf(_ask(), _ref(0, 1, hex"ff00000000")), NONE, "claimed");
        (uint256 afterwards,) = rollup.workLeft();
        assertEq(before - afterwards, uint256(MODEL_LENGTH) * (payload.length + MAX_TOKENS), "work");
    }

    /// @dev Limits that any result meets: stake and work.
    function test_postBlobBatch_noStakeOrFullWindow_isSkipped_succeeds() public {
        RequestParams memory p = _params();
        p.minBond = 101 ether;
        assertEq(_reasonOf(_ask(p), _ref(0, 10)), uint256(IRollup.ResultError.NoStake), "no stake");
        Request memory r = _ask();
        r.modelLength = uint64(WORK_PER_WINDOW);
        assertEq(_reasonOf(r, _ref(0, 10)), uint256(IRollup.ResultError.WindowFull), "too much work");
        p = _params();
        r = _ask();
        r.params.fee = 0;
        assertEq(_reasonOf(r, _ref(0, 10)), uint256(IRollup.ResultError.FeeTooLow), "fee");
    }

    // ---- afterwards -------------------------------------------------------------------------------------------------

    function test_deliverResult_claimInBlob_reverts() public {
        Request memory r = _ask();
        Result[] memory results = _one(r, _ref(0, 10));
        ClaimRef memory c = _refOf(_post(_segment(EXECUTOR_KEY, 1, results)), 0, results);
        _finalize(r, c);
        vm.expectRevert(IRollup.HashMismatch.selector);
        rollup.deliverResult(r, c, bytes.concat(BLOB, results[0].output), userData);
    }
}

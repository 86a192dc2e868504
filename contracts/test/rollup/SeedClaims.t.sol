// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IInbox} from "../../src/interfaces/IInbox.sol";
import {IRollup} from "../../src/interfaces/IRollup.sol";
import {
    ClaimRef,
    GameStatus,
    Request,
    RequestParams,
    RequestState,
    Result,
    SignedRequest
} from "../../src/interfaces/Types.sol";
import {SeedFixture} from "../base/SeedFixture.sol";

/// @notice Requests, claims, games and refunds where a seed is drawn by a later block.
contract SeedClaimsTest is SeedFixture {
    uint256 private constant NO_SEED = uint256(IRollup.ResultError.NoSeed);
    uint64 private _number;

    function _reasonsOf(Result[] memory results) private returns (uint256[] memory each) {
        uint256 whole;
        (whole, each) = _reasons(_segment(EXECUTOR_KEY, ++_number + 100, results));
        assertEq(whole, 0, "the segment stands");
    }

    function _reasonOf(Request memory r) private returns (uint256) {
        return _reasonsOf(_results(r))[0];
    }

    // ---- asking -------------------------------------------------------------------------------------------------------

    /// @dev [S] A request fixes the number of a block that is not there yet; nothing of its own block is in it.
    function test_request_laterBlock_fixesItsNumberAlone_succeeds() public {
        uint256 state = vm.snapshotState();
        Request memory r = _ask();
        assertEq(r.origin, 2, "a later block's");
        assertEq(uint256(r.entropy), block.number + DELAY, "its number");
        assertTrue(vm.revertToState(state), "back");
        vm.prevrandao(keccak256("a block that suits me"));
        assertEq(_idOf(_ask()), _idOf(r), "the same, whatever its block drew");
    }

    /// @dev [S] Who asks can't name the block, its randomness, or an origin: that would be a request that nobody opened.
    function test_postBatch_entropyOfOnesChoice_isAnotherRequest_skips() public {
        Request memory r = _ask();
        _mineAndRecord(r);
        _mine(uint256(r.entropy) + 1, keccak256("a block that suits me"));
        _record(uint256(r.entropy) + 1);
        Request[] memory forged = new Request[](4);
        for (uint256 i = 0; i < 4; ++i) {
            forged[i] = _requestOf(r.params, ASKER, 2, r.nonce, r.entropy);
        }
        forged[0].entropy = bytes32(uint256(r.entropy) + 1);
        (forged[1].origin, forged[1].entropy) = (0, drawn[uint256(r.entropy)]);
        (forged[2].origin, forged[2].entropy) = (1, keccak256("what suits me"));
        forged[3].entropy = bytes32(uint256(r.entropy) | 1 << 64);
        for (uint256 i = 0; i < 4; ++i) {
            assertEq(_reasonOf(forged[i]), uint256(IRollup.ResultError.NotOpen), "never claimed");
            vm.expectRevert(abi.encodeWithSelector(IInbox.WrongState.selector, _idOf(forged[i]), RequestState.None));
            inbox.refund(forged[i]);
            vm.expectRevert(abi.encodeWithSelector(IRollup.ClaimRefused.selector, IRollup.ResultError.NotOpen));
            rollup.claimDirect(forged[i], output);
        }
        assertEq(_reasonOf(r), NONE, "the one that was asked");
    }

    /// @dev A signer names its entropy: no block is waited for.
    function test_admit_signedRequest_namesItsOwn_succeeds() public {
        vm.prank(payer);
        inbox.deposit{value: 10 ether}(payer);
        RequestParams memory p = _params();
        assertEq(uint256(_admit(_signed(p, 3))), 0, "admitted");
        Request memory r = _requestOf(p, payer, 1, 3, keccak256("payer's own"));
        assertEq(_reasonOf(r), NONE, "claimed at once");
    }

    /// @dev `number` as its own entropy, signed and admitted.
    function _askByNumber(uint256 number, uint64 nonce) private returns (Request memory r) {
        inbox.deposit{value: 1 ether}(payer);
        SignedRequest memory s = _signed(_params(), nonce);
        s.entropy = bytes32(number);
        s.signature = _sign(PAYER_KEY, inbox.signedRequestDigest(s));
        assertEq(uint256(_admit(s)), 0, "admitted");
        return _requestOf(s.params, payer, 1, nonce, s.entropy);
    }

    /// @dev [S] A signer's entropy is that word, whatever block has the number: it is answered without a record, played over as
    ///      it is, and its money does not come back before the time.
    function test_admit_signedEntropyOfABlocksNumber_isNoBlocks_succeeds() public {
        Request memory toCome = _askByNumber(block.number + 100, 1);
        assertEq(_reasonOf(toCome), NONE, "claimed though that block is to come");
        Request memory lost = _askByNumber(1, 2);
        vm.roll(block.number + 300);
        assertTrue(inbox.seedLost(1), "the block is lost");
        _tooEarly(lost);
        assertEq(_reasonOf(lost), NONE, "claimed");
        uint256 number = block.number;
        _mine(number, keccak256("a block that suits me"));
        _record(number);
        Request memory recorded = _askByNumber(number, 3);
        Match memory m = _open(recorded, _claim(recorded), CHALLENGER);
        // The game has this id only if its ROM has the signer's entropy, not what the block drew.
        _assertStatus(m, GameStatus.ChallengerToMove, "the game of its own entropy");
    }

    // ---- claims -------------------------------------------------------------------------------------------------------

    /// @dev [S] Nobody answers a question whose seed is not known, and a batch that holds such an answer lives.
    function test_postBatch_seedNotRecorded_skipsItAlone() public {
        Request memory known = _ask();
        vm.roll(block.number + 1);
        Request memory unknown = _ask();
        _mineAndRecord(known);
        Result[] memory results = new Result[](5);
        for (uint256 i = 0; i < 5; ++i) {
            results[i] = Result(known, output);
        }
        (results[0].request, results[2].request, results[4].request) = (unknown, unknown, unknown);
        uint256[] memory each = _reasonsOf(results);
        assertEq(each[0], NO_SEED, "not there yet");
        assertEq(each[1], NONE, "claimed");
        assertEq(each[2], NO_SEED, "nor here");
        assertEq(each[3], uint256(IRollup.ResultError.NotOpen), "claimed before");
        _assertState(unknown, RequestState.Open, "waits");
        _mine(unknown);
        assertEq(_reasonOf(unknown), NO_SEED, "there, but nobody recorded it");
        _record(uint256(unknown.entropy));
        assertEq(_reasonOf(unknown), NONE, "claimed");
    }

    /// @dev In whichever run: each result is claimed or skipped by its own block alone.
    function testFuzz_postBatch_someSeedsRecorded_claimsThose(uint256 which) public {
        uint256 count = 4 + which % 13;
        Result[] memory results = new Result[](count);
        for (uint256 i = 0; i < count; ++i) {
            results[i] = Result(_ask(), output);
            vm.roll(block.number + 1);
        }
        for (uint256 i = 0; i < count; ++i) {
            _mine(results[i].request);
            if (which >> 8 + i & 1 == 1) _record(uint256(results[i].request.entropy));
        }
        uint256 free = staking.freeStake(executor);
        uint256[] memory each = _reasonsOf(results);
        for (uint256 i = 0; i < count; ++i) {
            bool recorded = which >> 8 + i & 1 == 1;
            assertEq(each[i], recorded ? NONE : NO_SEED, "by its own block");
            if (recorded) free -= CLAIM_BOND;
        }
        assertEq(staking.freeStake(executor), free, "a bond for each claim");
    }

    /// @dev [S] Nor directly.
    function test_claimDirect_seedNotRecorded_reverts() public {
        Request memory r = _ask();
        _mine(r);
        vm.warp(r.params.inclusionDeadline + 1);
        vm.prank(other);
        vm.expectRevert(abi.encodeWithSelector(IRollup.ClaimRefused.selector, IRollup.ResultError.NoSeed));
        rollup.claimDirect(r, output);
        _record(uint256(r.entropy));
        vm.prank(other);
        rollup.claimDirect(r, output);
        _assertState(r, RequestState.Claimed, "claimed");
    }

    /// @dev An answered question keeps its seed through a lost claim and any time.
    function test_reject_seedRecorded_isClaimedAgain_succeeds() public {
        Request memory r = _ask();
        _mineAndRecord(r);
        ClaimRef memory c = _claim(r);
        Match memory m = _open(r, c, CHALLENGER);
        _playHonestly(m);
        _prove(m);
        _assertState(r, RequestState.Open, "open again");
        vm.roll(block.number + 100_000);
        assertTrue(!inbox.seedLost(uint256(r.entropy)), "not lost");
        assertEq(_reasonOf(r), NONE, "claimed again");
    }

    // ---- games --------------------------------------------------------------------------------------------------------

    /// @dev [S] The seed that decides the verdict is what the inbox recorded: nobody brings it to the game.
    function test_open_laterBlock_romHasTheRecordedEntropy_succeeds() public {
        Request memory r = _ask();
        _mineAndRecord(r);
        ClaimRef memory c = _claim(r);
        bytes32 id = _idOf(r);
        bytes32 seed = keccak256(bytes.concat(keccak256(abi.encode("drawn", r.entropy)), id));
        bytes memory header = abi.encode(block.chainid, address(inbox), id, modelId, seed, uint256(0));
        uint256 bond = game.challengerBond();
        vm.prank(CHALLENGER);
        game.open{value: bond}(r, c, payload, output);
        Match memory m = _matchOf(r, c, CHALLENGER);
        assertEq(m.context.requestRoot, this.romRoot(header, payload), "root of its own reckoning");
        // The game has this id only if its context has that root.
        _assertStatus(m, GameStatus.ChallengerToMove, "the game of that root");
    }

    /// @dev [S] Until it is recorded, a seed is the chain's: another block of that number draws another, and so another ROM.
    function test_recordSeed_afterAReorg_isTheNewBlocks_succeeds() public {
        Request memory r = _ask();
        uint256 state = vm.snapshotState();
        bytes32[2] memory roots;
        for (uint256 i = 0; i < 2; ++i) {
            _mine(uint256(r.entropy), keccak256(abi.encode("branch", i)));
            _record(uint256(r.entropy));
            assertEq(inbox.recordedSeed(uint256(r.entropy)), keccak256(abi.encode("branch", i)), "the branch's");
            Match memory m = _open(r, _claim(r), CHALLENGER);
            roots[i] = m.context.requestRoot;
            _assertStatus(m, GameStatus.ChallengerToMove, "its game");
            assertTrue(vm.revertToState(state), "back");
        }
        assertTrue(roots[0] != roots[1], "another seed");
    }

    // ---- refunds ------------------------------------------------------------------------------------------------------

    /// @dev [S] What can't be answered is paid back at once, and is never answered.
    function test_refund_seedLost_atOnce_neverClaimed_succeeds() public {
        Request memory r = _ask();
        Request memory waits = _ask();
        _mine(r);
        vm.roll(uint256(r.entropy) + 257);
        assertTrue(block.timestamp < r.params.inclusionDeadline, "long before its deadline");
        assertEq(_reasonOf(waits), NO_SEED, "no claim");
        inbox.refund(r);
        _assertState(r, RequestState.Refunded, "refunded");
        assertEq(inbox.credit(REFUND), 1 ether, "all of it");
        assertEq(_reasonOf(r), NO_SEED, "nor after it");
        vm.warp(waits.params.inclusionDeadline + 1);
        vm.prank(other);
        vm.expectRevert(abi.encodeWithSelector(IRollup.ClaimRefused.selector, IRollup.ResultError.NoSeed));
        rollup.claimDirect(waits, output);
        inbox.refund(waits);
    }

    function _tooEarly(Request memory r) private {
        uint256 from = uint256(inbox.status(_idOf(r)).deadline) + DIRECT;
        vm.expectRevert(abi.encodeWithSelector(IInbox.TooEarly.selector, from));
        inbox.refund(r);
    }

    /// @dev [S] An asker can't take its money back when it does not like the draw.
    function test_refund_seedToComeOrRecorded_waits_reverts() public {
        Request memory r = _ask();
        _tooEarly(r);
        _mine(r);
        _tooEarly(r);
        vm.roll(uint256(r.entropy) + 256);
        _tooEarly(r);
        _record(uint256(r.entropy));
        vm.roll(uint256(r.entropy) + 100_000);
        _tooEarly(r);
        vm.warp(uint256(r.params.inclusionDeadline) + DIRECT);
        inbox.refund(r);
    }

    /// @dev Nor is anything paid back twice, or once it is claimed.
    function test_refund_refundedOrClaimed_reverts() public {
        Request memory lost = _ask();
        vm.roll(block.number + 300);
        Request memory r = _ask();
        inbox.refund(lost);
        vm.expectRevert(abi.encodeWithSelector(IInbox.WrongState.selector, _idOf(lost), RequestState.Refunded));
        inbox.refund(lost);
        _mineAndRecord(r);
        _claim(r);
        vm.roll(uint256(r.entropy) + 10_000);
        vm.expectRevert(abi.encodeWithSelector(IInbox.WrongState.selector, _idOf(r), RequestState.Claimed));
        inbox.refund(r);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {BlobOpening, ClaimRef, GameStatus, Request, RequestState, Result} from "../../src/interfaces/Types.sol";
import {IDisputeGame} from "../../src/interfaces/IDisputeGame.sol";
import {IRollup} from "../../src/interfaces/IRollup.sol";
import {BlobDisputeGame} from "../../src/dispute/BlobDisputeGame.sol";
import {BlobElements} from "../../src/dispute/BlobElements.sol";
import {BlobOutput} from "../../src/dispute/BlobOutput.sol";
import {DisputeGame} from "../../src/dispute/DisputeGame.sol";
import {Rollup} from "../../src/rollup/Rollup.sol";
import {BlobFixture} from "../base/BlobFixture.sol";

/// @notice Games on claims whose outputs are in blobs, over real blobs and real proofs.
contract BlobOpeningTest is BlobFixture {
    /// @dev Gas that a transaction may have (EIP-7825).
    uint256 private constant TX_LIMIT = 1 << 24;

    function _start(string memory name) private returns (Request memory r, ClaimRef memory c, Held memory h) {
        r = _ask();
        h = _held(name);
        c = _claim(r, h);
    }

    /// @dev `openFromBlob` with these reverts with `reason`.
    function _refused(Request memory r, ClaimRef memory c, Held memory h, bytes memory reason) private {
        uint256 bond = game.challengerBond();
        vm.prank(CHALLENGER);
        vm.expectRevert(reason);
        game.openFromBlob{value: bond}(r, c, payload, h.output, h.opening);
    }

    function _mismatch() private pure returns (bytes memory) {
        return abi.encodePacked(IDisputeGame.HashMismatch.selector);
    }

    function _badOpening(Held memory h, uint256 index) private pure returns (bytes memory) {
        return abi.encodeWithSelector(BlobElements.BadOpening.selector, h.opening.versionedHash, index);
    }

    function _copy(bytes memory data, uint256 from, uint256 to) private pure returns (bytes memory part) {
        part = new bytes(to - from);
        for (uint256 i = from; i < to; ++i) {
            part[i - from] = data[i];
        }
    }

    // ---- what opens -------------------------------------------------------------------------------------------------

    /// @dev [S] One byte, a full element, a byte more, elements that are no 248-bit values, the blob's last element, 4 KiB: the
    ///      game is over the very bytes, as `_matchOf` makes it from them.
    function test_openFromBlob_anyOutput_isOverItsBytes_succeeds() public {
        string[7] memory names = ["small", "oneByte", "fullElement", "oneMore", "dirty", "lastElement", "largest"];
        for (uint256 i = 0; i < names.length; ++i) {
            (Request memory r, ClaimRef memory c, Held memory h) = _start(names[i]);
            Match memory m = _open(r, c, h);
            _assertStatus(m, GameStatus.ChallengerToMove, names[i]);
        }
    }

    /// @dev The same answer in calldata and in a blob: the two games differ in nothing but the claim.
    function test_openFromBlob_sameOutputInCalldata_sameRoots_succeeds() public {
        (Request memory r, ClaimRef memory c, Held memory h) = _start("small");
        Request memory s = _ask();
        ClaimRef memory d = _claim(s);
        assertEq(output, h.output, "the same bytes");
        Match memory inBlob = _open(r, c, h);
        Match memory inCalldata = _open(s, d, CHALLENGER);
        assertEq(inBlob.context.outputRoot, inCalldata.context.outputRoot, "output");
        assertEq(inBlob.startRoot, inCalldata.startRoot, "start");
        assertEq(inBlob.context.claimBond, inCalldata.context.claimBond, "bond");
    }

    function test_wholeGame_lieInBlob_losesInAProof_succeeds() public {
        (Request memory r, ClaimRef memory c, Held memory h) = _start("oneMore");
        Match memory m = _open(r, c, h);
        vm.expectRevert(abi.encodeWithSelector(IRollup.WindowOpen.selector, block.timestamp + WINDOW));
        rollup.finalize(r, c);
        _playHonestly(m);
        _prove(m);
        _assertStatus(m, GameStatus.ChallengerWon, "the challenger's");
        _assertState(r, RequestState.Open, "the request is open again");
        assertTrue(game.credit(CHALLENGER) > game.challengerBond() + CLAIM_BOND / 4, "bond, a quarter and gas");
        vm.expectRevert(abi.encodeWithSelector(IRollup.NotTheClaim.selector, _idOf(r)));
        rollup.finalize(r, c);
        _refused(r, c, h, abi.encodeWithSelector(IRollup.NotTheClaim.selector, _idOf(r)));
        vm.warp(inbox.status(_idOf(r)).deadline + DIRECT + 1);
        inbox.refund(r);
        _assertState(r, RequestState.Refunded, "and given back");
    }

    function test_wholeGame_truthInBlob_staysAndIsFinal_succeeds() public {
        _games(5, 50, false, 77);
        (Request memory r, ClaimRef memory c, Held memory h) = _start("dirty");
        Match memory m = _open(r, c, h);
        _playHonestly(m);
        vm.warp(block.timestamp + ALLOWANCE);
        vm.expectRevert(abi.encodeWithSelector(IRollup.Disputed.selector, uint32(1), false));
        rollup.finalize(r, c);
        game.timeout(m.context);
        rollup.finalize(r, c);
        _assertState(r, RequestState.Final, "the true claim is final");
    }

    // ---- what does not ----------------------------------------------------------------------------------------------

    /// @dev [S] The bytes of the game are the blob's.
    function test_openFromBlob_anotherByte_reverts() public {
        (Request memory r, ClaimRef memory c, Held memory h) = _start("oneMore");
        h.output[HEAD + 3] ^= 0x01;
        _refused(r, c, h, _badOpening(h, h.opening.first));
        h = _held("oneMore");
        h.output[h.output.length - 1] ^= 0x01;
        _refused(r, c, h, _badOpening(h, h.opening.first + 1));
    }

    /// @dev [S] The bytes of an element that are no output count as much: else its value is another.
    function test_openFromBlob_anotherRest_reverts() public {
        (Request memory r, ClaimRef memory c, Held memory h) = _start("dirty");
        h.opening.rest[0] = 0;
        _refused(r, c, h, _badOpening(h, h.opening.first));
        h = _held("dirty");
        h.opening.rest[1] = 0;
        _refused(r, c, h, _badOpening(h, h.opening.first + 1));
        h = _held("dirty");
        h.opening.rest[2] ^= 0x01;
        _refused(r, c, h, _badOpening(h, h.opening.first + 1));
    }

    /// @dev A value and the same one plus the field's order are one element, but 32 other bytes.
    function test_openFromBlob_elementPlusTheOrder_reverts() public {
        (Request memory r, ClaimRef memory c, Held memory h) = _start("oneByte");
        uint256 value = uint256(uint8(h.output[HEAD])) << 240 | uint256(uint8(h.opening.rest[0])) << 248;
        bytes32 other = bytes32(value + BlobElements.MODULUS);
        h.opening.rest = bytes.concat(bytes1(other), _copy(bytes.concat(other), 2, 32));
        h.output[HEAD] = other[1];
        _refused(r, c, h, _badOpening(h, h.opening.first));
    }

    /// @dev [S] A chain without the point evaluation, where a call to its address succeeds and says nothing, opens nothing; nor
    ///      does one whose blobs are others.
    function test_openFromBlob_noOrAnotherPointEvaluation_reverts() public {
        (Request memory r, ClaimRef memory c, Held memory h) = _start("small");
        bytes[4] memory answers = [
            bytes(""),
            abi.encode(uint256(4096)),
            abi.encode(uint256(8192), BlobElements.MODULUS),
            abi.encode(uint256(4096), BlobElements.MODULUS - 1)
        ];
        for (uint256 i = 0; i < answers.length; ++i) {
            vm.mockCall(address(10), "", answers[i]);
            _refused(r, c, h, _badOpening(h, h.opening.first));
        }
        vm.clearMockedCalls();
        _open(r, c, h);
    }

    function test_openFromBlob_anotherProof_reverts() public {
        (Request memory r, ClaimRef memory c, Held memory h) = _start("oneMore");
        bytes memory o = h.opening.openings;
        h.opening.openings = bytes.concat(_copy(o, 0, 48), _copy(o, 96, 144), _copy(o, 48, 96));
        _refused(r, c, h, _badOpening(h, h.opening.first));
        h.opening.openings = bytes.concat(_copy(o, 0, 96), _copy(o, 48, 96));
        _refused(r, c, h, _badOpening(h, h.opening.first + 1));
    }

    function test_openFromBlob_anotherCommitment_reverts() public {
        (Request memory r, ClaimRef memory c, Held memory h) = _start("small");
        bytes memory other = _held("otherBlob").opening.openings;
        h.opening.openings = bytes.concat(_copy(other, 0, 48), _copy(h.opening.openings, 48, 96));
        _refused(r, c, h, _badOpening(h, 0));
        h.opening.openings = other;
        _refused(r, c, h, _badOpening(h, 0));
    }

    /// @dev [S] Another blob's element of the same bytes, truly opened: it is not where the claim says.
    function test_openFromBlob_sameBytesElsewhere_reverts() public {
        (Request memory r, ClaimRef memory c, Held memory h) = _start("small");
        Held memory elsewhere = _held("otherBlob");
        assertEq(elsewhere.output, h.output, "the same bytes");
        assertTrue(elsewhere.blob != h.blob, "in another blob");
        _refused(r, c, elsewhere, _mismatch());
    }

    /// @dev [S] An element is opened where the claim says that it is.
    function test_openFromBlob_anotherIndex_reverts() public {
        (Request memory r, ClaimRef memory c, Held memory h) = _start("small");
        h.opening.first = 1;
        _refused(r, c, h, _badOpening(h, 1));
        // An index beyond the blob stands for another one, where the element is; the claim does not name it.
        h.opening.first = 4096;
        _refused(r, c, h, _mismatch());
    }

    /// @dev [S] Fewer bytes, truly opened, or another kind and count are not what is claimed.
    function test_openFromBlob_anotherLengthOrHead_reverts() public {
        (Request memory r, ClaimRef memory c, Held memory h) = _start("fullElement");
        Held memory shorter = _held("fullElement");
        uint256 n = h.output.length - 1;
        shorter.opening.rest = bytes.concat(h.opening.rest, h.output[n]);
        shorter.output = _copy(h.output, 0, n);
        _refused(r, c, shorter, _mismatch());
        h.output[1] ^= 0x01;
        _refused(r, c, h, _mismatch());
    }

    function test_openFromBlob_wrongCounts_revert() public {
        (Request memory r, ClaimRef memory c, Held memory h) = _start("oneMore");
        bytes memory o = h.opening.openings;
        h.opening.openings = _copy(o, 0, 96);
        bytes4 wrong = BlobOutput.WrongOpeningLength.selector;
        _refused(r, c, h, abi.encodeWithSelector(wrong, h.opening.rest.length, 96));
        h.opening.openings = bytes.concat(o, new bytes(48));
        _refused(r, c, h, abi.encodeWithSelector(wrong, h.opening.rest.length, 192));
        h.opening.openings = o;
        uint256 rest = h.opening.rest.length;
        h.opening.rest = bytes.concat(h.opening.rest, hex"00");
        _refused(r, c, h, abi.encodeWithSelector(wrong, rest + 1, 144));
        h.opening.rest = _copy(h.opening.rest, 0, rest - 1);
        _refused(r, c, h, abi.encodeWithSelector(wrong, rest - 1, 144));
    }

    /// @dev [S] Lengths of which the claim could hold the low 16 bits.
    function test_openFromBlob_noOutputIsSoLong_reverts() public {
        (Request memory r, ClaimRef memory c, Held memory h) = _start("oneByte");
        uint256[4] memory lengths = [uint256(0), HEAD, HEAD + 4097, HEAD + 65_536 + 1];
        for (uint256 i = 0; i < lengths.length; ++i) {
            h.output = new bytes(lengths[i]);
            _refused(r, c, h, abi.encodeWithSelector(BlobOutput.NoBlobOutput.selector, lengths[i]));
        }
    }

    function test_openFromBlob_payloadOfAnother_reverts() public {
        (Request memory r, ClaimRef memory c, Held memory h) = _start("small");
        payload[5] ^= 0x01;
        _refused(r, c, h, _mismatch());
    }

    function test_openFromBlob_trailingCalldata_reverts() public {
        (Request memory r, ClaimRef memory c, Held memory h) = _start("small");
        bytes memory data = _openingOf(r, c, h);
        uint256 bond = game.challengerBond();
        vm.prank(CHALLENGER);
        (bool ok, bytes memory result) = address(game).call{value: bond}(bytes.concat(data, hex"00"));
        assertTrue(!ok, "refused");
        assertEq(
            result,
            abi.encodeWithSelector(IDisputeGame.NonCanonicalCalldata.selector, data.length, data.length + 1),
            "why"
        );
        vm.prank(CHALLENGER);
        (ok,) = address(game).call{value: bond}(data);
        assertTrue(ok, "the encoding itself");
    }

    function test_openFromBlob_wrongBondOrTwiceOrTooLate_reverts() public {
        (Request memory r, ClaimRef memory c, Held memory h) = _start("small");
        uint256 bond = game.challengerBond();
        vm.prank(CHALLENGER);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.WrongBond.selector, bond, bond - 1));
        game.openFromBlob{value: bond - 1}(r, c, payload, h.output, h.opening);
        Match memory m = _open(r, c, h);
        _refused(r, c, h, abi.encodeWithSelector(IDisputeGame.GameExists.selector, m.id));
        (r, c, h) = _start("oneByte");
        vm.warp(block.timestamp + WINDOW);
        _refused(r, c, h, abi.encodeWithSelector(IDisputeGame.WindowClosed.selector, block.timestamp));
    }

    // ---- one kind of claim taken for the other ------------------------------------------------------------------------

    /// @dev [S] A true answer in a blob can't be disputed as if the bytes that stand for it were the answer.
    function test_open_referenceAsTheOutput_reverts() public {
        (Request memory r, ClaimRef memory c, Held memory h) = _start("small");
        bytes memory stands = bytes.concat(h.blob, _refTo(h));
        uint256 bond = game.challengerBond();
        bytes[3] memory tries = [stands, _refTo(h), h.output];
        for (uint256 i = 0; i < tries.length; ++i) {
            vm.prank(CHALLENGER);
            vm.expectRevert(IDisputeGame.HashMismatch.selector);
            game.open{value: bond}(r, c, payload, tries[i]);
        }
        c.outputHash = keccak256(stands);
        vm.prank(CHALLENGER);
        vm.expectRevert(abi.encodeWithSelector(IRollup.NotTheClaim.selector, _idOf(r)));
        game.open{value: bond}(r, c, payload, stands);
    }

    /// @dev [S] Nor can an output in calldata that spells a reference be opened from the blob.
    function test_openFromBlob_outputSpellsTheReference_reverts() public {
        Held memory h = _held("small");
        bytes[2] memory spelled = [bytes.concat(h.blob, _refTo(h)), _refTo(h)];
        for (uint256 i = 0; i < spelled.length; ++i) {
            output = spelled[i];
            Request memory r = _ask();
            ClaimRef memory c = _claim(r);
            _refused(r, c, h, _mismatch());
            c.outputHash = ~keccak256(spelled[0]);
            _refused(r, c, h, abi.encodeWithSelector(IRollup.NotTheClaim.selector, _idOf(r)));
        }
    }

    // ---- gas --------------------------------------------------------------------------------------------------------

    /// @dev [S] The dearest opening fits a transaction, and is counted for the challenger like any other.
    function test_openFromBlob_fourKibibytes_fitsATransaction_succeeds() public {
        (Request memory r, ClaimRef memory c, Held memory h) = _start("largest");
        bytes memory data = _openingOf(r, c, h);
        uint256 bond = game.challengerBond();
        vm.prank(CHALLENGER);
        (bool ok,) = address(game).call{value: bond}(data);
        assertTrue(ok, "opened");
        uint256 execution = vm.lastCallGas().gasTotalUsed;
        assertTrue(execution > 133 * 50_000, "133 proofs");
        // The largest payload beside it is 60 KiB: its calldata, hashed twice.
        uint256 most = 21_000 + 16 * data.length + execution + 60 * 1024 * (16 + 8);
        assertTrue(most < TX_LIMIT * 3 / 4, "a quarter of a transaction is to spare");
        Match memory m = _matchOf(r, c, CHALLENGER);
        uint256 counted = game.game(m.id).challengerGas / 2;
        uint256 spent = 21_000 + 16 * data.length + execution;
        assertTrue(counted > spent - 50_000 && counted < spent + 50_000, "counted, at 2 gwei");
    }
}

/// @notice The mode of the roots is one thing, that of the outputs another.
contract BlobOpeningInBlobGameTest is BlobFixture {
    function _newGame(Rollup at_, uint8 arityLog2) internal override returns (DisputeGame) {
        BlobDisputeGame blobs =
            new BlobDisputeGame(at_, address(inbox), staking, registry, prover, arityLog2, ALLOWANCE, 10 gwei, 2 gwei);
        return DisputeGame(payable(blobs));
    }

    function test_openFromBlob_gameWithRootsInBlobs_succeeds() public {
        Request memory r = _ask();
        Held memory h = _held("dirty");
        ClaimRef memory c = _claim(r, h);
        Match memory m = _open(r, c, h);
        _assertStatus(m, GameStatus.ChallengerToMove, "opened");
        vm.warp(block.timestamp + ALLOWANCE);
        game.timeout(m.context);
        _finalize(r, c);
        _assertState(r, RequestState.Final, "final");
    }
}

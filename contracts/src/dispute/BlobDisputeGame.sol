// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {BlobMove, BlobPiece, BlobProof, GameContext, GameState} from "../interfaces/Types.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {IRollup} from "../interfaces/IRollup.sol";
import {IStaking} from "../interfaces/IStaking.sol";
import {IOneStepProver} from "../machine/IOneStepProver.sol";
import {BlobElements} from "./BlobElements.sol";
import {GameBase} from "./GameBase.sol";

/// @title The bisection game over one claim, with its roots in blobs
/// @notice Roots are posted as their low 248 bits, which fit a field element. Of a dissection of p pieces the roots 1 to
///         p - 1 are elements 0 to p - 2 of one blob and root p is in calldata, so that the mover denies an end that
///         everybody sees; the blob's other elements are zero (docs/encoding.md, section 8).
contract BlobDisputeGame is GameBase {
    /// @dev Two openings at the precompile's 50,000 each, with what is around them, and the blob's own gas.
    uint256 private constant MOVE_GAS = 240_000 + BlobElements.BLOB_GAS;
    uint256 private constant LOW_248 = (1 << 248) - 1;

    /// @notice `mover` answered `history` by splitting piece `segment`; the new roots are in blob `versionedHash`, the last
    ///         one is `end`.
    event BlobMoved(
        bytes32 indexed gameId,
        address indexed mover,
        bytes32 history,
        uint256 segment,
        bytes32 versionedHash,
        bytes32 end
    );

    /// @notice The transaction carries no blob of this number.
    error NoSuchBlob(uint256 blob);

    /// @param bondGasPrice wei per gas, and per blob gas, that the challenger's bond reckons with
    /// @param tipCap most wei per gas over the base fee that is repaid
    constructor(
        IRollup rollup_,
        address inbox_,
        IStaking staking_,
        IModelRegistry registry_,
        IOneStepProver prover_,
        uint8 arityLog2_,
        uint64 allowance_,
        uint256 bondGasPrice,
        uint256 tipCap
    ) GameBase(rollup_, inbox_, staking_, registry_, prover_, arityLog2_, allowance_, bondGasPrice, tipCap, MOVE_GAS) {}

    /// @notice The player to move contests one piece with a finer dissection, which is in a blob of this transaction.
    function move(BlobMove calldata m) external {
        uint256 gasBefore = gasleft();
        _exact(4 + 32 * (16 + _words(m.piece.openings.length)));
        (GameState memory g, bool byChallenger, uint256 width) = _beginMove(m.gameId, m.claim);
        bytes32 versionedHash = blobhash(m.blob);
        if (versionedHash == 0) revert NoSuchBlob(m.blob);
        // INVARIANT: the mover takes over the piece's start and denies its end, so the two players' ends of every standing
        //            piece differ and its start is agreed.
        if (m.end == m.piece.right) revert NothingContested();
        _checkPiece(m.gameId, m.claim, m.opponent, m.history, m.piece, g.piecesLog2);

        bytes32 history = keccak256(abi.encodePacked(m.history, uint32(m.piece.segment), versionedHash, m.end));
        commitment[m.gameId] = _commit(history, m.piece.left, versionedHash, m.end, m.claim, m.opponent, msg.sender);
        emit BlobMoved(m.gameId, msg.sender, m.history, m.piece.segment, versionedHash, m.end);
        uint256 blobWei = _firstUse(versionedHash) ? BlobElements.BLOB_GAS * block.blobbasefee : 0;
        uint256 wei_ = _spentWei(gasBefore - gasleft() + UNCOUNTED_GAS) + blobWei;
        _endMove(m.gameId, m.claim, m.piece.segment, g, byChallenger, width, wei_ / GWEI);
    }

    /// @notice The player to move shows that a piece of length 1 is wrong, and wins.
    function prove(GameContext calldata context, BlobProof calldata p) external {
        uint256 gasBefore = gasleft();
        _exact(4 + 32 * (22 + _words(p.piece.openings.length) + _words(p.witness.length)));
        bytes32 gameId = _id(context);
        (GameState memory g, bool byChallenger) = _beginProof(gameId, context);
        address opponent = byChallenger ? context.executor : context.challenger;
        uint256 key = _key(context.segmentId, context.index);
        _checkPiece(gameId, key, opponent, p.history, p.piece, g.piecesLog2);
        _runStep(gameId, context, p.piece.left, p.piece.right, uint64(g.start + p.piece.segment), p.witness);
        _finish(gameId, context, g, byChallenger, Reason.Proof, gasBefore - gasleft());
    }

    /// @inheritdoc GameBase
    function postsBlobs() external pure override returns (bool) {
        return true;
    }

    /// @dev Whether no move of this transaction has named the blob yet.
    // INVARIANT: a blob is repaid once, however many games of one transaction are moved by it.
    function _firstUse(bytes32 versionedHash) private returns (bool first) {
        assembly ("memory-safe") {
            first := iszero(tload(versionedHash))
            tstore(versionedHash, 1)
        }
    }

    /// @dev Checks that the piece, as shown, is one of the standing dissection, which the caller answers.
    function _checkPiece(
        bytes32 gameId,
        uint256 claim,
        address opponent,
        bytes32 history,
        BlobPiece calldata piece,
        uint256 piecesLog2
    ) private view {
        uint256 pieces = uint256(1) << piecesLog2;
        if (piece.segment >= pieces) revert NoSuchSegment(piece.segment, pieces);
        bytes32 given =
            _commit(history, piece.startRoot, piece.versionedHash, piece.endRoot, claim, msg.sender, opponent);
        bytes32 expected = commitment[gameId];
        bool first = piece.segment == 0;
        bool last = piece.segment == pieces - 1;
        bool ends = (!first || piece.left == piece.startRoot) && (!last || piece.right == piece.endRoot);
        if (given != expected || !ends) revert StaleMove(expected, given);

        uint256 proofs = (first ? 0 : 1) + (last ? 0 : 1);
        if (piece.openings.length != (proofs == 0 ? 0 : BlobElements.POINT * (1 + proofs))) revert WrongProofLength();
        if (!first) _checkElement(piece, piece.segment - 1, piece.left, 1);
        if (!last) _checkElement(piece, piece.segment, piece.right, proofs);
    }

    /// @dev Point `slot` of the openings is the proof that element `index` of the standing blob is `value`.
    function _checkElement(BlobPiece calldata piece, uint256 index, bytes32 value, uint256 slot) private view {
        bytes calldata commitment_ = piece.openings[:BlobElements.POINT];
        bytes calldata proof = piece.openings[BlobElements.POINT * slot:BlobElements.POINT * (slot + 1)];
        BlobElements.check(piece.versionedHash, index, value, commitment_, proof);
    }

    function _posted(bytes32 root) internal pure override returns (bytes32) {
        return bytes32(uint256(root) & LOW_248);
    }

    function _commitOpening(bytes32 gameId, bytes32 first, uint256 claim, address mover, address opponent)
        internal
        view
        override
        returns (bytes32)
    {
        return _commit(gameId, _posted(first), 0, _posted(_haltedRoot), claim, mover, opponent);
    }

    function _commit(
        bytes32 history,
        bytes32 startRoot,
        bytes32 versionedHash,
        bytes32 endRoot,
        uint256 claim,
        address mover,
        address opponent
    ) private pure returns (bytes32) {
        return keccak256(abi.encode(history, startRoot, versionedHash, endRoot, claim, mover, opponent));
    }
}

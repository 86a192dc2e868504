// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {GameContext, GameState, Move, Proof} from "../interfaces/Types.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {IRollup} from "../interfaces/IRollup.sol";
import {IStaking} from "../interfaces/IStaking.sol";
import {IOneStepProver} from "../machine/IOneStepProver.sol";
import {Dissection} from "./Dissection.sol";
import {GameBase} from "./GameBase.sol";

/// @title The bisection game over one claim, with its roots in calldata
contract DisputeGame is GameBase {
    /// @dev Calldata and execution of one move, over `MOVE_BASE_GAS + MOVE_ROOT_GAS * k`.
    uint256 private constant MOVE_BASE_GAS = 60_000;
    uint256 private constant MOVE_ROOT_GAS = 1_600;

    /// @notice `mover` answered `history` by splitting piece `segment` into `roots`.
    event Moved(bytes32 indexed gameId, address indexed mover, bytes32 history, uint256 segment, bytes32[] roots);

    /// @notice The number of roots is not `min(k, length)`.
    error WrongRootCount(uint256 expected, uint256 given);

    /// @param bondGasPrice wei per gas that the challenger's bond reckons with
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
    )
        GameBase(
            rollup_,
            inbox_,
            staking_,
            registry_,
            prover_,
            arityLog2_,
            allowance_,
            bondGasPrice,
            tipCap,
            MOVE_BASE_GAS + (MOVE_ROOT_GAS << arityLog2_)
        )
    {}

    /// @notice The player to move contests one piece with a finer dissection.
    function move(Move calldata m) external {
        uint256 gasBefore = gasleft();
        _exact(4 + 32 * (13 + m.proof.length + m.roots.length));
        (GameState memory g, bool byChallenger, uint256 width) = _beginMove(m.gameId, m.claim);
        if (m.roots.length != uint256(1) << width) revert WrongRootCount(uint256(1) << width, m.roots.length);
        // INVARIANT: the mover takes over the piece's start and denies its end, so the two players' ends of every standing
        //            piece differ and its start is agreed.
        if (m.roots[m.roots.length - 1] == m.right) revert NothingContested();
        _checkStanding(m, g.piecesLog2);

        bytes32 history = Dissection.next(m.history, m.segment, m.roots);
        bytes32 posted = Dissection.rootOf(m.roots);
        commitment[m.gameId] = _commit(history, m.left, posted, m.claim, m.opponent, msg.sender);
        emit Moved(m.gameId, msg.sender, m.history, m.segment, m.roots);
        uint256 spent = _spentWei(gasBefore - gasleft() + UNCOUNTED_GAS) / GWEI;
        _endMove(m.gameId, m.claim, m.segment, g, byChallenger, width, spent);
    }

    /// @notice The player to move shows that a piece of length 1 is wrong, and wins.
    function prove(GameContext calldata context, Proof calldata p) external {
        uint256 gasBefore = gasleft();
        _exact(4 + 32 * (19 + p.proof.length + _words(p.witness.length)));
        bytes32 gameId = _id(context);
        (GameState memory g, bool byChallenger) = _beginProof(gameId, context);
        _checkEnding(gameId, context, p, g.piecesLog2, byChallenger);
        _runStep(gameId, context, p.left, p.right, uint64(g.start + p.segment), p.witness);
        _finish(gameId, context, g, byChallenger, Reason.Proof, gasBefore - gasleft());
    }

    /// @inheritdoc GameBase
    function postsBlobs() external pure override returns (bool) {
        return false;
    }

    function _checkStanding(Move calldata m, uint256 piecesLog2) private view {
        if (m.segment >> piecesLog2 != 0) revert NoSuchSegment(m.segment, uint256(1) << piecesLog2);
        bytes32 posted = Dissection.fold(m.segment, piecesLog2, m.left, m.right, m.proof);
        bytes32 given = _commit(m.history, m.startRoot, posted, m.claim, msg.sender, m.opponent);
        bytes32 expected = commitment[m.gameId];
        if (given != expected || (m.segment == 0 && m.left != m.startRoot)) revert StaleMove(expected, given);
    }

    function _checkEnding(
        bytes32 gameId,
        GameContext calldata context,
        Proof calldata p,
        uint256 piecesLog2,
        bool byChallenger
    ) private view {
        if (p.segment >> piecesLog2 != 0) revert NoSuchSegment(p.segment, uint256(1) << piecesLog2);
        bytes32 posted = Dissection.fold(p.segment, piecesLog2, p.left, p.right, p.proof);
        address opponent = byChallenger ? context.executor : context.challenger;
        uint256 key = _key(context.segmentId, context.index);
        bytes32 given = _commit(p.history, p.startRoot, posted, key, msg.sender, opponent);
        bytes32 expected = commitment[gameId];
        if (given != expected || (p.segment == 0 && p.left != p.startRoot)) revert StaleMove(expected, given);
    }

    function _posted(bytes32 root) internal pure override returns (bytes32) {
        return root;
    }

    /// @dev A tree of one root is that root.
    function _commitOpening(bytes32 gameId, bytes32 first, uint256 claim, address mover, address opponent)
        internal
        view
        override
        returns (bytes32)
    {
        return _commit(gameId, first, _haltedRoot, claim, mover, opponent);
    }

    function _commit(bytes32 history, bytes32 startRoot, bytes32 posted, uint256 claim, address mover, address opponent)
        private
        pure
        returns (bytes32 result)
    {
        // Why assembly: twice a move; `abi.encode` of the same six words costs two and a half times as much.
        assembly ("memory-safe") {
            let spare := mload(0x40)
            mstore(spare, history)
            mstore(add(spare, 32), startRoot)
            mstore(add(spare, 64), posted)
            mstore(add(spare, 96), claim)
            mstore(add(spare, 128), mover)
            mstore(add(spare, 160), opponent)
            result := keccak256(spare, 192)
        }
    }
}

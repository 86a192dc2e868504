// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ClaimRef, GameContext, GameState, GameStatus, Move, Proof, Request} from "../../src/interfaces/Types.sol";
import {RomTree} from "../../src/dispute/RomTree.sol";
import {Fixture} from "./Fixture.sol";
import {Player} from "./Player.sol";

/// @notice Two players over the toy machine: one posts the truth, the other a trace that leaves it at `flip`.
abstract contract GameFixture is Fixture {
    /// @dev One game as its players keep it.
    struct Match {
        bytes32 id;
        GameContext context;
        bytes32 history;
        uint256 start;
        uint256 stride;
        bytes32 startRoot;
        bytes32[] roots;
        uint256 moves;
    }

    uint256 internal traceLength;
    uint256 internal arity;
    /// @dev First index at which the liar's trace differs.
    uint256 internal flip;
    bool internal liarIsExecutor;

    function _games(uint8 arityLog2, uint8 traceLog2, bool executorLies, uint256 flip_) internal {
        _deploy(arityLog2, traceLog2, !executorLies);
        (traceLength, arity) = (uint256(1) << traceLog2, uint256(1) << arityLog2);
        (flip, liarIsExecutor) = (flip_, executorLies);
        vm.fee(1 gwei);
        vm.txGasPrice(2 gwei);
    }

    // ---- traces -----------------------------------------------------------------------------------------------------

    /// @dev The true root at `index`.
    function _truth(uint256 index) internal view virtual returns (bytes32) {
        return prover.truth(index);
    }

    /// @dev The liar's root: the truth up to its flip. The executor's lie must end in Halted(0), the challenger's must not.
    function _lie(uint256 index) internal view returns (bytes32) {
        if (index < flip) return _truth(index);
        if (index == traceLength && liarIsExecutor) return _haltedRoot();
        return keccak256(abi.encode("lie", index));
    }

    function _traceOf(bool challenger, uint256 index) internal view returns (bytes32) {
        return challenger == liarIsExecutor ? _truth(index) : _lie(index);
    }

    // ---- playing ----------------------------------------------------------------------------------------------------

    function _open(Request memory r, ClaimRef memory c, address challenger) internal returns (Match memory m) {
        m = _matchOf(r, c, challenger);
        uint256 bond = game.challengerBond();
        vm.prank(challenger);
        bytes32 id = game.open{value: bond}(r, c, payload, output);
        assertEq(id, m.id, "game id");
    }

    /// @dev The game that `challenger` opens on `c`.
    function _matchOf(Request memory r, ClaimRef memory c, address challenger) internal view returns (Match memory m) {
        (address claimer,) = rollup.checkClaim(_idOf(r), c);
        m.context = GameContext({
            requestId: _idOf(r),
            segmentId: c.segmentId,
            index: c.index,
            executor: claimer,
            challenger: challenger,
            claimBond: uint128(rollup.bondOf(r)),
            modelId: r.params.modelId,
            requestRoot: this.romRoot(_romHeader(r), payload),
            outputRoot: this.romRoot("", output)
        });
        m.id = keccak256(abi.encode(block.chainid, address(game), m.context));
        m.history = m.id;
        m.stride = traceLength;
        m.startRoot = _truth(0);
        m.roots = new bytes32[](1);
        m.roots[0] = _haltedRoot();
    }

    function romRoot(bytes memory head, bytes calldata tail) external pure returns (bytes32) {
        return RomTree.root(head, tail);
    }

    function _romHeader(Request memory r) internal view returns (bytes memory) {
        bytes32 id = _idOf(r);
        bytes32 seed = keccak256(abi.encodePacked(_entropyOf(r), id));
        return abi.encodePacked(
            block.chainid, uint256(uint160(address(inbox))), id, r.params.modelId, seed, uint256(r.tolerance)
        );
    }

    function _mover(Match memory m) internal pure returns (address) {
        return m.moves % 2 == 0 ? m.context.challenger : m.context.executor;
    }

    function _waiting(Match memory m) internal pure returns (address) {
        return m.moves % 2 == 0 ? m.context.executor : m.context.challenger;
    }

    /// @dev The first piece whose end the mover's trace does not have.
    function _contested(Match memory m) internal view returns (uint256 i) {
        bool challenger = m.moves % 2 == 0;
        while (m.roots[i] == _traceOf(challenger, m.start + (i + 1) * m.stride)) ++i;
    }

    function _left(Match memory m, uint256 i) internal pure returns (bytes32) {
        return i == 0 ? m.startRoot : m.roots[i - 1];
    }

    function _width(Match memory m) internal view returns (uint256) {
        return m.stride < arity ? m.stride : arity;
    }

    /// @dev The move of a player that contests piece `i` with its own trace.
    function _moveOf(Match memory m, uint256 i) internal view returns (Move memory mv) {
        uint256 width = _width(m);
        mv.gameId = m.id;
        mv.claim = uint256(m.context.segmentId) << 16 | m.context.index;
        mv.opponent = _waiting(m);
        mv.history = m.history;
        mv.segment = i;
        mv.startRoot = m.startRoot;
        (mv.left, mv.right) = (_left(m, i), m.roots[i]);
        mv.proof = Player.pieceProof(m.roots, i);
        mv.roots = new bytes32[](width);
        uint256 base = m.start + i * m.stride;
        for (uint256 j = 0; j < width; ++j) {
            mv.roots[j] = _traceOf(m.moves % 2 == 0, base + (j + 1) * (m.stride / width));
        }
    }

    /// @dev Sends the move and follows it.
    function _play(Match memory m, Move memory mv) internal {
        vm.prank(_mover(m));
        game.move(mv);
        _follow(m, mv);
    }

    function _follow(Match memory m, Move memory mv) internal view {
        m.history = keccak256(abi.encodePacked(mv.history, uint32(mv.segment), mv.roots));
        m.start += mv.segment * m.stride;
        m.stride /= _width(m);
        m.startRoot = mv.left;
        m.roots = mv.roots;
        ++m.moves;
    }

    function _playHonestly(Match memory m) internal {
        while (m.stride > 1) {
            vm.warp(block.timestamp + 1);
            _play(m, _moveOf(m, _contested(m)));
        }
    }

    function _proofOf(Match memory m, uint256 i) internal pure returns (Proof memory p) {
        (p.history, p.segment, p.startRoot) = (m.history, i, m.startRoot);
        (p.left, p.right, p.proof) = (_left(m, i), m.roots[i], Player.pieceProof(m.roots, i));
        p.witness = abi.encode(p.left);
    }

    function _prove(Match memory m) internal {
        Proof memory p = _proofOf(m, _contested(m));
        vm.prank(_mover(m));
        game.prove(m.context, p);
    }

    function _status(Match memory m) internal view returns (GameStatus) {
        return game.game(m.id).status;
    }

    function _assertStatus(Match memory m, GameStatus status, string memory what) internal view {
        assertEq(uint256(_status(m)), uint256(status), what);
    }

    function _state(Match memory m) internal view returns (GameState memory) {
        return game.game(m.id);
    }

    /// @dev Forgets which accounts and slots are warm, as between transactions.
    function _cool() internal virtual {
        vm.cool(address(game));
        vm.cool(address(rollup));
        vm.cool(address(inbox));
        vm.cool(address(staking));
        vm.cool(address(registry));
        vm.cool(address(prover));
        vm.cool(address(0));
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {BlobMove, BlobPiece, BlobProof, ClaimRef, GameStatus, Request} from "../../src/interfaces/Types.sol";
import {StepContext} from "../../src/machine/IOneStepProver.sol";
import {MAX_WITNESS_BYTES} from "../../src/generated/Params.sol";
import {BlobDisputeGame} from "../../src/dispute/BlobDisputeGame.sol";
import {BlobElements} from "../../src/dispute/BlobElements.sol";
import {DisputeGame} from "../../src/dispute/DisputeGame.sol";
import {Rollup} from "../../src/rollup/Rollup.sol";
import {Cost, GasMeter} from "./GasMeter.sol";

/// @notice A dispute over 2^50 steps with 4096 roots a blob. The point-evaluation precompile is stood in for, and its gas,
///         which is the same whatever it is asked, added; tests/tests/games plays these games with real openings.
contract BlobDisputeGasTest is GasMeter {
    uint256 private constant POINT_EVALUATION_GAS = 50_000;
    /// @dev The median step of real bytecode, as in Dispute.t.sol.
    uint256 private constant MEDIAN_STEP = 27_304;
    uint256 private constant MEDIAN_WITNESS = 2449;
    uint256 private constant LOW_248 = (1 << 248) - 1;
    string private constant GROUP = "gas_dispute_k4096_blobs";

    address private immutable _challenger = vm.addr(uint256(keccak256("challenger")));
    /// @dev The standing dissection's blob.
    bytes32 private _blob;

    function setUp() public override {
        _rollup(12, false, 1);
        vm.mockCall(address(10), "", abi.encode(uint256(4096), BlobElements.MODULUS));
    }

    function test_gas_disputeInBlobs_staysBelowItsCeiling() public {
        (Match memory m, Cost memory cost) = _start();
        _record(GROUP, "open", cost);
        uint256 whole = _today(cost);
        while (m.stride > 1) {
            (m, cost,) = _move(m);
            _record(GROUP, string.concat("move 0", vm.toString(m.moves)), cost);
            whole += _today(cost);
        }
        assertEq(m.moves, 5, "moves");
        (cost,) = _proof(m);
        _record(GROUP, "proof", cost);
        whole += _today(cost);
        vm.snapshotValue(GROUP, "whole", whole);
        assertTrue(whole <= 1_200_000, "whole dispute, without blob gas");
    }

    /// @dev [S] The challenger's bond covers the executor's worst game twice at the price it reckons with, blobs and all.
    function test_challengerBond_gameInBlobs_coversTheExecutorsGas_succeeds() public {
        vm.fee(8 gwei);
        vm.txGasPrice(10 gwei);
        (Match memory m,) = _start();
        // What the contract doesn't count here: of the dearest step what the toy's is short of, the precompile's gas, and blob
        // gas, whose price is a wei.
        uint256 more = 300_000 + 16 * (MAX_WITNESS_BYTES - MEDIAN_WITNESS);
        while (m.stride > 1) {
            bool byExecutor = _mover(m) == executor;
            uint256 evaluations;
            (m,, evaluations) = _move(m);
            if (byExecutor) more += evaluations * POINT_EVALUATION_GAS + BlobElements.BLOB_GAS;
        }
        (, uint256 ofProof) = _proof(m);
        more += ofProof * POINT_EVALUATION_GAS;
        uint256 counted = _state(m).executorGas * 1 gwei;
        assertTrue(2 * (counted + more * 10 gwei) <= game.challengerBond(), "twice");
        assertEq(_due(executor), counted, "made whole");
    }

    /// @dev A claim by the executor and a game on it.
    function _start() private returns (Match memory m, Cost memory cost) {
        Request memory r = this.dappAsks();
        ClaimRef memory c = _claim(r);
        uint256 bond = game.challengerBond();
        vm.deal(_challenger, bond);
        cost = _send(_challenger, address(game), bond, abi.encodeCall(game.open, (r, c, payload, output)));
        m = _matchOf(r, c, _challenger);
    }

    /// @dev The mover's answer, its cost with the precompile's, and how often that was asked.
    function _move(Match memory m) private returns (Match memory, Cost memory cost, uint256 evaluations) {
        vm.warp(block.timestamp + 1);
        (BlobMove memory mv, bytes32 next) = this.moveOf(m);
        bytes32[] memory hashes = new bytes32[](1);
        hashes[0] = next;
        vm.blobhashes(hashes);
        cost = _send(_mover(m), address(game), 0, abi.encodeCall(BlobDisputeGame.move, (mv)));
        evaluations = _evaluations(mv.piece);
        cost.execution += evaluations * POINT_EVALUATION_GAS;
        _blob = next;
        return (this.follow(m, mv, next), cost, evaluations);
    }

    function _newGame(Rollup at_, uint8 arityLog2) internal override returns (DisputeGame) {
        BlobDisputeGame blobs =
            new BlobDisputeGame(at_, address(inbox), staking, registry, prover, arityLog2, ALLOWANCE, 10 gwei, 2 gwei);
        return DisputeGame(payable(blobs));
    }

    /// @dev The mover's answer and the blob that it is in. External, so that 4096 roots leave no memory behind.
    function moveOf(Match memory m) external view returns (BlobMove memory mv, bytes32 next) {
        uint256 i = _contested(m);
        mv.gameId = m.id;
        mv.claim = uint256(m.context.segmentId) << 16 | m.context.index;
        mv.opponent = _waiting(m);
        mv.history = m.history;
        mv.piece = _piece(m, i);
        mv.end = _low(_traceOf(m.moves % 2 == 0, m.start + (i + 1) * m.stride));
        next = bytes32(uint256(1) << 248 | uint256(keccak256(abi.encode("blob", m.moves))) >> 8);
    }

    /// @dev The game after the move.
    function follow(Match memory m, BlobMove memory mv, bytes32 next) external view returns (Match memory) {
        bool challenger = m.moves % 2 == 0;
        (uint256 width, uint256 i) = (_width(m), mv.piece.segment);
        m.startRoot = _left(m, i);
        m.history = keccak256(abi.encodePacked(m.history, uint32(i), next, mv.end));
        m.start += i * m.stride;
        m.stride /= width;
        m.roots = new bytes32[](width);
        for (uint256 j = 0; j < width; ++j) {
            m.roots[j] = _traceOf(challenger, m.start + (j + 1) * m.stride);
        }
        ++m.moves;
        return m;
    }

    function _proof(Match memory m) private returns (Cost memory cost, uint256 evaluations) {
        BlobProof memory p;
        uint256 i = _contested(m);
        (p.history, p.piece) = (m.history, _piece(m, i));
        p.witness = new bytes(MEDIAN_WITNESS);
        bytes32 left = _left(m, i);
        for (uint256 j = 0; j < MEDIAN_WITNESS; ++j) {
            p.witness[j] = j < 32 ? left[j] : bytes1(0xff);
        }
        StepContext memory ctx = registry.stepContext(m.context.modelId, m.context.requestRoot, m.context.outputRoot);
        bytes memory step = abi.encodeCall(prover.step, (ctx, uint64(m.start + i), p.witness));
        Cost memory toy = _send(ANYONE, address(prover), 0, step);
        cost = _send(_mover(m), address(game), 0, abi.encodeCall(BlobDisputeGame.prove, (m.context, p)));
        evaluations = _evaluations(p.piece);
        cost.execution = cost.execution - toy.execution + MEDIAN_STEP + evaluations * POINT_EVALUATION_GAS;
        _assertStatus(m, GameStatus.ExecutorWon, "the executor proves after five moves");
    }

    function _piece(Match memory m, uint256 i) private view returns (BlobPiece memory piece) {
        (piece.segment, piece.startRoot) = (i, _low(m.startRoot));
        piece.endRoot = _low(m.roots[m.roots.length - 1]);
        (piece.left, piece.right) = (_low(_left(m, i)), _low(m.roots[i]));
        if (m.roots.length == 1) return piece;
        piece.versionedHash = _blob;
        uint256 proofs = (i == 0 ? 0 : 1) + (i == m.roots.length - 1 ? 0 : 1);
        piece.openings = new bytes(48 * (1 + proofs));
        for (uint256 j = 0; j < piece.openings.length; ++j) {
            piece.openings[j] = 0xff;
        }
    }

    function _evaluations(BlobPiece memory piece) private pure returns (uint256) {
        return piece.openings.length == 0 ? 0 : piece.openings.length / 48 - 1;
    }

    function _low(bytes32 root) private pure returns (bytes32) {
        return bytes32(uint256(root) & LOW_248);
    }
}

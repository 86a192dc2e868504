// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ClaimRef, GameStatus, Move, Proof, Request} from "../../src/interfaces/Types.sol";
import {StepContext} from "../../src/machine/IOneStepProver.sol";
import {Cost, GasMeter} from "./GasMeter.sol";

/// @notice Disputes over 2^50 steps at several arities. The machine is a toy, so what the real step costs is added by its
///         committed measurement (tests/snapshots/osp_gas_opcodes.txt, which gas.mjs holds these constants to).
contract DisputeGasTest is GasMeter {
    /// @dev Execution and witness of the median and of the dearest step of real bytecode.
    uint256 private constant MEDIAN_STEP = 27_304;
    uint256 private constant MEDIAN_WITNESS = 2449;
    uint256 private constant DEAREST_STEP = 41_552;
    uint256 private constant DEAREST_WITNESS = 3761;
    /// @dev What a whole dispute may cost at k = 32.
    uint256 private constant CEILING = 1_200_000;

    address private immutable _challenger = vm.addr(uint256(keccak256("challenger")));

    function setUp() public override {
        // Each test deploys its own arity.
    }

    function test_gas_disputeAtArity2_measured() public {
        _dispute(1, "gas_dispute_k2");
    }

    function test_gas_disputeAtArity16_measured() public {
        _dispute(4, "gas_dispute_k16");
    }

    function test_gas_disputeAtArity32_staysBelowItsCeiling() public {
        (uint256 whole, uint256 open, uint256 dearest) = _dispute(5, "gas_dispute_k32");
        assertTrue(open <= 250_000, "open");
        assertTrue(dearest <= 90_000, "move");
        assertTrue(whole <= CEILING, "whole dispute");
    }

    function test_gas_storageAndEventsOfADispute_recorded() public {
        splits = true;
        _dispute(5, "gas_dispute_k32");
    }

    function test_gas_disputeAtArity64_measured() public {
        _dispute(6, "gas_dispute_k64");
    }

    /// @dev The largest arity that the game can be deployed with.
    function test_gas_disputeAtArity4096_measured() public {
        _dispute(12, "gas_dispute_k4096");
    }

    function test_gas_proofOfDearestStep_measured() public {
        (Match memory m,) = _start(5, true);
        _playHonestly(m);
        _record("gas_ending", "proof of the dearest step", _prove(m, DEAREST_STEP, DEAREST_WITNESS));
        _step("dearest step", DEAREST_STEP, DEAREST_WITNESS);
        _step("median step", MEDIAN_STEP, MEDIAN_WITNESS);
    }

    function test_gas_timeoutOfExecutor_measured() public {
        (Match memory m,) = _start(5, true);
        _play(m, _moveOf(m, _contested(m)));
        _timeout(m, _challenger, "executor out of time");
        _assertStatus(m, GameStatus.ChallengerWon, "the challenger's");
    }

    function test_gas_timeoutOfChallenger_measured() public {
        (Match memory m,) = _start(5, false);
        _timeout(m, executor, "challenger out of time");
        _assertStatus(m, GameStatus.ExecutorWon, "the executor's");
    }

    // ---- playing ----------------------------------------------------------------------------------------------------

    /// @dev Whole dispute ending in the median step, its opening and its dearest move, as they are charged today. Whoever is
    ///      to prove tells the truth.
    function _dispute(uint8 arityLog2, string memory group)
        private
        returns (uint256 whole, uint256 open, uint256 dearest)
    {
        uint256 moves = (50 + arityLog2 - 1) / arityLog2;
        (Match memory m, Cost memory cost) = _start(arityLog2, moves % 2 == 0);
        _record(group, "open", cost);
        whole = open = _today(cost);
        while (m.stride > 1) {
            vm.warp(block.timestamp + 1);
            Move memory mv = this.moveOf(m);
            cost = _send(_mover(m), address(game), 0, abi.encodeCall(game.move, (mv)));
            _follow(m, mv);
            _record(group, string.concat("move ", m.moves < 10 ? "0" : "", vm.toString(m.moves)), cost);
            whole += _today(cost);
            if (_today(cost) > dearest) dearest = _today(cost);
        }
        assertEq(m.moves, moves, "moves");
        cost = _prove(m, MEDIAN_STEP, MEDIAN_WITNESS);
        _record(group, "proof", cost);
        whole += _today(cost);
        if (!splits) vm.snapshotValue(group, "whole", whole);
    }

    /// @dev A claim by the executor and a game on it, opened by somebody whom the contracts do not know.
    function _start(uint8 arityLog2, bool executorLies) private returns (Match memory m, Cost memory cost) {
        _rollup(arityLog2, executorLies, 1);
        Request memory r = this.dappAsks();
        ClaimRef memory c = _claim(r);
        uint256 bond = game.challengerBond();
        vm.deal(_challenger, bond);
        cost = _send(_challenger, address(game), bond, abi.encodeCall(game.open, (r, c, payload, output)));
        m = _matchOf(r, c, _challenger);
        _assertStatus(m, GameStatus.ChallengerToMove, "opened");
    }

    /// @dev External, so that the nodes which it hashes leave no memory behind.
    function moveOf(Match memory m) external view returns (Move memory) {
        return _moveOf(m, _contested(m));
    }

    /// @dev The winner's proof with a witness of real length, its own step's gas in place of the toy's.
    function _prove(Match memory m, uint256 stepGas, uint256 witness) private returns (Cost memory cost) {
        Proof memory p = _proofOf(m, _contested(m));
        p.witness = _padded(p.left, witness);
        StepContext memory ctx = registry.stepContext(m.context.modelId, m.context.requestRoot, m.context.outputRoot);
        uint64 index = uint64(m.start + p.segment);
        Cost memory toy = _send(ANYONE, address(prover), 0, abi.encodeCall(prover.step, (ctx, index, p.witness)));
        address winner = _mover(m);
        cost = _send(winner, address(game), 0, abi.encodeCall(game.prove, (m.context, p)));
        cost.execution = cost.execution - toy.execution + stepGas;
        GameStatus won = winner == _challenger ? GameStatus.ChallengerWon : GameStatus.ExecutorWon;
        _assertStatus(m, won, "proven");
    }

    /// @dev No byte of it is zero: never cheaper than the real one.
    function _padded(bytes32 root, uint256 length) private pure returns (bytes memory witness) {
        witness = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            witness[i] = i < 32 ? root[i] : bytes1(0xff);
        }
    }

    function _timeout(Match memory m, address winner, string memory name) private {
        vm.warp(block.timestamp + ALLOWANCE);
        _record("gas_ending", name, _send(winner, address(game), 0, abi.encodeCall(game.timeout, (m.context))));
    }

    function _step(string memory name, uint256 gas, uint256 witness) private {
        vm.snapshotValue("gas_ending", string.concat(name, ": execution"), gas);
        vm.snapshotValue("gas_ending", string.concat(name, ": witness bytes"), witness);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import "../../src/generated/Opcodes.sol";
import {CODE_DEPTH} from "../../src/generated/Params.sol";
import {TRAPPED_ROOT, zeroRoot} from "../../src/generated/ZeroRoots.sol";
import {GameStatus, Move, Program, Proof} from "../../src/interfaces/Types.sol";
import {le64} from "../../src/machine/Instruction.sol";
import {RomTree} from "../../src/dispute/RomTree.sol";
import {FindingFixture} from "../base/FindingFixture.sol";
import {RealProver} from "../base/RealProver.sol";

/// @notice A whole game over the real prover, about a program whose first instruction is no instruction.
/// @dev k = 4 over 8 steps: the challenger halves, the executor halves, the challenger proves. The true trace begins, resumes
///      at the entry, and is Trapped from the second step on.
contract UnprovableStepFindings is FindingFixture {
    bytes private codeLeaf;
    bytes32 private runningRoot;

    function setUp() public override {}

    /// @dev A claim that the program whose one instruction is `word, imm` exits 0, and a game on it.
    function _begin(uint256 word, uint256 imm) private returns (Match memory m) {
        _deploy(2, 3, false);
        (traceLength, arity) = (8, 4);
        vm.fee(1 gwei);
        vm.txGasPrice(2 gwei);
        codeLeaf = bytes.concat(abi.encodePacked(uint64(le64(word)), uint64(le64(imm))), new bytes(112));
        Program memory p = _program(3);
        p.codeRoot = keccak256(bytes.concat(hex"00", codeLeaf));
        for (uint256 level = 0; level < CODE_DEPTH; ++level) {
            p.codeRoot = RomTree.nodeHash(p.codeRoot, zeroRoot(level));
        }
        (p.a, p.b, p.entry) = (0, 3, 0);
        programId = registry.registerProgram(p);
        modelId = _registerModel(0, 0);
        runningRoot = keccak256(bytes.concat(hex"02", _header(1)));
        req = _ask();
        ref = _claim(req);
        bond = game.challengerBond();
        m = _open(req, ref, CHALLENGER);
        m.startRoot = registry.initialRoot(programId);
        assertEq(m.startRoot, keccak256(bytes.concat(hex"02", _header(2))), "the first state");
        vm.etch(address(prover), address(RealProver.deploy()).code);
    }

    function _header(uint8 status) private pure returns (bytes memory) {
        Program memory p = _program(3);
        bytes memory fields = abi.encodePacked(status, uint32(0), uint32(0), uint32(0), p.pages);
        return bytes.concat(fields, p.memoryRoot, zeroRoot(13), p.globalsRoot, p.tableRoot);
    }

    /// @dev The mover contests piece 0 with `roots`.
    function _play(Match memory m, bytes32[] memory roots) private {
        Move memory mv;
        (mv.gameId, mv.claim, mv.opponent) = (m.id, uint256(m.context.segmentId) << 16, _waiting(m));
        (mv.history, mv.startRoot, mv.left, mv.right) = (m.history, m.startRoot, m.startRoot, m.roots[0]);
        mv.proof = new bytes32[](0);
        if (m.roots.length == 4) mv.proof = _siblings(m.roots);
        mv.roots = roots;
        _play(m, mv);
    }

    function _siblings(bytes32[] memory roots) private pure returns (bytes32[] memory proof) {
        proof = new bytes32[](2);
        (proof[0], proof[1]) = (roots[1], RomTree.nodeHash(roots[2], roots[3]));
    }

    /// @dev The challenger tells the truth, the executor lies as `lie` from the first or second step on, and loses.
    function _liarLoses(uint256 word, uint256 imm, bool fromTheFirst, string memory what) private {
        Match memory m = _begin(word, imm);
        bytes32[] memory roots = new bytes32[](4);
        for (uint256 i = 0; i < 4; ++i) {
            roots[i] = TRAPPED_ROOT;
        }
        _play(m, roots);
        roots = new bytes32[](2);
        roots[0] = fromTheFirst ? keccak256("never resumed") : runningRoot;
        roots[1] = _haltedRoot();
        _play(m, roots);

        Proof memory p = _proofOf(m, fromTheFirst ? 0 : 1);
        p.witness = _header(fromTheFirst ? 2 : 1);
        if (!fromTheFirst) {
            p.witness = bytes.concat(p.witness, codeLeaf);
            for (uint256 level = 0; level < CODE_DEPTH; ++level) {
                p.witness = bytes.concat(p.witness, zeroRoot(level));
            }
        }
        vm.prank(CHALLENGER);
        game.prove(m.context, p);
        _assertStatus(m, GameStatus.ChallengerWon, what);
        _assertPaidInFull(m);
    }

    /// @dev Code4rena 2024-07 Optimism M-05 (see MachineSteps.t.sol):
    ///      https://github.com/code-423n4/2024-07-optimism-findings/issues/54
    ///      There: since a panicking VM has no state that its game could end in, the claims above it could not be contested.
    ///      Here: a program of junk ends Trapped, which is not the Halted(0) of the claim, and the step into it is proven by the
    ///      deployed prover.
    function test_finding_unprovableStep_wholeGame() public {
        _liarLoses(0, 0, false, "opcode 0");
        _liarLoses(type(uint64).max, type(uint64).max, false, "all ones");
        _liarLoses(OP_UNREACHABLE, 0, false, "unreachable");
        _liarLoses(0x7f00, 0, false, "a family that is none");
        _liarLoses(OP_GLOBAL_GET, type(uint64).max, false, "a global that is none");
        _liarLoses(OP_MOVE | IMM_FORM, 0, false, "a form that is none");
        _liarLoses(0, 0, true, "a lie about the step before");
    }

    /// @dev The honest twin: who claims that the junk did not trap, against a true root, can't prove it.
    function test_finding_unprovableStep_noProofOfALie() public {
        Match memory m = _begin(0, 0);
        bytes32[] memory roots = new bytes32[](4);
        for (uint256 i = 0; i < 4; ++i) {
            roots[i] = keccak256("it went on");
        }
        _play(m, roots);
        roots = new bytes32[](2);
        (roots[0], roots[1]) = (runningRoot, TRAPPED_ROOT);
        _play(m, roots);
        Proof memory p = _proofOf(m, 1);
        p.witness = bytes.concat(_header(1), codeLeaf);
        for (uint256 level = 0; level < CODE_DEPTH; ++level) {
            p.witness = bytes.concat(p.witness, zeroRoot(level));
        }
        bytes4 agrees = bytes4(keccak256("StepAgrees()"));
        _refused(CHALLENGER, abi.encodeCall(game.prove, (m.context, p)), agrees, "the step ends as the executor says");
    }
}

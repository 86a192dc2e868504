// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {CODE_DEPTH, STACK_DEPTH} from "../../src/generated/Params.sol";
import {TRAPPED_ROOT, zeroRoot} from "../../src/generated/ZeroRoots.sol";
import {RUNNING} from "../../src/machine/Header.sol";
import {IOneStepProver, StepContext} from "../../src/machine/IOneStepProver.sol";
import {le64} from "../../src/machine/Instruction.sol";
import {TestBase} from "./TestBase.sol";

/// @notice Steps of one instruction at pc 0 on a stack of which the first 64 cells, four leaves, are in use. Trees are
/// built here from docs/encoding.md, section 1, and the contract under test is asked from outside.
abstract contract StepFixture is TestBase {
    /// @dev Operands in leaves of their own, the dearest case: slots of `a`, `b` and `d`.
    uint256 internal constant A = 4;
    uint256 internal constant B = 20;
    uint256 internal constant D = 36;
    uint256 private constant LEAVES = 4;

    /// @dev The first 64 cells of the stack.
    uint64[64] internal cells;

    /// @dev The 16 bytes of an instruction, in the high half of the word.
    function _instruction(uint256 op, uint256 d, uint256 a, uint256 b) internal pure returns (bytes32) {
        return bytes32(le64(op | d << 16 | a << 32 | b << 48) << 192);
    }

    /// @dev Runs `instruction` with the stack leaves `opened`, one a byte, in its witness; returns the gas of the call.
    function _step(IOneStepProver family, bytes32 instruction, bytes memory opened)
        internal
        view
        returns (bytes32 afterRoot, uint256 spent)
    {
        bytes memory code = abi.encodePacked(instruction, new bytes(96));
        StepContext memory ctx;
        ctx.b = 50;
        ctx.codeRoot = _hash(code);
        bytes memory witness = abi.encodePacked(_headerBytes(0), code);
        for (uint256 height = 0; height < CODE_DEPTH; ++height) {
            ctx.codeRoot = keccak256(abi.encodePacked(uint8(1), ctx.codeRoot, zeroRoot(height)));
            witness = abi.encodePacked(witness, zeroRoot(height));
        }
        for (uint256 i = 0; i < opened.length; ++i) {
            witness = abi.encodePacked(witness, _opening(uint8(opened[i])));
        }
        bytes32 beforeRoot;
        spent = gasleft();
        (beforeRoot, afterRoot) = family.step(ctx, 0, witness);
        spent -= gasleft();
        assertEq(beforeRoot, _root(0), "before");
    }

    /// @dev Root of the Running state at `pc` with these cells.
    function _root(uint32 pc) internal view returns (bytes32) {
        return keccak256(abi.encodePacked(uint8(2), _headerBytes(pc)));
    }

    /// @dev The instruction does what `cells`, changed meanwhile, and the next pc say.
    function _assertNext(bytes32 afterRoot, string memory what) internal view {
        assertEq(afterRoot, _root(1), what);
    }

    function _assertTrapped(bytes32 afterRoot, string memory what) internal pure {
        assertEq(afterRoot, TRAPPED_ROOT, what);
    }

    function _headerBytes(uint32 pc) private view returns (bytes memory) {
        return abi.encodePacked(
            uint8(RUNNING), uint32(0), pc, uint32(0), uint32(1), bytes32(0), _stackRoot(), bytes32(0), bytes32(0)
        );
    }

    function _hash(bytes memory leaf) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(uint8(0), leaf));
    }

    function _leaf(uint256 index) private view returns (bytes memory leaf) {
        for (uint256 i = 0; i < 16; ++i) {
            leaf = abi.encodePacked(leaf, uint64(le64(cells[16 * index + i])));
        }
    }

    /// @dev The node at `height` above the leaf `index`, which is one of the four or of the zeros after them.
    function _node(uint256 height, uint256 index) private view returns (bytes32) {
        if (index << height >= LEAVES) return zeroRoot(height);
        if (height == 0) return _hash(_leaf(index));
        return keccak256(abi.encodePacked(uint8(1), _node(height - 1, 2 * index), _node(height - 1, 2 * index + 1)));
    }

    function _stackRoot() private view returns (bytes32) {
        return _node(STACK_DEPTH, 0);
    }

    function _opening(uint256 index) private view returns (bytes memory opening) {
        opening = _leaf(index);
        for (uint256 height = 0; height < STACK_DEPTH; ++height) {
            opening = abi.encodePacked(opening, _node(height, index >> height ^ 1));
        }
    }
}

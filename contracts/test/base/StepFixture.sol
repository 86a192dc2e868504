// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import "../../src/generated/Params.sol";
import {TRAPPED_ROOT, zeroRoot} from "../../src/generated/ZeroRoots.sol";
import {le64} from "../../src/machine/Instruction.sol";
import {IOneStepProver, StepContext} from "../../src/machine/IOneStepProver.sol";
import {TestBase} from "./TestBase.sol";

/// @notice A machine's trees with a few leaves that are not zero, and the witness of one step of it, opening by opening.
///         Slow and plain: every root is computed anew, level by level.
/// @dev A test describes the state, calls `_begin`, then `_open`s and changes what the step does in that order, and
///      closes with `_expectNext` or `_expectTrap`.
abstract contract StepFixture is TestBase {
    /// @dev The trees, in the order of docs/encoding.md, section 1.
    enum Tree {
        Memory,
        Stack,
        Globals,
        Table,
        Code,
        Segments
    }

    struct Leaves {
        uint256[] indices;
        mapping(uint256 index => bytes leaf) byIndex;
    }

    /// @dev Where the instruction is: the fourth of the second leaf.
    uint256 internal constant PC = 11;

    IOneStepProver internal family;
    uint256 internal fp;
    uint256 internal pages = 1;
    mapping(Tree tree => Leaves) private _trees;
    bytes private _witness;
    bytes32 private _before;

    /// @dev Writes `data` at byte `offset` of a tree, within one leaf.
    function _write(Tree tree, uint256 offset, bytes memory data) internal {
        Leaves storage leaves = _trees[tree];
        uint256 index = offset / LEAF_BYTES;
        bytes memory leaf = leaves.byIndex[index];
        if (leaf.length == 0) {
            leaf = new bytes(LEAF_BYTES);
            leaves.indices.push(index);
        }
        for (uint256 i = 0; i < data.length; ++i) {
            leaf[offset % LEAF_BYTES + i] = data[i];
        }
        leaves.byIndex[index] = leaf;
    }

    /// @dev Writes cell `index` of a tree of cells.
    function _cell(Tree tree, uint256 index, uint256 value) internal {
        _write(tree, 8 * index, abi.encodePacked(uint64(le64(value))));
    }

    /// @dev Writes a vector to the stack cells `index` and `index + 1`.
    function _vector(uint256 index, uint256 value) internal {
        _cell(Tree.Stack, index, uint64(value));
        _cell(Tree.Stack, index + 1, value >> 64);
    }

    /// @dev Writes the operand block at stack cell `first`.
    function _block(uint256 first, uint256[4] memory cells) internal {
        for (uint256 i = 0; i < 4; ++i) {
            _cell(Tree.Stack, first + i, cells[i]);
        }
    }

    /// @dev Gives table `t` a size and a base.
    function _table(uint256 t, uint256 size, uint256 base) internal {
        _cell(Tree.Globals, TABLE_SIZE_BASE + t, size | base << 32);
    }

    /// @dev The state is complete: a step of this instruction begins.
    function _begin(uint256 op, uint256 d, uint256 a, uint256 b, uint256 imm) internal {
        uint256 word = op | d << 16 | a << 32 | b << 48;
        _write(Tree.Code, 16 * PC, abi.encodePacked(uint64(le64(word)), uint64(le64(imm))));
        bytes memory header = _header(PC);
        _witness = header;
        _before = keccak256(bytes.concat(hex"02", header));
        _openLeaf(Tree.Code, PC / LEAF_INSTRUCTIONS);
    }

    /// @dev The step opens the leaf of this cell.
    function _open(Tree tree, uint256 index) internal {
        _openLeaf(tree, index / LEAF_CELLS);
    }

    /// @dev The step opens the leaf of this byte.
    function _openByte(Tree tree, uint256 offset) internal {
        _openLeaf(tree, offset / LEAF_BYTES);
    }

    /// @dev The state as it is now, at the next instruction, is the one after the step.
    function _expectNext(string memory what) internal view {
        _expect(PC + 1, what);
    }

    /// @dev The state as it is now, at the same instruction, is the one after the step.
    function _expectAgain(string memory what) internal view {
        _expect(PC, what);
    }

    /// @dev Gas of the call that asks for the step; asked from outside, each begins with an empty memory.
    function gasOfStep() external view returns (uint256 spent) {
        (StepContext memory ctx, bytes memory witness) = (_context(), _witness);
        spent = gasleft();
        family.step(ctx, 5, witness);
        spent -= gasleft();
    }

    function _expectTrap(string memory what) internal view {
        _expectRoot(TRAPPED_ROOT, what);
    }

    function _openLeaf(Tree tree, uint256 index) private {
        Leaves storage leaves = _trees[tree];
        bytes memory opening = leaves.byIndex[index].length == 0 ? new bytes(LEAF_BYTES) : leaves.byIndex[index];
        for (uint256 level = 0; level < _depth(tree); ++level) {
            opening = bytes.concat(opening, _node(leaves, level, index >> level ^ 1));
        }
        _witness = bytes.concat(_witness, opening);
    }

    function _expect(uint256 pc, string memory what) private view {
        _expectRoot(keccak256(bytes.concat(hex"02", _header(pc))), what);
    }

    function _expectRoot(bytes32 root, string memory what) private view {
        (bytes32 beforeRoot, bytes32 afterRoot) = family.step(_context(), 5, _witness);
        assertEq(beforeRoot, _before, string.concat(what, ", before"));
        assertEq(afterRoot, root, what);
    }

    function _context() private view returns (StepContext memory ctx) {
        (ctx.codeRoot, ctx.segmentsRoot) = (_root(Tree.Code), _root(Tree.Segments));
        (ctx.maxPages, ctx.stackCells, ctx.b) = (3, STACK_CELLS, 20);
    }

    function _header(uint256 pc) private view returns (bytes memory) {
        return abi.encodePacked(
            uint8(1),
            uint32(0),
            uint32(pc),
            uint32(fp),
            uint32(pages),
            _root(Tree.Memory),
            _root(Tree.Stack),
            _root(Tree.Globals),
            _root(Tree.Table)
        );
    }

    function _root(Tree tree) private view returns (bytes32) {
        return _node(_trees[tree], _depth(tree), 0);
    }

    function _node(Leaves storage leaves, uint256 level, uint256 index) private view returns (bytes32) {
        bool zero = true;
        for (uint256 i = 0; i < leaves.indices.length; ++i) {
            if (leaves.indices[i] >> level == index) zero = false;
        }
        if (zero) return zeroRoot(level);
        if (level == 0) return keccak256(bytes.concat(hex"00", leaves.byIndex[index]));
        bytes32 left = _node(leaves, level - 1, 2 * index);
        return keccak256(bytes.concat(hex"01", left, _node(leaves, level - 1, 2 * index + 1)));
    }

    function _depth(Tree tree) private pure returns (uint256) {
        if (tree == Tree.Stack) return STACK_DEPTH;
        if (tree == Tree.Globals) return GLOBALS_DEPTH;
        if (tree == Tree.Memory) return MEMORY_DEPTH;
        if (tree == Tree.Segments) return SEGMENTS_DEPTH;
        return tree == Tree.Table ? TABLE_DEPTH : CODE_DEPTH;
    }
}

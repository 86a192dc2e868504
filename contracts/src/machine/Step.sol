// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {
    GLOBALS_DEPTH,
    HEADER_BYTES,
    LEAF_BYTES,
    LEAF_CELLS,
    MEMORY_DEPTH,
    STACK_DEPTH,
    TABLE_DEPTH
} from "../generated/Params.sol";
import {TRAPPED_ROOT, ZERO_STACK, zeroRoot} from "../generated/ZeroRoots.sol";
import {Header} from "./Header.sol";
import {Instruction, le128, le64} from "./Instruction.sol";
import {fold, leafHash} from "./Tree.sol";

// What one step reads and writes, from its witness (docs/encoding.md, section 6).
// Mirrors vm/machine/src/access/leaves.rs and vm/machine/src/access/replay.rs.

/// @notice The witness ends before the step does, or goes on after it.
error BadWitnessLength();
/// @notice An opening of the witness does not fold to its tree's root.
error BadWitnessFold();

/// @dev A step in progress. Leaves are named by their place in calldata.
struct Step {
    /// The state; its roots follow the writes.
    Header header;
    /// The instruction that is executed.
    Instruction ins;
    /// Root of the state before the step.
    bytes32 beforeRoot;
    /// The next opening, in calldata.
    uint256 cursor;
    /// The witness's end, in calldata.
    uint256 end;
    /// Stack leaves opened last, `leaf index + 1 << 64 | place`. A step opens four at most, the fourth for its last access.
    uint256 stack0;
    uint256 stack1;
    uint256 stack2;
    /// The globals leaf opened last, in the same form. A step opens two at most, the second for its last access.
    uint256 globals;
    /// A leaf being changed: the tag byte, 128 bytes, room for a word that begins in the last of them.
    uint256 draft;
}

using {
    finish,
    trap,
    open,
    stackLeaf,
    cell,
    setCell,
    pair,
    setPair,
    edit,
    put,
    putCell,
    commitStack,
    globalsLeaf,
    globalCell,
    setGlobal,
    openTable,
    commitTable,
    openMemory,
    commitMemory,
    reset
} for Step global;

/// @dev A step of the state `header`, from the witness in calldata at `start .. end`.
function newStep(Header memory header, bytes32 beforeRoot, uint256 start, uint256 end) pure returns (Step memory s) {
    s.header = header;
    s.beforeRoot = beforeRoot;
    unchecked {
        s.cursor = start + HEADER_BYTES;
    }
    s.end = end;
    uint256 draft;
    // 161 bytes are used. The memory is fresh: the tag byte before the leaf is TAG_LEAF, zero.
    bytes memory room = new bytes(192);
    assembly ("memory-safe") {
        draft := add(room, 32)
    }
    s.draft = draft;
}

/// @dev Every byte of the witness has to be used.
function finish(Step memory s) pure {
    if (s.cursor != s.end) revert BadWitnessLength();
}

/// @dev The instruction traps: answers the call with the one Trapped state.
function trap(Step memory s) pure {
    s.finish();
    bytes32 beforeRoot = s.beforeRoot;
    bytes32 afterRoot = TRAPPED_ROOT;
    // A trap is total: nothing that the caller could still do matters. Unwinding would cost a check after every read.
    assembly ("memory-safe") {
        mstore(0x00, beforeRoot)
        mstore(0x20, afterRoot)
        return(0x00, 0x40)
    }
}

/// @dev The next opening, which must fold to `root`; returns its leaf.
function open(Step memory s, bytes32 root, uint256 index, uint256 depth) pure returns (uint256 leaf) {
    unchecked {
        leaf = s.cursor;
        uint256 siblings = leaf + LEAF_BYTES;
        uint256 next = siblings + 32 * depth;
        if (next > s.end) revert BadWitnessLength();
        s.cursor = next;
        if (fold(leafHash(leaf), index, siblings, depth) != root) revert BadWitnessFold();
    }
}

/// @dev The leaf of the stack cell `index`, opened once a step.
function stackLeaf(Step memory s, uint256 index) pure returns (uint256 leaf) {
    unchecked {
        index /= LEAF_CELLS;
        uint256 key = index + 1;
        if (s.stack0 >> 64 == key) return uint64(s.stack0);
        if (s.stack1 >> 64 == key) return uint64(s.stack1);
        if (s.stack2 >> 64 == key) return uint64(s.stack2);
        leaf = s.open(s.header.stackRoot, index, STACK_DEPTH);
        s.stack2 = s.stack1;
        s.stack1 = s.stack0;
        s.stack0 = key << 64 | leaf;
    }
}

/// @dev The stack cell `index`.
function cell(Step memory s, uint256 index) pure returns (uint256) {
    return cellOf(s.stackLeaf(index), index);
}

/// @dev Writes the stack cell `index`; only as the last access to the stack.
function setCell(Step memory s, uint256 index, uint256 value) pure {
    uint256 leaf = s.stackLeaf(index);
    s.edit(leaf);
    s.putCell(index, value);
    s.commitStack(leaf, index);
}

/// @dev The vector in the stack cells `index`, which is even, and `index + 1`.
function pair(Step memory s, uint256 index) pure returns (uint256) {
    return pairOf(s.stackLeaf(index), index);
}

/// @dev Writes the vector `value < 2^128` to the stack cells `index`, which is even, and `index + 1`; only as the last
/// access to the stack.
function setPair(Step memory s, uint256 index, uint256 value) pure {
    uint256 leaf = s.stackLeaf(index);
    s.edit(leaf);
    s.put(index % LEAF_CELLS * 8, le128(value) << 128, 16);
    s.commitStack(leaf, index);
}

/// @dev Cell `index` of the tree whose leaf around it is `leaf`.
function cellOf(uint256 leaf, uint256 index) pure returns (uint256) {
    uint256 word;
    assembly ("memory-safe") {
        word := calldataload(add(leaf, shl(3, and(index, 15))))
    }
    return le64(word >> 192);
}

/// @dev Cells `index`, which is even, and `index + 1` of the tree whose leaf around them is `leaf`, the first one low.
function pairOf(uint256 leaf, uint256 index) pure returns (uint256) {
    uint256 word;
    assembly ("memory-safe") {
        word := calldataload(add(leaf, shl(3, and(index, 15))))
    }
    return le128(word >> 128);
}

/// @dev Copies `leaf` to the draft.
function edit(Step memory s, uint256 leaf) pure {
    uint256 draft = s.draft;
    assembly ("memory-safe") {
        calldatacopy(add(draft, 1), leaf, 128)
    }
}

/// @dev Replaces `n` bytes of the draft from `offset` by the first bytes of `word`; `0 < n <= 32`.
function put(Step memory s, uint256 offset, uint256 word, uint256 n) pure {
    uint256 draft = s.draft;
    assembly ("memory-safe") {
        let to := add(add(draft, 1), offset)
        let keep := shr(shl(3, n), not(0))
        mstore(to, or(and(mload(to), keep), and(word, not(keep))))
    }
}

/// @dev Replaces cell `index` of the draft.
function putCell(Step memory s, uint256 index, uint256 value) pure {
    s.put(index % LEAF_CELLS * 8, le64(value) << 192, 8);
}

/// @dev The draft replaces the stack's opened leaf around cell `index`.
function commitStack(Step memory s, uint256 leaf, uint256 index) pure {
    s.header.stackRoot = draftRoot(s, leaf, index / LEAF_CELLS, STACK_DEPTH);
}

/// @dev The leaf of the globals cell `index`, opened once a step.
function globalsLeaf(Step memory s, uint256 index) pure returns (uint256 leaf) {
    unchecked {
        index /= LEAF_CELLS;
        uint256 key = index + 1;
        if (s.globals >> 64 == key) return uint64(s.globals);
        leaf = s.open(s.header.globalsRoot, index, GLOBALS_DEPTH);
        s.globals = key << 64 | leaf;
    }
}

/// @dev The globals cell `index`.
function globalCell(Step memory s, uint256 index) pure returns (uint256) {
    return cellOf(s.globalsLeaf(index), index);
}

/// @dev Writes the globals cell `index`; only as the last access to the globals.
function setGlobal(Step memory s, uint256 index, uint256 value) pure {
    uint256 leaf = s.globalsLeaf(index);
    s.edit(leaf);
    s.putCell(index, value);
    s.header.globalsRoot = draftRoot(s, leaf, index / LEAF_CELLS, GLOBALS_DEPTH);
}

/// @dev The table leaf around element `index`.
function openTable(Step memory s, uint256 index) pure returns (uint256 leaf) {
    return s.open(s.header.tableRoot, index / LEAF_CELLS, TABLE_DEPTH);
}

/// @dev The draft replaces the opened table leaf around element `index`.
function commitTable(Step memory s, uint256 leaf, uint256 index) pure {
    s.header.tableRoot = draftRoot(s, leaf, index / LEAF_CELLS, TABLE_DEPTH);
}

/// @dev The memory leaf around byte `address_`.
function openMemory(Step memory s, uint256 address_) pure returns (uint256 leaf) {
    return s.open(s.header.memoryRoot, address_ / LEAF_BYTES, MEMORY_DEPTH);
}

/// @dev The draft replaces the opened memory leaf around byte `address_`.
function commitMemory(Step memory s, uint256 leaf, uint256 address_) pure {
    s.header.memoryRoot = draftRoot(s, leaf, address_ / LEAF_BYTES, MEMORY_DEPTH);
}

/// @dev Root of a tree whose opened leaf `leaf` becomes the draft.
function draftRoot(Step memory s, uint256 leaf, uint256 index, uint256 depth) pure returns (bytes32) {
    uint256 draft = s.draft;
    bytes32 hash;
    assembly ("memory-safe") {
        hash := keccak256(draft, 129)
    }
    unchecked {
        return fold(hash, index, leaf + LEAF_BYTES, depth);
    }
}

/// @dev A yield: the register stack and the first `2^volatileLog2` bytes of memory become zero.
function reset(Step memory s, uint256 volatileLog2) pure {
    s.header.stackRoot = ZERO_STACK;
    if (volatileLog2 == 0) return;
    unchecked {
        // Programs with other values than 0 and 7 to 31 are not registered.
        uint256 height = volatileLog2 - 7;
        uint256 place = s.cursor;
        uint256 siblings = place + 32;
        uint256 next = siblings + 32 * (MEMORY_DEPTH - height);
        if (next > s.end) revert BadWitnessLength();
        s.cursor = next;
        bytes32 old;
        assembly ("memory-safe") {
            old := calldataload(place)
        }
        if (fold(old, 0, siblings, MEMORY_DEPTH - height) != s.header.memoryRoot) revert BadWitnessFold();
        s.header.memoryRoot = fold(zeroRoot(height), 0, siblings, MEMORY_DEPTH - height);
    }
}

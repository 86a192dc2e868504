// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import "../generated/Opcodes.sol";
import {
    DATA_DROPPED_BASE,
    LEAF_BYTES,
    MAX_DATAS,
    ROMS,
    ROM_BYTES,
    ROM_DEPTH,
    SEGMENTS_DEPTH
} from "../generated/Params.sol";
import {StepContext} from "../machine/IOneStepProver.sol";
import {le64} from "../machine/Instruction.sol";
import {Step, cellOf} from "../machine/Step.sol";
import {StepAccess} from "./StepAccess.sol";
import {StepBulk} from "./StepBulk.sol";

/// @title Family 1: linear memory, bulk operations, read-only inputs
/// @dev Mirrors vm/machine/src/step/memory.rs.
contract StepMemory is StepAccess, StepBulk {
    /// @dev Bit of a rom_read block's first cell: bounds have been checked.
    uint256 private constant CHECKED = 1 << 32;

    function _execute(Step memory s, StepContext calldata ctx) internal pure override {
        _require(s, FAMILY_MEMORY, KNOWN_MEMORY, IMM_FORMS_MEMORY);
        uint256 op = s.ins.op;
        if (op >= OP_LOAD8_U && op <= OP_LOAD32_S64) _set(s, _widened(s, op));
        else if (op == OP_STORE8) _storeCell(s, 1);
        else if (op == OP_STORE16) _storeCell(s, 2);
        else if (op == OP_STORE32) _storeCell(s, 4);
        else if (op == OP_STORE64) _storeCell(s, 8);
        else if (op == OP_ROM_READ) _romRead(s, ctx);
        else if (op == OP_MEMORY_COPY) _copy(s);
        else if (op == OP_MEMORY_FILL) _fill(s);
        else if (op == OP_MEMORY_INIT) _init(s, ctx.segmentsRoot);
        else if (op == OP_MEMORY_SIZE) _set(s, s.header.pages);
        else if (op == OP_MEMORY_GROW) _grow(s, ctx.maxPages);
        else _dataDrop(s);
    }

    /// @dev The loaded value, in the form that its cell holds.
    function _widened(Step memory s, uint256 op) private pure returns (uint256 v) {
        if (op == OP_LOAD32_U) return _read(s, 4);
        if (op == OP_LOAD64) return _read(s, 8);
        if (op == OP_LOAD8_U) return _read(s, 1);
        if (op == OP_LOAD16_U) return _read(s, 2);
        if (op == OP_LOAD8_S32) return uint32(int32(int8(uint8(_read(s, 1)))));
        if (op == OP_LOAD16_S32) return uint32(int32(int16(uint16(_read(s, 2)))));
        if (op == OP_LOAD8_S64) return uint64(int64(int8(uint8(_read(s, 1)))));
        if (op == OP_LOAD16_S64) return uint64(int64(int16(uint16(_read(s, 2)))));
        assert(op == OP_LOAD32_S64);
        return uint64(int64(int32(uint32(_read(s, 4)))));
    }

    /// @dev `n <= 8` little-endian bytes at the address of a load.
    function _read(Step memory s, uint256 n) private pure returns (uint256) {
        return le64(_load(s, n) >> 192);
    }

    /// @dev Stores the low `n <= 8` bytes of cell `b`.
    function _storeCell(Step memory s, uint256 n) private pure {
        uint256 address_ = _address(s);
        _store(s, address_, le64(_get(s, s.ins.b)) << 192, n);
    }

    function _grow(Step memory s, uint256 maxPages) private pure {
        uint256 old = s.header.pages;
        unchecked {
            uint256 grown = old + uint32(_a(s));
            if (grown > maxPages) old = type(uint32).max;
            else s.header.pages = grown;
        }
        _set(s, old);
    }

    function _fill(Step memory s) private pure {
        (uint256 first, uint256 block_) = _block(s);
        uint256 dst = uint32(cellOf(block_, first));
        uint256 value = uint8(cellOf(block_, first + 1));
        uint256 len = uint32(cellOf(block_, first + 2));
        _inMemory(s, dst, len);
        if (len == 0) return _next(s);
        uint256 n = _least(len, _toLeafEnd(dst));
        uint256 leaf = s.openMemory(dst);
        s.edit(leaf);
        uint256 to = dst % LEAF_BYTES;
        unchecked {
            uint256 word = value * (type(uint256).max / 255);
            for (uint256 i = 0; i < n; i += 32) {
                s.put(to + i, word, _least(32, n - i));
            }
        }
        s.commitMemory(leaf, dst);
        _filled(s, block_, first, n);
    }

    function _copy(Step memory s) private pure {
        (uint256 first, uint256 block_) = _block(s);
        uint256 dst = uint32(cellOf(block_, first));
        uint256 src = uint32(cellOf(block_, first + 1));
        uint256 len = uint32(cellOf(block_, first + 2));
        _inMemory(s, dst, len);
        _inMemory(s, src, len);
        if (len == 0) return _next(s);
        if (dst > src) return _copyDown(s, block_, first, dst, src, len);
        uint256 n = _least(len, _least(_toLeafEnd(dst), _toLeafEnd(src)));
        _move(s, dst, s.openMemory(src), src, n);
        _forward(s, block_, first, n);
    }

    /// @dev Overlap with the destination above the source: from the end, as memmove.
    function _copyDown(Step memory s, uint256 block_, uint256 first, uint256 dst, uint256 src, uint256 len)
        private
        pure
    {
        src += len;
        dst += len;
        uint256 n = _least(len, _least((src - 1) % LEAF_BYTES + 1, (dst - 1) % LEAF_BYTES + 1));
        _move(s, dst - n, s.openMemory(src - n), src - n, n);
        _backward(s, block_, first, n);
    }

    function _init(Step memory s, bytes32 segmentsRoot) private pure {
        (uint256 first, uint256 block_) = _block(s);
        uint256 dst = uint32(cellOf(block_, first));
        uint256 src = uint32(cellOf(block_, first + 1));
        uint256 len = uint32(cellOf(block_, first + 2));
        if (src + len > _segmentLength(s)) s.trap();
        _inMemory(s, dst, len);
        if (len == 0) return _next(s);
        // From here on, the place among all segments.
        src += uint32(s.ins.imm);
        if (src > type(uint32).max) s.trap();
        uint256 n = _least(len, _least(_toLeafEnd(dst), _toLeafEnd(src)));
        _move(s, dst, s.open(segmentsRoot, src / LEAF_BYTES, SEGMENTS_DEPTH), src, n);
        _forward(s, block_, first, n);
    }

    /// @dev Bytes of the instruction's data segment; none once it is dropped.
    function _segmentLength(Step memory s) private pure returns (uint256) {
        uint256 flag = _dataFlag(s);
        return s.globalCell(flag) == 0 ? s.ins.imm >> 32 : 0;
    }

    function _dataDrop(Step memory s) private pure {
        s.setGlobal(_dataFlag(s), 1);
        _next(s);
    }

    function _romRead(Step memory s, StepContext calldata ctx) private pure {
        (uint256 first, uint256 block_) = _block(s);
        uint256 head = cellOf(block_, first);
        if (uint32(head) >= ROMS) s.trap();
        _inMemory(s, uint32(cellOf(block_, first + 2)), uint32(cellOf(block_, first + 3)));
        bytes32 romRoot = ctx.romRoots[uint32(head)];
        if (head & CHECKED == 0) _romCheck(s, romRoot, first, block_);
        else _romMove(s, romRoot, first, block_);
    }

    /// @dev A read's first step compares its end with the length that the rom begins with.
    function _romCheck(Step memory s, bytes32 romRoot, uint256 first, uint256 block_) private pure {
        uint256 length = cellOf(s.open(romRoot, 0, ROM_DEPTH), 0);
        if (cellOf(block_, first + 1) + uint32(cellOf(block_, first + 3)) > 8 + length) s.trap();
        s.edit(block_);
        s.putCell(first, cellOf(block_, first) | CHECKED);
        _advance(s, block_, first, false);
    }

    function _romMove(Step memory s, bytes32 romRoot, uint256 first, uint256 block_) private pure {
        uint256 offset = cellOf(block_, first + 1);
        uint256 dst = uint32(cellOf(block_, first + 2));
        uint256 len = uint32(cellOf(block_, first + 3));
        if (offset + len > ROM_BYTES) s.trap();
        if (len == 0) return _next(s);
        uint256 n = _least(len, _least(_toLeafEnd(dst), _toLeafEnd(offset)));
        _move(s, dst, s.open(romRoot, offset / LEAF_BYTES, ROM_DEPTH), offset, n);
        s.edit(block_);
        s.putCell(first + 1, offset + n);
        s.putCell(first + 2, dst + n);
        s.putCell(first + 3, len - n);
        _advance(s, block_, first, n == len);
    }

    /// @dev Moves `n` bytes of the opened leaf `from` around `src` to memory at `dst`.
    function _move(Step memory s, uint256 dst, uint256 from, uint256 src, uint256 n) private pure {
        uint256 leaf = s.openMemory(dst);
        s.edit(leaf);
        uint256 draft = s.draft;
        // One copy instead of four masked words; the callers keep n inside both leaves.
        assembly ("memory-safe") {
            calldatacopy(add(add(draft, 1), and(dst, 127)), add(from, and(src, 127)), n)
        }
        s.commitMemory(leaf, dst);
    }

    /// @dev Globals cell of the dropped flag of the instruction's data segment.
    function _dataFlag(Step memory s) private pure returns (uint256) {
        uint256 index = s.ins.d;
        if (index >= MAX_DATAS) s.trap();
        unchecked {
            return DATA_DROPPED_BASE + index;
        }
    }
}

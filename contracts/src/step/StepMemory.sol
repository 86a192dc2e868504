// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import "../generated/Opcodes.sol";
import {
    DATA_DROPPED_BASE,
    FRAME_ALIGN,
    LEAF_BYTES,
    MAX_DATAS,
    PAGE_BYTES,
    ROMS,
    ROM_BYTES,
    ROM_DEPTH,
    SEGMENTS_DEPTH
} from "../generated/Params.sol";
import {StepContext} from "../machine/IOneStepProver.sol";
import {le64} from "../machine/Instruction.sol";
import {Step, cellOf} from "../machine/Step.sol";
import {StepBase} from "./StepBase.sol";

/// @title Family 1: linear memory, bulk operations, read-only inputs
/// @dev Mirrors vm/machine/src/step/memory.rs.
contract StepMemory is StepBase {
    /// @dev Bit of a rom_read block's first cell: bounds have been checked.
    uint256 private constant CHECKED = 1 << 32;

    function _execute(Step memory s, StepContext calldata ctx) internal pure override {
        _require(s, FAMILY_MEMORY, KNOWN_MEMORY, IMM_FORMS_MEMORY);
        uint256 op = s.ins.op;
        if (op >= OP_LOAD8_U && op <= OP_LOAD32_S64) _set(s, _load(s, op));
        else if (op == OP_STORE8) _store(s, 1);
        else if (op == OP_STORE16) _store(s, 2);
        else if (op == OP_STORE32) _store(s, 4);
        else if (op == OP_STORE64) _store(s, 8);
        else if (op == OP_ROM_READ) _romRead(s, ctx);
        else if (op == OP_MEMORY_COPY) _copy(s);
        else if (op == OP_MEMORY_FILL) _fill(s);
        else if (op == OP_MEMORY_INIT) _init(s, ctx.segmentsRoot);
        else if (op == OP_MEMORY_SIZE) _set(s, s.header.pages);
        else if (op == OP_MEMORY_GROW) _grow(s, ctx.maxPages);
        else _dataDrop(s);
    }

    /// @dev The loaded value, in the form that its cell holds.
    function _load(Step memory s, uint256 op) private pure returns (uint256 v) {
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

    /// @dev `n` little-endian bytes at the address of a load.
    function _read(Step memory s, uint256 n) private pure returns (uint256) {
        unchecked {
            uint256 address_ = uint32(_a(s)) + uint256(uint32(s.ins.imm));
            _inMemory(s, address_, n);
            uint256 first = _least(n, _toLeafEnd(address_));
            uint256 bytes_ = _bytesAt(s.openMemory(address_), address_, first);
            if (first < n) {
                address_ += first;
                bytes_ |= _bytesAt(s.openMemory(address_), address_, n - first) >> 8 * first;
            }
            return le64(bytes_ >> 192);
        }
    }

    function _store(Step memory s, uint256 n) private pure {
        unchecked {
            uint256 address_ = uint32(_a(s)) + uint256(uint32(s.ins.imm));
            uint256 bytes_ = le64(_get(s, s.ins.b)) << 192;
            _inMemory(s, address_, n);
            uint256 first = _least(n, _toLeafEnd(address_));
            _write(s, address_, bytes_, first);
            if (first < n) _write(s, address_ + first, bytes_ << 8 * first, n - first);
        }
        _next(s);
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
        s.edit(block_);
        s.putCell(first, dst + n);
        s.putCell(first + 2, len - n);
        _advance(s, block_, first, n == len);
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
        s.edit(block_);
        s.putCell(first + 2, len - n);
        _advance(s, block_, first, n == len);
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
        return cellOf(s.openGlobal(flag), flag) == 0 ? s.ins.imm >> 32 : 0;
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

    /// @dev First cell of the operand block and its leaf, which holds all four cells.
    function _block(Step memory s) private pure returns (uint256 first, uint256 leaf) {
        first = _index(s, s.ins.a);
        if (first % FRAME_ALIGN != 0) s.trap();
        leaf = s.stackLeaf(first);
    }

    /// @dev A copy or init has moved `n` bytes: dst and src go up, len down.
    function _forward(Step memory s, uint256 block_, uint256 first, uint256 n) private pure {
        uint256 len = uint32(cellOf(block_, first + 2));
        s.edit(block_);
        s.putCell(first, uint32(cellOf(block_, first)) + n);
        s.putCell(first + 1, uint32(cellOf(block_, first + 1)) + n);
        s.putCell(first + 2, len - n);
        _advance(s, block_, first, n == len);
    }

    /// @dev The draft, made from the block, replaces it; goes on when everything is moved.
    function _advance(Step memory s, uint256 block_, uint256 first, bool done) private pure {
        s.commitStack(block_, first);
        if (done) _next(s);
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

    /// @dev Writes the first `n` bytes of `word` at `address_`, inside one leaf.
    function _write(Step memory s, uint256 address_, uint256 word, uint256 n) private pure {
        uint256 leaf = s.openMemory(address_);
        s.edit(leaf);
        s.put(address_ % LEAF_BYTES, word, n);
        s.commitMemory(leaf, address_);
    }

    /// @dev `n` bytes of the opened leaf around `address_`, at the top of a word.
    function _bytesAt(uint256 leaf, uint256 address_, uint256 n) private pure returns (uint256 word) {
        // Bytes past the n-th are the next ones of the witness: masked off.
        assembly ("memory-safe") {
            word := and(calldataload(add(leaf, and(address_, 127))), not(shr(shl(3, n), not(0))))
        }
    }

    /// @dev Globals cell of the dropped flag of the instruction's data segment.
    function _dataFlag(Step memory s) private pure returns (uint256) {
        uint256 index = s.ins.d;
        if (index >= MAX_DATAS) s.trap();
        unchecked {
            return DATA_DROPPED_BASE + index;
        }
    }

    /// @dev Traps unless `start + len <= memory size`.
    function _inMemory(Step memory s, uint256 start, uint256 len) private pure {
        unchecked {
            if (start + len > s.header.pages * PAGE_BYTES) s.trap();
        }
    }

    function _toLeafEnd(uint256 offset) private pure returns (uint256) {
        unchecked {
            return LEAF_BYTES - offset % LEAF_BYTES;
        }
    }

    function _least(uint256 x, uint256 y) private pure returns (uint256) {
        return x < y ? x : y;
    }
}

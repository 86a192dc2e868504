// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import "../generated/Opcodes.sol";
import {
    ELEM_DROPPED_BASE,
    LEAF_BYTES,
    LEAF_CELLS,
    MAX_ELEMS,
    SEGMENTS_DEPTH,
    TABLE_ELEMENTS,
    TABLE_SIZE_BASE
} from "../generated/Params.sol";
import {StepContext} from "../machine/IOneStepProver.sol";
import {Step, cellOf} from "../machine/Step.sol";
import {StepBulk} from "./StepBulk.sol";

/// @title Family 10: tables
/// @dev Mirrors vm/machine/src/step/table.rs.
contract StepTable is StepBulk {
    function _execute(Step memory s, StepContext calldata ctx) internal pure override {
        _require(s, FAMILY_TABLE, KNOWN_TABLE, IMM_FORMS_TABLE);
        uint256 op = s.ins.op;
        if (op == OP_TABLE_GET) _tableGet(s);
        else if (op == OP_TABLE_SET) _tableSet(s);
        else if (op == OP_TABLE_SIZE) _tableSize(s);
        else if (op == OP_TABLE_GROW) _grow(s);
        else if (op == OP_TABLE_FILL) _fill(s);
        else if (op == OP_TABLE_COPY) _copy(s);
        else if (op == OP_TABLE_INIT) _init(s, ctx.segmentsRoot);
        else _elemDrop(s);
    }

    function _tableGet(Step memory s) private pure {
        uint256 k = _element(s, uint32(_a(s)));
        _set(s, cellOf(s.openTable(k), k));
    }

    function _tableSet(Step memory s) private pure {
        uint256 i = uint32(_a(s));
        uint256 value = _get(s, s.ins.b);
        uint256 k = _element(s, i);
        uint256 leaf = s.openTable(k);
        s.edit(leaf);
        s.putCell(k, value);
        s.commitTable(leaf, k);
        _next(s);
    }

    function _tableSize(Step memory s) private pure {
        (uint256 size,) = _table(s, s.ins.imm);
        _set(s, size);
    }

    /// @dev Leaves the block as a table_fill of the new elements needs it, with the result in its last cell.
    function _grow(Step memory s) private pure {
        (uint256 first, uint256 block_) = _block(s);
        uint256 n = uint32(cellOf(block_, first + 2));
        (uint256 size, uint256 base) = _table(s, s.ins.b);
        unchecked {
            bool grows = size + n <= _least(s.ins.imm, TABLE_ELEMENTS);
            if (grows) s.setGlobal(TABLE_SIZE_BASE + s.ins.b, size + n | base << 32);
            s.edit(block_);
            s.putCell(first, grows ? size : 0);
            if (!grows) s.putCell(first + 2, 0);
            s.putCell(first + 3, grows ? size : type(uint32).max);
        }
        _advance(s, block_, first, true);
    }

    function _fill(Step memory s) private pure {
        (uint256 first, uint256 block_) = _block(s);
        uint256 dst = uint32(cellOf(block_, first));
        uint256 len = uint32(cellOf(block_, first + 2));
        (uint256 size, uint256 k) = _table(s, s.ins.b);
        k = _range(s, dst, len, size, k);
        if (len == 0) return _next(s);
        uint256 n = _least(len, _toLeafEnd(k));
        uint256 leaf = s.openTable(k);
        uint256 value = cellOf(block_, first + 1);
        s.edit(leaf);
        unchecked {
            for (uint256 i = 0; i < n; ++i) {
                s.putCell(k + i, value);
            }
        }
        s.commitTable(leaf, k);
        _filled(s, block_, first, n);
    }

    function _copy(Step memory s) private pure {
        (uint256 first, uint256 block_) = _block(s);
        (uint256 k, uint256 j, uint256 len) = _copied(s, first, block_);
        if (len == 0) return _next(s);
        if (k <= j) {
            uint256 n = _least(len, _least(_toLeafEnd(k), _toLeafEnd(j)));
            _move(s, k, s.openTable(j), j, n);
            return _forward(s, block_, first, n);
        }
        // Overlap with the destination above the source: from the end, as memmove.
        unchecked {
            k += len;
            j += len;
            uint256 n = _least(len, _least((j - 1) % LEAF_CELLS + 1, (k - 1) % LEAF_CELLS + 1));
            _move(s, k - n, s.openTable(j - n), j - n, n);
            _backward(s, block_, first, n);
        }
    }

    /// @dev Places of a copy's destination and source among the elements of all tables, and its length.
    function _copied(Step memory s, uint256 first, uint256 block_)
        private
        pure
        returns (uint256 k, uint256 j, uint256 len)
    {
        len = uint32(cellOf(block_, first + 2));
        (uint256 size, uint256 base) = _table(s, s.ins.d);
        (uint256 sourceSize, uint256 sourceBase) = _table(s, s.ins.b);
        k = _range(s, uint32(cellOf(block_, first)), len, size, base);
        j = _range(s, uint32(cellOf(block_, first + 1)), len, sourceSize, sourceBase);
    }

    function _init(Step memory s, bytes32 segmentsRoot) private pure {
        (uint256 first, uint256 block_) = _block(s);
        uint256 src = uint32(cellOf(block_, first + 1));
        uint256 len = uint32(cellOf(block_, first + 2));
        (uint256 size, uint256 k) = _table(s, s.ins.b);
        if (src + len > _segmentLength(s)) s.trap();
        k = _range(s, uint32(cellOf(block_, first)), len, size, k);
        if (len == 0) return _next(s);
        src = _segmentCell(s, src);
        uint256 n = _least(len, _least(_toLeafEnd(k), _toLeafEnd(src)));
        _move(s, k, s.open(segmentsRoot, src / LEAF_CELLS, SEGMENTS_DEPTH), src, n);
        _forward(s, block_, first, n);
    }

    /// @dev Elements of the instruction's segment; none once it is dropped.
    function _segmentLength(Step memory s) private pure returns (uint256) {
        return s.globalCell(_elemFlag(s)) == 0 ? s.ins.imm >> 32 : 0;
    }

    /// @dev Place among the cells of all segments of cell `src` of the instruction's segment.
    function _segmentCell(Step memory s, uint256 src) private pure returns (uint256) {
        uint256 start = uint32(s.ins.imm);
        unchecked {
            if (start % LEAF_BYTES != 0 || start + 8 * src > type(uint32).max) s.trap();
            return start / 8 + src;
        }
    }

    function _elemDrop(Step memory s) private pure {
        s.setGlobal(_elemFlag(s), 1);
        _next(s);
    }

    /// @dev Moves `n` elements of the opened leaf `from` around `j` to the table leaf around `k`.
    function _move(Step memory s, uint256 k, uint256 from, uint256 j, uint256 n) private pure {
        uint256 leaf = s.openTable(k);
        s.edit(leaf);
        uint256 draft = s.draft;
        // One copy instead of a masked word for each element; the callers keep n inside both leaves.
        assembly ("memory-safe") {
            calldatacopy(add(add(draft, 1), shl(3, and(k, 15))), add(from, shl(3, and(j, 15))), shl(3, n))
        }
        s.commitTable(leaf, k);
    }

    /// @dev Place among the elements of all tables of element `i` of the table that the immediate names.
    function _element(Step memory s, uint256 i) private pure returns (uint256 k) {
        (uint256 size, uint256 base) = _table(s, s.ins.imm);
        if (i >= size) s.trap();
        unchecked {
            k = base + i;
        }
        if (k >= TABLE_ELEMENTS) s.trap();
    }

    /// @dev Place of element `start` of a table; traps unless the table and the tree both have `len` elements from it on.
    function _range(Step memory s, uint256 start, uint256 len, uint256 size, uint256 base)
        private
        pure
        returns (uint256 place)
    {
        unchecked {
            place = base + start;
            if (start + len > size || place + len > TABLE_ELEMENTS) s.trap();
        }
    }

    /// @dev Globals cell of the dropped flag of the instruction's element segment.
    function _elemFlag(Step memory s) private pure returns (uint256) {
        uint256 index = s.ins.d;
        if (index >= MAX_ELEMS) s.trap();
        unchecked {
            return ELEM_DROPPED_BASE + index;
        }
    }

    function _toLeafEnd(uint256 index) private pure returns (uint256) {
        unchecked {
            return LEAF_CELLS - index % LEAF_CELLS;
        }
    }
}

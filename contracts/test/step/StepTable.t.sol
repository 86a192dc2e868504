// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import "../../src/generated/Opcodes.sol";
import {
    ELEM_DROPPED_BASE,
    MAX_ELEMS,
    MAX_TABLES,
    TABLE_ELEMENTS,
    TABLE_SIZE_BASE
} from "../../src/generated/Params.sol";
import {StepControl} from "../../src/step/StepControl.sol";
import {StepTable} from "../../src/step/StepTable.sol";
import {StepFixture} from "../base/StepFixture.sol";

contract StepTableTest is StepFixture {
    /// @dev Globals cell of table 3; tables 3 and 17 are in different leaves.
    uint256 private constant T = TABLE_SIZE_BASE + 3;
    uint256 private constant U = TABLE_SIZE_BASE + 17;

    function setUp() public {
        family = new StepTable();
    }

    /// @dev An instruction whose operands are a block at cell 4, which it opens first.
    function _beginBlock(uint256 op, uint256 d, uint256 b, uint256 imm, uint256[4] memory cells) private {
        _block(4, cells);
        _begin(op, d, 4, b, imm);
        _open(Tree.Stack, 4);
    }

    function test_get_countsFromTheTablesBase_succeeds() public {
        _table(3, 5, 32);
        _cell(Tree.Table, 36, 7 << 32 | 9);
        _cell(Tree.Stack, 2, 0xdead_0000_0004);
        _begin(OP_TABLE_GET, 20, 2, 0, 3);
        _open(Tree.Stack, 2);
        _open(Tree.Globals, T);
        _open(Tree.Table, 36);
        _open(Tree.Stack, 20);
        _cell(Tree.Stack, 20, 7 << 32 | 9);
        _expectNext("the last element");
    }

    function test_get_atTheSize_traps_succeeds() public {
        _table(3, 5, 32);
        _cell(Tree.Stack, 2, 5);
        _begin(OP_TABLE_GET, 20, 2, 0, 3);
        _open(Tree.Stack, 2);
        _open(Tree.Globals, T);
        _expectTrap("index 5 of 5");
        _begin(OP_TABLE_GET, 20, 2, 0, MAX_TABLES);
        _open(Tree.Stack, 2);
        _expectTrap("table 1024");
        _begin(OP_TABLE_GET, 20, 2, 0, 1 << 32 | 3);
        _open(Tree.Stack, 2);
        _expectTrap("a table's number is all of the immediate");
    }

    function test_get_pastAllTables_traps_succeeds() public {
        _table(3, 5, TABLE_ELEMENTS - 3);
        _cell(Tree.Stack, 2, 2);
        _begin(OP_TABLE_GET, 20, 2, 0, 3);
        _open(Tree.Stack, 2);
        _open(Tree.Globals, T);
        _open(Tree.Table, TABLE_ELEMENTS - 1);
        _open(Tree.Stack, 20);
        _cell(Tree.Stack, 20, 0);
        _expectNext("element 2^21 - 1");
        _cell(Tree.Stack, 2, 3);
        _begin(OP_TABLE_GET, 20, 2, 0, 3);
        _open(Tree.Stack, 2);
        _open(Tree.Globals, T);
        _expectTrap("element 2^21");
    }

    function test_set_writesTheWholeCell_succeeds() public {
        _table(3, 5, 32);
        _cell(Tree.Table, 35, 1);
        _cell(Tree.Stack, 2, 4);
        _cell(Tree.Stack, 20, type(uint64).max);
        _begin(OP_TABLE_SET, 0, 2, 20, 3);
        _open(Tree.Stack, 2);
        _open(Tree.Stack, 20);
        _open(Tree.Globals, T);
        _open(Tree.Table, 36);
        _cell(Tree.Table, 36, type(uint64).max);
        _expectNext("set");
        _cell(Tree.Stack, 2, 5);
        _begin(OP_TABLE_SET, 0, 2, 20, 3);
        _open(Tree.Stack, 2);
        _open(Tree.Stack, 20);
        _open(Tree.Globals, T);
        _expectTrap("index 5 of 5, the value read");
    }

    function test_size_isTheLowHalf_succeeds() public {
        _table(3, 5, 32);
        _begin(OP_TABLE_SIZE, 2, 0, 0, 3);
        _open(Tree.Globals, T);
        _open(Tree.Stack, 2);
        _cell(Tree.Stack, 2, 5);
        _expectNext("size");
        _begin(OP_TABLE_SIZE, 2, 0, 0, MAX_TABLES);
        _expectTrap("table 1024");
    }

    function test_grow_leavesAFillBehind_succeeds() public {
        _table(3, 5, 32);
        _beginBlock(OP_TABLE_GROW, 0, 3, 8, [uint256(99), 7, 0xdead_0000_0003, 99]);
        _open(Tree.Globals, T);
        _table(3, 8, 32);
        _block(4, [uint256(5), 7, 0xdead_0000_0003, 5]);
        _expectNext("to the maximum");
    }

    function test_grow_pastTheMaximum_leavesNothingToFill_succeeds() public {
        _table(3, 5, 32);
        _beginBlock(OP_TABLE_GROW, 0, 3, 8, [uint256(99), 7, 4, 99]);
        _open(Tree.Globals, T);
        _block(4, [uint256(0), 7, 0, type(uint32).max]);
        _expectNext("one further");
        _table(3, type(uint32).max, 32);
        _beginBlock(OP_TABLE_GROW, 0, 3, type(uint64).max, [uint256(99), 7, type(uint32).max, 99]);
        _open(Tree.Globals, T);
        _block(4, [uint256(0), 7, 0, type(uint32).max]);
        _expectNext("no wrap, and never past the tree");
        _table(3, 5, 32);
        _beginBlock(OP_TABLE_GROW, 0, MAX_TABLES, 8, [uint256(0), 7, 1, 0]);
        _expectTrap("table 1024, the block opened");
    }

    function test_fill_stopsAtTheLeafsEnd_succeeds() public {
        _table(3, 40, 32);
        _cell(Tree.Table, 45, 1);
        _beginBlock(OP_TABLE_FILL, 0, 3, 0, [uint256(14), 7, 5, 9]);
        _open(Tree.Globals, T);
        _open(Tree.Table, 46);
        _cell(Tree.Table, 46, 7);
        _cell(Tree.Table, 47, 7);
        _block(4, [uint256(16), 7, 3, 9]);
        _expectAgain("two of five");
        _begin(OP_TABLE_FILL, 0, 4, 3, 0);
        _open(Tree.Stack, 4);
        _open(Tree.Globals, T);
        _open(Tree.Table, 48);
        for (uint256 k = 48; k < 51; ++k) {
            _cell(Tree.Table, k, 7);
        }
        _block(4, [uint256(19), 7, 0, 9]);
        _expectNext("the rest");
    }

    function test_fill_outOfBounds_traps_succeeds() public {
        _table(3, 40, 32);
        _fillTraps(39, 2, "past the size");
        _fillTraps(41, 0, "past the size, of nothing");
        _fillTraps(type(uint32).max, type(uint32).max, "no wrap");
        _table(3, 40, TABLE_ELEMENTS - 4);
        _fillTraps(2, 3, "past all tables");
        _fillTraps(5, 0, "past all tables, of nothing");
        _beginBlock(OP_TABLE_FILL, 0, 3, 0, [uint256(4), 7, 0, 0]);
        _open(Tree.Globals, T);
        _expectNext("nothing at the end");
        _begin(OP_TABLE_FILL, 0, 6, 3, 0);
        _expectTrap("a block that is not aligned");
    }

    function _fillTraps(uint256 dst, uint256 len, string memory what) private {
        _beginBlock(OP_TABLE_FILL, 0, 3, 0, [dst, 7, len, 0]);
        _open(Tree.Globals, T);
        _expectTrap(what);
    }

    function test_copy_upwardsInOneTable_goesFromTheEnd_succeeds() public {
        _table(3, 40, 32);
        for (uint256 k = 32; k < 52; ++k) {
            _cell(Tree.Table, k, 100 + k);
        }
        // Elements 1..17 to 3..19: the last three of the destination are in the second leaf, one of the source.
        _beginBlock(OP_TABLE_COPY, 3, 3, 0, [uint256(3), 1, 16, 9]);
        _open(Tree.Globals, T);
        _open(Tree.Table, 48);
        _open(Tree.Table, 50);
        _cell(Tree.Table, 50, 100 + 48);
        _block(4, [uint256(3), 1, 15, 9]);
        _expectAgain("one from the end");
        _begin(OP_TABLE_COPY, 3, 4, 3, 0);
        _open(Tree.Stack, 4);
        _open(Tree.Globals, T);
        _open(Tree.Table, 47);
        _open(Tree.Table, 49);
        _cell(Tree.Table, 49, 100 + 47);
        _cell(Tree.Table, 48, 100 + 46);
        _block(4, [uint256(3), 1, 13, 9]);
        _expectAgain("two more");
        _begin(OP_TABLE_COPY, 3, 4, 3, 0);
        _open(Tree.Stack, 4);
        _open(Tree.Globals, T);
        _open(Tree.Table, 33);
        _open(Tree.Table, 33);
        for (uint256 k = 47; k >= 35; --k) {
            _cell(Tree.Table, k, 100 + k - 2);
        }
        _block(4, [uint256(3), 1, 0, 9]);
        _expectNext("the rest in one leaf");
    }

    function test_copy_betweenTables_goesForward_succeeds() public {
        _table(3, 20, 32);
        _table(17, 20, 64);
        for (uint256 k = 64; k < 84; ++k) {
            _cell(Tree.Table, k, 100 + k);
        }
        _beginBlock(OP_TABLE_COPY, 3, 17, 0, [uint256(14), 1, 6, 9]);
        _open(Tree.Globals, T);
        _open(Tree.Globals, U);
        _open(Tree.Table, 65);
        _open(Tree.Table, 46);
        _cell(Tree.Table, 46, 165);
        _cell(Tree.Table, 47, 166);
        _block(4, [uint256(16), 3, 4, 9]);
        _expectAgain("dst is above src in its table, and below it in the tree");
    }

    function test_copy_betweenTablesOfOneLeaf_opensItOnce_succeeds() public {
        _table(3, 20, 32);
        _table(4, 20, 64);
        _beginBlock(OP_TABLE_COPY, 4, 3, 0, [uint256(0), 20, 0, 9]);
        _open(Tree.Globals, T);
        _expectNext("nothing, from the end");
    }

    function test_copy_outOfBounds_traps_succeeds() public {
        _table(3, 20, 32);
        _table(17, 10, 64);
        _copyTraps([uint256(19), 0, 2, 0], "past the destination");
        _copyTraps([uint256(0), 9, 2, 0], "past the source");
        _copyTraps([uint256(0), 11, 0, 0], "past the source, of nothing");
        _table(17, type(uint32).max, TABLE_ELEMENTS - 2);
        _copyTraps([uint256(0), 1, 2, 0], "the source past all tables");
        _table(17, 10, 64);
        _table(3, type(uint32).max, type(uint32).max);
        _copyTraps([uint256(0), 0, 0, 0], "the destination past all tables, of nothing");
        _beginBlock(OP_TABLE_COPY, MAX_TABLES, 17, 0, [uint256(0), 0, 0, 0]);
        _expectTrap("destination 1024");
        _beginBlock(OP_TABLE_COPY, 3, MAX_TABLES, 0, [uint256(0), 0, 0, 0]);
        _open(Tree.Globals, T);
        _expectTrap("source 1024, the destination's size read");
    }

    function _copyTraps(uint256[4] memory cells, string memory what) private {
        _beginBlock(OP_TABLE_COPY, 3, 17, 0, cells);
        _open(Tree.Globals, T);
        _open(Tree.Globals, U);
        _expectTrap(what);
    }

    function test_init_readsTheSegmentsCells_succeeds() public {
        _table(3, 40, 32);
        // A segment of 20 cells from byte 256 on; its cell 14 is cell 46 of all.
        for (uint256 i = 32; i < 52; ++i) {
            _cell(Tree.Segments, i, 1000 + i);
        }
        _beginBlock(OP_TABLE_INIT, 9, 3, 20 << 32 | 256, [uint256(0), 14, 6, 5]);
        _open(Tree.Globals, T);
        _open(Tree.Globals, ELEM_DROPPED_BASE + 9);
        _open(Tree.Segments, 46);
        _open(Tree.Table, 32);
        _cell(Tree.Table, 32, 1046);
        _cell(Tree.Table, 33, 1047);
        _block(4, [uint256(2), 16, 4, 5]);
        _expectAgain("two in the segment's leaf");
    }

    function test_init_ofADroppedSegment_isEmpty_succeeds() public {
        _table(3, 40, 32);
        _cell(Tree.Globals, ELEM_DROPPED_BASE + 9, 1 << 63);
        _initTraps(20 << 32, [uint256(0), 0, 1, 0], "one of none");
        _beginInit(20 << 32, [uint256(40), 0, 0, 0]);
        _expectNext("none of none");
        _begin(OP_ELEM_DROP, 9, 0, 0, 0);
        _open(Tree.Globals, ELEM_DROPPED_BASE + 9);
        _cell(Tree.Globals, ELEM_DROPPED_BASE + 9, 1);
        _expectNext("drop");
        _begin(OP_ELEM_DROP, MAX_ELEMS, 0, 0, 0);
        _expectTrap("segment 1024");
    }

    function test_init_outOfBounds_traps_succeeds() public {
        _table(3, 40, 32);
        _initTraps(20 << 32, [uint256(0), 19, 2, 0], "past the segment");
        _initTraps(20 << 32, [uint256(0), 21, 0, 0], "past the segment, of nothing");
        _initTraps(99 << 32, [uint256(39), 0, 2, 0], "past the table");
        _initTraps(20 << 32 | 64, [uint256(0), 0, 1, 0], "a segment that starts within a leaf");
        _initTraps(20 << 32 | 0xffffff80, [uint256(0), 16, 1, 0], "past all segments");
        _beginInit(20 << 32 | 64, [uint256(0), 0, 0, 0]);
        _expectNext("of nothing, wherever it starts");
        _beginInit(20 << 32 | 0xffffff80, [uint256(0), 15, 1, 0]);
        _open(Tree.Segments, (1 << 29) - 1);
        _open(Tree.Table, 32);
        _block(4, [uint256(1), 16, 0, 0]);
        _expectNext("the last cell of all segments");
        _beginBlock(OP_TABLE_INIT, MAX_ELEMS, 3, 20 << 32, [uint256(0), 0, 0, 0]);
        _open(Tree.Globals, T);
        _expectTrap("segment 1024, the table's size read");
    }

    function _beginInit(uint256 imm, uint256[4] memory cells) private {
        _beginBlock(OP_TABLE_INIT, 9, 3, imm, cells);
        _open(Tree.Globals, T);
        _open(Tree.Globals, ELEM_DROPPED_BASE + 9);
    }

    function _initTraps(uint256 imm, uint256[4] memory cells, string memory what) private {
        _beginInit(imm, cells);
        _expectTrap(what);
    }

    function test_callIndirect_throughATableWithABase_succeeds() public {
        family = new StepControl();
        _table(3, 5, 32);
        _cell(Tree.Table, 36, 7 << 32 | 12);
        _cell(Tree.Stack, 2, 4);
        _begin(OP_CALL_INDIRECT, 20, 2, 3, 0xffff_ffff_0000_0007);
        _open(Tree.Stack, 2);
        _open(Tree.Globals, T);
        _open(Tree.Table, 36);
        _open(Tree.Stack, 20);
        // Element 4 goes to the next instruction; the immediate's high half means nothing.
        _cell(Tree.Stack, 20, PC + 1);
        fp = 20;
        _expectNext("called");
        fp = 0;
        _cell(Tree.Stack, 2, 5);
        _begin(OP_CALL_INDIRECT, 20, 2, 3, 7);
        _open(Tree.Stack, 2);
        _open(Tree.Globals, T);
        _expectTrap("index 5 of 5");
    }
}

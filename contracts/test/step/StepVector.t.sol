// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import "../../src/generated/Opcodes.sol";
import {STACK_CELLS} from "../../src/generated/Params.sol";
import {StepVector} from "../../src/step/StepVector.sol";
import {StepFixture} from "../base/StepFixture.sol";

contract StepVectorTest is StepFixture {
    uint256 private constant A = 0x0f0e0d0c0b0a09080706050403020100;
    uint256 private constant B = 0x1f1e1d1c1b1a19181716151413121110;

    function setUp() public {
        family = new StepVector();
    }

    /// @dev The low half is in the first cell; the other cells of the leaf stay.
    function test_move_ofTheLastCells_keepsTheHalvesInOrder_succeeds() public {
        _vector(14, A);
        _cell(Tree.Stack, 13, 7);
        _begin(OP_V128_MOVE, 8, 14, 0, 0);
        _open(Tree.Stack, 14);
        _cell(Tree.Stack, 8, 0x0706050403020100);
        _cell(Tree.Stack, 9, 0x0f0e0d0c0b0a0908);
        _expectNext("moved");
    }

    function test_move_ofAnOddCell_traps_succeeds() public {
        _begin(OP_V128_MOVE, 8, 13, 0, 0);
        _expectTrap("odd operand, nothing opened");
        _begin(OP_V128_MOVE, 9, 14, 0, 0);
        _open(Tree.Stack, 14);
        _expectTrap("odd destination, the operand opened");
        // The cell's index counts, not the slot.
        fp = 1;
        _vector(14, A);
        _begin(OP_V128_MOVE, 8, 13, 0, 0);
        _open(Tree.Stack, 14);
        _expectTrap("destination at slot 8 of frame 1");
        _begin(OP_V128_MOVE, 9, 13, 0, 0);
        _open(Tree.Stack, 14);
        _vector(10, A);
        _expectNext("odd slots of frame 1");
    }

    function test_move_pastTheStack_traps_succeeds() public {
        fp = STACK_CELLS - 2;
        _vector(fp, A);
        _begin(OP_V128_MOVE, 0, 0, 0, 0);
        _open(Tree.Stack, fp);
        _expectNext("the last two cells");
        _begin(OP_V128_MOVE, 0, 2, 0, 0);
        _expectTrap("the next two");
        _begin(OP_V128_MOVE, 2, 0, 0, 0);
        _open(Tree.Stack, fp);
        _expectTrap("to the next two");
    }

    /// @dev Four leaves: as many as a step opens.
    function test_bitselect_ofFourLeaves_opensEachOnce_succeeds() public {
        _vector(2, A);
        _vector(18, B);
        _vector(34, type(uint128).max << 64);
        _begin(OP_V128_BITSELECT, 50, 2, 18, 0xffff_0022);
        _open(Tree.Stack, 2);
        _open(Tree.Stack, 18);
        _open(Tree.Stack, 34);
        _open(Tree.Stack, 50);
        _vector(50, 0x0f0e0d0c0b0a0908_1716151413121110);
        _expectNext("high half of a, low half of b");
    }

    function test_bitselect_withAnOddMask_trapsAfterBothOperands_succeeds() public {
        _begin(OP_V128_BITSELECT, 50, 2, 18, 35);
        _open(Tree.Stack, 2);
        _open(Tree.Stack, 18);
        _expectTrap("odd mask");
    }

    function test_select_readsTheChosenVectorAlone_succeeds() public {
        _cell(Tree.Stack, 5, 1 << 32);
        _vector(34, B);
        _begin(OP_V128_SELECT, 50, 3, 34, 5);
        _open(Tree.Stack, 5);
        _open(Tree.Stack, 34);
        _open(Tree.Stack, 50);
        _vector(50, B);
        _expectNext("the low 32 bits choose b; a's odd slot is not reached");
        _cell(Tree.Stack, 5, 1);
        _begin(OP_V128_SELECT, 50, 3, 34, 5);
        _open(Tree.Stack, 5);
        _expectTrap("a is odd");
    }

    function test_shuffle_takesIndicesMod32_succeeds() public {
        _vector(2, A);
        _vector(4, B);
        // 0, 15, 16, 31, then the same with bits above the fifth.
        _vector(6, 0x9f_f0_2f_e0_1f_10_0f_00);
        _begin(OP_I8X16_SHUFFLE, 8, 2, 4, 6);
        _open(Tree.Stack, 2);
        _vector(8, 0x1f_10_0f_00_1f_10_0f_00);
        _expectNext("shuffled");
    }

    function test_swizzle_pastTheVector_isZero_succeeds() public {
        _vector(2, A | 0xf0 << 120 | 0x42);
        _vector(4, 0xff_80_20_1f_10_0f_01_00);
        _begin(OP_I8X16_SWIZZLE, 8, 2, 4, 0);
        _open(Tree.Stack, 2);
        _vector(8, 0x4242424242424242 << 64 | 0xff_01_42);
        _expectNext("swizzled");
    }

    function test_anyTrue_readsBothHalves_succeeds() public {
        _vector(2, 1 << 127);
        _begin(OP_V128_ANY_TRUE, 5, 2, 0, 0);
        _open(Tree.Stack, 2);
        _cell(Tree.Stack, 5, 1);
        _expectNext("the highest bit");
        _vector(2, 0);
        _begin(OP_V128_ANY_TRUE, 5, 2, 0, 0);
        _open(Tree.Stack, 2);
        _cell(Tree.Stack, 5, 0);
        _expectNext("none");
    }

    function test_bitwise_keepsTo128Bits_succeeds() public {
        _vector(2, A);
        _vector(4, B);
        _bitwise(OP_V128_NOT, A ^ type(uint128).max);
        _bitwise(OP_V128_AND, A & B);
        _bitwise(OP_V128_AND_NOT, A & ~B);
        _bitwise(OP_V128_OR, A | B);
        _bitwise(OP_V128_XOR, A ^ B);
    }

    function _bitwise(uint256 op, uint256 result) private {
        _begin(op, 8, 2, 4, 0);
        _open(Tree.Stack, 2);
        _vector(8, result);
        _expectNext("bitwise");
    }

    function test_load_acrossLeaves_joinsThem_succeeds() public {
        _write(Tree.Memory, 121, hex"00010203040506");
        _write(Tree.Memory, 128, hex"0708090a0b0c0d0e0f");
        _cell(Tree.Stack, 3, 0xdead_0000_0078);
        _begin(OP_V128_LOAD, 20, 3, 0, 0xbeef_0000_0001);
        _open(Tree.Stack, 3);
        _openByte(Tree.Memory, 121);
        _openByte(Tree.Memory, 128);
        _open(Tree.Stack, 20);
        _vector(20, A);
        _expectNext("loaded");
    }

    function test_load_atTheEndOfMemory_isExact_succeeds() public {
        _cell(Tree.Stack, 3, 65536 - 16);
        _begin(OP_V128_LOAD, 4, 3, 0, 0);
        _open(Tree.Stack, 3);
        _openByte(Tree.Memory, 65535);
        _vector(4, 0);
        _expectNext("the last 16 bytes");
        _begin(OP_V128_LOAD, 4, 3, 0, 1);
        _open(Tree.Stack, 3);
        _expectTrap("one further");
    }

    function test_store_acrossLeaves_writesEach_succeeds() public {
        _cell(Tree.Stack, 3, 121);
        _vector(18, A);
        _begin(OP_V128_STORE, 0, 3, 18, 0);
        _open(Tree.Stack, 3);
        _open(Tree.Stack, 18);
        _openByte(Tree.Memory, 121);
        _write(Tree.Memory, 121, hex"00010203040506");
        _openByte(Tree.Memory, 128);
        _write(Tree.Memory, 128, hex"0708090a0b0c0d0e0f");
        _expectNext("stored");
    }

    function test_store_ofAnOddVector_trapsAfterTheAddress_succeeds() public {
        _begin(OP_V128_STORE, 0, 3, 19, 0);
        _open(Tree.Stack, 3);
        _expectTrap("odd");
    }

    function test_unknownOpcode_traps_succeeds() public {
        _begin(OP_I8X16_SHUFFLE + 1, 0, 0, 0, 0);
        _expectTrap("after the last");
        _begin(OP_V128_AND | IMM_FORM, 0, 0, 0, 0);
        _expectTrap("imm form");
    }
}

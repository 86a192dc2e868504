// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import "../../src/generated/Opcodes.sol";
import {GLOBALS_CELLS, MAX_TABLES, STACK_CELLS, TABLE_SIZE_BASE} from "../../src/generated/Params.sol";
import {BadWitnessFold} from "../../src/machine/Step.sol";
import {RealProver} from "../base/RealProver.sol";
import {StepFixture} from "../base/StepFixture.sol";

/// @notice Findings on one-step proofs, played against the whole prover: every family behind its dispatcher.
contract MachineStepFindings is StepFixture {
    function setUp() public {
        family = RealProver.deploy();
    }

    /// @dev `op` of the cells `a` and `b` is `result`.
    function _binary(uint256 op, uint256 a, uint256 b, uint256 result, string memory what) private {
        _cell(Tree.Stack, 2, a);
        _cell(Tree.Stack, 3, b);
        _begin(op, 4, 2, 3, 0);
        _open(Tree.Stack, 2);
        _cell(Tree.Stack, 4, result);
        _expectNext(what);
    }

    /// @dev `op` of the cells `a` and `b` traps.
    function _binaryTraps(uint256 op, uint256 a, uint256 b, string memory what) private {
        _cell(Tree.Stack, 2, a);
        _cell(Tree.Stack, 3, b);
        _begin(op, 4, 2, 3, 0);
        _open(Tree.Stack, 2);
        _expectTrap(what);
    }

    /// @dev Code4rena 2024-07 Optimism M-05 and low 17: https://github.com/code-423n4/2024-07-optimism-findings/issues/54
    ///      There: a program that panics, or needs a preimage that no transaction can carry, leaves states whose step nobody can
    ///      prove, and what can't be proven false stands.
    ///      Here: whatever can go wrong in a step has one proven outcome, the state Trapped.
    function test_finding_unprovableStep() public {
        _begin(0, 0, 0, 0, 0);
        _expectTrap("opcode 0");
        _begin(OP_UNREACHABLE, 0, 0, 0, 0);
        _expectTrap("unreachable");
        _begin(OP_MOVE | IMM_FORM, 4, 2, 0, 0);
        _expectTrap("a form that the opcode does not have");
        _begin(OP_GLOBAL_GET, 4, 0, 0, GLOBALS_CELLS);
        _expectTrap("a global that is none");
        _binaryTraps(OP_I32_DIV_S, 7, 0, "division by zero");
        _binaryTraps(OP_I32_DIV_S, 1 << 31, type(uint32).max, "a quotient that does not fit");
        _binaryTraps(OP_I64_REM_U, 7, 0, "remainder by zero");
        _binaryTraps(OP_LOAD8_U, 65_536, 0, "a load past the memory");
        _cell(Tree.Stack, 2, 0);
        _begin(OP_TABLE_GET, 4, 2, 0, MAX_TABLES);
        _open(Tree.Stack, 2);
        _expectTrap("an element of no table");
        fp = STACK_CELLS - 3;
        _cell(Tree.Stack, STACK_CELLS - 1, 7);
        _begin(OP_MOVE, 3, 2, 0, 0);
        _open(Tree.Stack, STACK_CELLS - 1);
        _expectTrap("a slot past the stack");
        fp = type(uint32).max;
        _begin(OP_MOVE, 3, 2, 0, 0);
        _expectTrap("a frame past the stack");
    }

    /// @dev As above, for each of 2^16 opcodes that the machine does not know, in any family and form.
    function test_finding_unprovableStep_unknownOpcode(uint16 op, uint64 fields, uint64 imm) public {
        vm.assume(!_known(op));
        _begin(op, fields & 0xffff, fields >> 16 & 0xffff, fields >> 32 & 0xffff, imm);
        _expectTrap("unknown opcode");
    }

    function _known(uint256 op) private pure returns (bool) {
        uint256[11] memory known = [
            KNOWN_CONTROL,
            KNOWN_MEMORY,
            KNOWN_I32,
            KNOWN_I64,
            KNOWN_F32,
            KNOWN_F64,
            KNOWN_V128,
            KNOWN_LANES,
            KNOWN_F32X4,
            KNOWN_F64X2,
            KNOWN_TABLE
        ];
        uint256 number = op >> 8 & 0x7f;
        return number < known.length && known[number] >> (op & 0xff) & 1 == 1;
    }

    /// @dev Arbitrum Nitro's one-step proof:
    ///      https://github.com/OffchainLabs/nitro-contracts/blob/4d526db7ed6e65dde662696314d1c8fde1718c19/src/state/Value.sol
    ///      There: an operand of another type than its instruction expects reverts, so such a step has no proof; that is sound
    ///      because only governed programs run.
    ///      Here: anyone registers programs. A cell has no type: an i32 operator reads its low half, and an indirect call of
    ///      another type than the table's traps.
    function test_finding_typeErrorReverts() public {
        _binary(OP_I32_ADD, 0xdead_beef_0000_0007, 0xffff_ffff_0000_0005, 12, "i32 of cells that hold more");
        _table(3, 5, 0);
        _cell(Tree.Stack, 2, 1);
        _cell(Tree.Table, 1, 7 << 32 | 9);
        _begin(OP_CALL_INDIRECT, 8, 2, 3, 8);
        _open(Tree.Stack, 2);
        _open(Tree.Globals, TABLE_SIZE_BASE + 3);
        _open(Tree.Table, 1);
        _expectTrap("type 8 of an element of type 7");
        _cell(Tree.Stack, 2, 2);
        _begin(OP_CALL_INDIRECT, 8, 2, 3, 7);
        _open(Tree.Stack, 2);
        _open(Tree.Globals, TABLE_SIZE_BASE + 3);
        _open(Tree.Table, 2);
        _expectTrap("an element that is null");
    }

    /// @dev Code4rena 2024-07 Optimism M-07: https://github.com/code-423n4/2024-07-optimism-findings/issues/41
    ///      There: an arithmetic shift by a register took all of the register for its count, where the architecture takes five
    ///      bits; the contract's state was another than the VM's and a true claim could lose.
    ///      Here: a count is taken modulo the operand's width, as the WebAssembly specification has it.
    function test_finding_shiftCountNotMasked() public {
        uint256 minus8 = 0xffff_fff8;
        _binary(OP_I32_SHR_S, minus8, 32 + 1, 0xffff_fffc, "by 33");
        _binary(OP_I32_SHR_S, minus8, 0xffff_ffff, 0xffff_ffff, "by 2^32 - 1");
        _binary(OP_I32_SHR_S, minus8, 32, minus8, "by 32");
        _binary(OP_I32_SHL, 1, 0xdead_0000_0000 + 35, 8, "by 35, in a cell that holds more");
        _binary(OP_I64_SHR_S, 1 << 63, 64 + 63, type(uint64).max, "64 bits by 127");
    }

    /// @dev Code4rena 2024-07 Optimism M-10 and M-01: https://github.com/code-423n4/2024-07-optimism-findings/issues/15
    ///      There: additions that have to raise an exception wrapped, and a product's excess was said to reach other state.
    ///      Here: WebAssembly's integers wrap, its division is what traps, and a result is cut to its type before it is stored.
    function test_finding_overflow() public {
        _binary(OP_I32_ADD, 0x7fff_ffff, 1, 0x8000_0000, "a sum wraps");
        _binary(OP_I32_ADD, 0xffff_ffff, 0xffff_ffff, 0xffff_fffe, "and is cut to 32 bits");
        _binary(OP_I32_SUB, 0x8000_0000, 1, 0x7fff_ffff, "a difference wraps");
        _binary(OP_I32_SUB, 0, 1, 0xffff_ffff, "and is cut");
        _binary(OP_I32_MUL, 0xffff_ffff, 0xffff_ffff, 1, "a product too");
        _binary(OP_I64_MUL, type(uint64).max, type(uint64).max, 1, "of 64 bits");
        _binaryTraps(OP_I64_DIV_S, 1 << 63, type(uint64).max, "a quotient traps");
    }

    /// @dev Code4rena 2024-07 Optimism M-02: https://github.com/code-423n4/2024-07-optimism-findings/issues/82
    ///      There: a half word was loaded from an address that the architecture forbids, where the VM and the contract need not
    ///      agree.
    ///      Here: any address is allowed. A load over a leaf's end opens both leaves, and one over the memory's end traps.
    function test_finding_loadOfAnyAddress() public {
        _write(Tree.Memory, 127, hex"34");
        _write(Tree.Memory, 128, hex"12");
        _cell(Tree.Stack, 2, 127);
        _begin(OP_LOAD16_U, 4, 2, 0, 0);
        _open(Tree.Stack, 2);
        _openByte(Tree.Memory, 127);
        _openByte(Tree.Memory, 128);
        _cell(Tree.Stack, 4, 0x1234);
        _expectNext("over two leaves");
        _binaryTraps(OP_LOAD16_U, 65_535, 0, "over the memory's end");
        _binaryTraps(OP_LOAD16_U, 0xffff_ffff, 0, "over the address space's end");
    }

    /// @dev Code4rena 2024-07 Optimism M-04: https://github.com/code-423n4/2024-07-optimism-findings/issues/76
    ///      There: a step was feared to read and write memory where its instruction does not point.
    ///      Here: a leaf is opened at the index that the instruction names; the leaf of another place folds to another root.
    function test_finding_memoryOfAnotherPlace() public {
        _write(Tree.Memory, 0, hex"07");
        _write(Tree.Memory, 128, hex"09");
        _cell(Tree.Stack, 2, 0);
        _begin(OP_LOAD8_U, 4, 2, 0, 0);
        _open(Tree.Stack, 2);
        _openByte(Tree.Memory, 128);
        vm.expectRevert(BadWitnessFold.selector);
        this.gasOfStep();
    }
}

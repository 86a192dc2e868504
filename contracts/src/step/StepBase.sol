// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {
    CODE_DEPTH,
    CODE_INSTRUCTIONS,
    HEADER_BYTES,
    LEAF_INSTRUCTIONS,
    MAX_TABLES,
    STACK_CELLS,
    TABLE_SIZE_BASE
} from "../generated/Params.sol";
import {TRAPPED_ROOT} from "../generated/ZeroRoots.sol";
import {BadHeader, Header, RUNNING, decodeHeader, rootOfCalldata} from "../machine/Header.sol";
import {Instruction, decodeInstruction} from "../machine/Instruction.sol";
import {IOneStepProver, StepContext} from "../machine/IOneStepProver.sol";
import {BadWitnessLength, Step, newStep} from "../machine/Step.sol";

/// @title A family of opcodes
/// @notice Steps of Running states; an instruction of another family traps here, so only OneStepProver, which picks
/// the family, may be asked what a step does.
/// @dev Mirrors vm/machine/src/step.rs.
abstract contract StepBase is IOneStepProver {
    /// @inheritdoc IOneStepProver
    function step(StepContext calldata ctx, uint64 index, bytes calldata witness)
        external
        view
        returns (bytes32 beforeRoot, bytes32 afterRoot)
    {
        Step memory s = _begin(witness);
        _fetch(s, ctx.codeRoot);
        _execute(s, ctx);
        s.finish();
        uint256 mask = (1 << ctx.b) - 1;
        bool trapped = s.header.status == RUNNING && index & mask == mask;
        return (s.beforeRoot, trapped ? TRAPPED_ROOT : s.header.root());
    }

    /// @dev Executes `s.ins`, of a known opcode or not.
    function _execute(Step memory s, StepContext calldata ctx) internal view virtual;

    function _begin(bytes calldata witness) private pure returns (Step memory) {
        if (witness.length < HEADER_BYTES) revert BadWitnessLength();
        uint256 start;
        assembly ("memory-safe") {
            start := witness.offset
        }
        Header memory header = decodeHeader(start);
        if (header.status != RUNNING) revert BadHeader();
        unchecked {
            return newStep(header, rootOfCalldata(start), start, start + witness.length);
        }
    }

    /// @dev Opens the code leaf of the pc.
    function _fetch(Step memory s, bytes32 codeRoot) private pure {
        uint256 pc = s.header.pc;
        if (pc >= CODE_INSTRUCTIONS) s.trap();
        uint256 leaf = s.open(codeRoot, pc / LEAF_INSTRUCTIONS, CODE_DEPTH);
        unchecked {
            s.ins = decodeInstruction(leaf + pc % LEAF_INSTRUCTIONS * 16);
        }
    }

    /// @dev Traps unless the opcode is one of `known` of this family, and of `immForms` if it is in imm form.
    function _require(Step memory s, uint256 family, uint256 known, uint256 immForms) internal pure {
        uint256 number = s.ins.op & 0xff;
        if (s.ins.op >> 8 != family || known >> number & 1 == 0) s.trap();
        if (s.ins.immForm && immForms >> number & 1 == 0) s.trap();
    }

    /// @dev Stack index of a slot of the frame.
    function _index(Step memory s, uint256 slot) internal pure returns (uint256 index) {
        unchecked {
            index = s.header.fp + slot;
        }
        if (index >= STACK_CELLS) s.trap();
    }

    /// @dev The cell of a slot.
    function _get(Step memory s, uint256 slot) internal pure returns (uint256) {
        return s.cell(_index(s, slot));
    }

    /// @dev Operand `a`.
    function _a(Step memory s) internal pure returns (uint256) {
        return _get(s, s.ins.a);
    }

    /// @dev Operand `b`.
    function _b(Step memory s) internal pure returns (uint256) {
        return s.ins.immForm ? s.ins.imm : _get(s, s.ins.b);
    }

    /// @dev Writes cell `d` and goes to the next instruction.
    function _set(Step memory s, uint256 value) internal pure {
        s.setCell(_index(s, s.ins.d), value);
        _next(s);
    }

    /// @dev Stack index of the vector of a slot: of the first of its two cells.
    function _pairIndex(Step memory s, uint256 slot) private pure returns (uint256 index) {
        index = _index(s, slot);
        // An even index keeps both cells in one leaf.
        if (index % 2 != 0) s.trap();
    }

    /// @dev The vector of a slot, lane 0 in the lowest bits.
    function _vector(Step memory s, uint256 slot) internal pure returns (uint256 v) {
        return s.pair(_pairIndex(s, slot));
    }

    /// @dev Writes vector `d` and goes to the next instruction; `v < 2^128`.
    function _setVector(Step memory s, uint256 v) internal pure {
        s.setPair(_pairIndex(s, s.ins.d), v);
        _next(s);
    }

    /// @dev Elements that table `t` has, and the place of its first one among those of all tables.
    function _table(Step memory s, uint256 t) internal pure returns (uint256 size, uint256 base) {
        if (t >= MAX_TABLES) s.trap();
        unchecked {
            uint256 value = s.globalCell(TABLE_SIZE_BASE + t);
            return (uint32(value), value >> 32);
        }
    }

    /// @dev Goes to the next instruction.
    function _next(Step memory s) internal pure {
        unchecked {
            ++s.header.pc;
        }
    }

    function _least(uint256 x, uint256 y) internal pure returns (uint256) {
        return x < y ? x : y;
    }
}

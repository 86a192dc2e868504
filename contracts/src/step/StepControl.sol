// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import "../generated/Opcodes.sol";
import {GLOBALS_CELLS, TABLE_ELEMENTS} from "../generated/Params.sol";
import {HALTED, YIELDED} from "../machine/Header.sol";
import {StepContext} from "../machine/IOneStepProver.sol";
import {Step, cellOf} from "../machine/Step.sol";
import {StepBase} from "./StepBase.sol";

/// @title Family 0: control, constants, moves, globals, calls
/// @dev Mirrors vm/machine/src/step/control.rs. Opcodes of no family come here too, and trap.
contract StepControl is StepBase {
    function _execute(Step memory s, StepContext calldata ctx) internal pure override {
        _require(s, FAMILY_CONTROL, KNOWN_CONTROL, IMM_FORMS_CONTROL);
        uint256 op = s.ins.op;
        if (op == OP_MOVE) _set(s, _a(s));
        else if (op == OP_CONST) _set(s, s.ins.imm);
        else if (op == OP_SELECT) _select(s);
        else if (op == OP_BR) _jump(s, true);
        else if (op == OP_BR_IF) _jump(s, uint32(_a(s)) != 0);
        else if (op == OP_BR_UNLESS) _jump(s, uint32(_a(s)) == 0);
        else if (op == OP_BR_TABLE) _brTable(s);
        else if (op == OP_CALL) _call(s, uint32(s.ins.imm));
        else if (op == OP_CALL_INDIRECT) _callIndirect(s);
        else if (op == OP_ENTER) _enter(s, ctx.stackCells);
        else if (op == OP_RETURN) _return(s);
        else if (op == OP_GLOBAL_GET) _globalGet(s);
        else if (op == OP_GLOBAL_SET) _globalSet(s);
        else if (op == OP_FINISH) _finish(s, ctx);
        else if (op == OP_HALT) _halt(s, uint32(_b(s)));
        else s.trap();
    }

    function _select(Step memory s) private pure {
        bool first = uint32(_get(s, uint16(s.ins.imm))) != 0;
        _set(s, first ? _a(s) : _get(s, s.ins.b));
    }

    function _jump(Step memory s, bool taken) private pure {
        if (taken) s.header.pc = uint32(s.ins.imm);
        else _next(s);
    }

    /// @dev A pc that does not fit 32 bits traps; only hand-made code has such.
    function _brTable(Step memory s) private pure {
        uint256 skip = uint32(_a(s));
        if (skip > s.ins.imm) skip = s.ins.imm;
        unchecked {
            skip += s.header.pc + 1;
        }
        if (skip > type(uint32).max) s.trap();
        s.header.pc = skip;
    }

    function _call(Step memory s, uint256 target) private pure {
        uint256 frame = _index(s, s.ins.d);
        unchecked {
            s.setCell(frame, s.header.pc + 1 | s.header.fp << 32);
        }
        s.header.fp = frame;
        s.header.pc = target;
    }

    function _callIndirect(Step memory s) private pure {
        uint256 i = uint32(_a(s));
        (uint256 size, uint256 index) = _table(s, s.ins.b);
        unchecked {
            index += i;
        }
        if (i >= size || index >= TABLE_ELEMENTS) s.trap();
        uint256 element = cellOf(s.openTable(index), index);
        if (uint32(element) == 0 || element >> 32 != uint32(s.ins.imm)) s.trap();
        _call(s, uint32(element));
    }

    function _enter(Step memory s, uint256 stackCells) private pure {
        unchecked {
            // Both are below 2^64: no wrap.
            if (s.header.fp + s.ins.imm > stackCells) s.trap();
        }
        _next(s);
    }

    function _return(Step memory s) private pure {
        uint256 link = _get(s, 0);
        s.header.pc = uint32(link);
        s.header.fp = link >> 32;
    }

    function _globalGet(Step memory s) private pure {
        uint256 index = s.ins.imm;
        if (index >= GLOBALS_CELLS) s.trap();
        _set(s, s.globalCell(index));
    }

    function _globalSet(Step memory s) private pure {
        uint256 value = _a(s);
        if (s.ins.imm >= GLOBALS_CELLS) s.trap();
        s.setGlobal(s.ins.imm, value);
        _next(s);
    }

    /// @dev `step()` has returned: 0 yields, v halts with v - 1.
    function _finish(Step memory s, StepContext calldata ctx) private pure {
        uint256 value = uint32(_a(s));
        if (value != 0) {
            unchecked {
                _halt(s, value - 1);
            }
            return;
        }
        s.reset(ctx.volatileLog2);
        s.header.status = YIELDED;
        s.header.pc = ctx.entry;
        s.header.fp = 0;
    }

    function _halt(Step memory s, uint256 code) private pure {
        s.header.status = HALTED;
        s.header.code = code;
    }
}

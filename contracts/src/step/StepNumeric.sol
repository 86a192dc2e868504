// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Step} from "../machine/Step.sol";
import {StepBase} from "./StepBase.sol";

/// @title A family whose opcodes compute cell `d` from cells `a` and `b`
abstract contract StepNumeric is StepBase {
    /// @dev Reads one operand or, unless bit n of `unary` is set, two; writes the result.
    function _compute(Step memory s, uint256 unary) internal pure {
        uint256 a = _a(s);
        uint256 b = unary >> (s.ins.op & 0xff) & 1 == 0 ? _b(s) : 0;
        (bool ok, uint256 value) = _evaluate(s.ins.op, a, b);
        if (!ok) s.trap();
        _set(s, value);
    }

    /// @dev The result of `op` on two 64-bit cells, in the form that a cell holds; not ok where the opcode traps.
    function _evaluate(uint256 op, uint256 a, uint256 b) internal pure virtual returns (bool ok, uint256 value);
}

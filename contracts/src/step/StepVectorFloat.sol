// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Step} from "../machine/Step.sol";
import {StepBase} from "./StepBase.sol";

/// @title A family of lanes of floats: vector `d` from vectors `a` and `b`
/// @dev Mirrors vm/machine/src/step/vector_float.rs.
abstract contract StepVectorFloat is StepBase {
    /// @dev Reads one operand or, unless bit n of `unary` is set, two; writes the result.
    function _compute(Step memory s, uint256 unary) internal pure {
        uint256 a = _vector(s, s.ins.a);
        uint256 b = unary >> (s.ins.op & 0xff) & 1 == 0 ? _vector(s, s.ins.b) : 0;
        _setVector(s, _evaluate(s.ins.op, a, b));
    }

    /// @dev The result of `op` on two vectors; no operator on lanes of floats traps.
    function _evaluate(uint256 op, uint256 a, uint256 b) internal pure virtual returns (uint256 value);
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {FRAME_ALIGN} from "../generated/Params.sol";
import {Step, cellOf} from "../machine/Step.sol";
import {StepBase} from "./StepBase.sol";

/// @title A family with bulk operations, whose operands are a block of four cells that keeps their progress
/// @dev Mirrors vm/machine/src/step/block.rs.
abstract contract StepBulk is StepBase {
    /// @dev First cell of the operand block and its leaf, which holds all four cells.
    function _block(Step memory s) internal pure returns (uint256 first, uint256 leaf) {
        first = _index(s, s.ins.a);
        if (first % FRAME_ALIGN != 0) s.trap();
        leaf = s.stackLeaf(first);
    }

    /// @dev A copy or init has moved the first `n` bytes or elements: dst and src go up, len down.
    function _forward(Step memory s, uint256 block_, uint256 first, uint256 n) internal pure {
        uint256 len = uint32(cellOf(block_, first + 2));
        s.edit(block_);
        s.putCell(first, uint32(cellOf(block_, first)) + n);
        s.putCell(first + 1, uint32(cellOf(block_, first + 1)) + n);
        s.putCell(first + 2, len - n);
        _advance(s, block_, first, n == len);
    }

    /// @dev A copy has moved the last `n` bytes or elements: len goes down.
    function _backward(Step memory s, uint256 block_, uint256 first, uint256 n) internal pure {
        uint256 len = uint32(cellOf(block_, first + 2));
        s.edit(block_);
        s.putCell(first + 2, len - n);
        _advance(s, block_, first, n == len);
    }

    /// @dev A fill has written `n` bytes or elements: dst goes up, len down.
    function _filled(Step memory s, uint256 block_, uint256 first, uint256 n) internal pure {
        uint256 len = uint32(cellOf(block_, first + 2));
        s.edit(block_);
        s.putCell(first, uint32(cellOf(block_, first)) + n);
        s.putCell(first + 2, len - n);
        _advance(s, block_, first, n == len);
    }

    /// @dev The draft, made from the block, replaces it; goes on when everything is moved.
    function _advance(Step memory s, uint256 block_, uint256 first, bool done) internal pure {
        s.commitStack(block_, first);
        if (done) _next(s);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {le128, le64} from "../../src/machine/Instruction.sol";
import {StepFloat32} from "../../src/step/StepFloat32.sol";
import {StepFloat64} from "../../src/step/StepFloat64.sol";
import {StepNumeric} from "../../src/step/StepNumeric.sol";
import {StepVectorF32} from "../../src/step/StepVectorF32.sol";
import {StepVectorF64} from "../../src/step/StepVectorF64.sol";
import {StepVectorFloat} from "../../src/step/StepVectorFloat.sol";

// The operators of the float families over many vectors in one call; for tests/tests/floats*.rs.

/// @dev A result takes 16 bytes of either kind of operands.
abstract contract Bulk {
    /// @dev The result of the operands at the beginning of `word`.
    function _result(uint256 op, uint256 word) internal pure virtual returns (uint256);

    /// @dev A result for each `size` bytes of operands.
    function _run(uint256 op, bytes calldata operands, uint256 size) internal pure returns (bytes memory results) {
        uint256 n = operands.length / size;
        results = new bytes(n * 16);
        for (uint256 i = 0; i < n; ++i) {
            uint256 word;
            assembly ("memory-safe") {
                word := calldataload(add(operands.offset, mul(i, size)))
            }
            word = _result(op, word);
            assembly ("memory-safe") {
                // The zeros after it fall on the next result, or on free memory.
                mstore(add(add(results, 32), mul(i, 16)), shl(128, word))
            }
        }
    }
}

abstract contract NumberBulk is Bulk, StepNumeric {
    /// @param operands `a ‖ b`, u64 LE each
    /// @return results `trapped ‖ value`, u64 LE each
    function run(uint256 op, bytes calldata operands) external pure returns (bytes memory results) {
        return _run(op, operands, 16);
    }

    function _result(uint256 op, uint256 word) internal pure override returns (uint256) {
        (bool ok, uint256 value) = _evaluate(op, le64(word >> 192), le64(uint64(word >> 128)));
        return le64(ok ? 0 : 1) << 64 | le64(ok ? value : 0);
    }
}

abstract contract LanesBulk is Bulk, StepVectorFloat {
    /// @param operands `a ‖ b`, u128 LE each
    /// @return results u128 LE each
    function run(uint256 op, bytes calldata operands) external pure returns (bytes memory results) {
        return _run(op, operands, 32);
    }

    function _result(uint256 op, uint256 word) internal pure override returns (uint256) {
        return le128(_evaluate(op, le128(word >> 128), le128(uint128(word))));
    }
}

contract Float32Harness is NumberBulk, StepFloat32 {}

contract Float64Harness is NumberBulk, StepFloat64 {}

contract VectorF32Harness is LanesBulk, StepVectorF32 {}

contract VectorF64Harness is LanesBulk, StepVectorF64 {}

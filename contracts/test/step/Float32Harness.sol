// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {StepFloat32} from "../../src/step/StepFloat32.sol";
import {le64} from "../../src/machine/Instruction.sol";

/// @title The operators of StepFloat32 over many vectors in one call; for tests/tests/floats.rs
contract Float32Harness is StepFloat32 {
    /// @param vectors operands `a ‖ b`, u64 LE each
    /// @return results `trapped ‖ value`, u64 LE each
    function run(uint256 op, bytes calldata vectors) external pure returns (bytes memory results) {
        results = new bytes(vectors.length);
        for (uint256 i = 0; i < vectors.length; i += 16) {
            uint256 word;
            assembly ("memory-safe") {
                word := calldataload(add(vectors.offset, i))
            }
            (bool ok, uint256 value) = _evaluate(op, le64(word >> 192), le64(uint64(word >> 128)));
            word = le64(ok ? 0 : 1) << 64 | le64(ok ? value : 0);
            assembly ("memory-safe") {
                // The zeros after it fall on the next result, or on free memory.
                mstore(add(add(results, 32), i), shl(128, word))
            }
        }
    }
}

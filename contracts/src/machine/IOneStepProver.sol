// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice Everything that a step depends on besides the state: the program's fixed parts and the read-only inputs.
/// @param romRoots request, output, model
struct StepContext {
    bytes32 codeRoot;
    bytes32 segmentsRoot;
    bytes32[3] romRoots;
    uint32 maxPages;
    uint8 volatileLog2;
    uint32 stackCells;
    uint8 b;
    uint32 entry;
}

/// @title One step of the machine
interface IOneStepProver {
    /// @notice Runs the step at trace index `index`; reverts where the witness is bad (docs/encoding.md, sections 5, 6).
    /// @return beforeRoot root of the state that the witness opens
    /// @return afterRoot root of the state after the step
    function step(StepContext calldata ctx, uint64 index, bytes calldata witness)
        external
        view
        returns (bytes32 beforeRoot, bytes32 afterRoot);
}

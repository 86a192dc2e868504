// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Model, Program} from "./Types.sol";
import {StepContext} from "../machine/IOneStepProver.sol";

/// @title Programs and models that can be asked
/// @notice Permissionless. Ids are hashes, so nobody can register something else under a known id.
interface IModelRegistry {
    /// @notice A program can now be named by models.
    event ProgramRegistered(bytes32 indexed programId, Program program, bytes32 initialRoot);
    /// @notice A model can now be asked. `uri` is a hint where its file may be found; nothing depends on it.
    event ModelRegistered(
        bytes32 indexed modelId,
        bytes32 indexed programId,
        bytes32 modelRoot,
        uint64 length,
        uint32 maxGap,
        uint32 maxFlips,
        string uri
    );

    /// @notice The id is taken: it is registered already.
    error AlreadyRegistered(bytes32 id);
    /// @notice No such program.
    error UnknownProgram(bytes32 programId);
    /// @notice No such model.
    error UnknownModel(bytes32 modelId);
    /// @notice A field of the program is out of its range (docs/encoding.md, section 3).
    error BadProgram();
    /// @notice Leaf 0 does not prove `length` under `modelRoot`.
    error BadLengthProof();

    /// @notice Makes a program known, and computes its first state's root.
    function registerProgram(Program calldata program) external returns (bytes32 programId);

    /// @notice Makes a model known.
    /// @param modelRoot root of the model's ROM
    /// @param length bytes of the model file
    /// @param programId a registered program
    /// @param maxGap tolerance ceiling, thousandths of a logit
    /// @param maxFlips tolerance ceiling, positions
    /// @param leaf the ROM's first 128 bytes; it begins with `length` (u64 LE)
    /// @param siblings 33 hashes from that leaf to `modelRoot`
    /// @param uri hint where the file may be found
    function registerModel(
        bytes32 modelRoot,
        uint64 length,
        bytes32 programId,
        uint32 maxGap,
        uint32 maxFlips,
        bytes calldata leaf,
        bytes32[33] calldata siblings,
        string calldata uri
    ) external returns (bytes32 modelId);

    /// @notice What is known about a model; all zero if it is not registered.
    function model(bytes32 modelId) external view returns (Model memory);

    /// @notice Root of a program's first state; reverts with `UnknownProgram`.
    function initialRoot(bytes32 programId) external view returns (bytes32);

    /// @notice Root of the first state of a model's program; reverts with `UnknownModel`.
    function initialRootOf(bytes32 modelId) external view returns (bytes32);

    /// @notice What one step of a claim on `modelId` depends on.
    function stepContext(bytes32 modelId, bytes32 requestRoot, bytes32 outputRoot)
        external
        view
        returns (StepContext memory);

    /// @notice log2 of the number of trace indices: a + b of every program here.
    function traceLog2() external view returns (uint8);
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {
    CODE_INSTRUCTIONS,
    MACHINE_VERSION,
    ROM_BYTES,
    STACK_CELLS,
    STACK_DEPTH,
    TAG_MODEL,
    TAG_PROGRAM,
    TAG_STATE
} from "../generated/Params.sol";
import {Model, Program} from "../interfaces/Types.sol";
import {StepContext} from "../machine/IOneStepProver.sol";
import {RomTree} from "../dispute/RomTree.sol";

/// @title Programs and models that can be asked
contract ModelRegistry is IModelRegistry {
    /// @dev What a dispute needs of a program, and no more.
    struct ProgramRecord {
        bytes32 initialRoot;
        bytes32 codeRoot;
        bytes32 segmentsRoot;
        uint32 maxPages;
        uint32 stackCells;
        uint32 entry;
        uint8 volatileLog2;
        uint8 b;
    }

    uint8 private constant STATUS_YIELDED = 2;
    uint256 private constant MAX_PAGES = 65_536;

    /// @inheritdoc IModelRegistry
    uint8 public immutable traceLog2;
    bytes32 private immutable _zeroStackRoot;

    mapping(bytes32 programId => ProgramRecord) private _programs;
    mapping(bytes32 modelId => Model) private _models;

    constructor(uint8 traceLog2_) {
        traceLog2 = traceLog2_;
        _zeroStackRoot = RomTree.zeroRoot(STACK_DEPTH);
    }

    /// @inheritdoc IModelRegistry
    function registerProgram(Program calldata p) external returns (bytes32 programId) {
        bool volatileFits = p.volatileLog2 == 0 || (p.volatileLog2 >= 7 && p.volatileLog2 <= 31);
        bool memoryFits = p.pages <= p.maxPages && p.maxPages <= MAX_PAGES;
        bool codeFits = p.entry < CODE_INSTRUCTIONS && p.stackCells <= STACK_CELLS;
        bool traceFits = uint256(p.a) + p.b == traceLog2;
        if (!(volatileFits && memoryFits && codeFits && traceFits)) revert BadProgram();

        programId = _programId(p);
        if (_programs[programId].initialRoot != 0) revert AlreadyRegistered(programId);
        // INVARIANT: the first state follows from the id's own preimage; nobody supplies it.
        bytes32 first = _firstState(p);
        _programs[programId] = ProgramRecord({
            initialRoot: first,
            codeRoot: p.codeRoot,
            segmentsRoot: p.segmentsRoot,
            maxPages: p.maxPages,
            stackCells: p.stackCells,
            entry: p.entry,
            volatileLog2: p.volatileLog2,
            b: p.b
        });
        emit ProgramRegistered(programId, p, first);
    }

    /// @inheritdoc IModelRegistry
    function registerModel(
        bytes32 modelRoot,
        uint64 length,
        bytes32 programId,
        uint32 maxGap,
        uint32 maxFlips,
        bytes calldata leaf,
        bytes32[33] calldata siblings,
        string calldata uri
    ) external returns (bytes32 modelId) {
        if (_programs[programId].initialRoot == 0) revert UnknownProgram(programId);
        // INVARIANT: the length in the id is the one that the machine will read from leaf 0.
        if (!_lengthProven(modelRoot, length, leaf, siblings)) revert BadLengthProof();
        modelId = keccak256(abi.encodePacked(TAG_MODEL, modelRoot, length, programId, maxGap, maxFlips));
        if (_models[modelId].programId != 0) revert AlreadyRegistered(modelId);
        _models[modelId] = Model(modelRoot, programId, length, maxGap, maxFlips);
        emit ModelRegistered(modelId, programId, modelRoot, length, maxGap, maxFlips, uri);
    }

    /// @inheritdoc IModelRegistry
    function model(bytes32 modelId) external view returns (Model memory) {
        return _models[modelId];
    }

    /// @inheritdoc IModelRegistry
    function initialRoot(bytes32 programId) public view returns (bytes32 root) {
        root = _programs[programId].initialRoot;
        if (root == 0) revert UnknownProgram(programId);
    }

    /// @inheritdoc IModelRegistry
    function initialRootOf(bytes32 modelId) external view returns (bytes32) {
        bytes32 programId = _models[modelId].programId;
        if (programId == 0) revert UnknownModel(modelId);
        return initialRoot(programId);
    }

    /// @inheritdoc IModelRegistry
    function stepContext(bytes32 modelId, bytes32 requestRoot, bytes32 outputRoot)
        external
        view
        returns (StepContext memory)
    {
        bytes32 programId = _models[modelId].programId;
        if (programId == 0) revert UnknownModel(modelId);
        ProgramRecord storage p = _programs[programId];
        return StepContext({
            codeRoot: p.codeRoot,
            segmentsRoot: p.segmentsRoot,
            romRoots: [requestRoot, outputRoot, _models[modelId].modelRoot],
            maxPages: p.maxPages,
            volatileLog2: p.volatileLog2,
            stackCells: p.stackCells,
            b: p.b,
            entry: p.entry
        });
    }

    function _programId(Program calldata p) private pure returns (bytes32) {
        bytes memory roots = abi.encodePacked(p.codeRoot, p.segmentsRoot, p.tableRoot, p.memoryRoot, p.globalsRoot);
        bytes memory sizes = abi.encodePacked(p.pages, p.maxPages, p.volatileLog2, p.stackCells, p.a, p.b, p.entry);
        return keccak256(abi.encodePacked(TAG_PROGRAM, MACHINE_VERSION, roots, sizes));
    }

    function _firstState(Program calldata p) private view returns (bytes32) {
        bytes memory fields = abi.encodePacked(STATUS_YIELDED, uint32(0), p.entry, uint32(0), p.pages);
        return keccak256(abi.encodePacked(TAG_STATE, fields, p.memoryRoot, _zeroStackRoot, p.globalsRoot, p.tableRoot));
    }

    function _lengthProven(bytes32 root, uint64 length, bytes calldata leaf, bytes32[33] calldata siblings)
        private
        pure
        returns (bool)
    {
        if (leaf.length != 128 || length == 0 || length > ROM_BYTES - 8) return false;
        uint64 prefix = 0;
        for (uint256 i = 0; i < 8; ++i) {
            prefix |= uint64(uint8(leaf[i])) << uint64(8 * i);
        }
        if (prefix != length) return false;
        bytes32 node = keccak256(abi.encodePacked(bytes1(0), leaf));
        for (uint256 level = 0; level < 33; ++level) {
            node = RomTree.nodeHash(node, siblings[level]);
        }
        return node == root;
    }
}

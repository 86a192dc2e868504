// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {Model, Program} from "../../src/interfaces/Types.sol";
import {StepContext} from "../../src/machine/IOneStepProver.sol";
import {Fixture} from "../base/Fixture.sol";

contract ModelRegistryTest is Fixture {
    function test_registerProgram_idAndFirstStateMatchEncoding_succeeds() public {
        Program memory p = _program(50);
        p.entry = 77;
        bytes memory roots = bytes.concat(p.codeRoot, p.segmentsRoot, p.tableRoot, p.memoryRoot, p.globalsRoot);
        // Version 2; pages 1, max 2, volatile 16, cells 1024, A 25, B 25, entry 77.
        bytes memory sizes = hex"00000001000000021000000400191900" hex"00004d";
        bytes32 id = keccak256(bytes.concat(hex"0300000002", roots, sizes));
        assertEq(registry.registerProgram(p), id, "program id");

        // The all-zero stack: 13 levels over keccak(0x00, 128 zeros).
        bytes32 stack = keccak256(new bytes(129));
        for (uint256 i = 0; i < 13; ++i) {
            stack = keccak256(bytes.concat(hex"01", stack, stack));
        }
        // Tag 2; Yielded, code 0, pc 77, frame base 0, one page.
        bytes memory header = hex"0202000000000000004d0000000000000001";
        bytes32 first = keccak256(bytes.concat(header, p.memoryRoot, stack, p.globalsRoot, p.tableRoot));
        assertEq(registry.initialRoot(id), first, "first state");
    }

    function test_registerProgram_fieldOutOfRange_reverts() public {
        for (uint256 i = 0; i < 7; ++i) {
            Program memory p = _program(50);
            if (i == 0) p.volatileLog2 = 6;
            if (i == 1) p.volatileLog2 = 32;
            if (i == 2) p.pages = 3;
            if (i == 3) p.maxPages = 65_537;
            if (i == 4) p.a = 26;
            if (i == 5) p.entry = 1 << 20;
            if (i == 6) p.stackCells = 131_073;
            vm.expectRevert(IModelRegistry.BadProgram.selector);
            registry.registerProgram(p);
        }
    }

    /// @dev [S] Whatever a step depends on is in the program's id: no two programs share one.
    function test_registerProgram_anyFieldChanged_isAnotherProgram_succeeds() public {
        bytes32[] memory ids = new bytes32[](13);
        ids[0] = programId;
        for (uint256 i = 1; i < ids.length; ++i) {
            Program memory p = _program(50);
            if (i == 1) p.codeRoot = keccak256("other");
            if (i == 2) p.segmentsRoot = keccak256("other");
            if (i == 3) p.tableRoot = keccak256("other");
            if (i == 4) p.memoryRoot = keccak256("other");
            if (i == 5) p.globalsRoot = keccak256("other");
            if (i == 6) p.pages += 1;
            if (i == 7) p.maxPages += 1;
            if (i == 8) p.volatileLog2 += 1;
            if (i == 9) p.stackCells += 1;
            if (i == 10) (p.a, p.b) = (p.a - 1, p.b + 1);
            if (i == 11) p.entry += 1;
            // What one field loses the next one can't win.
            if (i == 12) (p.pages, p.maxPages) = (0, p.maxPages + 1);
            ids[i] = registry.registerProgram(p);
            for (uint256 j = 0; j < i; ++j) {
                assertTrue(ids[i] != ids[j], "two programs, one id");
            }
        }
    }

    /// @dev [S] A model's id binds its tolerance ceiling and its program: neither can be swapped under a known id.
    function test_registerModel_anyFieldChanged_isAnotherModel_succeeds() public {
        Program memory p = _program(50);
        p.entry += 1;
        bytes32[5] memory ids = [modelId, _registerModel(1, 0), _registerModel(0, 1), bytes32(0), bytes32(0)];
        programId = registry.registerProgram(p);
        ids[3] = _registerModel(0, 0);
        (bytes32 root, bytes memory leaf, bytes32[33] memory siblings) = _modelProof(MODEL_LENGTH + 1);
        ids[4] = registry.registerModel(root, MODEL_LENGTH + 1, programId, 0, 0, leaf, siblings, "file:toy");
        for (uint256 i = 0; i < 5; ++i) {
            for (uint256 j = 0; j < i; ++j) {
                assertTrue(ids[i] != ids[j], "two models, one id");
            }
        }
    }

    function test_registerProgram_twice_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.AlreadyRegistered.selector, programId));
        registry.registerProgram(_program(50));
    }

    function test_registerModel_idMatchesEncoding_succeeds() public {
        bytes32 id = _registerModel(500, 3);
        (bytes32 root,,) = _modelProof(MODEL_LENGTH);
        bytes memory numbers = hex"00000000000003e8";
        assertEq(id, keccak256(bytes.concat(hex"04", root, numbers, programId, hex"000001f400000003")), "model id");
        Model memory m = registry.model(id);
        assertEq(m.modelRoot, root, "root");
        assertEq(m.length, MODEL_LENGTH, "length");
        assertEq(m.maxGap, 500, "gap");
        assertEq(m.maxFlips, 3, "flips");
    }

    /// @dev [S] A false length would make two inputs one root, or let the machine read past the file.
    function test_registerModel_lengthPrefixDiffers_reverts() public {
        (bytes32 root, bytes memory leaf, bytes32[33] memory siblings) = _modelProof(MODEL_LENGTH);
        vm.expectRevert(IModelRegistry.BadLengthProof.selector);
        registry.registerModel(root, MODEL_LENGTH + 1, programId, 0, 0, leaf, siblings, "");
    }

    function test_registerModel_leafNotUnderRoot_reverts() public {
        (bytes32 root, bytes memory leaf, bytes32[33] memory siblings) = _modelProof(MODEL_LENGTH);
        leaf[100] = 0x01;
        vm.expectRevert(IModelRegistry.BadLengthProof.selector);
        registry.registerModel(root, MODEL_LENGTH, programId, 0, 0, leaf, siblings, "");
    }

    function test_registerModel_leafTooLong_reverts() public {
        (bytes32 root, bytes memory leaf, bytes32[33] memory siblings) = _modelProof(MODEL_LENGTH);
        vm.expectRevert(IModelRegistry.BadLengthProof.selector);
        registry.registerModel(root, MODEL_LENGTH, programId, 0, 0, bytes.concat(leaf, hex"00"), siblings, "");
    }

    function testFuzz_registerModel_anySiblingChanged_reverts(uint256 level, bytes32 flip) public {
        (bytes32 root, bytes memory leaf, bytes32[33] memory siblings) = _modelProof(MODEL_LENGTH);
        vm.assume(flip != 0);
        level %= 33;
        siblings[level] ^= flip;
        vm.expectRevert(IModelRegistry.BadLengthProof.selector);
        registry.registerModel(root, MODEL_LENGTH, programId, 0, 0, leaf, siblings, "");
    }

    function test_registerModel_unknownProgram_reverts() public {
        (bytes32 root, bytes memory leaf, bytes32[33] memory siblings) = _modelProof(MODEL_LENGTH);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.UnknownProgram.selector, bytes32(uint256(1))));
        registry.registerModel(root, MODEL_LENGTH, bytes32(uint256(1)), 0, 0, leaf, siblings, "");
    }

    function test_registerModel_twice_reverts() public {
        (bytes32 root, bytes memory leaf, bytes32[33] memory siblings) = _modelProof(MODEL_LENGTH);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.AlreadyRegistered.selector, modelId));
        registry.registerModel(root, MODEL_LENGTH, programId, 0, 0, leaf, siblings, "another uri");
    }

    function test_stepContext_holdsProgramAndRoms_succeeds() public view {
        StepContext memory c = registry.stepContext(modelId, bytes32(uint256(8)), bytes32(uint256(9)));
        Program memory p = _program(50);
        (bytes32 root,,) = _modelProof(MODEL_LENGTH);
        assertEq(c.codeRoot, p.codeRoot, "code");
        assertEq(c.segmentsRoot, p.segmentsRoot, "segments");
        assertEq(c.romRoots[0], bytes32(uint256(8)), "request");
        assertEq(c.romRoots[1], bytes32(uint256(9)), "output");
        assertEq(c.romRoots[2], root, "model");
        assertEq(c.maxPages, 2, "max pages");
        assertEq(c.volatileLog2, 16, "volatile");
        assertEq(c.stackCells, 1024, "cells");
        assertEq(c.b, 25, "b");
        assertEq(c.entry, 3, "entry");
    }

    function test_stepContext_unknownModel_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.UnknownModel.selector, bytes32(uint256(1))));
        registry.stepContext(bytes32(uint256(1)), 0, 0);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.UnknownModel.selector, bytes32(uint256(1))));
        registry.initialRootOf(bytes32(uint256(1)));
        assertEq(registry.model(bytes32(uint256(1))).programId, bytes32(0), "all zero");
    }
}

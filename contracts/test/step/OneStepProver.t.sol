// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import "../../src/generated/Opcodes.sol";
import {IOneStepProver, StepContext} from "../../src/machine/IOneStepProver.sol";
import {OneStepProver} from "../../src/machine/OneStepProver.sol";
import {TestBase} from "../base/TestBase.sol";

/// @notice A family that says which one it is.
contract NamedFamily is IOneStepProver {
    uint256 private immutable name;

    constructor(uint256 name_) {
        name = name_;
    }

    /// @inheritdoc IOneStepProver
    function step(StepContext calldata, uint64 index, bytes calldata witness) external view returns (bytes32, bytes32) {
        return (bytes32(name), keccak256(abi.encode(index, witness)));
    }
}

contract OneStepProverTest is TestBase {
    /// @dev The place in the constructor's array of the contract for each family.
    uint8[11] private places = [0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9];
    OneStepProver private prover;

    function setUp() public {
        IOneStepProver[10] memory families;
        for (uint256 i = 0; i < 10; ++i) {
            families[i] = new NamedFamily(i);
        }
        prover = new OneStepProver(families);
    }

    /// @dev A Running state whose next instruction, the third of its leaf, has the opcode `op`.
    function _witness(uint256 op) private pure returns (bytes memory witness) {
        witness = new bytes(145 + 128);
        (witness[0], witness[8]) = (bytes1(uint8(1)), bytes1(uint8(8 + 2)));
        witness[145 + 32] = bytes1(uint8(op));
        witness[145 + 33] = bytes1(uint8(op >> 8));
    }

    function _expectPlace(uint256 op, uint256 place) private view {
        StepContext memory ctx;
        bytes memory witness = _witness(op);
        (bytes32 name, bytes32 call) = prover.step(ctx, 77, witness);
        assertEq(uint256(name), place, "family");
        assertEq(call, keccak256(abi.encode(uint64(77), witness)), "the call goes on as it came");
    }

    function test_step_goesToTheOpcodesFamily_succeeds() public view {
        for (uint256 family = 0; family < 11; ++family) {
            for (uint256 low = 0; low < 256; low += 51) {
                _expectPlace(family << 8 | low, places[family]);
                _expectPlace(family << 8 | low | IMM_FORM, places[family]);
            }
        }
    }

    function test_step_ofAnUnknownFamily_goesToControl_succeeds() public view {
        for (uint256 family = FAMILY_TABLE + 1; family < 128; ++family) {
            _expectPlace(family << 8 | 3, 0);
            _expectPlace(family << 8 | 3 | IMM_FORM, 0);
        }
    }
}

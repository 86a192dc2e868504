// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {
    FAMILY_CONTROL,
    FAMILY_F32,
    FAMILY_F32X4,
    FAMILY_F64,
    FAMILY_F64X2,
    FAMILY_I32,
    FAMILY_I64,
    FAMILY_LANES,
    FAMILY_MEMORY,
    FAMILY_TABLE,
    FAMILY_V128
} from "../generated/Opcodes.sol";
import {HEADER_BYTES, LEAF_INSTRUCTIONS} from "../generated/Params.sol";
import {Header, RUNNING, YIELDED, decodeHeader} from "./Header.sol";
import {IOneStepProver, StepContext} from "./IOneStepProver.sol";
import {BadWitnessLength} from "./Step.sol";

/// @title One step of the machine, by the family of its opcode
/// @notice INVARIANT: total. Every state has an after state for every index; a revert says that the witness is bad.
/// @dev Mirrors vm/machine/src/step.rs. The opcode is read here before anything proves it: the family opens the same
/// bytes of the same calldata against the code root.
contract OneStepProver is IOneStepProver {
    /// @notice Family 0, and opcodes of no family.
    IOneStepProver public immutable control;
    /// @notice Family 1.
    IOneStepProver public immutable memory_;
    /// @notice Families 2 and 3.
    IOneStepProver public immutable integer;
    /// @notice Family 4.
    IOneStepProver public immutable float32;
    /// @notice Family 5.
    IOneStepProver public immutable float64;
    /// @notice Family 6.
    IOneStepProver public immutable vector;
    /// @notice Family 7.
    IOneStepProver public immutable lanes;
    /// @notice Family 8.
    IOneStepProver public immutable vectorF32;
    /// @notice Family 9.
    IOneStepProver public immutable vectorF64;
    /// @notice Family 10.
    IOneStepProver public immutable table;

    /// @param families in the order above
    constructor(IOneStepProver[10] memory families) {
        control = families[0];
        memory_ = families[1];
        integer = families[2];
        float32 = families[3];
        float64 = families[4];
        vector = families[5];
        lanes = families[6];
        vectorF32 = families[7];
        vectorF64 = families[8];
        table = families[9];
    }

    /// @inheritdoc IOneStepProver
    function step(StepContext calldata ctx, uint64 index, bytes calldata witness)
        external
        view
        returns (bytes32 beforeRoot, bytes32 afterRoot)
    {
        if (witness.length < HEADER_BYTES) revert BadWitnessLength();
        uint256 start;
        assembly ("memory-safe") {
            start := witness.offset
        }
        Header memory header = decodeHeader(start);
        if (header.status == RUNNING) _forward(_family(start, header.pc));
        if (witness.length != HEADER_BYTES) revert BadWitnessLength();
        beforeRoot = header.root();
        if (header.status != YIELDED || index & ((1 << ctx.b) - 1) != 0) return (beforeRoot, beforeRoot);
        header.status = RUNNING;
        return (beforeRoot, header.root());
    }

    /// @dev The family of the instruction at `pc_`. Past the code's end or the witness's, any family answers the same.
    function _family(uint256 start, uint256 pc_) private view returns (IOneStepProver) {
        uint256 high;
        unchecked {
            start += HEADER_BYTES + pc_ % LEAF_INSTRUCTIONS * 16;
        }
        // Byte 1 of the instruction, in the first leaf after the header: the family, below the bit of the imm form.
        assembly ("memory-safe") {
            high := byte(1, calldataload(start))
        }
        high &= 0x7f;
        // What programs execute most comes first.
        if (high == FAMILY_I32 || high == FAMILY_I64) return integer;
        if (high == FAMILY_F32) return float32;
        if (high == FAMILY_MEMORY) return memory_;
        if (high == FAMILY_CONTROL || high > FAMILY_TABLE) return control;
        if (high == FAMILY_F64) return float64;
        if (high == FAMILY_V128) return vector;
        if (high == FAMILY_LANES) return lanes;
        if (high == FAMILY_F32X4) return vectorF32;
        if (high == FAMILY_F64X2) return vectorF64;
        return table;
    }

    /// @dev Answers this call with the family's answer to the same calldata.
    function _forward(IOneStepProver family) private view {
        // Encoding the arguments again would copy the witness twice.
        assembly ("memory-safe") {
            let at := mload(0x40)
            calldatacopy(at, 0, calldatasize())
            let ok := staticcall(gas(), family, at, calldatasize(), 0, 0)
            returndatacopy(at, 0, returndatasize())
            if ok { return(at, returndatasize()) }
            revert(at, returndatasize())
        }
    }
}

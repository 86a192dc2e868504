// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IOneStepProver, StepContext} from "../../src/machine/IOneStepProver.sol";

/// @notice A machine of 2^n steps whose state at an index is a hash of the index: any stretch of its trace is known
///         without running it. Tests only.
contract ToyProver is IOneStepProver {
    bytes32 public immutable initialRoot;
    /// @dev Where the trace really ends: Halted(0) for a true claim.
    bytes32 public immutable lastRoot;
    uint256 public immutable length;

    error BadWitness();

    constructor(uint256 length_, bytes32 initialRoot_, bytes32 lastRoot_) {
        (length, initialRoot, lastRoot) = (length_, initialRoot_, lastRoot_);
    }

    /// @notice The true state root at `index`.
    function truth(uint256 index) public view returns (bytes32) {
        if (index == 0) return initialRoot;
        return index == length ? lastRoot : keccak256(abi.encode("true state", index));
    }

    /// @inheritdoc IOneStepProver
    /// @dev The witness begins with the state's root; what follows is there to be paid for.
    function step(StepContext calldata ctx, uint64 index, bytes calldata witness)
        external
        view
        returns (bytes32 beforeRoot, bytes32 afterRoot)
    {
        if (witness.length < 32 || ctx.romRoots[2] == 0) revert BadWitness();
        beforeRoot = bytes32(witness);
        bool known = beforeRoot == truth(index);
        afterRoot = known ? truth(uint256(index) + 1) : keccak256(abi.encode("after", index, beforeRoot));
    }
}

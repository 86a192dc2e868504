// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IOneStepProver, StepContext} from "../../src/machine/IOneStepProver.sol";

/// @notice As `ToyProver`, a machine of 2^n steps whose states are hashes; but its trace is its request's and its output's,
///         and ends well for one output alone: true and false claims stand beside each other. Tests only.
contract OutputProver is IOneStepProver {
    bytes32 public immutable initialRoot;
    bytes32 public immutable haltedRoot;
    uint256 public immutable length;
    /// @dev ROM root of the output that is true.
    bytes32 public trueOutput;

    error BadWitness();

    constructor(uint256 length_, bytes32 initialRoot_, bytes32 haltedRoot_) {
        (length, initialRoot, haltedRoot) = (length_, initialRoot_, haltedRoot_);
    }

    function setTrueOutput(bytes32 root) external {
        trueOutput = root;
    }

    /// @notice The true state root at `index` of the trace of these ROMs.
    function truth(bytes32 request, bytes32 output, uint256 index) public view returns (bytes32) {
        if (index == 0) return initialRoot;
        if (index == length && output == trueOutput) return haltedRoot;
        return keccak256(abi.encode("true state", request, output, index));
    }

    /// @inheritdoc IOneStepProver
    /// @dev The witness begins with the state's root.
    function step(StepContext calldata ctx, uint64 index, bytes calldata witness)
        external
        view
        returns (bytes32 beforeRoot, bytes32 afterRoot)
    {
        if (witness.length < 32) revert BadWitness();
        beforeRoot = bytes32(witness);
        bool known = beforeRoot == truth(ctx.romRoots[0], ctx.romRoots[1], index);
        afterRoot = known
            ? truth(ctx.romRoots[0], ctx.romRoots[1], uint256(index) + 1)
            : keccak256(abi.encode("after", index, beforeRoot));
    }
}

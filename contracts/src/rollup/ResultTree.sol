// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {TAG_NODE, TAG_RESULT} from "../generated/Params.sol";

/// @title The Merkle tree over a segment's results
/// @notice `leaf = H(0x05, requestId, outputHash)`, `node = H(0x01, left, right)`; missing leaves up to the next power of
///         two are zero, which no leaf is.
library ResultTree {
    /// @notice Leaf of one result.
    /// @dev Why assembly: as `_node`.
    function leaf(bytes32 requestId, bytes32 outputHash) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            let spare := mload(0x40)
            mstore8(spare, TAG_RESULT)
            mstore(add(spare, 1), requestId)
            mstore(add(spare, 33), outputHash)
            result := keccak256(spare, 65)
        }
    }

    /// @notice Root over `leaves`, which it overwrites; at least one.
    function root(bytes32[] memory leaves) internal pure returns (bytes32) {
        uint256 count = leaves.length;
        bytes32 missing = 0;
        while (count > 1) {
            uint256 pairs = count / 2;
            _hashPairs(leaves, pairs);
            if (count & 1 == 1) {
                leaves[pairs] = _node(leaves[count - 1], missing);
                ++pairs;
            }
            missing = _node(missing, missing);
            count = pairs;
        }
        return leaves[0];
    }

    /// @notice Levels of a tree of `count` leaves.
    function depth(uint256 count) internal pure returns (uint256 levels) {
        while (uint256(1) << levels < count) ++levels;
    }

    /// @notice Folds a leaf at `index` with its siblings, bottom up.
    function fold(bytes32 node, uint256 index, bytes32[] calldata siblings) internal pure returns (bytes32) {
        for (uint256 level = 0; level < siblings.length; ++level) {
            bytes32 sibling = siblings[level];
            node = (index >> level) & 1 == 0 ? _node(node, sibling) : _node(sibling, node);
        }
        return node;
    }

    /// @dev Writes the nodes over the first `pairs` pairs of `nodes` into its first words.
    function _hashPairs(bytes32[] memory nodes, uint256 pairs) private pure {
        // Why assembly: a node a result; in place it costs about 100 gas instead of 350.
        assembly ("memory-safe") {
            let spare := mload(0x40)
            mstore8(spare, TAG_NODE)
            let from := add(nodes, 32)
            let to := from
            for { let end := add(to, shl(5, pairs)) } lt(to, end) { to := add(to, 32) } {
                mcopy(add(spare, 1), from, 64)
                mstore(to, keccak256(spare, 65))
                from := add(from, 64)
            }
        }
    }

    /// @dev Why assembly: 65 bytes do not fit the scratch space as Solidity hashes them; beyond the free pointer they cost a
    ///      third.
    function _node(bytes32 left, bytes32 right) private pure returns (bytes32 result) {
        assembly ("memory-safe") {
            let spare := mload(0x40)
            mstore8(spare, TAG_NODE)
            mstore(add(spare, 1), left)
            mstore(add(spare, 33), right)
            result := keccak256(spare, 65)
        }
    }
}

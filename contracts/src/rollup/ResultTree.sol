// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {TAG_NODE, TAG_RESULT} from "../generated/Params.sol";

/// @title The Merkle tree over a segment's results
/// @notice `leaf = H(0x05, requestId, outputHash)`, `node = H(0x01, left, right)`; missing leaves up to the next power of
///         two are zero, which no leaf is.
library ResultTree {
    /// @notice Leaf of one result.
    function leaf(bytes32 requestId, bytes32 outputHash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(TAG_RESULT, requestId, outputHash));
    }

    /// @notice Root over `leaves`, which it overwrites; at least one.
    function root(bytes32[] memory leaves) internal pure returns (bytes32) {
        uint256 count = leaves.length;
        bytes32 missing = 0;
        while (count > 1) {
            uint256 pairs = (count + 1) / 2;
            for (uint256 i = 0; i < pairs; ++i) {
                bytes32 right = 2 * i + 1 < count ? leaves[2 * i + 1] : missing;
                leaves[i] = _node(leaves[2 * i], right);
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

    function _node(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(TAG_NODE, left, right));
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {TAG_NODE} from "../generated/Params.sol";
import {IDisputeGame} from "../interfaces/IDisputeGame.sol";

/// @title Posted roots and their Merkle tree (docs/encoding.md, section 8)
/// @notice A dissection's posted roots, a power of two of them, are the leaves themselves; `node = H(0x01, left, right)`.
library Dissection {
    /// @notice Merkle root over `roots`.
    function rootOf(bytes32[] calldata roots) internal pure returns (bytes32 result) {
        uint256 count = roots.length;
        // Why assembly: 31 hashes a move; in place each costs about 100 gas instead of 300. A node's tag goes into the
        // byte before its left child, which belongs to a node that is already hashed, or to the spare word in front.
        assembly ("memory-safe") {
            let base := add(mload(0x40), 32)
            calldatacopy(base, roots.offset, shl(5, count))
            // `to` runs over the nodes of a level, `from` over their left children; the last level is 32 bytes long.
            for { let end := add(base, shl(4, count)) } gt(end, add(base, 31)) {
                end := add(base, shr(1, sub(end, base)))
            } {
                let from := base
                for { let to := base } lt(to, end) { to := add(to, 32) } {
                    mstore8(sub(from, 1), TAG_NODE)
                    mstore(to, keccak256(sub(from, 1), 65))
                    from := add(from, 64)
                }
            }
            result := mload(base)
        }
    }

    /// @notice Root of the tree of `2^depth` roots in which piece `segment` ends in `right` and, unless it is piece 0,
    ///         starts in `left`. The proof's length is exact.
    function fold(uint256 segment, uint256 depth, bytes32 left, bytes32 right, bytes32[] calldata proof)
        internal
        pure
        returns (bytes32)
    {
        uint256 used = 0;
        if (segment == 0) left = right;
        uint256 a = segment == 0 ? 0 : segment - 1;
        uint256 b = segment;
        for (uint256 level = 0; level < depth; ++level) {
            if (a == b) {
                right = _parent(b, right, _next(proof, used++));
                left = right;
            } else if (a & 1 == 0) {
                right = _node(left, right);
                left = right;
            } else {
                left = _parent(a, left, _next(proof, used++));
                right = _parent(b, right, _next(proof, used++));
            }
            (a, b) = (a >> 1, b >> 1);
        }
        if (used != proof.length) revert IDisputeGame.WrongProofLength();
        return right;
    }

    function _next(bytes32[] calldata proof, uint256 at_) private pure returns (bytes32) {
        if (at_ >= proof.length) revert IDisputeGame.WrongProofLength();
        return proof[at_];
    }

    function _parent(uint256 index, bytes32 node, bytes32 sibling) private pure returns (bytes32) {
        return index & 1 == 0 ? _node(node, sibling) : _node(sibling, node);
    }

    /// @dev Why assembly: 65 bytes do not fit the scratch space as Solidity hashes them; beyond the free pointer they cost a
    ///      third. A move hashes five to nine of them.
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

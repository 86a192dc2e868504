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
        // Why assembly: 31 hashes a move. Each level overwrites the one below it: node i lands at or before its children.
        // Two nodes a turn, since a turn costs as much as a node's copy; the top is alone.
        assembly ("memory-safe") {
            let spare := mload(0x40)
            let pair := add(spare, 1)
            let base := add(spare, 96)
            mstore8(spare, TAG_NODE)
            calldatacopy(base, roots.offset, shl(5, count))
            for { let size := shl(4, count) } gt(size, 32) { size := shr(1, size) } {
                let from := base
                for { let to := base } lt(to, add(base, size)) { to := add(to, 64) } {
                    mcopy(pair, from, 64)
                    mstore(to, keccak256(spare, 65))
                    mcopy(pair, add(from, 64), 64)
                    mstore(add(to, 32), keccak256(spare, 65))
                    from := add(from, 128)
                }
            }
            if gt(count, 1) {
                mcopy(pair, base, 64)
                mstore(base, keccak256(spare, 65))
            }
            result := mload(base)
        }
    }

    /// @notice `H(history ‖ segment as u32 BE ‖ roots)`: the history once `roots` answer it.
    function next(bytes32 history, uint256 segment, bytes32[] calldata roots) internal pure returns (bytes32 result) {
        // Why assembly: packing an array word by word costs ten times its hash.
        assembly ("memory-safe") {
            let spare := mload(0x40)
            let size := shl(5, roots.length)
            mstore(spare, history)
            mstore(add(spare, 32), shl(224, segment))
            calldatacopy(add(spare, 36), roots.offset, size)
            result := keccak256(spare, add(36, size))
        }
    }

    /// @notice Root of the tree of `2^depth` roots in which piece `segment` ends in `right` and, unless it is piece 0,
    ///         starts in `left`. The proof's length is exact.
    function fold(uint256 segment, uint256 depth, bytes32 left, bytes32 right, bytes32[] calldata proof)
        internal
        pure
        returns (bytes32)
    {
        uint256 a = segment == 0 ? 0 : segment - 1;
        uint256 b = segment;
        if (segment == 0) left = right;
        uint256 used = 0;
        // Why assembly: up to nine hashes a move, at half the gas. `a` and `b` are the two ends' places on a level, equal or
        // neighbours. A proof that is too short is read beyond its end, and then its length is wrong.
        assembly ("memory-safe") {
            let spare := mload(0x40)
            let one := add(spare, 1)
            let two := add(spare, 33)
            let next_ := proof.offset
            mstore8(spare, TAG_NODE)
            for {} depth { depth := sub(depth, 1) } {
                switch eq(a, b)
                case 1 {
                    let odd := shl(5, and(b, 1))
                    mstore(add(one, odd), right)
                    mstore(sub(two, odd), calldataload(next_))
                    right := keccak256(spare, 65)
                    next_ := add(next_, 32)
                }
                default {
                    switch and(a, 1)
                    case 0 {
                        mstore(one, left)
                        mstore(two, right)
                        right := keccak256(spare, 65)
                    }
                    default {
                        mstore(one, calldataload(next_))
                        mstore(two, left)
                        left := keccak256(spare, 65)
                        mstore(one, right)
                        mstore(two, calldataload(add(next_, 32)))
                        right := keccak256(spare, 65)
                        next_ := add(next_, 64)
                    }
                }
                a := shr(1, a)
                b := shr(1, b)
            }
            used := shr(5, sub(next_, proof.offset))
        }
        if (used != proof.length) revert IDisputeGame.WrongProofLength();
        return right;
    }
}

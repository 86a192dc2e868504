// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {LEAF_BYTES, ROM_DEPTH, TAG_LEAF, TAG_NODE} from "../generated/Params.sol";

/// @title Roots of read-only inputs (docs/encoding.md, section 1)
/// @notice A ROM is `length u64 LE ‖ data ‖ zeros` in a tree of 2^33 leaves of 128 bytes.
library RomTree {
    /// @notice Hash of an inner node.
    function nodeHash(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(TAG_NODE, left, right));
    }

    /// @notice Root of an all-zero tree of `2^depth` leaves.
    function zeroRoot(uint256 depth) internal pure returns (bytes32 node) {
        node = keccak256(abi.encodePacked(TAG_LEAF, new bytes(LEAF_BYTES)));
        for (uint256 level = 0; level < depth; ++level) {
            node = nodeHash(node, node);
        }
    }

    /// @notice Root of the ROM that holds `head ‖ tail`. `head` may be empty.
    function root(bytes memory head, bytes calldata tail) internal pure returns (bytes32 result) {
        uint256 headLength = head.length;
        uint256 count = (8 + headLength + tail.length + 127) / 128;
        bytes8 prefix = _littleEndian(uint64(headLength + tail.length));
        // One spare word in front: a hash's tag byte is written into the byte before its input.
        bytes memory rom = new bytes(32 + 128 * count);
        // Why assembly: an 8-byte prefix shifts everything off word borders, and hashing in place saves a copy a node.
        assembly ("memory-safe") {
            let base := add(rom, 64)
            mstore(base, prefix)
            mcopy(add(base, 8), add(head, 32), headLength)
            calldatacopy(add(add(base, 8), headLength), tail.offset, tail.length)

            // Leaves, first to last: tag 0 in the byte before, which is already hashed or spare. Hash i lands at word i,
            // which is at or before leaf i.
            let zero := 0
            for { let i := 0 } lt(i, count) { i := add(i, 1) } {
                let leaf := add(base, shl(7, i))
                mstore8(sub(leaf, 1), TAG_LEAF)
                mstore(add(base, shl(5, i)), keccak256(sub(leaf, 1), 129))
            }

            // The zero leaf's hash, over 129 zero bytes beyond the free memory pointer.
            let spare := mload(0x40)
            calldatacopy(spare, calldatasize(), 129)
            mstore8(spare, TAG_LEAF)
            zero := keccak256(spare, 129)

            for { let level := 0 } lt(level, ROM_DEPTH) { level := add(level, 1) } {
                if and(count, 1) {
                    mstore(add(base, shl(5, count)), zero)
                    count := add(count, 1)
                }
                count := shr(1, count)
                for { let i := 0 } lt(i, count) { i := add(i, 1) } {
                    let pair := add(base, shl(6, i))
                    mstore8(sub(pair, 1), TAG_NODE)
                    mstore(add(base, shl(5, i)), keccak256(sub(pair, 1), 65))
                }
                mstore8(spare, TAG_NODE)
                mstore(add(spare, 1), zero)
                mstore(add(spare, 33), zero)
                zero := keccak256(spare, 65)
            }
            result := mload(base)
        }
    }

    function _littleEndian(uint64 value) private pure returns (bytes8) {
        uint64 swapped = 0;
        for (uint256 i = 0; i < 8; ++i) {
            swapped = swapped << 8 | (value >> uint64(8 * i) & 0xff);
        }
        return bytes8(swapped);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

// Hashes of the trees of 128-byte leaves (docs/encoding.md, section 1), over calldata.
// Mirrors proto/types/src/hash.rs.

/// @dev `keccak(0x00 ‖ leaf)` of the 128 bytes of calldata at `leaf`.
function leafHash(uint256 leaf) pure returns (bytes32 hash) {
    // Solidity has no keccak of calldata behind a tag without copying twice. Memory past the free pointer is scratch.
    assembly ("memory-safe") {
        let at := mload(0x40)
        mstore8(at, 0)
        calldatacopy(add(at, 1), leaf, 128)
        hash := keccak256(at, 129)
    }
}

/// @dev Folds `hash` at `index` with the `depth` siblings in calldata at `siblings`, bottom up, to a root.
function fold(bytes32 hash, uint256 index, uint256 siblings, uint256 depth) pure returns (bytes32 root) {
    // Up to 160 hashes a step come through this loop; abi.encodePacked would double the price of each.
    assembly ("memory-safe") {
        // The node `0x01 ‖ left ‖ right` lies at 0x1f..0x60; the free pointer's slot is lent and given back.
        let free := mload(0x40)
        mstore(0x00, 0x01)
        root := hash
        for { let end := add(siblings, shl(5, depth)) } lt(siblings, end) { siblings := add(siblings, 32) } {
            let right := shl(5, and(index, 1))
            mstore(add(0x20, right), root)
            mstore(sub(0x40, right), calldataload(siblings))
            root := keccak256(0x1f, 0x41)
            index := shr(1, index)
        }
        mstore(0x40, free)
    }
}

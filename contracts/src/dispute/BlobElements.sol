// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Field elements of blobs, opened by the point-evaluation precompile (EIP-4844)
library BlobElements {
    /// @notice Order of the BLS12-381 scalar field: elements are below it.
    uint256 internal constant MODULUS = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001;
    /// @notice Elements of a blob, 2^12.
    uint256 internal constant PER_BLOB_LOG2 = 12;
    /// @notice Bytes of a commitment and of a proof.
    uint256 internal constant POINT = 48;
    /// @notice Blob gas of one blob.
    uint256 internal constant BLOB_GAS = 131_072;
    /// @dev `7^((MODULUS - 1) / 4096)`: a blob's polynomial has element i at this root to the power of i's bits reversed.
    uint256 private constant ROOT_OF_UNITY = 0x564c0a11a0f704f4fc3e8acfe0f8245f0ad1347b378fbf96e206da11a5d36306;
    address private constant POINT_EVALUATION = address(10);

    /// @notice The element, the commitment or the proof is not that of the blob.
    error BadOpening(bytes32 versionedHash, uint256 index);

    /// @notice Reverts unless element `index` (below 4096) of the blob is `value`. `commitment` and `proof` are points, each
    ///         48 bytes, compressed.
    function check(bytes32 versionedHash, uint256 index, bytes32 value, bytes calldata commitment, bytes calldata proof)
        internal
        view
    {
        bytes memory input = abi.encodePacked(versionedHash, point(index), value, commitment, proof);
        (bool ok, bytes memory output) = POINT_EVALUATION.staticcall(input);
        // INVARIANT: a chain without the precompile, where a call to it "succeeds" and returns nothing, opens nothing.
        if (!ok || output.length != 64) revert BadOpening(versionedHash, index);
        (uint256 elements, uint256 modulus) = abi.decode(output, (uint256, uint256));
        if (elements != 1 << PER_BLOB_LOG2 || modulus != MODULUS) revert BadOpening(versionedHash, index);
    }

    /// @notice Where a blob's polynomial takes the value of element `index`.
    function point(uint256 index) internal pure returns (uint256 z) {
        z = 1;
        uint256 power = ROOT_OF_UNITY;
        for (uint256 bit = PER_BLOB_LOG2; bit > 0; --bit) {
            if (index >> (bit - 1) & 1 == 1) z = mulmod(z, power, MODULUS);
            power = mulmod(power, power, MODULUS);
        }
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {RequestLaws} from "./RequestLaws.sol";

/// @title References to outputs whose bytes are in blobs
/// @notice What stands in a leaf, with the blob's versioned hash, for such an output:
///
/// | bytes | field |
/// |---|---|
/// | 0-1 | first element, big-endian |
/// | 2-3 | bytes in the blob, big-endian |
/// | 4-8 | head: the output's first five bytes, its kind and count |
///
/// The output is the head and then the bytes in the blob, 31 an element: those of its low 248 bits, big-endian.
// INVARIANT: whatever the elements are, that is an output, the only one. What the highest byte of an element is, or what
//            stands behind the output's end, changes nothing: no claim can be posted that can't be opened.
library BlobRefs {
    /// @notice Bytes of a reference.
    uint256 internal constant SIZE = 9;
    /// @notice Bytes of an output that stand in the reference itself, so that work is counted and paid as in calldata.
    uint256 internal constant HEAD = RequestLaws.MIN_OUTPUT;
    /// @notice Bytes of an output in an element.
    uint256 internal constant PER_ELEMENT = 31;
    /// @notice Most bytes of an output in a blob: what one transaction can open.
    uint256 internal constant MOST = 4096;
    uint256 private constant ELEMENTS = 4096;
    /// @dev Where the head begins.
    uint256 private constant HEAD_AT = SIZE - HEAD;

    /// @notice What a leaf holds of an output in blob `versionedHash`; `ref` has any length.
    // INVARIANT: no output in calldata has this hash, nor has one in a blob a hash of that kind: every bit of the digest is
    //            turned, so it would take two inputs with digests that are each other's complements, as hard to find as
    //            equal ones. Else the reference itself could be opened as if it were the output.
    function hash(bytes32 versionedHash, bytes memory ref) internal pure returns (bytes32) {
        return ~keccak256(abi.encodePacked(versionedHash, ref));
    }

    /// @notice Whether `ref` is one, within a blob.
    function valid(bytes calldata ref) internal pure returns (bool) {
        if (ref.length != SIZE) return false;
        uint256 bytes_ = inBlob(ref);
        return bytes_ != 0 && bytes_ <= MOST && _first(ref) + elements(bytes_) <= ELEMENTS;
    }

    /// @notice Bytes of the output that are in the blob.
    function inBlob(bytes calldata ref) internal pure returns (uint256) {
        return uint16(bytes2(ref[2:4]));
    }

    /// @notice The output's head.
    function head(bytes calldata ref) internal pure returns (bytes calldata) {
        return ref[HEAD_AT:];
    }

    /// @notice Elements that hold so many bytes.
    function elements(uint256 bytes_) internal pure returns (uint256) {
        return (bytes_ + PER_ELEMENT - 1) / PER_ELEMENT;
    }

    function _first(bytes calldata ref) private pure returns (uint256) {
        return uint16(bytes2(ref[:2]));
    }
}

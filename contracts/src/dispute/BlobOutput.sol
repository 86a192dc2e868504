// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {BlobOpening} from "../interfaces/Types.sol";
import {BlobRefs} from "../rollup/BlobRefs.sol";
import {BlobElements} from "./BlobElements.sol";

/// @title Outputs in blobs, opened
library BlobOutput {
    /// @notice No output in a blob is so long, or so short.
    error NoBlobOutput(uint256 length);
    /// @notice The rest or the openings are not as many bytes as the output's elements need.
    error WrongOpeningLength(uint256 rest, uint256 openings);

    /// @notice Reverts unless the bytes of `output` behind its head are those of the blob.
    /// @return outputHash what a claim's leaf holds of this very output, in these very elements
    // INVARIANT: the elements of a claimed output are within its blob, so their indices are below 4096.
    function check(bytes calldata output, BlobOpening calldata opening) internal view returns (bytes32 outputHash) {
        bool fits = output.length > BlobRefs.HEAD && output.length <= BlobRefs.HEAD + BlobRefs.MOST;
        if (!fits) revert NoBlobOutput(output.length);
        bytes calldata inBlob = output[BlobRefs.HEAD:];
        uint256 count = BlobRefs.elements(inBlob.length);
        bool whole = opening.rest.length + inBlob.length == 32 * count
            && opening.openings.length == BlobElements.POINT * (1 + count);
        if (!whole) revert WrongOpeningLength(opening.rest.length, opening.openings.length);
        for (uint256 i = 0; i < count; ++i) {
            _checkElement(inBlob, opening, i, count);
        }
        bytes memory ref = abi.encodePacked(opening.first, uint16(inBlob.length), output[:BlobRefs.HEAD]);
        return BlobRefs.hash(opening.versionedHash, ref);
    }

    function _checkElement(bytes calldata inBlob, BlobOpening calldata opening, uint256 i, uint256 count) private view {
        bytes calldata low = inBlob[BlobRefs.PER_ELEMENT * i:];
        bytes31 held = i + 1 == count ? bytes31(abi.encodePacked(low, opening.rest[count:])) : bytes31(low);
        bytes32 value = bytes32(opening.rest[i]) | bytes32(held) >> 8;
        bytes calldata proof = opening.openings[BlobElements.POINT * (i + 1):BlobElements.POINT * (i + 2)];
        bytes calldata commitment = opening.openings[:BlobElements.POINT];
        BlobElements.check(opening.versionedHash, opening.first + i, value, commitment, proof);
    }
}

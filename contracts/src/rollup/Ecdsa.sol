// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title ECDSA signatures of 65 bytes `r, s, v`
library Ecdsa {
    /// @dev Half the curve's order: larger `s` are refused, so a signature can't be altered into a second one.
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// @notice Whether `signature` over `digest` is `signer`'s. Never reverts.
    function isBy(bytes calldata signature, bytes32 digest, address signer) internal pure returns (bool) {
        if (signature.length != 65 || signer == address(0)) return false;
        bytes32 r = bytes32(signature[:32]);
        bytes32 s = bytes32(signature[32:64]);
        if (uint256(s) > HALF_ORDER) return false;
        return ecrecover(digest, uint8(signature[64]), r, s) == signer;
    }

    /// @notice Whose `signature` over `digest` is; zero if nobody's. Never reverts.
    function signerOf(bytes calldata signature, bytes32 digest) internal pure returns (address) {
        if (signature.length != 65 || uint256(bytes32(signature[32:64])) > HALF_ORDER) return address(0);
        return ecrecover(digest, uint8(signature[64]), bytes32(signature[:32]), bytes32(signature[32:64]));
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice What a player computes off chain, written another way than the contract. Tests only.
library Player {
    /// @notice Root of `roots[from..to)`, halves first.
    function merkle(bytes32[] memory roots, uint256 from, uint256 to) internal pure returns (bytes32) {
        if (to - from == 1) return roots[from];
        uint256 mid = (from + to) / 2;
        return keccak256(abi.encodePacked(uint8(1), merkle(roots, from, mid), merkle(roots, mid, to)));
    }

    /// @notice Siblings that show piece `segment`'s two ends: at each level, those nodes beside the two paths that are not
    ///         on them.
    function pieceProof(bytes32[] memory roots, uint256 segment) internal pure returns (bytes32[] memory proof) {
        bytes32[] memory full = new bytes32[](64);
        uint256 n = 0;
        uint256 first = segment == 0 ? 0 : segment - 1;
        for (uint256 level = 0; uint256(1) << level < roots.length; ++level) {
            uint256 a = first >> level;
            uint256 b = segment >> level;
            if (a ^ 1 != b) full[n++] = _node(roots, a ^ 1, level);
            if (b != a && b ^ 1 != a) full[n++] = _node(roots, b ^ 1, level);
        }
        proof = new bytes32[](n);
        for (uint256 i = 0; i < n; ++i) {
            proof[i] = full[i];
        }
    }

    function _node(bytes32[] memory roots, uint256 index, uint256 level) private pure returns (bytes32) {
        return merkle(roots, index << level, (index + 1) << level);
    }
}

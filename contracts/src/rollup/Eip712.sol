// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title EIP-712 domain `Assay`, version `1`
abstract contract Eip712 {
    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");

    uint256 private immutable _chainId;
    bytes32 private immutable _separator;

    constructor() {
        _chainId = block.chainid;
        _separator = _compute();
    }

    /// @notice The domain separator; follows the chain id through a fork.
    function domainSeparator() public view virtual returns (bytes32) {
        return block.chainid == _chainId ? _separator : _compute();
    }

    function _digest(bytes32 structHash) internal view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domainSeparator(), structHash));
    }

    function _compute() private view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPEHASH, keccak256("Assay"), keccak256("1"), block.chainid, address(this)));
    }
}

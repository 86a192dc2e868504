// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Encodes payloads and reads outputs (docs/encoding.md, section 7)
library RequestLib {
    /// @notice More than the encoding can hold, or nothing where it needs something.
    error BadPayloadPart();
    /// @notice Not an output.
    error BadOutput();

    /// @notice One piece of a prompt; only template text may form control tokens.
    struct Part {
        bool template;
        bytes text;
    }

    /// @notice A greedy request for `maxTokens` of answer to one user text, without stop strings.
    function greedy(string memory prompt, uint32 maxTokens) internal pure returns (bytes memory) {
        Part[] memory parts = new Part[](1);
        parts[0] = Part(false, bytes(prompt));
        return greedy(parts, new string[](0), maxTokens);
    }

    /// @notice A greedy request with stop strings and 1 to 64 parts.
    function greedy(Part[] memory parts, string[] memory stops, uint32 maxTokens)
        internal
        pure
        returns (bytes memory payload)
    {
        if (parts.length == 0 || parts.length > 64 || stops.length > 8) revert BadPayloadPart();
        // Version 1, sampling 0, max tokens, temperature 0.
        payload = abi.encodePacked(uint8(1), uint8(0), _le32(maxTokens), uint32(0), uint8(stops.length));
        for (uint256 i = 0; i < stops.length; ++i) {
            uint256 n = bytes(stops[i]).length;
            if (n == 0 || n > 256) revert BadPayloadPart();
            payload = bytes.concat(payload, _le16(uint16(n)), bytes(stops[i]));
        }
        payload = bytes.concat(payload, _le16(uint16(parts.length)));
        for (uint256 i = 0; i < parts.length; ++i) {
            bytes1 partKind = parts[i].template ? bytes1(0x01) : bytes1(0x00);
            payload = bytes.concat(payload, partKind, _le32(uint32(parts[i].text.length)), parts[i].text);
        }
    }

    /// @notice Kind of an output: 0 is an answer, anything else an error code.
    function kind(bytes calldata output) internal pure returns (uint8) {
        if (output.length < 5) revert BadOutput();
        return uint8(output[0]);
    }

    /// @notice Text of an answer.
    function text(bytes calldata output) internal pure returns (string memory) {
        if (kind(output) != 0) revert BadOutput();
        uint256 tokens = 0;
        for (uint256 i = 0; i < 4; ++i) {
            tokens |= uint256(uint8(output[1 + i])) << 8 * i;
        }
        if (output.length < 5 + 4 * tokens) revert BadOutput();
        return string(output[5 + 4 * tokens:]);
    }

    function _le32(uint32 v) private pure returns (bytes4) {
        return bytes4(v << 24 | (v & 0xff00) << 8 | (v >> 8) & 0xff00 | v >> 24);
    }

    function _le16(uint16 v) private pure returns (bytes2) {
        return bytes2(v << 8 | v >> 8);
    }
}

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

    /// @notice How tokens are drawn. Temperature and min-p are in thousandths; 0 turns top-k or min-p off.
    struct Drawing {
        uint32 temperature;
        uint16 topK;
        uint16 minP;
    }

    uint8 private constant GREEDY = 0;
    uint8 private constant DRAWN = 1;
    uint8 private constant CHOICE = 2;
    uint256 private constant MAX_PARTS = 64;
    uint256 private constant MAX_STOPS = 8;
    uint256 private constant MAX_CHOICES = 64;
    /// @dev Longest stop string or choice, in bytes.
    uint256 private constant MAX_TEXT = 256;

    /// @notice A greedy request for `maxTokens` of answer to one user text, without stop strings.
    function greedy(string memory prompt, uint32 maxTokens) internal pure returns (bytes memory) {
        return greedy(_user(prompt), new string[](0), maxTokens);
    }

    /// @notice A greedy request with stop strings and 1 to 64 parts.
    function greedy(Part[] memory parts, string[] memory stops, uint32 maxTokens) internal pure returns (bytes memory) {
        return bytes.concat(_head(GREEDY, maxTokens, 0), _stops(stops), _parts(parts));
    }

    /// @notice A request whose tokens are drawn by its seed, for one user text, without stop strings.
    function drawn(string memory prompt, Drawing memory how, uint32 maxTokens) internal pure returns (bytes memory) {
        return drawn(_user(prompt), new string[](0), how, maxTokens);
    }

    /// @notice A request whose tokens are drawn by its seed, with stop strings and 1 to 64 parts.
    function drawn(Part[] memory parts, string[] memory stops, Drawing memory how, uint32 maxTokens)
        internal
        pure
        returns (bytes memory)
    {
        if (how.temperature == 0 || how.temperature > 10_000 || how.topK > 256 || how.minP > 1000) {
            revert BadPayloadPart();
        }
        bytes memory head = _head(DRAWN, maxTokens, how.temperature);
        return bytes.concat(head, _le16(how.topK), _le16(how.minP), _stops(stops), _parts(parts));
    }

    /// @notice A request whose answer is the one of `choices` that fits best after one user text. The tokens of a choice count:
    /// none may have more than `maxTokens`.
    function choice(string memory prompt, string[] memory choices, uint32 maxTokens)
        internal
        pure
        returns (bytes memory)
    {
        return choice(_user(prompt), choices, maxTokens);
    }

    /// @notice A request whose answer is one of 2 to 64 different `choices`, with 1 to 64 parts.
    function choice(Part[] memory parts, string[] memory choices, uint32 maxTokens)
        internal
        pure
        returns (bytes memory payload)
    {
        uint256 n = choices.length;
        if (n < 2 || n > MAX_CHOICES) revert BadPayloadPart();
        payload = bytes.concat(_head(CHOICE, maxTokens, 0), _stops(new string[](0)), _parts(parts), bytes1(uint8(n)));
        bytes32[] memory seen = new bytes32[](n);
        for (uint256 i = 0; i < n; ++i) {
            seen[i] = keccak256(bytes(choices[i]));
            for (uint256 j = 0; j < i; ++j) {
                if (seen[j] == seen[i]) revert BadPayloadPart();
            }
            payload = bytes.concat(payload, _text(choices[i]));
        }
    }

    /// @notice Which of `choices`, those of its request in their order, an answer is.
    function chosen(bytes calldata output, string[] memory choices) internal pure returns (uint256 index) {
        bytes32 answer = keccak256(bytes(text(output)));
        for (; index < choices.length; ++index) {
            if (keccak256(bytes(choices[index])) == answer) return index;
        }
        revert BadOutput();
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

    function _user(string memory prompt) private pure returns (Part[] memory parts) {
        parts = new Part[](1);
        parts[0] = Part(false, bytes(prompt));
    }

    function _head(uint8 sampling, uint32 maxTokens, uint32 temperature) private pure returns (bytes memory) {
        return abi.encodePacked(uint8(1), sampling, _le32(maxTokens), _le32(temperature));
    }

    function _stops(string[] memory stops) private pure returns (bytes memory field) {
        if (stops.length > MAX_STOPS) revert BadPayloadPart();
        field = abi.encodePacked(uint8(stops.length));
        for (uint256 i = 0; i < stops.length; ++i) {
            field = bytes.concat(field, _text(stops[i]));
        }
    }

    function _parts(Part[] memory parts) private pure returns (bytes memory field) {
        if (parts.length == 0 || parts.length > MAX_PARTS) revert BadPayloadPart();
        field = abi.encodePacked(_le16(uint16(parts.length)));
        for (uint256 i = 0; i < parts.length; ++i) {
            bytes1 partKind = parts[i].template ? bytes1(0x01) : bytes1(0x00);
            field = bytes.concat(field, partKind, _le32(uint32(parts[i].text.length)), parts[i].text);
        }
    }

    /// @dev A stop string or a choice.
    function _text(string memory value) private pure returns (bytes memory) {
        uint256 n = bytes(value).length;
        if (n == 0 || n > MAX_TEXT) revert BadPayloadPart();
        return bytes.concat(_le16(uint16(n)), bytes(value));
    }

    function _le32(uint32 v) private pure returns (bytes4) {
        return bytes4(v << 24 | (v & 0xff00) << 8 | (v >> 8) & 0xff00 | v >> 24);
    }

    function _le16(uint16 v) private pure returns (bytes2) {
        return bytes2(v << 8 | v >> 8);
    }
}

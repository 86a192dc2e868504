// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {MAX_REQUEST_OUTPUT_BYTES, MAX_TOKENS} from "../generated/Params.sol";
import {Request} from "../interfaces/Types.sol";

/// @title What follows from a request alone
library RequestLaws {
    /// @dev Where a request's seed comes from: its own block, its signer, a later block.
    uint8 internal constant ORIGIN_CHAIN = 0;
    uint8 internal constant ORIGIN_SIGNED = 1;
    uint8 internal constant ORIGIN_LATER = 2;
    /// @dev An output has a kind and a count at least.
    uint256 internal constant MIN_OUTPUT = 5;
    /// @dev The one payload version.
    uint8 internal constant PAYLOAD_VERSION = 1;
    /// @dev Version, sampling, max tokens, temperature, number of stop strings, number of parts.
    uint256 internal constant MIN_PAYLOAD = 13;
    /// @dev A request's encoding: ten words of its own and ten of its parameters.
    uint256 private constant REQUEST_BYTES = 640;

    /// @notice Id of a request: binds every field, the chain and the inbox.
    function id(Request memory req, address inbox) internal view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, inbox, req));
    }

    /// @notice As `id`, from calldata.
    // INVARIANT: a request is static and encoded as it came, so equal ids mean equal words. `id` hashed clean ones: a request
    //            with a dirty word has an id that nobody ever opened.
    function idOf(Request calldata req, address inbox) internal view returns (bytes32 result) {
        // Why assembly: Solidity checks and copies the twenty words one by one, at ten times the gas; a batch hashes hundreds.
        assembly ("memory-safe") {
            let spare := mload(0x40)
            mstore(spare, chainid())
            mstore(add(spare, 32), inbox)
            calldatacopy(add(spare, 64), req, REQUEST_BYTES)
            result := keccak256(spare, add(REQUEST_BYTES, 64))
        }
    }

    /// @notice Sampler's seed of a request: of its own entropy, or of what was recorded for the block that it names.
    function seed(bytes32 entropy, bytes32 requestId) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(entropy, requestId));
    }

    /// @notice Work to check `tokens` of answer, in model bytes x tokens. A payload's bytes bound its prompt's tokens.
    function work(uint256 modelLength, uint256 payloadLength, uint256 tokens) internal pure returns (uint256) {
        return modelLength * (payloadLength + tokens);
    }

    /// @notice Max tokens of a payload; 0 where version, length or count are out of range.
    function maxTokens(bytes calldata payload) internal pure returns (uint32) {
        if (payload.length < MIN_PAYLOAD || payload.length > MAX_REQUEST_OUTPUT_BYTES - MIN_OUTPUT) return 0;
        if (uint8(payload[0]) != PAYLOAD_VERSION) return 0;
        uint256 n = _u32le(payload, 2);
        return n > MAX_TOKENS ? 0 : uint32(n);
    }

    /// @notice Tokens that an output is charged for: those of an answer, the request's maximum for anything else.
    // INVARIANT: an error never costs its author less than the longest answer, since refuting it may take as long.
    function outputTokens(bytes calldata output, uint256 most) internal pure returns (uint256) {
        if (output.length < MIN_OUTPUT || output[0] != 0) return most;
        uint256 n = _u32le(output, 1);
        return n > most ? most : n;
    }

    function _u32le(bytes calldata data, uint256 offset) private pure returns (uint256) {
        uint256 big = uint32(bytes4(data[offset:offset + 4]));
        return big >> 24 | (big >> 8 & 0xff00) | (big & 0xff00) << 8 | (big & 0xff) << 24;
    }
}

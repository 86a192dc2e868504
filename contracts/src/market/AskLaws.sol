// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {RequestLaws} from "../rollup/RequestLaws.sol";

/// @title What an ask costs
library AskLaws {
    /// @dev A hundredth of a per cent.
    uint256 internal constant BPS = 10_000;
    /// @dev Bytes of payload that a prompt price is for.
    uint256 internal constant UNIT = 1000;

    /// @notice Price of `payloadLength` bytes and `tokens` of answer. The prompt's part is rounded up.
    // INVARIANT: prices have 96 bits and both counts 32, so nothing overflows.
    function cost(uint256 promptPrice, uint256 tokenPrice, uint256 payloadLength, uint256 tokens)
        internal
        pure
        returns (uint256)
    {
        return (promptPrice * payloadLength + UNIT - 1) / UNIT + tokenPrice * tokens;
    }

    /// @notice Tokens of answer that are paid for: none of an error, whose author is paid for reading the prompt.
    function paidTokens(bytes calldata output, uint256 most) internal pure returns (uint256) {
        if (output.length == 0 || output[0] != 0) return 0;
        return RequestLaws.outputTokens(output, most);
    }

    /// @notice What a royalty of `bps` adds to `price`, rounded down.
    function royalty(uint256 price, uint256 bps) internal pure returns (uint256) {
        return price * bps / BPS;
    }

    /// @notice `price`, or as much of it as `cap` pays once its royalty is paid too.
    // INVARIANT: within + royalty(within, bps) <= cap.
    function within(uint256 price, uint256 bps, uint256 cap) internal pure returns (uint256) {
        uint256 most = cap * BPS / (BPS + bps);
        return price < most ? price : most;
    }
}

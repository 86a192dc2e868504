// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title What the header of an Ethereum block says
/// @notice A header is an RLP list: 15 fields at first, 21 since Prague, more to come. Two are read, all are checked.
/// @dev Who calls has compared the header's hash with the chain's. So a refusal means a format that is not known here, and
///      never a forgery.
library BlockHeader {
    /// @notice What is wrong with a header.
    enum Flaw {
        NotAList,
        Truncated,
        Trailing,
        NotMinimal,
        TooFewFields,
        NotANumber,
        NotAHash
    }

    /// @dev An RLP item: where its content is.
    struct Item {
        uint256 start;
        uint256 end;
        bool isList;
    }

    uint256 private constant NUMBER = 8;
    /// @dev `mixHash`, which is `prevrandao` since the merge.
    uint256 private constant PREVRANDAO = 13;

    /// @notice The bytes at `offset` are not a header's.
    error BadHeader(Flaw flaw, uint256 offset);

    /// @notice Number and `prevrandao` of the block with this header.
    // INVARIANT: one header has one encoding, read to its last byte; what is accepted is a list in canonical RLP.
    function read(bytes calldata header) internal pure returns (uint64 number, bytes32 prevrandao) {
        Item memory list = _item(header, 0);
        if (!list.isList) revert BadHeader(Flaw.NotAList, 0);
        if (list.end != header.length) revert BadHeader(Flaw.Trailing, list.end);
        uint256 field = 0;
        for (uint256 next = list.start; next < header.length; ++field) {
            Item memory item = _item(header, next);
            if (field == NUMBER) number = _number(header, item);
            if (field == PREVRANDAO) prevrandao = _hash(header, item);
            next = item.end;
        }
        if (field <= PREVRANDAO) revert BadHeader(Flaw.TooFewFields, header.length);
    }

    /// @dev The item that begins at `from`, with the shortest prefix that its content can have.
    function _item(bytes calldata data, uint256 from) private pure returns (Item memory item) {
        uint256 prefix = uint8(_slice(data, from, 1)[0]);
        if (prefix < 0x80) return Item(from, from + 1, false);
        item.isList = prefix >= 0xc0;
        uint256 length = prefix & 0x3f;
        item.start = from + 1;
        if (length > 55) {
            uint256 width = length - 55;
            length = _bigEndian(_slice(data, item.start, width));
            if (length < 56 || data[item.start] == 0) revert BadHeader(Flaw.NotMinimal, from);
            item.start += width;
        }
        item.end = item.start + length;
        bytes calldata content = _slice(data, item.start, length);
        // A byte below 0x80 is its own encoding.
        if (!item.isList && length == 1 && uint8(content[0]) < 0x80) revert BadHeader(Flaw.NotMinimal, from);
    }

    /// @dev Zero is the empty string.
    function _number(bytes calldata data, Item memory item) private pure returns (uint64) {
        bytes calldata content = data[item.start:item.end];
        bool fits = !item.isList && content.length <= 8 && (content.length == 0 || content[0] != 0);
        if (!fits) revert BadHeader(Flaw.NotANumber, item.start);
        return uint64(_bigEndian(content));
    }

    function _hash(bytes calldata data, Item memory item) private pure returns (bytes32) {
        bytes calldata content = data[item.start:item.end];
        if (item.isList || content.length != 32) revert BadHeader(Flaw.NotAHash, item.start);
        return bytes32(content);
    }

    /// @dev At most 8 bytes.
    function _bigEndian(bytes calldata content) private pure returns (uint256 value) {
        for (uint256 i = 0; i < content.length; ++i) {
            value = value << 8 | uint8(content[i]);
        }
    }

    function _slice(bytes calldata data, uint256 from, uint256 length) private pure returns (bytes calldata) {
        if (length > data.length || from > data.length - length) revert BadHeader(Flaw.Truncated, from);
        return data[from:from + length];
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {BlockHeader} from "../../src/rollup/BlockHeader.sol";
import {Headers} from "../base/Headers.sol";
import {TestBase} from "../base/TestBase.sol";

contract BlockHeaderTest is TestBase {
    /// @dev External, for calldata and for the reverts.
    function read(bytes calldata header) external pure returns (uint64 number, bytes32 prevrandao) {
        return BlockHeader.read(header);
    }

    function _reads(bytes memory header, bytes32 hash, uint256 number, bytes32 prevrandao) private view {
        assertEq(keccak256(header), hash, "the chain's hash");
        (uint64 readNumber, bytes32 readPrevrandao) = this.read(header);
        assertEq(readNumber, number, "number");
        assertEq(readPrevrandao, prevrandao, "prevrandao");
    }

    function _refuses(bytes memory header, BlockHeader.Flaw flaw, uint256 offset) private {
        vm.expectRevert(abi.encodeWithSelector(BlockHeader.BadHeader.selector, flaw, offset));
        this.read(header);
    }

    function test_read_realHeaders_succeeds() public view {
        _reads(
            Headers.mainnet(),
            Headers.MAINNET_HASH,
            24_630_100,
            0xf824cbc0bffaa4862fffafa96c2cce90898dda8b97fc3eaa6a85ac38075991e5
        );
        _reads(
            Headers.op(),
            Headers.OP_HASH,
            157_796_868,
            0x4cd595fb7524a96f75f79e3b5bf495274795932bf683bfa232c727f42dd40fba
        );
        _reads(
            Headers.first(), Headers.FIRST_HASH, 1, 0x969b900de27b6ac6a67742365dd65f55a0526c41fd18e1b16f1a1215c2e66f59
        );
        _reads(Headers.genesis(), Headers.GENESIS_HASH, 0, 0);
    }

    /// @dev What later forks put behind the fields of today, lists included, changes nothing.
    function testFuzz_read_fieldsOfLaterForks_succeeds(uint64 number, bytes32 prevrandao, bytes calldata more)
        public
        view
    {
        bytes[] memory f = Headers.fields(number, prevrandao);
        bytes[] memory later = new bytes[](2);
        (later[0], later[1]) = (more, Headers.integer(number));
        bytes memory header = Headers.list(bytes.concat(Headers.join(f), Headers.encode(later), Headers.join(later)));
        _reads(header, keccak256(header), number, prevrandao);
    }

    /// @dev A list of one small number is no number with a prefix too many.
    function test_read_listOfOneByte_succeeds() public view {
        bytes memory content = Headers.join(Headers.fields(7, keccak256("drawn")));
        bytes memory header = Headers.list(bytes.concat(content, hex"c107"));
        _reads(header, keccak256(header), 7, keccak256("drawn"));
    }

    function testFuzz_read_anyCount_needsFourteenFields(uint256 count) public {
        count %= 22;
        bytes[] memory f = Headers.fields(7, keccak256("drawn"));
        assembly ("memory-safe") {
            mstore(f, count)
        }
        bytes memory header = Headers.encode(f);
        if (count < 14) _refuses(header, BlockHeader.Flaw.TooFewFields, header.length);
        else _reads(header, keccak256(header), 7, keccak256("drawn"));
    }

    function test_read_notOneList_reverts() public {
        bytes memory header = Headers.mainnet();
        _refuses("", BlockHeader.Flaw.Truncated, 0);
        _refuses(hex"80", BlockHeader.Flaw.NotAList, 0);
        _refuses(hex"7f", BlockHeader.Flaw.NotAList, 0);
        _refuses(hex"c0", BlockHeader.Flaw.TooFewFields, 1);
        _refuses(bytes.concat(header, hex"00"), BlockHeader.Flaw.Trailing, header.length);
    }

    function test_read_truncated_reverts() public {
        bytes memory header = Headers.mainnet();
        for (uint256 length = 0; length < header.length; length += 7) {
            bytes memory part = new bytes(length);
            for (uint256 i = 0; i < length; ++i) {
                part[i] = header[i];
            }
            vm.expectRevert();
            this.read(part);
        }
    }

    /// @dev A list whose last field says that it goes on behind the list's end.
    function test_read_fieldBeyondTheList_reverts() public {
        bytes memory content = Headers.join(Headers.fields(7, keccak256("drawn")));
        content = bytes.concat(content, hex"82aa");
        bytes memory header = Headers.list(content);
        _refuses(header, BlockHeader.Flaw.Truncated, header.length - 1);
    }

    /// @dev Each number and length has one encoding.
    function test_read_longerThanNeedBe_reverts() public {
        bytes[] memory f = Headers.fields(7, keccak256("drawn"));
        bytes memory content = Headers.join(f);
        // Where the field of the number would be: 7 as a string of one byte.
        _refuses(hex"c28107", BlockHeader.Flaw.NotMinimal, 1);
        _refuses(hex"c88107808080808080", BlockHeader.Flaw.NotMinimal, 1);
        // Lengths below 56 in the long form, and with a leading zero.
        _refuses(hex"f803808080", BlockHeader.Flaw.NotMinimal, 0);
        _refuses(hex"c3b80180", BlockHeader.Flaw.NotMinimal, 1);
        bytes3 size = bytes3(uint24(content.length));
        _refuses(bytes.concat(hex"fa", size, content), BlockHeader.Flaw.NotMinimal, 0);
        f[8] = hex"0007";
        _refusesField(f, 8, BlockHeader.Flaw.NotANumber);
    }

    function test_read_fieldsOfOtherTypes_reverts() public {
        bytes[] memory f = Headers.fields(7, keccak256("drawn"));
        f[8] = hex"010000000000000000";
        _refusesField(f, 8, BlockHeader.Flaw.NotANumber);
        f[8] = hex"00";
        _refusesField(f, 8, BlockHeader.Flaw.NotANumber);
        f = Headers.fields(7, keccak256("drawn"));
        f[13] = abi.encodePacked(uint248(1));
        _refusesField(f, 13, BlockHeader.Flaw.NotAHash);
        f[13] = abi.encodePacked(keccak256("drawn"), uint8(0));
        _refusesField(f, 13, BlockHeader.Flaw.NotAHash);
    }

    /// @dev Where the numbers and hashes are, a list of the same bytes.
    function test_read_listsForFields_reverts() public {
        for (uint256 field = 8; field < 14; field += 5) {
            bytes[] memory f = Headers.fields(7_000, keccak256("drawn"));
            uint256 offset = _offsetOf(f, field);
            bytes memory header = Headers.encode(f);
            header[offset - 1] = bytes1(uint8(header[offset - 1]) + 0x40);
            _refuses(header, field == 8 ? BlockHeader.Flaw.NotANumber : BlockHeader.Flaw.NotAHash, offset);
        }
    }

    /// @dev Whatever comes: an answer or a reason, and never a panic.
    function testFuzz_read_anyBytes_readsOrSaysWhy(uint256 place, bytes1 value, uint256 cut) public view {
        bytes memory header = Headers.mainnet();
        header[place % header.length] = value;
        uint256 length = header.length - cut % 40;
        assembly ("memory-safe") {
            mstore(header, length)
        }
        (bool ok, bytes memory answer) = address(this).staticcall(abi.encodeCall(this.read, (header)));
        assertTrue(ok || bytes4(answer) == BlockHeader.BadHeader.selector, "says why");
    }

    function testFuzz_read_noise_readsOrSaysWhy(bytes calldata noise) public view {
        (bool ok, bytes memory answer) = address(this).staticcall(abi.encodeCall(this.read, (noise)));
        assertTrue(ok || bytes4(answer) == BlockHeader.BadHeader.selector, "says why");
    }

    function _refusesField(bytes[] memory f, uint256 field, BlockHeader.Flaw flaw) private {
        _refuses(Headers.encode(f), flaw, _offsetOf(f, field));
    }

    /// @dev Where the content of a field of 2 to 55 bytes, or of one that is its own encoding, begins.
    function _offsetOf(bytes[] memory f, uint256 field) private pure returns (uint256) {
        bytes[] memory before = new bytes[](field);
        for (uint256 i = 0; i < field; ++i) {
            before[i] = f[i];
        }
        uint256 prefix = f[field].length == 1 && uint8(f[field][0]) < 0x80 ? 0 : 1;
        return 3 + Headers.join(before).length + prefix;
    }
}

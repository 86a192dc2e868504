// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {RomTree} from "../../src/dispute/RomTree.sol";
import {TestBase} from "../base/TestBase.sol";

contract RomTreeTest is TestBase {
    function rootOf(bytes memory head, bytes calldata tail) external pure returns (bytes32) {
        return RomTree.root(head, tail);
    }

    /// @dev Leaf by leaf and level by level, as docs/encoding.md says it.
    function _slow(bytes memory data) private pure returns (bytes32) {
        bytes memory length = new bytes(8);
        for (uint256 i = 0; i < 8; ++i) {
            length[i] = bytes1(uint8(data.length >> (8 * i)));
        }
        uint256 count = (8 + data.length + 127) / 128;
        bytes memory rom = bytes.concat(length, data, new bytes(128 * count - 8 - data.length));
        bytes32[] memory nodes = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            bytes memory leaf = new bytes(128);
            for (uint256 j = 0; j < 128; ++j) {
                leaf[j] = rom[128 * i + j];
            }
            nodes[i] = keccak256(bytes.concat(hex"00", leaf));
        }
        bytes32 zero = keccak256(new bytes(129));
        for (uint256 level = 0; level < 33; ++level) {
            bytes32[] memory up = new bytes32[]((nodes.length + 1) / 2);
            for (uint256 i = 0; i < up.length; ++i) {
                bytes32 right = 2 * i + 1 < nodes.length ? nodes[2 * i + 1] : zero;
                up[i] = keccak256(bytes.concat(hex"01", nodes[2 * i], right));
            }
            zero = keccak256(bytes.concat(hex"01", zero, zero));
            nodes = up;
        }
        return nodes[0];
    }

    function testFuzz_root_equalsTheSlowWay_succeeds(bytes memory head, bytes memory tail) public view {
        assertEq(this.rootOf(head, tail), _slow(bytes.concat(head, tail)), "root");
    }

    /// @dev Every length around a leaf's border, and odd and even numbers of leaves.
    function test_root_atLeafBorders_equalsTheSlowWay_succeeds() public view {
        for (uint256 leaves = 1; leaves <= 5; ++leaves) {
            for (uint256 d = 0; d < 3; ++d) {
                bytes memory data = new bytes(128 * leaves - 9 + d);
                data[0] = 0xab;
                data[data.length - 1] = 0xcd;
                assertEq(this.rootOf("", data), _slow(data), "root");
                assertEq(this.rootOf(data, ""), _slow(data), "all head");
            }
        }
    }

    function test_root_empty_equalsTheSlowWay_succeeds() public view {
        assertEq(this.rootOf("", ""), _slow(""), "root");
    }

    /// @dev [S] Zero padding must not make two inputs one root.
    function test_root_trailingZero_isAnotherRoot_succeeds() public view {
        assertTrue(this.rootOf("", hex"01") != this.rootOf("", hex"0100"), "length tells them apart");
    }

    /// @dev The memory that Solidity counts on survives the assembly.
    function test_root_memoryIntact_succeeds() public view {
        bytes memory head = hex"112233";
        bytes memory later = "untouched";
        bytes32 a = this.rootOf(head, hex"445566");
        assertEq(head, hex"112233", "head");
        assertEq(later, "untouched", "later");
        assertEq(this.rootOf(head, hex"445566"), a, "again");
    }
}

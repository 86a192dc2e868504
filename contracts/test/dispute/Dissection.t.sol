// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Dissection} from "../../src/dispute/Dissection.sol";
import {IDisputeGame} from "../../src/interfaces/IDisputeGame.sol";
import {TestBase} from "../base/TestBase.sol";
import {Player} from "../base/Player.sol";

contract DissectionTest is TestBase {
    function rootOf(bytes32[] calldata roots) external pure returns (bytes32) {
        return Dissection.rootOf(roots);
    }

    function fold(uint256 segment, uint256 depth, bytes32 left, bytes32 right, bytes32[] calldata proof)
        external
        pure
        returns (bytes32)
    {
        return Dissection.fold(segment, depth, left, right, proof);
    }

    function _roots(uint256 count, bytes32 seed) private pure returns (bytes32[] memory roots) {
        roots = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            roots[i] = keccak256(abi.encode(seed, i));
        }
    }

    function test_rootOf_everyWidth_equalsTheSlowWay_succeeds() public view {
        for (uint256 log2 = 0; log2 <= 6; ++log2) {
            bytes32[] memory roots = _roots(uint256(1) << log2, "w");
            assertEq(this.rootOf(roots), Player.merkle(roots, 0, roots.length), "root");
        }
    }

    function test_fold_everyPieceOfEveryWidth_succeeds() public view {
        for (uint256 log2 = 0; log2 <= 6; ++log2) {
            bytes32[] memory roots = _roots(uint256(1) << log2, "f");
            bytes32 root = this.rootOf(roots);
            for (uint256 i = 0; i < roots.length; ++i) {
                bytes32 left = i == 0 ? bytes32("start") : roots[i - 1];
                bytes32[] memory proof = Player.pieceProof(roots, i);
                assertEq(this.fold(i, log2, left, roots[i], proof), root, "fold");
            }
        }
    }

    /// @dev [S] Neither end of a piece can be swapped for another root.
    function testFuzz_fold_wrongEnd_givesAnotherRoot(uint8 piece, bytes32 wrong, bool leftEnd) public view {
        bytes32[] memory roots = _roots(32, "x");
        uint256 i = piece % 32;
        vm.assume(!(leftEnd && i == 0));
        bytes32 left = i == 0 ? bytes32("start") : roots[i - 1];
        vm.assume(wrong != left && wrong != roots[i]);
        bytes32[] memory proof = Player.pieceProof(roots, i);
        bytes32 got = leftEnd ? this.fold(i, 5, wrong, roots[i], proof) : this.fold(i, 5, left, wrong, proof);
        assertTrue(got != this.rootOf(roots), "another root");
    }

    function test_fold_wrongProofLength_reverts() public {
        bytes32[] memory roots = _roots(8, "l");
        bytes32[] memory long = new bytes32[](Player.pieceProof(roots, 3).length + 1);
        vm.expectRevert(IDisputeGame.WrongProofLength.selector);
        this.fold(3, 3, roots[2], roots[3], long);
        vm.expectRevert(IDisputeGame.WrongProofLength.selector);
        this.fold(3, 3, roots[2], roots[3], new bytes32[](0));
    }
}

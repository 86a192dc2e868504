// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {BlobOpening, ClaimRef, Request, Result} from "../../src/interfaces/Types.sol";
import {IDisputeGame} from "../../src/interfaces/IDisputeGame.sol";
import {BlobRollup} from "../../src/rollup/BlobRollup.sol";
import {Rollup} from "../../src/rollup/Rollup.sol";
import {GameFixture} from "./GameFixture.sol";

/// @notice A rollup that takes outputs in blobs, and real blobs: `blobs/outputs.json` has their commitments and proofs, made
///         and checked by `node/tests/blob_outputs.rs`.
abstract contract BlobFixture is GameFixture {
    /// @dev An output in a blob. `output` is all of it, its head first.
    struct Held {
        bytes32 blob;
        bytes output;
        BlobOpening opening;
    }

    string private constant FILE = "test/blobs/outputs.json";
    uint256 internal constant HEAD = 5;
    uint64 private _number = 5000;

    function setUp() public virtual override {
        _games(5, 50, true, 0xdead_beef_cafe);
    }

    function _newRollup() internal virtual override returns (Rollup) {
        return new BlobRollup(inbox, staking, game, sequencers, turnLength, CLAIM_BOND, _law());
    }

    function _held(string memory name) internal view returns (Held memory h) {
        string memory json = vm.readFile(FILE);
        string memory at_ = string.concat(".outputs.", name);
        h.blob = vm.parseJsonBytes32(json, string.concat(at_, ".blob"));
        h.output = vm.parseJsonBytes(json, string.concat(at_, ".output"));
        h.opening.versionedHash = h.blob;
        h.opening.first = uint16(vm.parseJsonUint(json, string.concat(at_, ".first")));
        h.opening.rest = vm.parseJsonBytes(json, string.concat(at_, ".rest"));
        h.opening.openings = vm.parseJsonBytes(json, string.concat(at_, ".openings"));
    }

    function _refTo(uint256 first, uint256 length, bytes memory head) internal pure returns (bytes memory) {
        return abi.encodePacked(uint16(first), uint16(length), head);
    }

    function _refTo(Held memory h) internal pure returns (bytes memory) {
        bytes memory head = new bytes(HEAD);
        for (uint256 i = 0; i < HEAD; ++i) {
            head[i] = h.output[i];
        }
        return _refTo(h.opening.first, h.output.length - HEAD, head);
    }

    /// @dev `r` answered by `ref` into `blob`, and nothing else in the segment.
    function _resultOf(Request memory r, bytes memory ref) internal pure returns (Result[] memory results) {
        results = new Result[](1);
        results[0] = Result(r, ref);
    }

    /// @dev `r` answered with `h` by the first executor. The fixture's `output` is then its bytes.
    function _claim(Request memory r, Held memory h) internal returns (ClaimRef memory c) {
        (blob, output) = (h.blob, h.output);
        Result[] memory results = _resultOf(r, _refTo(h));
        c = _refOf(_post(_segment(EXECUTOR_KEY, _number++, results)), 0, results);
        blob = 0;
    }

    function _openingOf(Request memory r, ClaimRef memory c, Held memory h) internal view returns (bytes memory) {
        return abi.encodeCall(IDisputeGame.openFromBlob, (r, c, payload, h.output, h.opening));
    }

    function _open(Request memory r, ClaimRef memory c, Held memory h) internal returns (Match memory m) {
        m = _matchOf(r, c, CHALLENGER);
        uint256 bond = game.challengerBond();
        vm.prank(CHALLENGER);
        assertEq(game.openFromBlob{value: bond}(r, c, payload, h.output, h.opening), m.id, "game id");
    }
}

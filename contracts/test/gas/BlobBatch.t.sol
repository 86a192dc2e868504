// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {
    BlobSegment,
    ClaimRef,
    GameStatus,
    Request,
    RequestParams,
    RequestState,
    Result,
    SignedRequest
} from "../../src/interfaces/Types.sol";
import {BlobRollup} from "../../src/rollup/BlobRollup.sol";
import {Rollup} from "../../src/rollup/Rollup.sol";
import {BlobFixture} from "../base/BlobFixture.sol";
import {Fixture} from "../base/Fixture.sol";
import {GameFixture} from "../base/GameFixture.sol";
import {Cost, GasMeter} from "./GasMeter.sol";

/// @notice Batches as in Batch.t.sol with the outputs in blobs, one segment a blob, and what it costs to open such outputs.
contract BlobBatchGasTest is BlobFixture, GasMeter {
    uint256 private constant ELEMENTS = 4096;
    string private constant OPENING = "gas_blob_open";

    function setUp() public override(BlobFixture, Fixture) {
        // Each test deploys with the stake that it needs.
    }

    function _newRollup() internal override(BlobFixture, Fixture) returns (Rollup) {
        return super._newRollup();
    }

    function _cool() internal override(GameFixture, GasMeter) {
        super._cool();
    }

    function test_gas_blobBatchOf1_measured() public {
        _batch(1, "gas_blob_batch_1");
    }

    function test_gas_blobBatchOf10_measured() public {
        _batch(10, "gas_blob_batch_10");
    }

    function test_gas_blobBatchOf100_measured() public {
        _batch(100, "gas_blob_batch_100");
    }

    function test_gas_blobBatchOf1000_measured() public {
        _batch(1000, "gas_blob_batch_1000");
    }

    function test_gas_openingOfOneElement_measured() public {
        _opening("small", "one element");
    }

    function test_gas_openingOfFourKibibytes_measured() public {
        _opening("largest", "4 KiB");
    }

    /// @dev A dApp's request that no consumer waits for.
    function asks() external returns (Request memory r) {
        RequestParams memory p = _dappParams();
        (p.callback, p.callbackGas, p.callbackFee) = (address(0), 0, 0);
        r = _dappRequest(p);
        vm.prank(address(consumer));
        bytes32 id = inbox.request{value: p.fee}(p, payload, userData);
        assertEq(id, _idOf(r), "request id");
    }

    function _batch(uint256 count, string memory group) private {
        _rollup(5, false, count + 1);
        // Neither the chain's first segment nor its executor's.
        _claim(this.dappAsks());
        // As `answer`: what is not in the head.
        uint256 inBlob = output.length - HEAD;
        uint256 elements = (inBlob + 30) / 31;
        uint256 most = ELEMENTS / elements;
        uint256 blobs = (count + most - 1) / most;
        BlobSegment[] memory batch = new BlobSegment[](blobs);
        bytes32[] memory hashes = new bytes32[](blobs);
        for (uint256 i = 0; i < blobs; ++i) {
            uint256 left = count - i * most;
            Result[] memory results = new Result[](left < most ? left : most);
            for (uint256 j = 0; j < results.length; ++j) {
                bytes memory head = abi.encodePacked(uint8(0), _le32(ANSWER_TOKENS));
                results[j] = Result(this.asks(), _refTo(j * elements, inBlob, head));
            }
            blob = hashes[i] = bytes32(uint256(1) << 248 | uint256(keccak256(abi.encode("blob", i))) >> 8);
            batch[i] = BlobSegment(_segment(EXECUTOR_KEY, uint64(1 + i), results), i);
        }
        vm.blobhashes(hashes);
        bytes memory data = abi.encodeCall(BlobRollup.postBlobBatch, (batch, new SignedRequest[](0)));
        Cost memory cost = _send(SEQUENCER, address(rollup), 0, data);
        for (uint256 i = 0; i < blobs; ++i) {
            for (uint256 j = 0; j < batch[i].segment.results.length; ++j) {
                _assertState(batch[i].segment.results[j].request, RequestState.Claimed, "every result is claimed");
            }
        }
        _record(group, "batch", cost);
        vm.snapshotValue(group, "blobs", blobs);
        vm.snapshotValue(group, "elements", elements);
    }

    function _opening(string memory held, string memory name) private {
        _rollup(5, true, 1);
        Request memory r = this.asks();
        Held memory h = _held(held);
        ClaimRef memory c = _claim(r, h);
        uint256 bond = game.challengerBond();
        vm.deal(CHALLENGER, bond);
        _record(OPENING, name, _send(CHALLENGER, address(game), bond, _openingOf(r, c, h)));
        _assertStatus(_matchOf(r, c, CHALLENGER), GameStatus.ChallengerToMove, "opened");
    }
}

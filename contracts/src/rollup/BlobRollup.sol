// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {BlobSegment, Request, Segment, SignedRequest} from "../interfaces/Types.sol";
import {MAX_REQUEST_OUTPUT_BYTES} from "../generated/Params.sol";
import {IBlobRollup} from "../interfaces/IBlobRollup.sol";
import {IDisputeGame} from "../interfaces/IDisputeGame.sol";
import {IInbox} from "../interfaces/IInbox.sol";
import {IStaking} from "../interfaces/IStaking.sol";
import {BlobRefs} from "./BlobRefs.sol";
import {Rollup} from "./Rollup.sol";
import {WorkLaw} from "./WorkMeter.sol";

/// @title The rollup on a chain that has blobs: outputs may be in them
contract BlobRollup is IBlobRollup, Rollup {
    /// @dev How long nodes keep a blob at least: 4096 epochs of 32 slots of 12 seconds (EIP-4844).
    uint256 private constant KEPT = 4096 * 32 * 12 seconds;

    constructor(
        IInbox inbox_,
        IStaking staking_,
        IDisputeGame game_,
        address[] memory sequencers_,
        uint64 turnLength_,
        uint128 claimBond_,
        WorkLaw memory law
    ) Rollup(inbox_, staking_, game_, sequencers_, turnLength_, claimBond_, law) {
        // INVARIANT: what is claimed can be read as long as it can be disputed.
        if (law.window >= KEPT) revert BadParameters();
    }

    /// @inheritdoc IBlobRollup
    function postBlobBatch(BlobSegment[] calldata batch, SignedRequest[] calldata signed) external {
        _beginBatch(signed);
        for (uint256 i = 0; i < batch.length; ++i) {
            bytes32 blob = blobhash(batch[i].blob);
            if (blob == 0) _skip(batch[i].segment, SegmentError.NoSuchBlob);
            else _postSegment(batch[i].segment, blob);
        }
    }

    function _outputHash(bytes calldata output, bytes32 blob) internal pure override returns (bytes32) {
        return blob == 0 ? super._outputHash(output, blob) : BlobRefs.hash(blob, output);
    }

    function _announce(Segment calldata segment, bytes32[] memory ids, Tally memory t, uint256 from, uint256 to)
        internal
        override
    {
        if (t.blob == 0) return super._announce(segment, ids, t, from, to);
        for (uint256 i = from; i < to; ++i) {
            bytes9 ref = bytes9(segment.results[i].output);
            emit ResultClaimedInBlob(ids[i], t.segmentId, uint16(i), segment.executor, t.blob, ref);
        }
    }

    function _price(Request calldata req, bytes calldata output, Tally memory t)
        internal
        view
        override
        returns (ResultError, uint256)
    {
        if (t.blob == 0) return super._price(req, output, t);
        if (!BlobRefs.valid(output)) return (ResultError.BadReference, 0);
        // INVARIANT: whoever needs the bytes on chain has them in calldata: a consumer's fee pays for no openings.
        if (req.params.callback != address(0)) return (ResultError.HasConsumer, 0);
        if (uint256(req.payloadLength) + BlobRefs.HEAD + BlobRefs.inBlob(output) > MAX_REQUEST_OUTPUT_BYTES) {
            return (ResultError.Oversized, 0);
        }
        // INVARIANT: work is that of the kind and count which are checked, not of what the blob may hold.
        return super._price(req, BlobRefs.head(output), t);
    }
}

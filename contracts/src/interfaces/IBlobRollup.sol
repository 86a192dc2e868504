// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {BlobSegment, SignedRequest} from "./Types.sol";

/// @title Batches whose outputs are in blobs (EIP-4844)
/// @notice Nodes keep a blob for some 18 days, and a window is shorter: who needs an output for longer keeps it.
interface IBlobRollup {
    /// @notice A result is now a claim; its output is in a blob. Its leaf has `outputHash = ~H(blob ‖ ref)`.
    /// @param blob versioned hash
    /// @param ref first element, bytes in the blob and head (`BlobRefs`)
    event ResultClaimedInBlob(
        bytes32 indexed requestId,
        uint64 indexed segmentId,
        uint16 index,
        address indexed executor,
        bytes32 blob,
        bytes9 ref
    );

    /// @notice As `postBatch`, with the outputs in blobs of this transaction. Only requests without a consumer are answered
    ///         so; others are skipped.
    function postBlobBatch(BlobSegment[] calldata segments, SignedRequest[] calldata signed) external;
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

// Every struct that crosses a contract's border (docs/encoding.md, sections 3, 8 and 9).

/// @notice Everything that a program id commits to.
struct Program {
    bytes32 codeRoot;
    bytes32 segmentsRoot;
    bytes32 tableRoot;
    bytes32 memoryRoot;
    bytes32 globalsRoot;
    uint32 pages;
    uint32 maxPages;
    uint8 volatileLog2;
    uint32 stackCells;
    uint8 a;
    uint8 b;
    uint32 entry;
}

/// @notice What is known about a registered model.
/// @param programId the program that checks its answers
/// @param length bytes of the model file; also its work per token
/// @param maxGap tolerance ceiling, in thousandths of a logit
/// @param maxFlips tolerance ceiling, in positions
struct Model {
    bytes32 modelRoot;
    bytes32 programId;
    uint64 length;
    uint32 maxGap;
    uint32 maxFlips;
}

/// @notice When a consumer hears of its answer.
enum Delivery {
    Final,
    Optimistic
}

/// @notice What the asker chooses.
/// @param modelId the model asked
/// @param callback consumer called with the answer; zero for none
/// @param callbackGas gas that each callback is given
/// @param delivery a `Delivery`
/// @param tolerant whether the model's tolerance ceiling applies; else the answer is exact
/// @param minBond least bond, in wei, that a claim on this request locks (the rollup's bond is the floor)
/// @param fee wei paid for the final claim: to its executor, but for what its work burns, which is half of it at most
/// @param callbackFee wei paid to whoever delivers the callbacks; zero without a callback
/// @param refundTo account credited if nobody answers
/// @param inclusionDeadline time (unix seconds) until which only the sequencer may bring a claim
struct RequestParams {
    bytes32 modelId;
    address callback;
    uint32 callbackGas;
    uint8 delivery;
    bool tolerant;
    uint128 minBond;
    uint128 fee;
    uint128 callbackFee;
    address refundTo;
    uint64 inclusionDeadline;
}

/// @notice A request as its id commits to it: `id = H(abi.encode(chain id, inbox, request))`.
/// @param requester who asked: the caller, or the signer
/// @param origin where the entropy comes from: 0 the block it was asked in, 1 its signer, 2 a later block
/// @param nonce the inbox's request count, or the signer's nonce
/// @param entropy the block's `prevrandao`, what was signed, or the later block's number; the seed is `H(entropy, id)`, of a
///        later block `H(its recorded prevrandao, id)`
/// @param payloadHash keccak-256 of the payload
/// @param payloadLength bytes of the payload
/// @param maxTokens read from the payload
/// @param userDataHash keccak-256 of the bytes handed back to the consumer
/// @param modelLength length of the model, so that work needs no look-up
/// @param tolerance `maxGap << 32 | maxFlips` in force
struct Request {
    address requester;
    uint8 origin;
    uint64 nonce;
    bytes32 entropy;
    bytes32 payloadHash;
    uint32 payloadLength;
    uint32 maxTokens;
    bytes32 userDataHash;
    uint64 modelLength;
    uint64 tolerance;
    RequestParams params;
}

/// @notice An off-chain request with all that a batch must post of it.
/// @param payer signer, whose deposit pays
/// @param nonce any number that the payer has not used
/// @param entropy the payer's own randomness
/// @param signature 65 bytes r, s, v over the EIP-712 struct `InferenceRequest`
struct SignedRequest {
    address payer;
    uint64 nonce;
    bytes32 entropy;
    RequestParams params;
    bytes payload;
    bytes userData;
    bytes signature;
}

/// @notice The states of a request. It is in exactly one.
enum RequestState {
    None,
    Open,
    Claimed,
    Final,
    Refunded
}

/// @notice How far one callback is.
enum Callback {
    None,
    Owed,
    Failed,
    Done
}

/// @notice One slot per request.
///
/// | bits | field |
/// |---|---|
/// | 0-7 | state |
/// | 8-47 | deadline: inclusion deadline in force, unix seconds |
/// | 48-111 | segment of the standing claim |
/// | 112-127 | index of the standing claim in its segment |
/// | 128-143 | claims made so far |
/// | 144-151 | callback with the result of the standing claim |
/// | 152-159 | callback that the result is final |
/// | 160-167 | callback that a delivered result was overturned |
/// | 168-175 | callback fees already paid, in halves |
/// | 176-255 | wei that the standing claim burns of the fee once it is final |
struct RequestStatus {
    RequestState state;
    uint40 deadline;
    uint64 segmentId;
    uint16 index;
    uint16 claims;
    Callback result;
    Callback finality;
    Callback overturn;
    uint8 feeHalvesPaid;
    uint80 burn;
}

/// @notice One answer in a batch.
/// @param output canonical output bytes; in a batch whose outputs are in blobs, a reference of nine bytes (`BlobRefs`)
struct Result {
    Request request;
    bytes output;
}

/// @notice One executor's answers in a batch.
/// @param number segment number, used once per executor
/// @param expiry unix seconds after which the signature is void
/// @param signature 65 bytes r, s, v over the EIP-712 struct `Segment(uint64 number,uint64 expiry,bytes32 root)`
struct Segment {
    address executor;
    uint64 number;
    uint64 expiry;
    Result[] results;
    bytes signature;
}

/// @notice "I will have this request answered by `deadline`, or lose `penalty`": signed by an executor as the EIP-712 struct
///         `Promise(bytes32 requestId,uint64 deadline,uint128 penalty)` of `LivenessPenalty`'s domain.
/// @param deadline unix seconds, the last one in which the answer is in time
/// @param penalty wei
struct Promise {
    bytes32 requestId;
    uint64 deadline;
    uint128 penalty;
}

/// @notice One executor's answers, their outputs in a blob.
/// @param segment as in any batch, but that each result's output is a reference into the blob; its root is over those
/// @param blob which of the transaction's blobs
struct BlobSegment {
    Segment segment;
    uint256 blob;
}

/// @notice Names a claim and shows its leaf: `H(0x05, requestId, outputHash)` under the segment's root.
/// @param segmentId global number of the posted segment
/// @param index leaf in it
/// @param outputHash keccak-256 of the output; where it is in a blob, `BlobRefs.hash` of what stands for it
/// @param proof siblings, bottom up; `ceil(log2(count))` of them
struct ClaimRef {
    uint64 segmentId;
    uint16 index;
    bytes32 outputHash;
    bytes32[] proof;
}

/// @notice Everything about a game that never changes: `gameId = H(abi.encode(chain id, game contract, context))`.
/// @param claimBond wei at stake on the claim
/// @param requestRoot root of the request ROM
/// @param outputRoot root of the output ROM
struct GameContext {
    bytes32 requestId;
    uint64 segmentId;
    uint16 index;
    address executor;
    address challenger;
    uint128 claimBond;
    bytes32 modelId;
    bytes32 requestRoot;
    bytes32 outputRoot;
}

/// @notice One move of a game.
/// @param claim claim key, `segmentId << 16 | index`
/// @param opponent the other player
/// @param history hash of all that was posted before
/// @param segment piece of the standing dissection that the mover contests
/// @param startRoot first root of the standing dissection
/// @param left root at the piece's start; `startRoot` for piece 0
/// @param right root at the piece's end
/// @param proof siblings that show `left` (piece > 0) and `right` under the standing dissection, level by level from the
///        leaves: none where the two are siblings, one where only one node is left, else left's and then right's
/// @param roots the mover's `min(k, length)` roots of equal pieces
struct Move {
    bytes32 gameId;
    uint256 claim;
    address opponent;
    bytes32 history;
    uint256 segment;
    bytes32 startRoot;
    bytes32 left;
    bytes32 right;
    bytes32[] proof;
    bytes32[] roots;
}

/// @notice The ending of a game by one step.
/// @dev Fields as in `Move`; the witness is docs/encoding.md, section 6.
struct Proof {
    bytes32 history;
    uint256 segment;
    bytes32 startRoot;
    bytes32 left;
    bytes32 right;
    bytes32[] proof;
    bytes witness;
}

/// @notice A piece of a dissection that is in a blob, with its two ends shown. Roots are low 248 bits.
/// @param segment which piece
/// @param startRoot first root of the standing dissection
/// @param versionedHash the blob with its inner roots; zero for the opening, which has none
/// @param endRoot last root of the standing dissection
/// @param left root at the piece's start; `startRoot` for piece 0
/// @param right root at the piece's end; `endRoot` for the last piece
/// @param openings the blob's commitment, the proof for `left` unless it is `startRoot`, the proof for `right` unless it is
///        `endRoot`, each 48 bytes; nothing at all where there is no proof
struct BlobPiece {
    uint256 segment;
    bytes32 startRoot;
    bytes32 versionedHash;
    bytes32 endRoot;
    bytes32 left;
    bytes32 right;
    bytes openings;
}

/// @notice An output in a blob, opened element by element. Its bytes behind the head are the elements' low 248 bits.
/// @param versionedHash the blob
/// @param first the first of its elements
/// @param rest what an element has besides the output's bytes: the first byte of each, then what the last one holds behind
///        the output's end
/// @param openings the blob's commitment, then a proof for each element, each 48 bytes
struct BlobOpening {
    bytes32 versionedHash;
    uint16 first;
    bytes rest;
    bytes openings;
}

/// @notice One move of a game whose roots are in blobs.
/// @dev Fields as in `Move`.
/// @param end the mover's last root; element i of the blob is its root i + 1, of `min(k, length)`
/// @param blob which of the transaction's blobs has the new roots
struct BlobMove {
    bytes32 gameId;
    uint256 claim;
    address opponent;
    bytes32 history;
    BlobPiece piece;
    bytes32 end;
    uint256 blob;
}

/// @notice The ending by one step of a game whose roots are in blobs.
/// @dev Fields as in `Proof`.
struct BlobProof {
    bytes32 history;
    BlobPiece piece;
    bytes witness;
}

/// @notice How a game stands.
enum GameStatus {
    None,
    ChallengerToMove,
    ExecutorToMove,
    ChallengerWon,
    ExecutorWon,
    Void
}

/// @notice One slot per game.
///
/// | bits | field |
/// |---|---|
/// | 0-7 | status |
/// | 8-63 | start: trace index of the standing dissection's first root |
/// | 64-71 | log2 of the length of one of its pieces |
/// | 72-79 | log2 of the number of its pieces |
/// | 80-103 | seconds the challenger has used |
/// | 104-127 | seconds the executor has used |
/// | 128-167 | time of the last move, unix seconds |
/// | 168-211 | challenger's gas so far, in gwei |
/// | 212-255 | executor's gas so far, in gwei |
struct GameState {
    GameStatus status;
    uint256 start;
    uint256 strideLog2;
    uint256 piecesLog2;
    uint256 challengerUsed;
    uint256 executorUsed;
    uint256 lastAt;
    uint256 challengerGas;
    uint256 executorGas;
}

/// @notice One slot per disputed claim.
/// @param open games that are neither won nor void
/// @param lost whether the claim has lost one
/// @param gas gwei that the challengers of games not lost have spent
/// @param pool gwei set aside for them when the claim was lost
struct ClaimGames {
    uint32 open;
    bool lost;
    uint64 gas;
    uint64 pool;
}

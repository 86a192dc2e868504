// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {
    ClaimGames,
    ClaimRef,
    Delivery,
    Request,
    RequestState,
    RequestStatus,
    Result,
    Segment,
    SignedRequest
} from "../interfaces/Types.sol";
import {MAX_REQUEST_OUTPUT_BYTES} from "../generated/Params.sol";
import {IDisputeGame} from "../interfaces/IDisputeGame.sol";
import {IInbox} from "../interfaces/IInbox.sol";
import {IInferenceConsumer} from "../interfaces/IInferenceConsumer.sol";
import {IRollup} from "../interfaces/IRollup.sol";
import {IStaking} from "../interfaces/IStaking.sol";
import {Ecdsa} from "./Ecdsa.sol";
import {Eip712} from "./Eip712.sol";
import {RequestLaws} from "./RequestLaws.sol";
import {ResultTree} from "./ResultTree.sol";
import {WorkLaw, WorkMeter, WorkShare, WorkSlot} from "./WorkMeter.sol";

/// @title Batches of answers, their finality and their delivery
contract Rollup is IRollup, Eip712 {
    struct SegmentRecord {
        bytes32 root;
        address executor;
        uint40 postedAt;
        uint16 count;
    }

    /// @dev What the next result of a segment meets.
    /// @param segmentId the segment
    /// @param blob versioned hash of the blob that its outputs are in; zero where they are in calldata
    /// @param claimed results claimed so far
    /// @param most results that the next run may have
    /// @param free stake that is left
    struct Tally {
        uint64 segmentId;
        bytes32 blob;
        uint16 claimed;
        uint256 most;
        uint256 free;
        WorkLaw law;
        WorkShare share;
    }

    bytes32 private constant SEGMENT_TYPEHASH = keccak256("Segment(uint64 number,uint64 expiry,bytes32 root)");
    uint256 private constant MAX_SEQUENCERS = 16;
    /// @dev What the rollup itself may need after a consumer has burned all that it was given.
    uint256 private constant CALLBACK_MARGIN = 40_000;

    /// @inheritdoc IRollup
    uint64 public immutable turnLength;
    /// @inheritdoc IRollup
    uint128 public immutable claimBond;
    /// @inheritdoc IRollup
    uint64 public immutable window;
    /// @inheritdoc IRollup
    uint256 public immutable workPerWindow;
    /// @inheritdoc IRollup
    uint256 public immutable workPriceFloor;
    /// @inheritdoc IRollup
    uint8 public immutable workPriceDoublings;
    IInbox private immutable _inbox;
    IStaking private immutable _staking;
    IDisputeGame private immutable _game;
    uint256 private immutable _sequencerCount;
    /// @dev The first of the list: one alone is not looked up.
    address private immutable _firstSequencer;

    /// @inheritdoc IRollup
    uint64 public segmentCount;
    WorkSlot private _work;
    /// @inheritdoc IRollup
    mapping(uint64 segmentId => SegmentRecord) public segments;
    mapping(address executor => mapping(uint256 word => uint256 bits)) private _numbers;
    // INVARIANT: written by the constructor alone, so nobody is ever taken off it or put on it.
    address[] private _sequencers;

    constructor(
        IInbox inbox_,
        IStaking staking_,
        IDisputeGame game_,
        address[] memory sequencers_,
        uint64 turnLength_,
        uint128 claimBond_,
        WorkLaw memory law
    ) {
        (_inbox, _staking, _game) = (inbox_, staking_, game_);
        (turnLength, claimBond) = (turnLength_, claimBond_);
        (window, workPerWindow) = (uint64(law.window), law.perWindow);
        (workPriceFloor, workPriceDoublings) = (law.floor, uint8(law.doublings));
        bool takeTurns = turnLength_ != 0 && _distinct(sequencers_);
        if (!(takeTurns && _wired(inbox_, staking_, game_))) revert BadParameters();
        (_sequencers, _sequencerCount, _firstSequencer) = (sequencers_, sequencers_.length, sequencers_[0]);
        // INVARIANT: stake can't leave before every claim that it backs is decided.
        bool bonded = staking_.unbondingDelay() > law.window + 2 * uint256(game_.allowance());
        // INVARIANT: the largest request fits what is kept for direct claims, or censorship would be final.
        bool direct = WorkMeter.directCap(law.perWindow) >= inbox_.maxWork();
        bool counts = law.window != 0 && law.window <= type(uint64).max && law.perWindow <= type(uint96).max;
        bool priced = law.floor != 0 && law.doublings != 0 && law.doublings <= type(uint8).max;
        if (!(bonded && direct && counts && priced)) revert BadParameters();
        _checkPrices(inbox_.maxWork());
    }

    /// @dev One to sixteen accounts, each once, none of them zero.
    function _distinct(address[] memory list) private pure returns (bool) {
        if (list.length == 0 || list.length > MAX_SEQUENCERS) return false;
        for (uint256 i = 0; i < list.length; ++i) {
            if (list[i] == address(0)) return false;
            for (uint256 j = 0; j < i; ++j) {
                if (list[i] == list[j]) return false;
            }
        }
        return true;
    }

    // INVARIANT: whoever moves a request, a bond or a claim names this rollup, and the game plays for the very requests,
    //            bonds and models that are claimed on here.
    function _wired(IInbox inbox, IStaking staking, IDisputeGame game) private view returns (bool) {
        bool movers = inbox.rollup() == address(this) && staking.rollup() == address(this)
            && staking.game() == address(game) && address(game.rollup()) == address(this);
        bool stakes = game.inbox() == address(inbox) && address(game.staking()) == address(staking);
        // A prover without code would let no step be proven, and the clock decide every game.
        return movers && stakes && address(game.registry()) == address(inbox.registry())
            && address(game.prover()).code.length != 0;
    }

    function _checkPrices(uint256 maxWork) private view {
        WorkLaw memory law = _law();
        uint256[2] memory caps = [WorkMeter.batchCap(law.perWindow), WorkMeter.directCap(law.perWindow)];
        for (uint256 i = 0; i < 2; ++i) {
            // INVARIANT: what any claim burns fits its field; and as nothing overflowed here, nothing that fits its cap will.
            bool fits = WorkMeter.cost(law, caps[i], 0, caps[i]) <= type(uint80).max;
            // INVARIANT: work that is paid for by losing a bond, of which half is burned, is never the cheaper one.
            bool covered = WorkMeter.cost(law, caps[i], caps[i] - maxWork, maxWork) <= claimBond / 2;
            if (!(fits && covered)) revert BadParameters();
        }
    }

    // ---- posting ----------------------------------------------------------------------------------------------------

    /// @inheritdoc IRollup
    function postBatch(Segment[] calldata batch, SignedRequest[] calldata signed) external {
        _beginBatch(signed);
        for (uint256 i = 0; i < batch.length; ++i) {
            _postSegment(batch[i], 0);
        }
    }

    /// @inheritdoc IRollup
    function claimDirect(Request calldata req, bytes calldata output) external returns (uint64 segmentId) {
        bytes32 id = RequestLaws.idOf(req, address(_inbox));
        RequestStatus memory s = _inbox.status(id);
        if (s.state != RequestState.Open) revert ClaimRefused(ResultError.NotOpen);
        if (block.timestamp <= s.deadline) revert NotYetDirect(uint256(s.deadline) + 1);
        bytes32 root = ResultTree.leaf(id, keccak256(output));
        Tally memory t = _tally(msg.sender, true);
        segmentId = t.segmentId;
        segments[segmentId] = SegmentRecord(root, msg.sender, uint40(block.timestamp), 1);
        (ResultError reason, uint256 burned) = _price(req, output, t);
        if (reason != ResultError.None) revert ClaimRefused(reason);
        if (!_inbox.claim(id, segmentId, 0, uint80(burned))) revert ClaimRefused(ResultError.NotOpen);
        _work = _work.filled(block.timestamp, t.law, t.share.level, true);
        emit ResultClaimed(id, segmentId, 0, msg.sender, output);
        uint256 bond = bondOf(req);
        _staking.lock(msg.sender, bond);
        emit SegmentPosted(segmentId, msg.sender, 0, root, 1, 1, bond);
    }

    // ---- finality ---------------------------------------------------------------------------------------------------

    /// @inheritdoc IRollup
    function finalize(Request calldata req, ClaimRef calldata claim) external {
        bytes32 id = RequestLaws.idOf(req, address(_inbox));
        (address executor, uint40 postedAt) = checkClaim(id, claim);
        uint256 until = uint256(postedAt) + window;
        if (block.timestamp < until) revert WindowOpen(until);
        ClaimGames memory games = _game.claimGames(_claimKey(claim.segmentId, claim.index));
        // INVARIANT: nothing is final while it is disputed, nor after it lost.
        if (games.open != 0 || games.lost) revert Disputed(games.open, games.lost);
        emit ClaimFinalized(id, claim.segmentId, claim.index, executor, claim.outputHash);
        _staking.unlock(executor, bondOf(req));
        _inbox.settle(id, executor, req);
    }

    /// @inheritdoc IRollup
    function reject(bytes32 requestId, uint64 segmentId, uint16 index) external {
        if (msg.sender != address(_game)) revert NotGame(msg.sender);
        emit ClaimRejected(requestId, segmentId, index, segments[segmentId].executor);
        _inbox.reopen(requestId, segmentId, index);
    }

    // ---- delivery ---------------------------------------------------------------------------------------------------

    /// @inheritdoc IRollup
    function deliverResult(
        Request calldata req,
        ClaimRef calldata claim,
        bytes calldata output,
        bytes calldata userData
    ) external returns (bool) {
        bytes32 id = RequestLaws.idOf(req, address(_inbox));
        checkClaim(id, claim);
        if (keccak256(output) != claim.outputHash || keccak256(userData) != req.userDataHash) revert HashMismatch();
        // INVARIANT: a consumer is told once that an answer is final, however late it hears the answer.
        bool isFinal = req.params.delivery == uint8(Delivery.Final);
        bytes memory data = abi.encodeCall(IInferenceConsumer.onInferenceResult, (id, output, userData, isFinal));
        return _deliver(id, req, IInbox.Mode.Result, data);
    }

    /// @inheritdoc IRollup
    function deliverFinality(Request calldata req) external returns (bool) {
        bytes32 id = RequestLaws.idOf(req, address(_inbox));
        bytes memory data = abi.encodeCall(IInferenceConsumer.onInferenceFinal, (id));
        return _deliver(id, req, IInbox.Mode.Finality, data);
    }

    /// @inheritdoc IRollup
    function deliverOverturn(Request calldata req) external returns (bool) {
        bytes32 id = RequestLaws.idOf(req, address(_inbox));
        bytes memory data = abi.encodeCall(IInferenceConsumer.onInferenceOverturned, (id));
        return _deliver(id, req, IInbox.Mode.Overturn, data);
    }

    // ---- views ------------------------------------------------------------------------------------------------------

    /// @inheritdoc IRollup
    function checkClaim(bytes32 requestId, ClaimRef calldata claim)
        public
        view
        returns (address executor, uint40 postedAt)
    {
        RequestStatus memory s = _inbox.status(requestId);
        SegmentRecord memory segment = segments[claim.segmentId];
        bool standing = s.state == RequestState.Claimed || s.state == RequestState.Final;
        bool named = s.segmentId == claim.segmentId && s.index == claim.index;
        bool fits = claim.index < segment.count && claim.proof.length == ResultTree.depth(segment.count);
        bytes32 leaf = ResultTree.leaf(requestId, claim.outputHash);
        // INVARIANT: the very leaf that claimed the request, and no other, is disputed, final or delivered.
        if (!(standing && named && fits && ResultTree.fold(leaf, claim.index, claim.proof) == segment.root)) {
            revert NotTheClaim(requestId);
        }
        return (segment.executor, segment.postedAt);
    }

    /// @inheritdoc IRollup
    function sequencerAt(uint256 time) public view returns (address) {
        return _sequencerCount == 1 ? _firstSequencer : _sequencers[time / turnLength % _sequencerCount];
    }

    /// @inheritdoc IRollup
    function sequencers() external view returns (address[] memory) {
        return _sequencers;
    }

    /// @inheritdoc IRollup
    function bondOf(Request calldata req) public view returns (uint256) {
        return req.params.minBond > claimBond ? req.params.minBond : claimBond;
    }

    /// @inheritdoc IRollup
    function numberUsed(address executor, uint64 number) public view returns (bool) {
        return (_numbers[executor][number >> 8] >> (number & 0xff)) & 1 == 1;
    }

    /// @inheritdoc IRollup
    function segmentDigest(uint64 number, uint64 expiry, bytes32 root) public view returns (bytes32) {
        return _digest(keccak256(abi.encode(SEGMENT_TYPEHASH, number, expiry, root)));
    }

    /// @inheritdoc IRollup
    function workLeft() external view returns (uint256 batch, uint256 direct) {
        (batch, direct) = _work.levels(block.timestamp, _law());
        return (WorkMeter.batchCap(workPerWindow) - batch, WorkMeter.directCap(workPerWindow) - direct);
    }

    /// @inheritdoc IRollup
    function leastFee(uint256 work) external view returns (uint256) {
        // An idle share: nothing lies below its level.
        return _feeFor(WorkShare(WorkMeter.directCap(workPerWindow), 0, 0), _law(), work);
    }

    /// @inheritdoc IRollup
    function presentFee(uint256 work) external view returns (uint256 batch, uint256 direct) {
        WorkLaw memory law = _law();
        batch = _feeFor(_work.share(block.timestamp, law, false), law, work);
        direct = _feeFor(_work.share(block.timestamp, law, true), law, work);
    }

    /// @inheritdoc IRollup
    function domainSeparator() public view override(IRollup, Eip712) returns (bytes32) {
        return Eip712.domainSeparator();
    }

    // ---- inside -----------------------------------------------------------------------------------------------------

    function _beginBatch(SignedRequest[] calldata signed) internal {
        address whose = sequencerAt(block.timestamp);
        if (msg.sender != whose) revert NotSequencer(msg.sender, whose);
        if (signed.length != 0) _inbox.admit(signed);
    }

    /// @dev `blob` as in `Tally`.
    function _postSegment(Segment calldata segment, bytes32 blob) internal {
        uint256 count = segment.results.length;
        if (count == 0) return _skip(segment, SegmentError.Empty);
        if (count > type(uint16).max) return _skip(segment, SegmentError.TooManyResults);
        if (block.timestamp > segment.expiry) return _skip(segment, SegmentError.Expired);
        if (numberUsed(segment.executor, segment.number)) return _skip(segment, SegmentError.NumberUsed);

        bytes32[] memory ids = new bytes32[](count);
        bytes32[] memory leaves = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            Result calldata result = segment.results[i];
            ids[i] = RequestLaws.idOf(result.request, address(_inbox));
            leaves[i] = ResultTree.leaf(ids[i], _outputHash(result.output, blob));
        }
        // INVARIANT: the signed root is the one computed from what was posted, so what is claimed is available.
        bytes32 root = ResultTree.root(leaves);
        bytes32 digest = segmentDigest(segment.number, segment.expiry, root);
        if (!Ecdsa.isBy(segment.signature, digest, segment.executor)) return _skip(segment, SegmentError.BadSignature);
        _numbers[segment.executor][segment.number >> 8] |= 1 << (segment.number & 0xff);
        _postResults(segment, ids, root, blob);
    }

    function _postResults(Segment calldata segment, bytes32[] memory ids, bytes32 root, bytes32 blob) private {
        Tally memory t = _tally(segment.executor, false);
        t.blob = blob;
        segments[t.segmentId] = SegmentRecord(root, segment.executor, uint40(block.timestamp), uint16(ids.length));
        uint256 free = t.free;
        t.most = ids.length;
        for (uint256 i = 0; i < ids.length;) {
            i = _postRun(segment, ids, t, i);
        }
        uint256 locked = free - t.free;
        if (locked != 0) _staking.lock(segment.executor, locked);
        if (t.claimed != 0) _work = _work.filled(block.timestamp, t.law, t.share.level, false);
        emit SegmentPosted(t.segmentId, segment.executor, segment.number, root, uint16(ids.length), t.claimed, locked);
    }

    /// @dev Opens the next segment, of `executor`.
    function _tally(address executor, bool direct) private returns (Tally memory t) {
        t.segmentId = segmentCount++;
        t.free = _staking.freeStake(executor);
        t.law = _law();
        t.share = _work.share(block.timestamp, t.law, direct);
    }

    /// @dev Claims results from `from` on in one call, up to the first that can't be a claim, which is skipped. Where that
    ///      is one that is not Open, those behind it were priced in vain, so the next run is short.
    /// @return next the first result that is still to be looked at
    // INVARIANT: each result meets what the claims before it left and nothing else: the same outcome as one by one.
    function _postRun(Segment calldata segment, bytes32[] memory ids, Tally memory t, uint256 from)
        private
        returns (uint256 next)
    {
        (uint256 free, uint256 level, uint256 area) = (t.free, t.share.level, t.share.area);
        (uint80[] memory burns, ResultError reason) = _priceRun(segment, t, from, t.most);
        next = from;
        if (burns.length != 0) {
            next += _inbox.claimMany(t.segmentId, uint16(from), _slice(ids, from, burns.length), burns);
        }
        if (next < from + burns.length) {
            // An id that was never opened is not Open either: a result for another hash, seed or chain ends here.
            reason = ResultError.NotOpen;
            (t.free, t.share.level, t.share.area) = (free, level, area);
            _priceRun(segment, t, from, next - from);
        }
        t.claimed += uint16(next - from);
        _announce(segment, ids, t, from, next);
        t.most = reason == ResultError.None ? 2 * t.most : 1;
        if (reason == ResultError.None) return next;
        bytes32 outputHash = _outputHash(segment.results[next].output, t.blob);
        emit ResultSkipped(ids[next], t.segmentId, uint16(next), outputHash, reason);
        ++next;
    }

    /// @dev What `most` results from `from` on burn, as if they were Open, up to the first that can't be a claim.
    function _priceRun(Segment calldata segment, Tally memory t, uint256 from, uint256 most)
        private
        view
        returns (uint80[] memory burns, ResultError reason)
    {
        uint256 left = segment.results.length - from;
        burns = new uint80[](most < left ? most : left);
        for (uint256 i = 0; i < burns.length; ++i) {
            Result calldata result = segment.results[from + i];
            uint256 burned;
            (reason, burned) = _price(result.request, result.output, t);
            if (reason != ResultError.None) {
                // Why assembly: an array can't be cut short otherwise.
                assembly ("memory-safe") {
                    mstore(burns, i)
                }
                return (burns, reason);
            }
            burns[i] = uint80(burned);
        }
    }

    /// @dev What a leaf holds of an output.
    function _outputHash(bytes calldata output, bytes32) internal pure virtual returns (bytes32) {
        return keccak256(output);
    }

    /// @dev Says that the results from `from` to `to` are claims.
    function _announce(Segment calldata segment, bytes32[] memory ids, Tally memory t, uint256 from, uint256 to)
        internal
        virtual
    {
        for (uint256 i = from; i < to; ++i) {
            emit ResultClaimed(ids[i], t.segmentId, uint16(i), segment.executor, segment.results[i].output);
        }
    }

    /// @dev What a result burns as the next claim, or why it can't be one. Never reverts on anything that it can contain.
    function _price(Request calldata req, bytes calldata output, Tally memory t)
        internal
        view
        virtual
        returns (ResultError, uint256 burned)
    {
        if (uint256(req.payloadLength) + output.length > MAX_REQUEST_OUTPUT_BYTES) {
            return (ResultError.Oversized, 0);
        }
        // INVARIANT: what is claimed can be checked: its seed is known, and stays what it is.
        // Few entropies look like a block's number, and a word is read at a third of what a small integer costs each result.
        if (uint256(req.entropy) >> 64 == 0) {
            if (_seedless(req)) return (ResultError.NoSeed, 0);
        }
        uint256 bond = bondOf(req);
        if (bond > t.free) return (ResultError.NoStake, 0);
        uint256 tokens = RequestLaws.outputTokens(output, req.maxTokens);
        uint256 work = RequestLaws.work(req.modelLength, req.payloadLength, tokens);
        (uint256 level, uint256 area) = (t.share.level, t.share.area);
        bool fits;
        (fits, burned) = WorkMeter.pour(t.share, t.law, work);
        if (!fits) return (ResultError.WindowFull, 0);
        // INVARIANT: half of a fee at least is its executor's, at whatever price the batch meets.
        if (2 * burned > req.params.fee) {
            (t.share.level, t.share.area) = (level, area);
            return (ResultError.FeeTooLow, 0);
        }
        t.free -= bond;
        return (ResultError.None, burned);
    }

    /// @dev Of a request with the entropy of a block's number.
    function _seedless(Request calldata req) private view returns (bool) {
        return req.origin == RequestLaws.ORIGIN_LATER && _inbox.recordedSeed(uint256(req.entropy)) == 0;
    }

    function _slice(bytes32[] memory list, uint256 from, uint256 count) private pure returns (bytes32[] memory part) {
        if (count == list.length) return list;
        part = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            part[i] = list[from + i];
        }
    }

    function _deliver(bytes32 id, Request calldata req, IInbox.Mode mode, bytes memory data)
        private
        returns (bool success)
    {
        address consumer = req.params.callback;
        if (consumer == address(0)) revert NoConsumer();
        _inbox.beginCallback(id, mode, req, msg.sender);
        uint256 give = req.params.callbackGas;
        // INVARIANT: a callback fails by its consumer's doing, never because the deliverer brought too little gas.
        uint256 have = gasleft() * 63 / 64;
        if (have < give + CALLBACK_MARGIN) revert NotEnoughGas(have, give + CALLBACK_MARGIN);
        // Why assembly: Solidity would copy whatever the consumer returns into our memory, at our cost.
        assembly ("memory-safe") {
            success := call(give, consumer, 0, add(data, 32), mload(data), 0, 0)
        }
        if (!success) _inbox.failCallback(id, mode);
        emit Delivered(id, mode, consumer, success);
    }

    function _skip(Segment calldata segment, SegmentError reason) internal {
        emit SegmentSkipped(segment.executor, segment.number, reason);
    }

    function _law() private view returns (WorkLaw memory) {
        return WorkLaw(workPerWindow, window, workPriceFloor, workPriceDoublings);
    }

    function _feeFor(WorkShare memory share, WorkLaw memory law, uint256 work) private pure returns (uint256) {
        (bool fits, uint256 burned) = WorkMeter.pour(share, law, work);
        return fits ? 2 * burned : type(uint256).max;
    }

    function _claimKey(uint64 segmentId, uint16 index) private pure returns (uint256) {
        return uint256(segmentId) << 16 | index;
    }
}

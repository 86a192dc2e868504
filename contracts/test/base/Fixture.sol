// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {
    BlobSegment,
    ClaimRef,
    Delivery,
    Program,
    Request,
    RequestParams,
    RequestState,
    Result,
    Segment,
    SignedRequest
} from "../../src/interfaces/Types.sol";
import {IBlobRollup} from "../../src/interfaces/IBlobRollup.sol";
import {IInbox} from "../../src/interfaces/IInbox.sol";
import {IRollup} from "../../src/interfaces/IRollup.sol";
import {DisputeGame} from "../../src/dispute/DisputeGame.sol";
import {RomTree} from "../../src/dispute/RomTree.sol";
import {IStakeAsset} from "../../src/interfaces/IStakeAsset.sol";
import {AssetStaking} from "../../src/rollup/AssetStaking.sol";
import {Inbox} from "../../src/rollup/Inbox.sol";
import {LivenessPenalty} from "../../src/rollup/LivenessPenalty.sol";
import {ModelRegistry} from "../../src/rollup/ModelRegistry.sol";
import {Rollup} from "../../src/rollup/Rollup.sol";
import {Staking} from "../../src/rollup/Staking.sol";
import {WorkLaw} from "../../src/rollup/WorkMeter.sol";
import {AssetHands} from "./AssetHands.sol";
import {TestBase} from "./TestBase.sol";
import {ToyProver} from "./ToyProver.sol";

/// @notice A whole rollup over the toy machine, and the players' hands.
abstract contract Fixture is TestBase {
    uint256 internal constant EXECUTOR_KEY = 0xE1;
    uint256 internal constant OTHER_KEY = 0xE2;
    uint256 internal constant PAYER_KEY = 0xA1;
    uint256 internal constant START = 1_700_000_000;
    uint64 internal constant WINDOW = 30;
    uint64 internal constant ALLOWANCE = 120;
    uint64 internal constant UNBONDING = 300;
    uint64 internal constant DIRECT = 60;
    uint64 internal constant REOPEN = 60;
    uint128 internal constant CLAIM_BOND = 4 ether;
    uint64 internal constant MODEL_LENGTH = 1000;
    uint256 internal constant MAX_WORK = MODEL_LENGTH * 1000;
    uint256 internal constant WORK_PER_WINDOW = 10 * MAX_WORK;
    uint256 internal constant PRICE_FLOOR = 1e15;
    uint8 internal constant DOUBLINGS = 8;
    uint32 internal constant MAX_TOKENS = 16;

    address internal constant SEQUENCER = address(0x5E0);
    address internal constant ASKER = address(0xA5);
    address internal constant REFUND = address(0xAF);
    address internal constant CHALLENGER = address(0xC1);
    address internal constant RIVAL = address(0xC2);
    address internal constant ANYONE = address(0xB0B);

    ModelRegistry internal registry;
    Staking internal staking;
    Inbox internal inbox;
    DisputeGame internal game;
    Rollup internal rollup;
    LivenessPenalty internal liveness;
    /// @dev Whose executors' hands they are where stake is not ether; set before the deployment.
    AssetHands internal hands;
    ToyProver internal prover;
    bytes32 internal programId;
    bytes32 internal modelId;
    address internal executor;
    address internal other;
    address internal payer;

    /// @dev A payload as a dApp would send it: greedy, 16 tokens, one user part "hello".
    bytes internal payload = hex"01001000000000000000000100000500000068656c6c6f";
    /// @dev The blob that segments are over; zero where outputs are in calldata.
    bytes32 internal blob;
    /// @dev An answer of two ids, text "ok".
    bytes internal output = hex"000200000007000000090000006f6b";
    bytes internal userData = "order 7";

    uint64 internal unbonding = UNBONDING;
    uint256 internal workPerWindow = WORK_PER_WINDOW;
    uint256 internal priceFloor = PRICE_FLOOR;
    uint8 internal doublings = DOUBLINGS;
    address[] internal sequencers = [SEQUENCER];
    uint64 internal turnLength = 60;
    uint64 internal seedDelay;

    function setUp() public virtual {
        _deploy(5, 50, true);
    }

    // ---- deployment -------------------------------------------------------------------------------------------------

    function _deploy(uint8 arityLog2, uint8 traceLog2, bool claimIsTrue) internal {
        vm.warp(START);
        vm.prevrandao(keccak256("entropy"));
        executor = vm.addr(EXECUTOR_KEY);
        other = vm.addr(OTHER_KEY);
        payer = vm.addr(PAYER_KEY);
        uint256 nonce = vm.getNonce(address(this));
        address gameAt = vm.computeCreateAddress(address(this), nonce + 4);
        address rollupAt = vm.computeCreateAddress(address(this), nonce + 5);
        address livenessAt = vm.computeCreateAddress(address(this), nonce + 6);
        registry = new ModelRegistry(traceLog2);
        programId = registry.registerProgram(_program(traceLog2));
        bytes32 last = claimIsTrue ? _haltedRoot() : keccak256("it trapped");
        prover = _newProver(uint256(1) << traceLog2, registry.initialRoot(programId), last);
        staking = _newStaking(rollupAt, gameAt, livenessAt);
        inbox = new Inbox(rollupAt, registry, MAX_WORK, DIRECT, REOPEN, seedDelay);
        game = _newGame(Rollup(rollupAt), arityLog2);
        rollup = _newRollup();
        liveness = new LivenessPenalty(inbox, staking, CLAIM_BOND / 2);
        modelId = _registerModel(0, 0);
        vm.deal(ASKER, 1000 ether);
        vm.deal(payer, 1000 ether);
        vm.deal(CHALLENGER, 1000 ether);
        vm.deal(RIVAL, 1000 ether);
        vm.deal(address(this), 10_000 ether);
        _stake(executor, 100 ether);
        _stake(other, 100 ether);
    }

    // ---- what stake is held in ----------------------------------------------------------------------------------------

    /// @dev One creation by this contract, of an `IStaking`: only `deposit` may differ from ether's.
    function _newStaking(address rollupAt, address gameAt, address livenessAt) private returns (Staking) {
        if (address(hands) == address(0)) return new Staking(rollupAt, gameAt, livenessAt, unbonding);
        IStakeAsset asset = hands.adapterFor(vm.computeCreateAddress(address(this), vm.getNonce(address(this))));
        AssetStaking made = new AssetStaking(rollupAt, gameAt, livenessAt, unbonding, asset, hands.perEther());
        return Staking(address(made));
    }

    /// @dev Adds what stands for `amount` wei to `who`'s stake.
    function _stake(address who, uint256 amount) internal {
        if (address(hands) == address(0)) staking.deposit{value: amount}(who);
        else hands.stake(who, amount);
    }

    /// @dev Wei of credit that games left `who`.
    function _due(address who) internal view returns (uint256) {
        uint256 inEther = game.credit(who);
        return address(hands) == address(0) ? inEther : inEther + hands.weiOf(staking.credit(who));
    }

    /// @dev Sends all of it to `to`.
    function _takeDue(address who, address payable to) internal returns (uint256 amount) {
        vm.prank(who);
        amount = game.withdrawCredit(to);
        if (address(hands) == address(0) || staking.credit(who) == 0) return amount;
        vm.prank(who);
        amount += hands.weiOf(staking.withdrawCredit(to));
    }

    /// @dev Wei of bonds, fees and penalties that were burned.
    function _burned() internal view returns (uint256) {
        uint256 inEther = address(0).balance;
        return address(hands) == address(0) ? inEther : inEther + hands.weiOf(hands.staking().burned());
    }

    /// @dev Wei of stake, and of what was slashed and is still somebody's.
    function _stakeHeld() internal view returns (uint256 stakes, uint256 slashed) {
        if (address(hands) == address(0)) return (address(staking).balance, 0);
        return (hands.weiOf(hands.stakes()), hands.weiOf(hands.taken() - hands.staking().burned()));
    }

    /// @dev What `to` has of what stake is held in, as wei.
    function _has(address to) internal view returns (uint256) {
        return address(hands) == address(0) ? to.balance : hands.weiOf(hands.token().balanceOf(to));
    }

    function _newGame(Rollup at_, uint8 arityLog2) internal virtual returns (DisputeGame) {
        return new DisputeGame(at_, address(inbox), staking, registry, prover, arityLog2, ALLOWANCE, 10 gwei, 2 gwei);
    }

    /// @dev One creation by this contract, of an `IOneStepProver`.
    function _newProver(uint256 length, bytes32 first, bytes32 last) internal virtual returns (ToyProver) {
        return new ToyProver(length, first, last);
    }

    function _newRollup() internal virtual returns (Rollup) {
        return new Rollup(inbox, staking, game, sequencers, turnLength, CLAIM_BOND, _law());
    }

    function _law() internal view returns (WorkLaw memory) {
        return WorkLaw(workPerWindow, WINDOW, priceFloor, doublings);
    }

    /// @dev External, so that a test can expect its revert.
    function deployAgain() external {
        _deploy(5, 50, true);
    }

    function _program(uint8 traceLog2) internal pure returns (Program memory p) {
        p.codeRoot = keccak256("code");
        p.segmentsRoot = keccak256("segments");
        p.tableRoot = keccak256("table");
        p.memoryRoot = keccak256("memory");
        p.globalsRoot = keccak256("globals");
        (p.pages, p.maxPages, p.volatileLog2, p.stackCells) = (1, 2, 16, 1024);
        (p.a, p.b, p.entry) = (traceLog2 / 2, traceLog2 - traceLog2 / 2, 3);
    }

    function _registerModel(uint32 maxGap, uint32 maxFlips) internal returns (bytes32) {
        (bytes32 root, bytes memory leaf, bytes32[33] memory siblings) = _modelProof(MODEL_LENGTH);
        return registry.registerModel(root, MODEL_LENGTH, programId, maxGap, maxFlips, leaf, siblings, "file:toy");
    }

    /// @dev A model whose file begins with its length and is zero in the first leaf.
    function _modelProof(uint64 length)
        internal
        pure
        returns (bytes32 root, bytes memory leaf, bytes32[33] memory siblings)
    {
        leaf = new bytes(128);
        for (uint256 i = 0; i < 8; ++i) {
            leaf[i] = bytes1(uint8(length >> uint64(8 * i)));
        }
        root = keccak256(abi.encodePacked(uint8(0), leaf));
        for (uint256 i = 0; i < 33; ++i) {
            siblings[i] = keccak256(abi.encode("sibling", i));
            root = RomTree.nodeHash(root, siblings[i]);
        }
    }

    function _haltedRoot() internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(uint8(2), uint8(3), new bytes(144)));
    }

    // ---- requests ---------------------------------------------------------------------------------------------------

    function _params() internal view returns (RequestParams memory p) {
        p.modelId = modelId;
        p.delivery = uint8(Delivery.Final);
        p.fee = 1 ether;
        p.refundTo = REFUND;
        p.inclusionDeadline = uint64(block.timestamp) + 100;
    }

    /// @dev What the inbox should make of these; the tests compare ids.
    function _requestOf(RequestParams memory p, address requester, uint8 origin, uint64 nonce, bytes32 entropy)
        internal
        view
        returns (Request memory r)
    {
        (r.requester, r.origin, r.nonce, r.entropy) = (requester, origin, nonce, entropy);
        (r.payloadHash, r.payloadLength) = (keccak256(payload), uint32(payload.length));
        (r.maxTokens, r.userDataHash, r.modelLength) = (MAX_TOKENS, keccak256(userData), MODEL_LENGTH);
        r.params = p;
    }

    /// @dev What the inbox should make of these if the asker asks now.
    function _nextRequest(RequestParams memory p) internal view returns (Request memory) {
        bool later = inbox.seedDelay() != 0;
        bytes32 entropy = later ? bytes32(block.number + inbox.seedDelay()) : keccak256("entropy");
        return _requestOf(p, ASKER, later ? 2 : 0, inbox.requestCount(), entropy);
    }

    /// @dev What the seed of `r` is drawn from.
    function _entropyOf(Request memory r) internal view virtual returns (bytes32) {
        return r.entropy;
    }

    function _idOf(Request memory r) internal view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(inbox), r));
    }

    function _ask(RequestParams memory p) internal returns (Request memory r) {
        r = _nextRequest(p);
        vm.prank(ASKER);
        bytes32 id = inbox.request{value: uint256(p.fee) + p.callbackFee}(p, payload, userData);
        assertEq(id, _idOf(r), "request id");
    }

    function _ask() internal returns (Request memory) {
        return _ask(_params());
    }

    function _state(Request memory r) internal view returns (RequestState) {
        return inbox.status(_idOf(r)).state;
    }

    function _assertState(Request memory r, RequestState state, string memory what) internal view {
        assertEq(uint256(_state(r)), uint256(state), what);
    }

    function _signed(RequestParams memory p, uint64 nonce) internal view returns (SignedRequest memory s) {
        (s.payer, s.nonce, s.entropy, s.params) = (payer, nonce, keccak256("payer's own"), p);
        (s.payload, s.userData) = (payload, userData);
        s.signature = _sign(PAYER_KEY, inbox.signedRequestDigest(s));
    }

    // ---- batches ----------------------------------------------------------------------------------------------------

    function _sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function _leaf(Request memory r, bytes memory out) internal view returns (bytes32) {
        return keccak256(abi.encodePacked(uint8(5), _idOf(r), _outputHash(out)));
    }

    /// @dev What stands for an output: written another way than the contract's.
    function _outputHash(bytes memory out) internal view returns (bytes32) {
        if (blob == 0) return keccak256(out);
        return bytes32(type(uint256).max - uint256(keccak256(bytes.concat(blob, out))));
    }

    function _leaves(Result[] memory results) internal view returns (bytes32[] memory leaves) {
        uint256 size = 1;
        while (size < results.length) size *= 2;
        leaves = new bytes32[](size);
        for (uint256 i = 0; i < results.length; ++i) {
            leaves[i] = _leaf(results[i].request, results[i].output);
        }
    }

    /// @dev Root of a full tree, halves first: another way than the contract's.
    function _rootOf(bytes32[] memory leaves, uint256 from, uint256 to) internal pure returns (bytes32) {
        if (to - from == 1) return leaves[from];
        uint256 mid = (from + to) / 2;
        return keccak256(abi.encodePacked(uint8(1), _rootOf(leaves, from, mid), _rootOf(leaves, mid, to)));
    }

    function _proofOf(bytes32[] memory leaves, uint256 index) internal pure returns (bytes32[] memory proof) {
        uint256 depth = 0;
        while (uint256(1) << depth < leaves.length) ++depth;
        proof = new bytes32[](depth);
        for (uint256 level = 0; level < depth; ++level) {
            uint256 sibling = (index >> level) ^ 1;
            proof[level] = _rootOf(leaves, sibling << level, (sibling + 1) << level);
        }
    }

    function _segment(uint256 key, uint64 number, Result[] memory results) internal view returns (Segment memory s) {
        (s.executor, s.number, s.expiry, s.results) = (vm.addr(key), number, uint64(block.timestamp) + 60, results);
        bytes32[] memory leaves = _leaves(results);
        s.signature = _sign(key, rollup.segmentDigest(number, s.expiry, _rootOf(leaves, 0, leaves.length)));
    }

    function _refOf(uint64 segmentId, uint16 index, Result[] memory results) internal view returns (ClaimRef memory) {
        return ClaimRef(segmentId, index, _outputHash(results[index].output), _proofOf(_leaves(results), index));
    }

    function _results(Request memory r) internal view returns (Result[] memory results) {
        results = new Result[](1);
        results[0] = Result(r, output);
    }

    function _post(Segment memory segment) internal returns (uint64 segmentId) {
        if (blob != 0) return _postWithBlob(segment);
        Segment[] memory batch = new Segment[](1);
        batch[0] = segment;
        segmentId = rollup.segmentCount();
        vm.prank(SEQUENCER);
        rollup.postBatch(batch, new SignedRequest[](0));
    }

    /// @dev Posts with `blob` as the transaction's only one.
    function _postWithBlob(Segment memory segment) private returns (uint64 segmentId) {
        BlobSegment[] memory batch = new BlobSegment[](1);
        batch[0] = BlobSegment(segment, 0);
        segmentId = rollup.segmentCount();
        _carry(blob);
        vm.prank(SEQUENCER);
        IBlobRollup(address(rollup)).postBlobBatch(batch, new SignedRequest[](0));
    }

    /// @dev The blob that this transaction carries.
    function _carry(bytes32 versionedHash) internal {
        bytes32[] memory hashes = new bytes32[](1);
        hashes[0] = versionedHash;
        vm.blobhashes(hashes);
    }

    uint64 private _nextNumber;

    /// @dev `r` answered by the first executor and claimed.
    function _claim(Request memory r) internal returns (ClaimRef memory) {
        Result[] memory results = _results(r);
        uint64 segmentId = _post(_segment(EXECUTOR_KEY, _nextNumber++, results));
        _assertState(r, RequestState.Claimed, "claimed");
        return _refOf(segmentId, 0, results);
    }

    function _finalize(Request memory r, ClaimRef memory c) internal {
        vm.warp(block.timestamp + WINDOW);
        rollup.finalize(r, c);
    }

    // ---- what was skipped, and why ------------------------------------------------------------------------------------

    uint256 internal constant NONE = type(uint256).max;

    /// @dev Posts one segment and says why it or its results were skipped (NONE where claimed).
    function _reasons(Segment memory segment) internal returns (uint256 whole, uint256[] memory each) {
        vm.recordLogs();
        _post(segment);
        Log[] memory logs = _logs();
        each = new uint256[](segment.results.length);
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topic == IRollup.SegmentSkipped.selector) {
                (, whole) = abi.decode(logs[i].data, (uint64, uint256));
            } else if (logs[i].topic == IRollup.ResultSkipped.selector) {
                (uint16 index,, uint256 reason) = abi.decode(logs[i].data, (uint16, bytes32, uint256));
                each[index] = reason;
            } else if (_saysClaimed(logs[i].topic)) {
                each[abi.decode(logs[i].data, (uint16))] = NONE;
            }
        }
    }

    function _saysClaimed(bytes32 topic) private pure returns (bool) {
        return topic == IRollup.ResultClaimed.selector || topic == IBlobRollup.ResultClaimedInBlob.selector;
    }

    function _assertOne(Segment memory segment, IRollup.ResultError reason) internal {
        (, uint256[] memory each) = _reasons(segment);
        assertEq(each[0], uint256(reason), "result's reason");
    }

    function _admit(SignedRequest memory s) internal returns (IInbox.AdmitError reason) {
        SignedRequest[] memory signed = new SignedRequest[](1);
        signed[0] = s;
        vm.recordLogs();
        vm.prank(SEQUENCER);
        rollup.postBatch(new Segment[](0), signed);
        Log[] memory logs = _logs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topic == IInbox.SignedRequestSkipped.selector) {
                (, reason) = abi.decode(logs[i].data, (uint64, IInbox.AdmitError));
                return reason;
            }
        }
    }
}

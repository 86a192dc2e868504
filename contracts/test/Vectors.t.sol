// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {DisputeGame} from "../src/dispute/DisputeGame.sol";
import {IDisputeGame} from "../src/interfaces/IDisputeGame.sol";
import {IStaking} from "../src/interfaces/IStaking.sol";
import {SignedAsk} from "../src/interfaces/MarketTypes.sol";
import {GameContext, Promise, Request, RequestParams, SignedRequest} from "../src/interfaces/Types.sol";
import {IOneStepProver} from "../src/machine/IOneStepProver.sol";
import {InferenceMarket} from "../src/market/InferenceMarket.sol";
import {BlobRefs} from "../src/rollup/BlobRefs.sol";
import {Inbox} from "../src/rollup/Inbox.sol";
import {LivenessPenalty} from "../src/rollup/LivenessPenalty.sol";
import {ModelRegistry} from "../src/rollup/ModelRegistry.sol";
import {RequestLaws} from "../src/rollup/RequestLaws.sol";
import {ResultTree} from "../src/rollup/ResultTree.sol";
import {Rollup} from "../src/rollup/Rollup.sol";
import {Staking} from "../src/rollup/Staking.sol";
import {WorkLaw, WorkMeter} from "../src/rollup/WorkMeter.sol";
import {Player} from "./base/Player.sol";
import {TestBase} from "./base/TestBase.sol";

/// @notice The same values as `contracts/bindings/tests/vectors.rs`: what Rust computes is what the contracts compute.
contract VectorsTest is TestBase {
    address private constant DEPLOYER = 0x1111111111111111111111111111111111111111;
    bytes32 private constant REQUEST_ID = 0x5aec46c15d91c5c2a1a4acbc4d75bf39c0a2147ed2f794bc66c3a3ee6ec81773;
    bytes32 private constant SEED = 0x9296d23364f1650a7623565e37e720dad2f7f4c2c10e86e5ebe2af8b098450c4;
    bytes32 private constant ROM_HEADER = 0xbba94aaec70bf464ae764ce7fa64f6280aec224fe3556b2fd4469c4ed71c55a0;
    bytes32 private constant REQUEST_DIGEST = 0xd137461f19a3a067e1a33a637169b48e54efe8d83469506841303115191c2d5e;
    bytes32 private constant SEGMENT_DIGEST = 0xc6397123f8168498aca0d9ab8513369ec2d5cc6366a01357141501f1df7a5657;
    bytes32 private constant PROMISE_DIGEST = 0x08081f7f674dd4efd5528bf7be0688401cec9357d073d1ccd1e974cb64bab286;
    bytes32 private constant ASK_DIGEST = 0x66ad2d4cd28a42ed3dbaca01e27f918eaf70f2f83632c33d6edb6a3439d84dd2;
    bytes32 private constant RESULTS_ROOT = 0x80777021014cfe3e80ba85649f442fdbd8ec7ff75594e3bc7e171fd07a642935;
    bytes32 private constant BLOB_LEAF = 0x05d6418c58bdf9a5e602a70dac7e9394c61a7189c4ac96cc476d24202574ccab;
    bytes32 private constant GAME_ID = 0x94e56e1bc1e7828d2b6681cbbd8ed964ab768dda18f3693bc82a2afcbdf3107b;
    bytes32 private constant COMMITMENT = 0x04a0fdd1508ca2def5adb1045ef2ad7a6662730ffe351d1efd7330763418b9f4;

    Inbox private inbox;
    Rollup private rollup;
    DisputeGame private game;
    LivenessPenalty private liveness;
    InferenceMarket private market;

    /// @dev Inbox, rollup, game, liveness and market are the deployer's first five contracts on chain 31337, in that order.
    function setUp() public {
        vm.chainId(31337);
        ModelRegistry registry = new ModelRegistry(50);
        address[4] memory to;
        for (uint256 i = 0; i < 4; ++i) {
            to[i] = vm.computeCreateAddress(DEPLOYER, i);
        }
        Staking staking = new Staking(to[1], to[2], to[3], 1000);
        vm.startPrank(DEPLOYER);
        inbox = new Inbox(to[1], registry, 1, 1, 1, 0);
        // The rollup wants to see its game, which comes after it.
        vm.mockCall(to[2], abi.encodeCall(IDisputeGame.rollup, ()), abi.encode(to[1]));
        vm.mockCall(to[2], abi.encodeCall(IDisputeGame.inbox, ()), abi.encode(inbox));
        vm.mockCall(to[2], abi.encodeCall(IDisputeGame.staking, ()), abi.encode(staking));
        vm.mockCall(to[2], abi.encodeCall(IDisputeGame.registry, ()), abi.encode(registry));
        vm.mockCall(to[2], abi.encodeCall(IDisputeGame.prover, ()), abi.encode(registry));
        vm.mockCall(to[2], abi.encodeCall(IDisputeGame.allowance, ()), abi.encode(1));
        address[] memory sequencers = new address[](1);
        sequencers[0] = DEPLOYER;
        rollup = new Rollup(inbox, staking, IDisputeGame(to[2]), sequencers, 1, 2, WorkLaw(10, 30, 1, 1));
        vm.clearMockedCalls();
        vm.etch(to[2], "");
        game = new DisputeGame(
            rollup, address(inbox), IStaking(staking), registry, IOneStepProver(address(0)), 5, 120, 1, 1
        );
        liveness = new LivenessPenalty(inbox, staking, 1);
        market = new InferenceMarket(registry, 1);
        vm.stopPrank();
    }

    function _bytes20(uint8 b) private pure returns (address) {
        return address(uint160(b) * (type(uint160).max / 255));
    }

    function _params() private pure returns (RequestParams memory) {
        return RequestParams({
            modelId: keccak256("model"),
            callback: _bytes20(0x22),
            callbackGas: 123_456,
            delivery: 1,
            tolerant: true,
            minBond: 5,
            fee: 1_000_000_007,
            callbackFee: 77,
            refundTo: _bytes20(0x33),
            inclusionDeadline: 1_700_000_100
        });
    }

    bytes private constant PAYLOAD = hex"01001000000000000000000100000500000068656c6c6f";

    function _request() private pure returns (Request memory) {
        return Request({
            requester: _bytes20(0x44),
            origin: 0,
            nonce: 9,
            entropy: keccak256("entropy"),
            payloadHash: keccak256(PAYLOAD),
            payloadLength: uint32(PAYLOAD.length),
            maxTokens: 16,
            userDataHash: keccak256("order 7"),
            modelLength: 1000,
            tolerance: uint64(500) << 32 | 3,
            params: _params()
        });
    }

    /// @dev The six words before the payload, as docs/encoding.md writes them.
    function test_romHeader_asInRust_succeeds() public view {
        bytes memory words = abi.encodePacked(
            block.chainid,
            uint256(uint160(address(inbox))),
            REQUEST_ID,
            keccak256("model"),
            SEED,
            uint256(uint64(500) << 32 | 3)
        );
        assertEq(keccak256(words), ROM_HEADER, "header");
    }

    /// @dev What the game stores: history, start root, root over the posted ones, claim key, who moves, who waits.
    function test_commitment_asInRust_succeeds() public pure {
        bytes32[] memory roots = new bytes32[](4);
        for (uint256 i = 0; i < 4; ++i) {
            roots[i] = bytes32((i + 1) * (type(uint256).max / 255));
        }
        bytes32 posted = Player.merkle(roots, 0, 4);
        uint256 claim = 6 << 16 | 2;
        bytes32 commitment = keccak256(abi.encode(GAME_ID, 0, posted, claim, _bytes20(0x77), _bytes20(0x66)));
        assertEq(commitment, COMMITMENT, "commitment");
    }

    function seed(Request calldata r, bytes32 id) external pure returns (bytes32) {
        return RequestLaws.seed(r.entropy, id);
    }

    function test_requestIdAndSeed_asInRust_succeeds() public view {
        bytes32 id = inbox.idOf(_request());
        assertEq(id, REQUEST_ID, "id");
        assertEq(this.seed(_request(), id), SEED, "seed");
    }

    function test_digests_asInRust_succeeds() public view {
        SignedRequest memory s = SignedRequest({
            payer: _bytes20(0x55),
            nonce: 700,
            entropy: keccak256("payer's own"),
            params: _params(),
            payload: PAYLOAD,
            userData: "order 7",
            signature: ""
        });
        assertEq(inbox.signedRequestDigest(s), REQUEST_DIGEST, "request");
        assertEq(rollup.segmentDigest(7, 1_700_000_200, keccak256("root")), SEGMENT_DIGEST, "segment");
    }

    function test_promiseDigest_asInRust_succeeds() public view {
        Promise memory given =
            Promise({requestId: REQUEST_ID, deadline: 1_700_000_300, penalty: 20_000_000_000_000_000_003});
        assertEq(liveness.promiseDigest(given), PROMISE_DIGEST, "promise");
    }

    /// @dev Prices beyond 64 bits, and a nonce and an end beyond 32.
    function test_askDigest_asInRust_succeeds() public view {
        SignedAsk memory ask = SignedAsk({
            executor: _bytes20(0x66),
            modelId: keccak256("model"),
            token: _bytes20(0x88),
            hardware: 4,
            capacity: 3_000_000_019,
            promptPrice: 30_000_000_000_000_000_001,
            tokenPrice: 40_000_000_000_000_000_007,
            nonce: 5_000_000_011,
            validUntil: 17_000_000_400,
            signature: ""
        });
        assertEq(market.askDigest(ask), ASK_DIGEST, "ask");
    }

    function test_resultsRoot_asInRust_succeeds() public pure {
        bytes32[] memory leaves = new bytes32[](3);
        for (uint8 i = 0; i < 3; ++i) {
            bytes32 id = bytes32(uint256(i) * (type(uint256).max / 255));
            leaves[i] = ResultTree.leaf(id, keccak256(abi.encodePacked(i)));
        }
        assertEq(ResultTree.root(leaves), RESULTS_ROOT, "root");
    }

    function valid(bytes calldata ref) external pure returns (bool) {
        return BlobRefs.valid(ref);
    }

    /// @dev From element 2 on, 43 bytes, and the head of an answer of two tokens.
    function test_blobLeaf_asInRust_succeeds() public view {
        bytes memory ref = hex"0002002b0002000000";
        assertTrue(this.valid(ref), "a reference");
        assertEq(BlobRefs.elements(43), 2, "elements");
        assertEq(BlobRefs.hash(bytes32(type(uint256).max / 255), ref), BLOB_LEAF, "leaf");
    }

    /// @dev The devnet's law.
    function _burns(uint256 level, uint256 work, bool direct, uint256 burn) private pure {
        WorkLaw memory law = WorkLaw(150_000_000_000, 30, 1 gwei, 15);
        uint256 cap = direct ? WorkMeter.directCap(law.perWindow) : WorkMeter.batchCap(law.perWindow);
        assertEq(WorkMeter.cost(law, cap, level, work), burn, "burn");
    }

    function test_burn_asInRust_succeeds() public pure {
        _burns(0, 238000000, false, 233726978303);
        _burns(59762000000, 238000000, false, 7326867187500000);
        _burns(45000000000, 15000000000, false, 173583984375000000);
        _burns(7999999999, 1, false, 3815);
        _burns(0, 15000000000, true, 46873569488525391);
        _burns(1234567890, 987654321, true, 3303047553163);
    }

    function test_gameId_asInRust_succeeds() public view {
        GameContext memory c = GameContext({
            requestId: inbox.idOf(_request()),
            segmentId: 6,
            index: 2,
            executor: _bytes20(0x66),
            challenger: _bytes20(0x77),
            claimBond: 1_000_000,
            modelId: keccak256("model"),
            requestRoot: keccak256("request root"),
            outputRoot: keccak256("output root")
        });
        assertEq(game.gameIdOf(c), GAME_ID, "game id");
    }
}

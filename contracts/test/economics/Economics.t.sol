// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {
    ClaimGames,
    ClaimRef,
    Delivery,
    GameState,
    Request,
    RequestParams,
    RequestState,
    Result
} from "../../src/interfaces/Types.sol";
import {GameSlot, pack} from "../../src/dispute/GameSlot.sol";
import {DisputeGame} from "../../src/dispute/DisputeGame.sol";
import {InferenceMarket} from "../../src/market/InferenceMarket.sol";
import {Inbox} from "../../src/rollup/Inbox.sol";
import {LivenessPenalty} from "../../src/rollup/LivenessPenalty.sol";
import {Rollup} from "../../src/rollup/Rollup.sol";
import {Staking} from "../../src/rollup/Staking.sol";
import {WorkLaw} from "../../src/rollup/WorkMeter.sol";
import {Recorder} from "../base/Consumers.sol";
import {SeedFixture} from "../base/SeedFixture.sol";

/// @notice Plays the disputes of `vectors.json` in the contracts, at the parameters of docs/parameters.json, and compares who
///         has what, to the wei, with the model that `scripts/economics.mjs` simulates attacks in.
contract EconomicsTest is SeedFixture {
    uint256 private constant BY_PROOF = 0;
    uint256 private constant CHALLENGER_TIMES_OUT = 1;
    uint256 private constant EXECUTOR_TIMES_OUT = 2;
    uint256 private constant VOID = 3;
    uint256 private constant GAMES_SLOT = 2;
    uint256 private constant CLAIMS_SLOT = 3;
    uint64 private constant LARGE_MODEL = 4e9;

    string private parameters;
    string private vectors;
    /// @dev Keys of the deployment and of the dispute being played.
    string private deployment;
    string private dispute;
    bytes32 private largeModel;
    Request private req;
    ClaimRef private ref;
    /// @dev What the request is asked with; the fixture's own while it is empty.
    RequestParams private params;

    function setUp() public override {
        parameters = vm.readFile("../docs/parameters.json");
        vectors = vm.readFile("test/economics/vectors.json");
    }

    // ---- the deployments ----------------------------------------------------------------------------------------------

    function _parameter(string memory key) private view returns (uint256) {
        return vm.parseJsonUint(parameters, string.concat(".", deployment, ".", key));
    }

    /// @dev The contracts with a deployment's own parameters, beside the fixture's prover.
    function _deployAs(string memory name, bool executorLies) private {
        deployment = name;
        _games(
            uint8(_parameter("DisputeGame.arityLog2")),
            uint8(_parameter("ModelRegistry.traceLog2")),
            executorLies,
            0xdead_beef
        );
        address gameAt = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 2);
        address rollupAt = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 3);
        address livenessAt = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 4);
        staking = new Staking(rollupAt, gameAt, livenessAt, uint64(_parameter("Staking.unbondingDelay")));
        inbox = new Inbox(
            rollupAt,
            registry,
            _parameter("Inbox.maxWork"),
            uint64(_parameter("Inbox.directPeriod")),
            uint64(_parameter("Inbox.reopenPeriod")),
            uint64(_parameter("Inbox.seedDelay"))
        );
        game = new DisputeGame(
            Rollup(rollupAt),
            address(inbox),
            staking,
            registry,
            prover,
            uint8(_parameter("DisputeGame.arityLog2")),
            uint64(_parameter("DisputeGame.allowance")),
            _parameter("DisputeGame.bondGasPrice"),
            _parameter("DisputeGame.tipCap")
        );
        rollup = new Rollup(
            inbox,
            staking,
            game,
            sequencers,
            uint64(_parameter("Rollup.turnLength")),
            uint128(_parameter("Rollup.claimBond")),
            WorkLaw(
                _parameter("Rollup.workPerWindow"),
                _parameter("Rollup.window"),
                _parameter("Rollup.workPriceFloor"),
                _parameter("Rollup.workPriceDoublings")
            )
        );
        liveness = new LivenessPenalty(inbox, staking, _parameter("LivenessPenalty.cap"));
        (bytes32 root, bytes memory leaf, bytes32[33] memory siblings) = _modelProof(LARGE_MODEL);
        largeModel = registry.registerModel(root, LARGE_MODEL, programId, 0, 0, leaf, siblings, "file:large");
    }

    /// @dev What the table says can be deployed: none of the constructors' laws is broken by it.
    function test_deploy_parametersOfTheTable_succeeds() public {
        string[3] memory names = ["devnet", "l2", "l1"];
        for (uint256 i = 0; i < 3; ++i) {
            _deployAs(names[i], true);
            assertEq(rollup.window(), _parameter("Rollup.window"), "window");
            assertTrue(rollup.leastFee(inbox.maxWork()) != type(uint256).max, "the largest request can be asked");
            uint256 notice = _parameter("InferenceMarket.notice");
            assertEq(new InferenceMarket(registry, uint32(notice)).notice(), notice, "notice");
        }
    }

    // ---- disputes -----------------------------------------------------------------------------------------------------

    function test_trueClaim_challengedAndWon_paysAsModelled_succeeds() public {
        _both("trueClaimWon");
        _both("trueClaimWonAtAnyPrice");
        _both("trueClaimManySybils");
    }

    function test_falseClaim_oneWinnerAndVoidGames_paysAsModelled_succeeds() public {
        _both("falseClaimAlone");
        _both("falseClaimTwoVoid");
        _both("falseClaimPoolShort");
    }

    function test_falseClaim_shamLosesFirst_paysAsModelled_succeeds() public {
        _both("shamLosesFirst");
        _both("shamLosesFirstOneVoid");
    }

    function test_falseClaim_executorSilent_paysAsModelled_succeeds() public {
        _both("executorSilent");
        _both("executorSilentOneVoid");
    }

    function _both(string memory key) private {
        dispute = key;
        _playDispute("l2");
        _playDispute("l1");
    }

    function _key(string memory field) private view returns (string memory) {
        return string.concat(".", deployment, ".", dispute, ".", field);
    }

    function _expected(string memory field) private view returns (uint256) {
        return vm.parseJsonUint(vectors, _key(field));
    }

    function _expectedOf(string memory field) private view returns (uint256[] memory) {
        return vm.parseJsonUintArray(vectors, _key(field));
    }

    function _playDispute(string memory name) private {
        deployment = name;
        bool lie = _expected("lie") == 1;
        _deployAs(name, lie);
        executor = vm.addr(EXECUTOR_KEY);
        staking.deposit{value: _parameter("Rollup.claimBond")}(executor);
        uint256 burned = address(0).balance;
        req = _askOfMaxWork(_expected("fee"));
        Result[] memory results = new Result[](1);
        results[0] = Result(req, _mostWork());
        output = results[0].output;
        ref = _refOf(_post(_segment(EXECUTOR_KEY, 1, results)), 0, results);
        assertEq(inbox.status(_idOf(req)).burn, _expected("burn"), "what the claim burns");

        _playGames(_expectedOf("ends"));
        assertEq(address(0).balance - burned, _expected("burnedByGames"), _what("burned by games"));
        _checkGames();
        _checkFee(lie, address(0).balance);
    }

    function _what(string memory what) private view returns (string memory) {
        return string.concat(deployment, ", ", dispute, ": ", what);
    }

    function _playGames(uint256[] memory ends) private {
        Match[] memory games = new Match[](ends.length);
        for (uint256 i = 0; i < ends.length; ++i) {
            vm.deal(_challenger(i), 10 ether);
            games[i] = _open(req, ref, _challenger(i));
        }
        _setTallies(games);
        // From here on transactions add nothing to the tallies.
        vm.fee(0);
        vm.txGasPrice(0);
        _timeOutChallengers(games, ends);
        for (uint256 i = 0; i < ends.length; ++i) {
            if (ends[i] == BY_PROOF) {
                _playHonestly(games[i]);
                _prove(games[i]);
            } else if (ends[i] == EXECUTOR_TIMES_OUT) {
                _play(games[i], _moveOf(games[i], 0));
                vm.warp(block.timestamp + game.allowance());
                vm.prank(ANYONE);
                game.timeout(games[i].context);
            }
        }
        for (uint256 i = 0; i < ends.length; ++i) {
            if (ends[i] != VOID) continue;
            vm.prank(ANYONE);
            game.settleVoid(games[i].context);
        }
    }

    /// @dev Challengers that stop lose by their clocks; who goes on moves in time.
    function _timeOutChallengers(Match[] memory games, uint256[] memory ends) private {
        bool any = false;
        for (uint256 i = 0; i < ends.length; ++i) {
            any = any || ends[i] == CHALLENGER_TIMES_OUT;
        }
        if (!any) return;
        vm.warp(block.timestamp + game.allowance() - 20);
        for (uint256 i = 0; i < ends.length; ++i) {
            if (ends[i] == BY_PROOF) _play(games[i], _moveOf(games[i], _contested(games[i])));
        }
        vm.warp(block.timestamp + 20);
        for (uint256 i = 0; i < ends.length; ++i) {
            if (ends[i] != CHALLENGER_TIMES_OUT) continue;
            vm.prank(ANYONE);
            game.timeout(games[i].context);
        }
    }

    /// @dev Puts the vector's gas into the games' slots: how it is split is tested here, how it is counted in Bonds.t.sol.
    function _setTallies(Match[] memory games) private {
        (uint256[] memory byChallenger, uint256[] memory byExecutor) =
            (_expectedOf("challengerGas"), _expectedOf("executorGas"));
        uint256 sum = 0;
        for (uint256 i = 0; i < games.length; ++i) {
            GameState memory g = _state(games[i]);
            (g.challengerGas, g.executorGas) = (byChallenger[i], byExecutor[i]);
            sum += byChallenger[i];
            vm.store(address(game), keccak256(abi.encode(games[i].id, GAMES_SLOT)), bytes32(GameSlot.unwrap(pack(g))));
            assertEq(_state(games[i]).challengerGas, byChallenger[i], "the slot is where it was");
        }
        uint256 key = uint256(ref.segmentId) << 16 | ref.index;
        // Open games, lost, gas: as `ClaimGames` lies in its slot.
        vm.store(address(game), keccak256(abi.encode(key, CLAIMS_SLOT)), bytes32(games.length | sum << 40));
        ClaimGames memory claim = game.claimGames(key);
        assertEq(claim.gas, sum, "the claim's sum is where it was");
        assertEq(claim.open, games.length, "open games");
    }

    function _challenger(uint256 i) private pure returns (address) {
        return address(uint160(0xC100 + i));
    }

    function _checkGames() private view {
        uint256[] memory credits = _expectedOf("challengerCredit");
        uint256 owed = game.credit(executor);
        assertEq(owed, _expected("executorCredit"), _what("executor"));
        for (uint256 i = 0; i < credits.length; ++i) {
            assertEq(game.credit(_challenger(i)), credits[i], _what("challenger"));
            owed += credits[i];
        }
        assertTrue(address(game).balance - owed < credits.length, _what("dust"));
        (uint128 staked,,,) = staking.accounts(executor);
        assertEq(staked, _expected("stakeLeft"), _what("stake"));
    }

    function _checkFee(bool lie, uint256 burned) private {
        if (lie) {
            vm.warp(uint256(inbox.status(_idOf(req)).deadline) + inbox.directPeriod());
            inbox.refund(req);
        } else {
            vm.warp(block.timestamp + rollup.window());
            rollup.finalize(req, ref);
        }
        assertEq(inbox.credit(executor), _expected("feeCredit"), _what("fee"));
        assertEq(inbox.credit(REFUND), _expected("refund"), _what("refund"));
        assertEq(address(0).balance - burned, lie ? 0 : _expected("burn"), _what("burned of the fee"));
    }

    // ---- work ---------------------------------------------------------------------------------------------------------

    function test_work_fillingBothShares_burnsAsModelled_succeeds() public {
        dispute = "filling";
        _fillAs("l2");
        _fillAs("l1");
    }

    function _fillAs(string memory name) private {
        _deployAs(name, false);
        staking.deposit{value: 200 ether}(executor);
        assertEq(rollup.leastFee(inbox.maxWork()), _expected("leastFee"), _what("least fee"));
        uint256[] memory burns = _expectedOf("burn");
        Request[] memory asked = new Request[](burns.length);
        for (uint256 i = 0; i < burns.length; ++i) {
            asked[i] = _askOfMaxWork(_expected("fee"));
        }
        // Past the deadline both ways are open.
        vm.warp(uint256(asked[0].params.inclusionDeadline) + 1);
        (uint256[] memory waits, uint256[] memory direct) = (_expectedOf("wait"), _expectedOf("direct"));
        uint256 skipped = 0;
        for (uint256 i = 0; i < burns.length; ++i) {
            vm.warp(block.timestamp + waits[i]);
            _claimAtMost(asked[i], direct[i] == 1, burns[i] == 0, uint64(i));
            if (burns[i] == 0) ++skipped;
            assertEq(inbox.status(_idOf(asked[i])).burn, burns[i], _what("burn"));
            _checkLeft(i);
        }
        assertTrue(skipped > 0 && skipped < burns.length / 2, "some did not fit, most did");
    }

    function _claimAtMost(Request memory r, bool direct, bool refused, uint64 number) private {
        if (direct) {
            vm.prank(executor);
            if (refused) vm.expectRevert();
            rollup.claimDirect(r, _mostWork());
        } else {
            Result[] memory results = new Result[](1);
            results[0] = Result(r, _mostWork());
            _post(_segment(EXECUTOR_KEY, number, results));
        }
        _assertState(r, refused ? RequestState.Open : RequestState.Claimed, "as modelled");
    }

    function _checkLeft(uint256 i) private view {
        (uint256 batch, uint256 direct) = rollup.workLeft();
        assertEq(batch, _expectedOf("batchLeft")[i], _what("left for batches"));
        assertEq(direct, _expectedOf("directLeft")[i], _what("left for direct claims"));
    }

    // ---- callbacks ----------------------------------------------------------------------------------------------------

    /// @dev The first callback is paid half, the next the rest, and a third nothing, whether the consumer fails or not.
    function test_callbacks_ofAFailingConsumer_payAsModelled_succeeds() public {
        dispute = "callbacks";
        _callbacksAs("l2", true);
        _callbacksAs("l1", false);
    }

    function _callbacksAs(string memory name, bool overturned) private {
        _deployAs(name, overturned);
        staking.deposit{value: 10 ether}(executor);
        Recorder consumer = new Recorder();
        params = _params();
        (params.callback, params.callbackGas, params.delivery) =
        (address(consumer), 300_000, uint8(Delivery.Optimistic));
        params.callbackFee = uint128(_expected("callbackFee"));
        req = _askOfMaxWork(_expected("fee"));
        Result[] memory results = new Result[](1);
        results[0] = Result(req, _mostWork());
        output = results[0].output;
        ref = _refOf(_post(_segment(EXECUTOR_KEY, 1, results)), 0, results);
        uint256[] memory paid = _expectedOf("paid");
        _deliverAs(false, paid[0]);
        if (overturned) {
            Match memory m = _open(req, ref, CHALLENGER);
            _playHonestly(m);
            _prove(m);
            vm.prank(ANYONE);
            rollup.deliverOverturn(req);
            assertEq(inbox.credit(ANYONE), paid[1], _what("overturn"));
            ref = _refOf(_post(_segment(EXECUTOR_KEY, 2, results)), 0, results);
            consumer.setBroken(true);
            _deliverAs(true, paid[2]);
        } else {
            vm.warp(block.timestamp + rollup.window());
            rollup.finalize(req, ref);
            consumer.setBroken(true);
            for (uint256 i = 1; i < 3; ++i) {
                vm.prank(ANYONE);
                assertTrue(!rollup.deliverFinality(req), "the consumer fails");
                assertEq(inbox.credit(ANYONE), paid[i], _what("finality"));
            }
        }
    }

    function _deliverAs(bool fails, uint256 paid) private {
        vm.prank(ANYONE);
        assertTrue(rollup.deliverResult(req, ref, output, userData) != fails, "the consumer");
        assertEq(inbox.credit(ANYONE), paid, _what("result"));
    }

    /// @dev An error: it counts the request's maximum of tokens.
    function _mostWork() private pure returns (bytes memory) {
        return hex"0100000000";
    }

    /// @dev A request of the deployment's largest work: its tokens are what the payload leaves.
    function _askOfMaxWork(uint256 fee) private returns (Request memory r) {
        payload = hex"01001000000000000000000100000500000068656c6c6f";
        uint32 tokens = uint32(inbox.maxWork() / LARGE_MODEL - payload.length);
        (payload[2], payload[3]) = (bytes1(uint8(tokens)), bytes1(uint8(tokens >> 8)));
        RequestParams memory p = params.refundTo == address(0) ? _params() : params;
        (p.modelId, p.fee) = (largeModel, uint128(fee));
        r = _nextRequest(p);
        (r.maxTokens, r.modelLength) = (tokens, LARGE_MODEL);
        vm.prank(ASKER);
        assertEq(inbox.request{value: fee + p.callbackFee}(p, payload, userData), _idOf(r), "request id");
        if (r.origin == 2) _mineAndRecord(r);
    }
}

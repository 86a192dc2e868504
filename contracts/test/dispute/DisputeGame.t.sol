// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {
    ClaimGames,
    ClaimRef,
    GameState,
    GameStatus,
    Move,
    Proof,
    Request,
    RequestParams,
    RequestState,
    Result
} from "../../src/interfaces/Types.sol";
import {IDisputeGame} from "../../src/interfaces/IDisputeGame.sol";
import {IRollup} from "../../src/interfaces/IRollup.sol";
import {DisputeGame} from "../../src/dispute/DisputeGame.sol";
import {ToyProver} from "../base/ToyProver.sol";
import {GameFixture} from "../base/GameFixture.sol";

contract DisputeGameTest is GameFixture {
    Request private req;
    ClaimRef private ref;

    function setUp() public override {
        _start(5, 50, true, 0xdead_beef_cafe);
    }

    function _start(uint8 arityLog2, uint8 traceLog2, bool executorLies, uint256 flip_) private {
        _games(arityLog2, traceLog2, executorLies, flip_);
        req = _ask();
        ref = _claim(req);
    }

    function _open() private returns (Match memory) {
        return _open(req, ref, CHALLENGER);
    }

    // ---- whole games ------------------------------------------------------------------------------------------------

    /// @dev k = 32 over 2^50: ten moves, then the challenger proves.
    function test_wholeGame_lyingExecutor_losesInTenMovesAndAProof() public {
        Match memory m = _open();
        _playHonestly(m);
        assertEq(m.moves, 10, "ten moves");
        assertEq(_mover(m), CHALLENGER, "the challenger proves");
        assertEq(m.start + _contested(m), flip - 1, "the step before the flip");
        _prove(m);
        _assertStatus(m, GameStatus.ChallengerWon, "challenger wins");
        _assertState(req, RequestState.Open, "request is open again");
    }

    function test_wholeGame_lyingChallenger_endsInItsTimeout() public {
        _start(5, 50, false, 77);
        Match memory m = _open();
        _playHonestly(m);
        Proof memory p = _proofOf(m, _contested(m));
        vm.prank(CHALLENGER);
        vm.expectRevert(IDisputeGame.StepAgrees.selector);
        game.prove(m.context, p);
        vm.warp(block.timestamp + ALLOWANCE);
        game.timeout(m.context);
        _assertStatus(m, GameStatus.ExecutorWon, "executor wins");
        rollup.finalize(req, ref);
        _assertState(req, RequestState.Final, "the true claim is final");
    }

    /// @dev Odd number of moves: the executor is to prove, and the roles of proof and timeout change sides.
    function test_wholeGame_oddParity_executorProves_succeeds() public {
        _start(2, 6, false, 41);
        Match memory m = _open();
        _playHonestly(m);
        assertEq(m.moves, 3, "three moves");
        assertEq(_mover(m), executor, "the executor proves");
        _prove(m);
        _assertStatus(m, GameStatus.ExecutorWon, "executor wins");
    }

    function test_wholeGame_oddParity_lyingExecutor_endsInItsTimeout() public {
        _start(2, 6, true, 41);
        Match memory m = _open();
        _playHonestly(m);
        vm.warp(block.timestamp + ALLOWANCE);
        game.timeout(m.context);
        _assertStatus(m, GameStatus.ChallengerWon, "challenger wins");
        _assertState(req, RequestState.Open, "rejected");
    }

    /// @dev Every flip of a toy trace, both liars, several arities with a narrower last round.
    function test_wholeGame_everyFlipOfToyTraces_honestWins() public {
        uint8[2][4] memory shapes = [[1, 4], [2, 4], [2, 5], [3, 4]];
        for (uint256 s = 0; s < shapes.length; ++s) {
            _allFlips(shapes[s][0], shapes[s][1], true);
            _allFlips(shapes[s][0], shapes[s][1], false);
        }
    }

    function _allFlips(uint8 arityLog2, uint8 traceLog2, bool executorLies) private {
        _games(arityLog2, traceLog2, executorLies, 1);
        staking.deposit{value: 200 ether}(executor);
        for (flip = 1; flip <= traceLength; ++flip) {
            req = _ask();
            ref = _claim(req);
            Match memory m = _open();
            _playHonestly(m);
            if ((m.moves % 2 == 0) == executorLies) {
                _prove(m);
            } else {
                vm.warp(block.timestamp + ALLOWANCE);
                game.timeout(m.context);
            }
            _assertStatus(m, executorLies ? GameStatus.ChallengerWon : GameStatus.ExecutorWon, "honest side");
        }
    }

    /// @dev [S] The claim's own step decides, not the mover's: the index comes from the game.
    function testFuzz_wholeGame_anyFlip_provesTheStepBeforeIt(uint64 where) public {
        _start(5, 50, true, 1 + uint256(where) % (1 << 50));
        Match memory m = _open();
        _playHonestly(m);
        assertEq(m.start + _contested(m), flip - 1, "index");
        _prove(m);
        _assertStatus(m, GameStatus.ChallengerWon, "challenger wins");
    }

    // ---- open -------------------------------------------------------------------------------------------------------

    function test_open_lastSecondOfWindow_succeeds() public {
        vm.warp(START + WINDOW - 1);
        Match memory m = _open();
        _assertStatus(m, GameStatus.ChallengerToMove, "challenger first");
        assertEq(game.claimGames(_key()).open, 1, "one open game");
    }

    function _key() private view returns (uint256) {
        return uint256(ref.segmentId) << 16 | ref.index;
    }

    function _openReverts(bytes memory why, uint256 value) private {
        vm.prank(CHALLENGER);
        vm.expectRevert(why);
        game.open{value: value}(req, ref, payload, output);
    }

    function test_open_afterWindow_reverts() public {
        vm.warp(START + WINDOW);
        _openReverts(abi.encodeWithSelector(IDisputeGame.WindowClosed.selector, START + WINDOW), game.challengerBond());
    }

    function test_open_wrongBond_reverts() public {
        uint256 bond = game.challengerBond();
        _openReverts(abi.encodeWithSelector(IDisputeGame.WrongBond.selector, bond, bond - 1), bond - 1);
        _openReverts(abi.encodeWithSelector(IDisputeGame.WrongBond.selector, bond, bond + 1), bond + 1);
    }

    /// @dev [S] Large claims do not price challengers out: the bond is the same for every claim.
    function test_open_claimWithLargeBond_sameChallengerBond_succeeds() public {
        RequestParams memory p = _params();
        p.minBond = 90 ether;
        Request memory r = _ask(p);
        ClaimRef memory c = _claim(r);
        uint256 before = CHALLENGER.balance;
        Match memory m = _open(r, c, CHALLENGER);
        assertEq(before - CHALLENGER.balance, game.challengerBond(), "bond");
        assertEq(m.context.claimBond, 90 ether, "stake");
    }

    function test_open_wrongPayloadOrOutput_reverts() public {
        uint256 bond = game.challengerBond();
        vm.prank(CHALLENGER);
        vm.expectRevert(IDisputeGame.HashMismatch.selector);
        game.open{value: bond}(req, ref, "another payload", output);
        vm.prank(CHALLENGER);
        vm.expectRevert(IDisputeGame.HashMismatch.selector);
        game.open{value: bond}(req, ref, payload, "another output");
    }

    /// @dev [S] A game needs the very leaf that claimed the request.
    function test_open_anotherLeaf_reverts() public {
        ref.outputHash = keccak256("another output");
        _openReverts(abi.encodeWithSelector(IRollup.NotTheClaim.selector, _idOf(req)), game.challengerBond());
    }

    /// @dev [S] Nothing that decides the verdict is the challenger's choice: another seed, tolerance, model or length is another
    ///      request, which nobody claimed.
    function test_open_seedToleranceOrModelOfOnesChoice_reverts() public {
        Request memory original = req;
        for (uint256 i = 0; i < 4; ++i) {
            req = original;
            if (i == 0) req.entropy = keccak256("a seed that suits me");
            if (i == 1) req.tolerance = uint64(1_000_000) << 32 | 4096;
            if (i == 2) req.params.modelId = keccak256("a model that says so");
            if (i == 3) req.modelLength -= 1;
            _openReverts(abi.encodeWithSelector(IRollup.NotTheClaim.selector, _idOf(req)), game.challengerBond());
        }
        req = original;
        _open();
    }

    function test_open_sameChallengerTwice_reverts() public {
        Match memory m = _open();
        _openReverts(abi.encodeWithSelector(IDisputeGame.GameExists.selector, m.id), game.challengerBond());
    }

    function test_open_twoChallengers_succeeds() public {
        Match memory a = _open();
        Match memory b = _open(req, ref, RIVAL);
        assertTrue(a.id != b.id, "two games");
        assertEq(game.claimGames(_key()).open, 2, "both open");
    }

    function test_open_trailingCalldata_reverts() public {
        uint256 bond = game.challengerBond();
        bytes memory call = abi.encodeCall(game.open, (req, ref, payload, output));
        vm.prank(CHALLENGER);
        vm.expectRevert(
            abi.encodeWithSelector(IDisputeGame.NonCanonicalCalldata.selector, call.length, call.length + 1)
        );
        (bool ok,) = address(game).call{value: bond}(bytes.concat(call, hex"00"));
        ok;
    }

    // ---- move -------------------------------------------------------------------------------------------------------

    function _moveReverts(Match memory m, Move memory mv, bytes memory why) private {
        vm.prank(_mover(m));
        vm.expectRevert(why);
        game.move(mv);
    }

    function _stale(Match memory m, Move memory mv) private {
        vm.prank(_mover(m));
        (bool ok, bytes memory data) = address(game).call(abi.encodeCall(game.move, (mv)));
        assertTrue(!ok && bytes4(data) == IDisputeGame.StaleMove.selector, "stale");
    }

    function test_move_byTheWrongPlayer_reverts() public {
        Match memory m = _open();
        Move memory mv = _moveOf(m, 0);
        vm.prank(executor);
        vm.expectRevert();
        game.move(mv);
        vm.prank(ANYONE);
        vm.expectRevert();
        game.move(mv);
        // Nor by the executor under the challenger's name.
        mv.opponent = CHALLENGER;
        vm.prank(executor);
        vm.expectRevert();
        game.move(mv);
        assertEq(uint256(_state(m).strideLog2), 50, "nothing moved");
    }

    /// @dev [S] A move names the history it answers: a reorg can't make it answer another one.
    function test_move_anotherHistory_reverts() public {
        Match memory m = _open();
        _play(m, _moveOf(m, 0));
        Move memory mv = _moveOf(m, _contested(m));
        mv.history = keccak256("another history");
        _stale(m, mv);
    }

    function test_move_anotherRootClaimOrOpponent_reverts() public {
        Match memory m = _open();
        _play(m, _moveOf(m, 0));
        uint256 i = _contested(m);
        Move memory mv = _moveOf(m, i);
        mv.left = keccak256("not the standing root");
        _stale(m, mv);
        mv = _moveOf(m, i);
        mv.right = keccak256("not the standing root");
        _stale(m, mv);
        mv = _moveOf(m, i);
        mv.startRoot = keccak256("not the start");
        _stale(m, mv);
        mv = _moveOf(m, i);
        mv.claim += 1;
        _stale(m, mv);
        mv = _moveOf(m, i);
        mv.opponent = ANYONE;
        _stale(m, mv);
        mv = _moveOf(m, i);
        mv.proof[0] = keccak256("not the sibling");
        _stale(m, mv);
    }

    /// @dev [S] Piece 0 starts at the standing start root, which is agreed; nobody supplies another.
    function test_move_pieceZeroWithAnotherStart_reverts() public {
        Match memory m = _open();
        Move memory mv = _moveOf(m, 0);
        mv.left = keccak256("a start of my own");
        _stale(m, mv);
    }

    function test_move_noSuchPiece_reverts() public {
        Match memory m = _open();
        Move memory mv = _moveOf(m, 0);
        mv.segment = 1;
        _moveReverts(m, mv, abi.encodeWithSelector(IDisputeGame.NoSuchSegment.selector, 1, 1));
        mv.segment = 1 << 255;
        _moveReverts(m, mv, abi.encodeWithSelector(IDisputeGame.NoSuchSegment.selector, mv.segment, 1));
    }

    function test_move_wrongNumberOfRoots_reverts() public {
        Match memory m = _open();
        Move memory mv = _moveOf(m, 0);
        bytes32[] memory roots = new bytes32[](31);
        mv.roots = roots;
        _moveReverts(m, mv, abi.encodeWithSelector(DisputeGame.WrongRootCount.selector, 32, 31));
        mv.roots = new bytes32[](64);
        _moveReverts(m, mv, abi.encodeWithSelector(DisputeGame.WrongRootCount.selector, 32, 64));
        mv.roots = new bytes32[](0);
        _moveReverts(m, mv, abi.encodeWithSelector(DisputeGame.WrongRootCount.selector, 32, 0));
    }

    /// @dev [S] A mover must deny the end of the piece it names, or nothing would be contested below.
    function test_move_sameEnd_reverts() public {
        Match memory m = _open();
        Move memory mv = _moveOf(m, 0);
        mv.roots[31] = mv.right;
        _moveReverts(m, mv, abi.encodeWithSelector(IDisputeGame.NothingContested.selector));
    }

    /// @dev [S] Calldata beyond the encoding would be paid for by the loser.
    function test_move_trailingCalldata_reverts() public {
        Match memory m = _open();
        bytes memory call = abi.encodeCall(game.move, (_moveOf(m, 0)));
        for (uint256 extra = 1; extra < 100; extra += 31) {
            vm.prank(CHALLENGER);
            (bool ok, bytes memory data) = address(game).call(bytes.concat(call, new bytes(extra)));
            assertTrue(!ok && bytes4(data) == IDisputeGame.NonCanonicalCalldata.selector, "refused");
        }
    }

    function test_move_proofTooLong_reverts() public {
        Match memory m = _open();
        Move memory mv = _moveOf(m, 0);
        mv.proof = new bytes32[](1);
        _moveReverts(m, mv, abi.encodeWithSelector(IDisputeGame.WrongProofLength.selector));
    }

    function test_move_atOneStep_reverts() public {
        Match memory m = _open();
        _playHonestly(m);
        Move memory mv = _moveOf(m, _contested(m));
        _moveReverts(m, mv, abi.encodeWithSelector(IDisputeGame.MustProve.selector));
    }

    function test_move_unknownGame_reverts() public {
        Match memory m = _open();
        Move memory mv = _moveOf(m, 0);
        mv.gameId = keccak256("no game");
        _moveReverts(m, mv, abi.encodeWithSelector(IDisputeGame.GameNotRunning.selector, mv.gameId));
    }

    function test_move_replayed_reverts() public {
        Match memory m = _open();
        Move memory first = _moveOf(m, 0);
        _play(m, first);
        _play(m, _moveOf(m, _contested(m)));
        vm.prank(CHALLENGER);
        vm.expectRevert();
        game.move(first);
    }

    // ---- prove ------------------------------------------------------------------------------------------------------

    function _proveReverts(Match memory m, Proof memory p, bytes memory why) private {
        vm.prank(_mover(m));
        vm.expectRevert(why);
        game.prove(m.context, p);
    }

    function test_prove_longPiece_reverts() public {
        Match memory m = _open();
        Proof memory p = _proofOf(m, 0);
        _proveReverts(m, p, abi.encodeWithSelector(IDisputeGame.TooLongToProve.selector));
    }

    /// @dev [S] A witness that starts elsewhere proves nothing.
    function test_prove_fromAnotherState_reverts() public {
        Match memory m = _open();
        _playHonestly(m);
        Proof memory p = _proofOf(m, _contested(m));
        p.witness = abi.encode(keccak256("another state"));
        _proveReverts(
            m, p, abi.encodeWithSelector(IDisputeGame.WrongBefore.selector, p.left, keccak256("another state"))
        );
    }

    function test_prove_agreedStep_reverts() public {
        Match memory m = _open();
        _playHonestly(m);
        uint256 i = _contested(m);
        assertTrue(i > 0, "the flip is not in the first piece");
        // An earlier piece is one on which both agree.
        _proveReverts(m, _proofOf(m, i - 1), abi.encodeWithSelector(IDisputeGame.StepAgrees.selector));
    }

    function test_prove_badWitness_reverts() public {
        Match memory m = _open();
        _playHonestly(m);
        Proof memory p = _proofOf(m, _contested(m));
        p.witness = hex"00";
        _proveReverts(m, p, abi.encodeWithSelector(ToyProver.BadWitness.selector));
    }

    function test_prove_byTheWrongPlayer_reverts() public {
        Match memory m = _open();
        _playHonestly(m);
        Proof memory p = _proofOf(m, _contested(m));
        vm.prank(executor);
        vm.expectRevert();
        game.prove(m.context, p);
        vm.prank(ANYONE);
        vm.expectRevert();
        game.prove(m.context, p);
    }

    function test_prove_otherContext_reverts() public {
        Match memory m = _open();
        _playHonestly(m);
        Proof memory p = _proofOf(m, _contested(m));
        m.context.claimBond += 1;
        vm.prank(CHALLENGER);
        vm.expectRevert();
        game.prove(m.context, p);
    }

    function test_prove_trailingCalldata_reverts() public {
        Match memory m = _open();
        _playHonestly(m);
        bytes memory call = abi.encodeCall(game.prove, (m.context, _proofOf(m, _contested(m))));
        vm.prank(CHALLENGER);
        (bool ok, bytes memory data) = address(game).call(bytes.concat(call, hex"00"));
        assertTrue(!ok && bytes4(data) == IDisputeGame.NonCanonicalCalldata.selector, "refused");
    }

    function test_prove_twice_reverts() public {
        Match memory m = _open();
        _playHonestly(m);
        Proof memory p = _proofOf(m, _contested(m));
        _prove(m);
        _proveReverts(m, p, abi.encodeWithSelector(IDisputeGame.ClaimAlreadyLost.selector));
    }

    // ---- clocks -----------------------------------------------------------------------------------------------------

    function test_timeout_challengerNeverMoves_executorWins() public {
        Match memory m = _open();
        vm.warp(START + ALLOWANCE - 1);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.ClockRunning.selector, START + ALLOWANCE));
        game.timeout(m.context);
        vm.warp(START + ALLOWANCE);
        game.timeout(m.context);
        _assertStatus(m, GameStatus.ExecutorWon, "executor");
        assertEq(game.claimGames(_key()).open, 0, "no open game");
    }

    /// @dev [S] A winner is repaid for its timeout: bytes beyond the encoding would be the loser's.
    function test_timeout_trailingCalldata_reverts() public {
        Match memory m = _open();
        vm.warp(START + ALLOWANCE);
        bytes memory call = abi.encodeCall(game.timeout, (m.context));
        for (uint256 extra = 1; extra < 100; extra += 31) {
            vm.prank(executor);
            (bool ok, bytes memory data) = address(game).call(bytes.concat(call, new bytes(extra)));
            assertTrue(!ok && bytes4(data) == IDisputeGame.NonCanonicalCalldata.selector, "refused");
        }
        vm.prank(executor);
        (bool exact,) = address(game).call(call);
        assertTrue(exact, "as it is encoded");
    }

    function test_move_atTheLastSecond_succeeds() public {
        Match memory m = _open();
        vm.warp(START + ALLOWANCE - 1);
        _play(m, _moveOf(m, 0));
        assertEq(_state(m).challengerUsed, ALLOWANCE - 1, "used");
    }

    function test_move_afterItsClock_reverts() public {
        Match memory m = _open();
        vm.warp(START + ALLOWANCE);
        _moveReverts(m, _moveOf(m, 0), abi.encodeWithSelector(IDisputeGame.ClockRanOut.selector));
    }

    function test_prove_afterItsClock_reverts() public {
        Match memory m = _open();
        _playHonestly(m);
        vm.warp(block.timestamp + ALLOWANCE);
        Proof memory p = _proofOf(m, _contested(m));
        _proveReverts(m, p, abi.encodeWithSelector(IDisputeGame.ClockRanOut.selector));
    }

    /// @dev Seconds add up over a player's moves, and the opponent's are its own.
    function test_clock_addsUpPerPlayer_succeeds() public {
        Match memory m = _open();
        vm.warp(block.timestamp + 50);
        _play(m, _moveOf(m, 0));
        vm.warp(block.timestamp + 7);
        _play(m, _moveOf(m, _contested(m)));
        vm.warp(block.timestamp + 50);
        _play(m, _moveOf(m, _contested(m)));
        assertEq(_state(m).challengerUsed, 100, "challenger");
        assertEq(_state(m).executorUsed, 7, "executor");
        _play(m, _moveOf(m, _contested(m)));
        vm.warp(block.timestamp + 19);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.ClockRunning.selector, block.timestamp + 1));
        game.timeout(m.context);
        vm.warp(block.timestamp + 1);
        game.timeout(m.context);
        _assertStatus(m, GameStatus.ExecutorWon, "the challenger's second 120 ends it");
    }

    /// @dev [S] Finality is bounded: window + both allowances after posting, whatever the players do.
    function test_finality_boundedByWindowAndBothAllowances_succeeds() public {
        _start(5, 50, false, 77);
        vm.warp(START + WINDOW - 1);
        Match memory m = _open();
        vm.warp(block.timestamp + ALLOWANCE - 1);
        _play(m, _moveOf(m, 0));
        vm.warp(block.timestamp + ALLOWANCE - 1);
        _play(m, _moveOf(m, _contested(m)));
        vm.warp(block.timestamp + 1);
        game.timeout(m.context);
        assertTrue(block.timestamp <= START + WINDOW + 2 * ALLOWANCE, "bounded");
        rollup.finalize(req, ref);
        _assertState(req, RequestState.Final, "final");
    }

    function test_timeout_overGame_reverts() public {
        Match memory m = _open();
        vm.warp(START + ALLOWANCE);
        game.timeout(m.context);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.GameNotRunning.selector, m.id));
        game.timeout(m.context);
    }

    // ---- claims with games ------------------------------------------------------------------------------------------

    /// @dev [S] Nothing is final while a game is open.
    function test_finalize_openGame_reverts() public {
        _open();
        vm.warp(START + WINDOW);
        vm.expectRevert(abi.encodeWithSelector(IRollup.Disputed.selector, 1, false));
        rollup.finalize(req, ref);
    }

    /// @dev [S] A sham challenger's loss closes nothing: the honest one's game goes on and wins.
    function test_shamChallengerLoses_honestGameGoesOn_succeeds() public {
        Match memory sham = _open(req, ref, RIVAL);
        Match memory honest = _open();
        vm.warp(START + 60);
        _play(honest, _moveOf(honest, 0));
        vm.warp(START + ALLOWANCE);
        game.timeout(sham.context);
        _assertStatus(sham, GameStatus.ExecutorWon, "sham lost");
        vm.expectRevert(abi.encodeWithSelector(IRollup.Disputed.selector, 1, false));
        rollup.finalize(req, ref);
        _playHonestly(honest);
        _prove(honest);
        _assertStatus(honest, GameStatus.ChallengerWon, "the lie is found out");
        _assertState(req, RequestState.Open, "open again");
    }

    /// @dev [S] A claim's bond is spent once: after the first lost game nothing on it moves any more.
    function test_afterClaimLost_openMoveProveTimeout_revert() public {
        Match memory a = _open();
        Match memory b = _open(req, ref, RIVAL);
        _playHonestly(a);
        _prove(a);
        bytes memory lost = abi.encodeWithSelector(IDisputeGame.ClaimAlreadyLost.selector);
        _moveReverts(b, _moveOf(b, 0), lost);
        vm.warp(block.timestamp + ALLOWANCE);
        vm.expectRevert(lost);
        game.timeout(b.context);
        vm.warp(START + 20);
        uint256 bond = game.challengerBond();
        vm.deal(ANYONE, bond);
        vm.prank(ANYONE);
        vm.expectRevert(abi.encodeWithSelector(IRollup.NotTheClaim.selector, _idOf(req)));
        game.open{value: bond}(req, ref, payload, output);
        vm.expectRevert(abi.encodeWithSelector(IRollup.NotTheClaim.selector, _idOf(req)));
        rollup.finalize(req, ref);
    }

    function test_rejected_reopens_secondClaimHasItsOwnGames_succeeds() public {
        Match memory a = _open();
        _playHonestly(a);
        _prove(a);
        Result[] memory results = _results(req);
        uint64 segmentId = _post(_segment(OTHER_KEY, 1, results));
        ClaimRef memory second = _refOf(segmentId, 0, results);
        Match memory b = _open(req, second, CHALLENGER);
        assertTrue(a.id != b.id, "another game");
        assertEq(b.context.executor, other, "another executor");
        ClaimGames memory games = game.claimGames(uint256(segmentId) << 16);
        assertTrue(games.open == 1 && !games.lost, "fresh");
    }

    function test_deploy_badParameters_reverts() public {
        vm.expectRevert(IDisputeGame.BadParameters.selector);
        this.deployGame(0, ALLOWANCE);
        vm.expectRevert(IDisputeGame.BadParameters.selector);
        this.deployGame(13, ALLOWANCE);
        vm.expectRevert(IDisputeGame.BadParameters.selector);
        this.deployGame(5, 0);
        vm.expectRevert(IDisputeGame.BadParameters.selector);
        this.deployGame(5, type(uint24).max);
        this.deployGame(12, type(uint24).max - 1);
    }

    function deployGame(uint8 arityLog2, uint64 allowance) external {
        new DisputeGame(rollup, address(inbox), staking, registry, prover, arityLog2, allowance, 1, 1);
    }
}

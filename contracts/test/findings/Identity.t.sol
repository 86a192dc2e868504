// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {
    ClaimRef,
    GameStatus,
    Move,
    Proof,
    Request,
    RequestParams,
    RequestState,
    Result
} from "../../src/interfaces/Types.sol";
import {DisputeGame} from "../../src/dispute/DisputeGame.sol";
import {IDisputeGame} from "../../src/interfaces/IDisputeGame.sol";
import {IInbox} from "../../src/interfaces/IInbox.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {IRollup} from "../../src/interfaces/IRollup.sol";
import {Player} from "../base/Player.sol";
import {FindingFixture} from "../base/FindingFixture.sol";

/// @notice Findings on what names what: ids, keys, histories, and what a game is about.
contract IdentityFindings is FindingFixture {
    function _open(Request memory r, ClaimRef memory c) private view returns (bytes memory) {
        return abi.encodeCall(game.open, (r, c, payload, output));
    }

    function _move(Move memory mv) private view returns (bytes memory) {
        return abi.encodeCall(game.move, (mv));
    }

    function _refusedStale(Match memory m, Move memory mv, string memory what) private {
        _refused(_mover(m), _move(mv), IDisputeGame.StaleMove.selector, what);
    }

    /// @dev Code4rena 2024-07 Optimism H-03, on Spearbit's 5.2.5 of June 2024:
    ///      https://github.com/code-423n4/2024-07-optimism-findings/issues/27
    ///      There: a preimage proposal could be initialized again after its challenge period, with another length and offset but
    ///      the old time stamp, and a false preimage was accepted without a chance to object.
    ///      Here: nothing that has an id begins twice: no program, no model, no game, no segment, and each id binds its fields.
    function test_finding_metadataInitializedAgain() public {
        (bytes32 root, bytes memory leaf, bytes32[33] memory siblings) = _modelProof(MODEL_LENGTH);
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.AlreadyRegistered.selector, modelId));
        registry.registerModel(root, MODEL_LENGTH, programId, 0, 0, leaf, siblings, "file:another");
        vm.expectRevert(IModelRegistry.BadLengthProof.selector);
        registry.registerModel(root, MODEL_LENGTH - 1, programId, 0, 0, leaf, siblings, "file:toy");
        vm.expectRevert(abi.encodeWithSelector(IModelRegistry.AlreadyRegistered.selector, programId));
        registry.registerProgram(_program(50));
        assertEq(registry.model(modelId).length, MODEL_LENGTH, "the model is as it was");

        // A challenger that is short of time, or of a good position, would like its game to begin again.
        Match memory m = _open(req, ref, CHALLENGER);
        vm.warp(START + 20);
        _play(m, _moveOf(m, 0));
        bytes32 standing = game.commitment(m.id);
        _refused(CHALLENGER, address(game), bond, _open(req, ref), IDisputeGame.GameExists.selector, "begun again");
        assertEq(game.commitment(m.id), standing, "the board is as it was");
        assertEq(_state(m).challengerUsed, 20, "and the clock");
        (, uint256[] memory each) = _reasons(_segment(EXECUTOR_KEY, 0, _results(_ask())));
        assertEq(each[0], 0, "the segment's number is spent: nothing of it is looked at");
        _win(m);
        _assertPaidInFull(m);
    }

    /// @dev Code4rena 2024-07 Optimism M-09, first scenario: https://github.com/code-423n4/2024-07-optimism-findings/issues/24
    ///      There: a game's address came from the order in which games were made. A reorganization swapped a false and a true
    ///      one, and the honest player's move, already sent, landed in the wrong game.
    ///      Here: a segment's number does depend on the order, so `open` shows the claim's leaf as well, and a move names a game
    ///      whose id binds request and claim.
    function test_finding_idsSwappedByReorg() public {
        Request memory falseOne = _ask();
        Request memory trueOne = _ask();
        uint256 before = attackVm.snapshotState();
        ClaimRef memory c = _claim(falseOne);
        _post(_segment(OTHER_KEY, 1, _results(trueOne)));
        Match memory m = _open(falseOne, c, CHALLENGER);
        bytes memory open = _open(falseOne, c);
        bytes memory move = _move(_moveOf(m, 0));
        attackVm.revertToState(before);

        // The same two batches the other way round.
        _post(_segment(OTHER_KEY, 1, _results(trueOne)));
        ClaimRef memory moved = _claim(falseOne);
        assertTrue(moved.segmentId == c.segmentId + 1, "swapped");
        _refused(CHALLENGER, address(game), bond, open, IRollup.NotTheClaim.selector, "open, sent before");
        _refused(CHALLENGER, move, IDisputeGame.GameNotRunning.selector, "move, sent before");
        m = _open(falseOne, moved, CHALLENGER);
        _win(m);
        _assertPaidInFull(m);
        _assertState(trueOne, RequestState.Claimed, "the true one was never disturbed");
    }

    /// @dev Code4rena 2024-07 Optimism M-09, second scenario, and Sherlock 2024-02 Optimism #201 (M-4):
    ///      https://github.com/sherlock-audit/2024-02-optimism-2024-judging/issues/201
    ///      There: a move named its parent by index, later by index and hash. After a reorganization the attacker put the same
    ///      hash at another place, and the honest answer defended what it had never meant to.
    ///      Here: a move names the hash of all that was posted before it, so the same roots elsewhere are another history.
    function test_finding_sameRootsElsewhereAfterReorg() public {
        Match memory m = _open(req, ref, CHALLENGER);
        _play(m, _moveOf(m, 0));
        // A machine that has halted stays as it is: its roots repeat, and two pieces look the same.
        Move memory padded = _moveOf(m, 3);
        for (uint256 i = 0; i < arity; ++i) {
            padded.roots[i] = keccak256("halted");
        }
        _play(m, padded);
        bytes32[] memory standing = m.roots;
        Move memory first = _moveOf(m, 20);
        Move memory second = _moveOf(m, 21);
        second.roots = first.roots;

        uint256 before = attackVm.snapshotState();
        _play(m, first);
        Move memory reply = _moveOf(m, 7);
        reply.roots[arity - 1] = keccak256("not that");
        bytes memory answer = _move(reply);
        attackVm.revertToState(before);
        second.proof = Player.pieceProof(standing, 21);
        vm.prank(CHALLENGER);
        game.move(second);
        bytes32 commitment = game.commitment(m.id);
        _refused(executor, answer, IDisputeGame.StaleMove.selector, "an answer to piece 20");
        assertEq(game.commitment(m.id), commitment, "nothing moved");
        assertEq(_state(m).start, (3 * arity + 21) * (traceLength / arity / arity), "piece 21 is disputed");
    }

    /// @dev Code4rena 2024-07 Optimism M-11 and Sherlock 2024-02 Optimism #175:
    ///      https://github.com/code-423n4/2024-07-optimism-findings/issues/6
    ///      There: a game's id was the claim alone. Who made the right claim too early, and lost it on purpose, kept everybody
    ///      from ever making it again.
    ///      Here: a game's id has its challenger in it and a claim's its segment: a sham game takes no honest one's place, and a
    ///      rejected answer can be claimed anew.
    function test_finding_squattedId() public {
        // The right answer, claimed by one who means to lose.
        Match memory sham = _open(req, ref, RIVAL);
        Match memory honest = _open(req, ref, CHALLENGER);
        assertTrue(sham.id != honest.id, "a place for each");
        _play(sham, _moveOf(sham, 0));
        vm.warp(block.timestamp + ALLOWANCE - 1);
        _play(honest, _moveOf(honest, 0));
        vm.warp(block.timestamp + 1);
        game.timeout(sham.context);
        _assertState(req, RequestState.Open, "its author was silent");
        Result[] memory results = _results(req);
        uint64 segmentId = _post(_segment(OTHER_KEY, 1, results));
        _finalize(req, _refOf(segmentId, 0, results));
        _assertState(req, RequestState.Final, "the same answer, by an executor that stands by it");
        assertEq(staking.freeStake(other), 100 ether, "whose stake is whole");
        game.settleVoid(honest.context);
        assertEq(game.credit(CHALLENGER), bond + _gasOf(honest), "and the other challenger's money");
    }

    /// @dev Code4rena 2024-07 Optimism H-05: https://github.com/code-423n4/2024-07-optimism-findings/issues/13
    ///      There: a time stamp that was never set is zero, which is long ago; a proposal that was never finalized had passed its
    ///      challenge period.
    ///      Here: what was never posted or opened has no state, and the state is asked before the time.
    function test_finding_timeStampNeverSet() public {
        Match memory never = _matchOf(req, ref, RIVAL);
        bytes memory call = abi.encodeCall(game.timeout, (never.context));
        _refused(RIVAL, call, IDisputeGame.GameNotRunning.selector, "a game that was never opened has not timed out");

        Request memory asked = _ask();
        call = abi.encodeCall(rollup.finalize, (asked, ClaimRef(999, 0, keccak256(output), new bytes32[](0))));
        _refused(ANYONE, address(rollup), 0, call, IRollup.NotTheClaim.selector, "a segment that was never posted");
        ref.segmentId = 999;
        call = abi.encodeCall(rollup.finalize, (req, ref));
        _refused(ANYONE, address(rollup), 0, call, IRollup.NotTheClaim.selector, "for a request that is claimed");
        ref.segmentId = 0;

        // A rejected claim leaves segment 0 in the request's slot, which is a real one.
        _win(_open(req, ref, CHALLENGER));
        assertEq(inbox.status(_idOf(req)).segmentId, 0, "zero");
        vm.warp(block.timestamp + WINDOW);
        call = abi.encodeCall(rollup.finalize, (req, ref));
        _refused(ANYONE, address(rollup), 0, call, IRollup.NotTheClaim.selector, "the rejected claim");
        assertEq(inbox.credit(executor), 0, "no fee for the liar");
    }

    /// @dev Sherlock 2024-02 Optimism #084 (M-1): https://github.com/sherlock-audit/2024-02-optimism-2024-judging/issues/84
    ///      There: a game type of 32 bits was compared by its lowest 8, so another type passed for the respected one.
    ///      Here: a move carries its claim's key as a whole word, which has to be the one that was committed to; what does not
    ///      fit a field is refused by the decoder.
    function test_finding_keyTruncated() public {
        Match memory won = _open(req, ref, CHALLENGER);
        Match memory m = _open(req, ref, RIVAL);
        Move memory mv = _moveOf(m, 0);
        uint256 key = mv.claim;
        _win(won);
        _refused(RIVAL, _move(mv), IDisputeGame.ClaimAlreadyLost.selector, "the claim is lost");
        for (uint256 bit = 0; bit < 256; bit += 5) {
            mv.claim = key ^ (1 << bit);
            _refusedStale(m, mv, "a claim that is not lost, by its key");
        }
        // The index of the context is 16 bits of its word.
        bytes memory call = abi.encodeCall(game.settleVoid, (m.context));
        call[4 + 3 * 32 - 3] = 0x01;
        vm.prank(RIVAL);
        (bool ok,) = address(game).call(call);
        assertTrue(!ok, "a bit above the field");
        game.settleVoid(m.context);
        assertEq(game.credit(RIVAL), bond + _gasOf(m), "settled as what it is");
    }

    /// @dev Code4rena 2024-07 Optimism H-01: https://github.com/code-423n4/2024-07-optimism-findings/issues/36
    ///      There: the VM was told the number of the block that a trace index stands for, not the one that was claimed, so two
    ///      games of different claims had the same inputs and a true claim could be refuted with another's trace.
    ///      Here: the request's id, seed, model and tolerance are in the request ROM, which the contract writes; no two requests
    ///      share one, and no step runs on another's.
    function test_finding_inputsNotTheClaims() public {
        Request memory twin = _ask();
        ClaimRef memory c = _claim(twin);
        Match memory m = _open(req, ref, CHALLENGER);
        // `_open` compares the game's id with the one that follows from ROM roots computed here.
        Match memory n = _open(twin, c, CHALLENGER);
        assertTrue(m.context.requestRoot != n.context.requestRoot, "the same question twice, two ROMs");
        assertEq(m.context.outputRoot, n.context.outputRoot, "one answer");
        _playHonestly(m);
        Proof memory p = _proofOf(m, _contested(m));
        bytes32 own = m.context.requestRoot;
        m.context.requestRoot = n.context.requestRoot;
        bytes memory call = abi.encodeCall(game.prove, (m.context, p));
        _refused(CHALLENGER, call, IDisputeGame.GameNotRunning.selector, "a step on the other's inputs");
        m.context.requestRoot = own;
        _prove(m);
        _assertPaidInFull(m);
        _assertState(twin, RequestState.Claimed, "the twin is untouched");
    }

    /// @dev Sherlock 2024-02 Optimism #090 (M-2): https://github.com/sherlock-audit/2024-02-optimism-2024-judging/issues/90
    ///      There: a game for block 2^256 - 1, once resolved, left no higher block to play for.
    ///      Here: no number that a user chooses is a mark that others have to pass. Deadlines are bounded, segment numbers and
    ///      nonces are their owner's, and a bond that nobody has ends in a refund.
    function test_finding_numberOfOnesChoice() public {
        RequestParams memory p = _params();
        p.inclusionDeadline = type(uint64).max;
        vm.prank(RIVAL);
        vm.expectRevert(abi.encodeWithSelector(IInbox.Refused.selector, IInbox.AdmitError.DeadlineTooFar));
        inbox.request{value: p.fee}(p, payload, userData);
        p = _params();
        p.minBond = type(uint128).max;
        Request memory dear = _ask(p);
        Request memory asked = _ask();
        _assertOne(_segment(EXECUTOR_KEY, type(uint64).max, _results(dear)), IRollup.ResultError.NoStake);
        Result[] memory results = _results(asked);
        ClaimRef memory c = _refOf(_post(_segment(EXECUTOR_KEY, 7, results)), 0, results);
        _finalize(asked, c);
        vm.warp(uint256(dear.params.inclusionDeadline) + DIRECT);
        inbox.refund(dear);
        assertEq(inbox.credit(REFUND), dear.params.fee, "refunded");
    }

    /// @dev Sherlock 2024-02 Optimism #222 and #212: https://github.com/sherlock-audit/2024-02-optimism-2024-judging/issues/222
    ///      There: a leaf's index was cut to 64 bits and a position overflowed at the greatest depth, so a step was checked
    ///      against the wrong one, or a game went on for ever.
    ///      Here: the deepest trace that can be deployed is 2^56 steps, and the last of them is found and proven.
    function test_finding_indexTooNarrow() public {
        _games(7, 56, true, 1 << 56);
        req = _ask();
        ref = _claim(req);
        bond = game.challengerBond();
        Match memory m = _open(req, ref, CHALLENGER);
        _playHonestly(m);
        assertEq(m.moves, 8, "eight moves of 128 pieces");
        Move memory mv = _moveOf(m, _contested(m));
        _refused(CHALLENGER, _move(mv), IDisputeGame.MustProve.selector, "no move goes deeper");
        assertEq(_state(m).start + _contested(m), (1 << 56) - 1, "the last step");
        _prove(m);
        _assertStatus(m, GameStatus.ChallengerWon, "proven at its own index");
        vm.expectRevert(IDisputeGame.BadParameters.selector);
        this.deployDeeper();
    }

    function deployDeeper() external {
        _deploy(7, 57, true);
    }

    /// @dev Cartesi PRT honeypot, October 2025: https://cartesi.io/blog/prt_honeypot_postmortem
    ///      There: whether a match existed was told by one of its hashes not being zero. A liar's tree had a zero subtree, so its
    ///      match did not exist, could not time out, and the application froze for good.
    ///      Here: a status says that a game runs; its roots are only data. A liar that posts zeros is beaten as any other.
    function test_finding_zeroRootAsSentinel() public {
        Match memory m = _open(req, ref, CHALLENGER);
        Match memory idle = _open(req, ref, RIVAL);
        _zeros(idle);
        while (m.stride > 1) {
            _zeros(m);
        }
        assertEq(m.roots[0], bytes32(0), "the root that is refuted");
        uint256 before = attackVm.snapshotState();
        _prove(m);
        _assertStatus(m, GameStatus.ChallengerWon, "zero is not the state after the first step");
        _assertPaidInFull(m);
        attackVm.revertToState(before);
        // Or the liar goes silent with zeros standing against it.
        _play(idle, _moveOf(idle, 0));
        vm.warp(block.timestamp + ALLOWANCE);
        game.timeout(idle.context);
        _assertPaidInFull(idle);
    }

    /// @dev The challenger's honest move, and zeros in answer.
    function _zeros(Match memory m) private {
        _play(m, _moveOf(m, 0));
        Move memory mv = _moveOf(m, 0);
        for (uint256 i = 0; i < mv.roots.length; ++i) {
            mv.roots[i] = 0;
        }
        _play(m, mv);
    }

    /// @dev ORA opML:
    ///      https://github.com/ora-io/opml/blob/e1a67e7874d04a157bdd262cc460a2bb1a73d063/contracts/LayeredChallenge.sol
    ///      There: between two phases anybody calls `toNextLayer` with a start state, an end state and a number of steps of its
    ///      own, which nothing compares with the phase before.
    ///      Here: there is one trace and one kind of state. At the stride at which yields end and instructions begin a move
    ///      starts, as at any other, from the root that stands.
    function test_finding_seamBetweenPhases() public {
        Match memory m = _open(req, ref, CHALLENGER);
        while (m.stride > 1 << 25) {
            _play(m, _moveOf(m, _contested(m)));
        }
        assertEq(_mover(m), executor, "the liar is to move");
        Move memory mv = _moveOf(m, 0);
        mv.roots[arity - 1] = keccak256("an end of its own");
        _refused(ANYONE, _move(mv), IDisputeGame.StaleMove.selector, "by a stranger");
        mv.left = keccak256("a start of its own");
        _refusedStale(m, mv, "another start of the piece");
        mv.startRoot = mv.left;
        _refusedStale(m, mv, "and of the dissection");
        mv = _moveOf(m, 5);
        mv.roots[arity - 1] = keccak256("an end of its own");
        mv.left = keccak256("a start of its own");
        _refusedStale(m, mv, "of an inner piece");
        mv = _moveOf(m, 0);
        mv.roots = new bytes32[](2);
        _refused(executor, _move(mv), DisputeGame.WrongRootCount.selector, "another number of steps");
        _win(m);
        _assertPaidInFull(m);
    }
}

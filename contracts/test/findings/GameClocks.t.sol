// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ClaimRef, GameStatus, Move, Request} from "../../src/interfaces/Types.sol";
import {IDisputeGame} from "../../src/interfaces/IDisputeGame.sol";
import {IRollup} from "../../src/interfaces/IRollup.sol";
import {FindingFixture} from "../base/FindingFixture.sol";

/// @notice Findings on clocks: whose time runs, what ends a game, and when.
contract GameClockFindings is FindingFixture {
    function _timeout(Match memory m) private view returns (bytes memory) {
        return abi.encodeCall(game.timeout, (m.context));
    }

    function _move(Move memory mv) private view returns (bytes memory) {
        return abi.encodeCall(game.move, (mv));
    }

    /// @dev Sherlock 2024-02 Optimism #144 (family 004-H):
    ///      https://github.com/sherlock-audit/2024-02-optimism-2024-judging/issues/144
    ///      There: a claim was resolvable once its own author's time plus the time since its move passed the limit, though
    ///      that time was the opponent's; who had been slow won while the other still thought.
    ///      Here: a timeout looks at the clock of the player to move and no other.
    function test_finding_wrongClockOwner() public {
        _start(false);
        Match memory m = _open(req, ref, CHALLENGER);
        vm.warp(block.timestamp + 100);
        _play(m, _moveOf(m, 0));
        // 100 seconds of the challenger's and 30 of the executor's are more than 120, and nobody's.
        vm.warp(block.timestamp + 30);
        _refused(CHALLENGER, _timeout(m), IDisputeGame.ClockRunning.selector, "the executor has 90 s left");
        _play(m, _moveOf(m, _contested(m)));
        assertEq(_state(m).executorUsed, 30, "its own time");
        vm.warp(block.timestamp + 19);
        _refused(executor, _timeout(m), IDisputeGame.ClockRunning.selector, "the challenger has a second left");
        vm.warp(block.timestamp + 1);
        game.timeout(m.context);
        _assertStatus(m, GameStatus.ExecutorWon, "the slow one loses");
        _assertFinalAndWhole();
    }

    /// @dev Code4rena 2024-05 Arbitrum BoLD, H-02: https://github.com/code-423n4/2024-05-arbitrum-foundation-findings/issues/2
    ///      There: an edge could take over the unrivalled time of an edge that only shared its mutual id, so a liar's tree was
    ///      confirmed by the time that the honest tree had gathered.
    ///      Here: time is a field of one game, and no game reads another's. A liar who lets its own sham run out has won
    ///      nothing but the sham.
    function test_finding_inheritedTimer() public {
        Match memory sham = _open(req, ref, RIVAL);
        vm.warp(START + WINDOW - 1);
        Match memory m = _open(req, ref, CHALLENGER);
        vm.warp(START + ALLOWANCE);
        vm.prank(executor);
        game.timeout(sham.context);
        _assertStatus(sham, GameStatus.ExecutorWon, "the liar beat its own confederate");
        _refused(executor, _timeout(m), IDisputeGame.ClockRunning.selector, "the sham's time is not the honest one's");
        _refused(
            executor,
            address(rollup),
            0,
            abi.encodeCall(rollup.finalize, (req, ref)),
            IRollup.Disputed.selector,
            "final"
        );
        _win(m);
        _assertStatus(m, GameStatus.ChallengerWon, "29 s of its own were left");
        _assertPaidInFull(m);
    }

    /// @dev Sherlock 2024-02 Optimism #168 and #078:
    ///      https://github.com/sherlock-audit/2024-02-optimism-2024-judging/issues/168
    ///      There: a move could still be made on a claim that was resolved; the game could then never be resolved, and all its
    ///      bonds and the withdrawals behind it stayed where they were.
    ///      Here: a game that is won takes no move, proof or timeout, and the claim goes on.
    function test_finding_moveAfterTheEnd() public {
        _start(false);
        Match memory m = _open(req, ref, CHALLENGER);
        _play(m, _moveOf(m, 0));
        vm.warp(block.timestamp + 1);
        _play(m, _moveOf(m, _contested(m)));
        vm.warp(block.timestamp + ALLOWANCE);
        vm.prank(executor);
        game.timeout(m.context);
        uint256 drawn = game.credit(executor);
        bytes4 over = IDisputeGame.GameNotRunning.selector;
        Move memory late = _moveOf(m, _contested(m));
        _refused(CHALLENGER, _move(late), over, "late move");
        late.opponent = CHALLENGER;
        _refused(executor, _move(late), over, "the winner's move");
        _refused(executor, _timeout(m), over, "second timeout");
        _refused(ANYONE, _timeout(m), over, "second timeout by anyone");
        assertEq(game.claimGames(uint256(ref.segmentId) << 16).open, 0, "no game is open");
        assertEq(game.credit(executor), drawn, "paid once");
        _assertFinalAndWhole();
    }

    /// @dev Sherlock 2024-02 Optimism #008: https://github.com/sherlock-audit/2024-02-optimism-2024-judging/issues/8
    ///      There: who moved in the last second of a subgame left no time to answer, for the clock that ended was shared.
    ///      Here: a late move costs its author's clock and leaves the opponent all of its own.
    function test_finding_lastSecondMove() public {
        _start(false);
        Match memory m = _open(req, ref, CHALLENGER);
        vm.warp(START + ALLOWANCE - 1);
        _play(m, _moveOf(m, 0));
        vm.warp(START + 2 * ALLOWANCE - 2);
        _refused(CHALLENGER, _timeout(m), IDisputeGame.ClockRunning.selector, "the executor's 120 s are whole");
        _play(m, _moveOf(m, _contested(m)));
        vm.warp(block.timestamp + 1);
        game.timeout(m.context);
        _assertStatus(m, GameStatus.ExecutorWon, "the late mover has spent its own");
        _assertFinalAndWhole();
    }

    /// @dev Code4rena 2024-07 Optimism, low 20, and M-06 on the same extensions:
    ///      https://github.com/code-423n4/2024-07-optimism-findings/issues/44
    ///      There: every late move was granted three more hours, 73 times over; elsewhere the extension was too short for what
    ///      had to be computed.
    ///      Here: nothing extends a clock. Two colluders who stall each of their moves end within window and both allowances.
    function test_finding_extensionsAddUp() public {
        _start(false);
        vm.warp(START + WINDOW - 1);
        Match memory m = _open(req, ref, CHALLENGER);
        for (uint256 i = 0; i < 10; ++i) {
            vm.warp(block.timestamp + 23);
            _play(m, _moveOf(m, _contested(m)));
        }
        assertEq(_state(m).challengerUsed, 5 * 23, "every second is charged");
        assertEq(_state(m).executorUsed, 5 * 23, "to both");
        vm.warp(START + WINDOW + 2 * ALLOWANCE - 1);
        vm.prank(ANYONE);
        game.timeout(m.context);
        _assertFinalAndWhole();
    }

    /// @dev Code4rena 2024-05 Arbitrum BoLD, low 01: https://github.com/code-423n4/2024-05-arbitrum-foundation-findings/issues/66
    ///      There: the second at which a period ends belonged, or seemed to belong, to both sides.
    ///      Here: of disputing and finality, and of moving and timeout, exactly one is possible in any second.
    function test_finding_boundarySecond() public {
        Request memory r = _ask();
        ClaimRef memory c = _claim(r);
        vm.warp(START + WINDOW - 1);
        bytes memory finalize = abi.encodeCall(rollup.finalize, (r, c));
        _refused(ANYONE, address(rollup), 0, finalize, IRollup.WindowOpen.selector, "the window's last second");
        Match memory m = _open(req, ref, CHALLENGER);
        vm.warp(START + WINDOW);
        bytes memory open = abi.encodeCall(game.open, (r, c, payload, output));
        _refused(CHALLENGER, address(game), bond, open, IDisputeGame.WindowClosed.selector, "the first one after");
        rollup.finalize(r, c);

        uint256 end = START + WINDOW - 1 + ALLOWANCE;
        Move memory mv = _moveOf(m, 0);
        vm.warp(end);
        _refused(CHALLENGER, _move(mv), IDisputeGame.ClockRanOut.selector, "the clock's end");
        vm.warp(end - 1);
        _refused(executor, _timeout(m), IDisputeGame.ClockRunning.selector, "the clock's last second");
        _play(m, mv);
        vm.warp(end - 1 + ALLOWANCE);
        mv = _moveOf(m, 0);
        _refused(executor, _move(mv), IDisputeGame.ClockRanOut.selector, "the other clock's end");
        game.timeout(m.context);
        _assertPaidInFull(m);
    }

    /// @dev ORA opML: https://github.com/ora-io/opml/blob/1219524d1e57418a1df2865dde55c7e053dd09c6/contracts/Challenge.sol
    ///      There: no turn has a deadline; a defender who stops answering can't be beaten, and the contract only signals that a
    ///      silent challenger "should" lose.
    ///      Here: whoever is to move and does not loses, at a call by anyone.
    function test_finding_silentLiar() public {
        Match memory m = _open(req, ref, CHALLENGER);
        _play(m, _moveOf(m, 0));
        vm.warp(block.timestamp + ALLOWANCE);
        vm.prank(ANYONE);
        game.timeout(m.context);
        _assertStatus(m, GameStatus.ChallengerWon, "silence loses");
        _assertPaidInFull(m);
        assertEq(staking.freeStake(executor), 100 ether - CLAIM_BOND, "the liar pays");
    }

    /// @dev The BoLD paper's delay attack on one-at-a-time protocols (https://arxiv.org/abs/2404.10491), and veritas, which has
    ///      one challenger per fact (https://github.com/avalias/veritas).
    ///      There: a sham challenger takes the only seat, or one of N that are played in turn, and loses on purpose.
    ///      Here: all games on a claim run side by side. Twenty shams take nobody's seat and together one allowance.
    function test_finding_shamsTakeTheSeats() public {
        Match[] memory shams = new Match[](20);
        for (uint256 i = 0; i < shams.length; ++i) {
            address who = address(uint160(0x5000 + i));
            vm.deal(who, bond);
            shams[i] = _open(req, ref, who);
        }
        vm.warp(START + WINDOW - 1);
        Match memory m = _open(req, ref, CHALLENGER);
        _play(m, _moveOf(m, 0));
        vm.warp(START + ALLOWANCE);
        for (uint256 i = 0; i < shams.length; ++i) {
            game.timeout(shams[i].context);
        }
        _win(m);
        assertTrue(block.timestamp < START + WINDOW + ALLOWANCE, "no longer than one game");
        _assertPaidInFull(m);
    }
}

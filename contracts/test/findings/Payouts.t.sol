// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ClaimRef, GameStatus, Move, Proof, Request, RequestParams, Result} from "../../src/interfaces/Types.sol";
import {ICredits} from "../../src/interfaces/ICredits.sol";
import {IDisputeGame} from "../../src/interfaces/IDisputeGame.sol";
import {IRollup} from "../../src/interfaces/IRollup.sol";
import {IStaking} from "../../src/interfaces/IStaking.sol";
import {Rollup} from "../../src/rollup/Rollup.sol";
import {TokenHands} from "../base/AssetHands.sol";
import {FindingFixture} from "../base/FindingFixture.sol";
import {Token} from "../market/Tokens.sol";

/// @notice An account without a way to receive money.
contract Refuser {}

/// @notice An account that asks for its credit again while it is being paid.
contract Drainer {
    ICredits private immutable _from;
    bool public paidTwice;

    constructor(ICredits from) {
        _from = from;
    }

    receive() external payable {
        try _from.withdrawCredit(payable(this)) {
            paidTwice = true;
        } catch {}
    }
}

/// @notice Findings on bonds, stakes and credits.
abstract contract PayoutLaws is FindingFixture {
    address payable private constant SAFE = payable(address(0x5AFE));

    /// @dev Code4rena 2024-07 Optimism H-02 on freeloader claims, and the bond incentives of the OP specification:
    ///      https://github.com/code-423n4/2024-07-optimism-findings/issues/29
    ///      There: a claim put beside an honest one, further left, took the bond that the honest one had earned, and answering
    ///      it ran on the attacker's clock.
    ///      Here: a game has two players and no siblings. Who opens one and lets another work gets its bond and its own gas
    ///      back, and nothing of the winner's.
    function test_finding_freeloading() public {
        Match memory free = _open(req, ref, RIVAL);
        Match memory m = _open(req, ref, CHALLENGER);
        bytes memory copied = abi.encodeCall(game.move, (_moveOf(m, 0)));
        _refused(RIVAL, copied, IDisputeGame.StaleMove.selector, "the honest move under its own name");
        _playHonestly(m);
        Proof memory p = _proofOf(m, _contested(m));
        copied = abi.encodeCall(game.prove, (m.context, p));
        _refused(RIVAL, copied, IDisputeGame.StaleMove.selector, "the honest proof under its own name");
        copied = abi.encodeCall(game.prove, (free.context, p));
        _refused(RIVAL, copied, IDisputeGame.TooLongToProve.selector, "the honest proof in its own game");
        _prove(m);
        vm.prank(RIVAL);
        game.settleVoid(free.context);
        assertEq(_due(RIVAL), bond + _gasOf(free), "its bond, its gas");
        _assertPaidInFull(m);
        (, uint256 slashed) = _stakeHeld();
        assertEq(address(game).balance + slashed, _due(RIVAL) + _due(CHALLENGER), "solvent");
    }

    /// @dev Code4rena 2024-05 Arbitrum BoLD H-01: https://github.com/code-423n4/2024-05-arbitrum-foundation-findings/issues/8
    ///      There: the required stake was lowered while assertions that were made at the higher one stood; a liar got its larger
    ///      stake back out of the pool and an honest staker's could not be paid.
    ///      Here: the bond of a claim is the request's and the deployment's, neither of which can change; it stays locked until
    ///      the claim is decided, and all of it is at stake.
    function test_finding_stakeLoweredBelowOpenGames() public {
        RequestParams memory p = _params();
        p.minBond = 60 ether;
        Request memory r = _ask(p);
        ClaimRef memory c = _claim(r);
        bytes memory all = abi.encodeCall(staking.startWithdrawal, (100 ether));
        _refused(executor, address(staking), 0, all, IStaking.InsufficientStake.selector, "both bonds are locked");
        vm.prank(executor);
        staking.startWithdrawal(36 ether);

        r.params.minBond = 0;
        bytes memory open = abi.encodeCall(game.open, (r, c, payload, output));
        _refused(executor, address(game), 0, open, IDisputeGame.WrongBond.selector, "no bond");
        vm.deal(executor, bond);
        _refused(executor, address(game), bond, open, IRollup.NotTheClaim.selector, "a game for a lower bond");
        vm.expectRevert(IRollup.BadParameters.selector);
        this.deployCheaperRollup();

        r.params.minBond = 60 ether;
        Match memory m = _open(r, c, CHALLENGER);
        _win(m);
        _assertPaidInFull(m);
        vm.prank(other);
        staking.startWithdrawal(100 ether);
        vm.warp(block.timestamp + UNBONDING);
        vm.prank(other);
        assertEq(staking.withdraw(SAFE), 100 ether, "the honest executor's stake is whole");
        vm.prank(executor);
        assertEq(staking.withdraw(SAFE), 36 ether, "what was never locked");
        (uint256 stakes,) = _stakeHeld();
        assertEq(stakes, CLAIM_BOND, "what the other claim still locks");
    }

    function deployCheaperRollup() external {
        new Rollup(inbox, staking, game, sequencers, turnLength, CLAIM_BOND / 2, _law());
    }

    /// @dev Sherlock 2024-02 Optimism #164 (family 003-H), and Code4rena 2024-03 Taiko H-02 on bonds that
    ///      what happens later takes from the side that was right:
    ///      https://github.com/sherlock-audit/2024-02-optimism-2024-judging/issues/164
    ///      https://code4rena.com/reports/2024-03-taiko
    ///      There: once the whole game was resolved, the bond of a leaf that nobody had resolved before could never be claimed.
    ///      Here: a game that its claim's loss made void is settled at any time, by anyone, whatever became of the request.
    function test_finding_lockableBonds() public {
        Match memory won = _open(req, ref, CHALLENGER);
        Match memory left = _open(req, ref, RIVAL);
        _play(left, _moveOf(left, 0));
        _win(won);
        Result[] memory results = _results(req);
        uint64 segmentId = _post(_segment(OTHER_KEY, 1, results));
        _finalize(req, _refOf(segmentId, 0, results));
        vm.warp(block.timestamp + 3650 days);
        vm.prank(ANYONE);
        game.settleVoid(left.context);
        assertEq(_due(RIVAL), bond + _gasOf(left), "bond and gas, ten years later");
        _assertPaidInFull(won);
        _takeDue(RIVAL, SAFE);
        _takeDue(CHALLENGER, SAFE);
        (, uint256 slashed) = _stakeHeld();
        assertEq(address(game).balance + slashed, 0, "nothing stays behind");
    }

    /// @dev Sherlock 2024-02 Optimism #043: https://github.com/sherlock-audit/2024-02-optimism-2024-judging/issues/43
    ///      There: a payee for which the transfer failed could not claim its bond in any other way.
    ///      Here: a game pays nobody, so none can stop it; credit is pulled, to whatever address its owner names.
    function test_finding_payeeCannotReceive() public {
        address payee = address(new Refuser());
        vm.deal(payee, 100 ether);
        Match memory m = _open(req, ref, payee);
        _win(m);
        _assertStatus(m, GameStatus.ChallengerWon, "the game ends though nobody could be paid");
        uint256 owed = game.credit(payee);
        vm.prank(payee);
        vm.expectRevert(abi.encodeWithSelector(ICredits.CreditTransferFailed.selector, payee));
        game.withdrawCredit(payable(payee));
        assertEq(game.credit(payee), owed, "still owed");
        vm.prank(payee);
        game.withdrawCredit(SAFE);
        assertEq(SAFE.balance, owed, "paid elsewhere");
        _assertStatus(m, GameStatus.ChallengerWon, "the game stands");
    }

    /// @dev Sherlock 2024-02 Optimism #195: https://github.com/sherlock-audit/2024-02-optimism-2024-judging/issues/195
    ///      There: money credited to a victim by a stranger set the withdrawal delay of all that it had waiting back to the start.
    ///      Here: a gift makes a stake or a deposit larger and touches no delay.
    function test_finding_giftRestartsTheDelay() public {
        vm.prank(other);
        staking.startWithdrawal(50 ether);
        inbox.deposit{value: 10 ether}(payer);
        vm.prank(payer);
        inbox.startDepositWithdrawal(10 ether);
        vm.warp(START + UNBONDING - 1);
        _stake(other, 1);
        vm.warp(START + UNBONDING);
        vm.prank(other);
        assertEq(staking.withdraw(SAFE), 50 ether, "stake on time");
        vm.deal(ANYONE, 1 ether);
        vm.warp(START + 1 hours - 1);
        vm.prank(ANYONE);
        inbox.deposit{value: 1}(payer);
        vm.warp(START + 1 hours);
        vm.prank(payer);
        assertEq(inbox.withdrawDeposit(SAFE), 10 ether, "deposit on time");
    }

    /// @dev Sherlock 2024-02 Optimism #158: https://github.com/sherlock-audit/2024-02-optimism-2024-judging/issues/158
    ///      There: a request to unlock more than one had, once ripe, let everything later go without a delay.
    ///      Here: no more can start to leave than is free, each start waits anew, and what has left is no longer ripe.
    function test_finding_delaySkippedAfterTheFirst() public {
        bytes memory tooMuch = abi.encodeCall(staking.startWithdrawal, (100 ether + 1));
        _refused(other, address(staking), 0, tooMuch, IStaking.InsufficientStake.selector, "more than it has");
        vm.prank(other);
        staking.startWithdrawal(1 ether);
        vm.warp(START + UNBONDING);
        vm.prank(other);
        staking.startWithdrawal(99 ether);
        bytes memory take = abi.encodeCall(staking.withdraw, (SAFE));
        _refused(other, address(staking), 0, take, IStaking.NotYetWithdrawable.selector, "the rest has to wait");
        vm.warp(START + 2 * UNBONDING);
        vm.prank(other);
        assertEq(staking.withdraw(SAFE), 100 ether, "after the delay");
        _stake(other, 5 ether);
        _refused(other, address(staking), 0, take, IStaking.NotYetWithdrawable.selector, "nothing is ripe");
        assertEq(staking.freeStake(other), 5 ether, "it backs claims");
    }

    /// @dev ORA opML: https://github.com/ora-io/opml/blob/1219524d1e57418a1df2865dde55c7e053dd09c6/contracts/Challenge.sol
    ///      There: a proven challenge sends the contract's whole balance, and can be proven again.
    ///      Here: a game is won once; its winner has a credit, which is gone before the money moves.
    function test_finding_doubleClaimOfCredit() public {
        // Enough of somebody else's money to pay the thief twice.
        RequestParams memory large = _params();
        large.minBond = 40 ether;
        Request memory r = _ask(large);
        Match memory victim = _open(r, _claim(r), CHALLENGER);
        _win(victim);
        Drainer drainer = new Drainer(game);
        vm.deal(address(drainer), bond);
        Match memory m = _open(req, ref, address(drainer));
        Match memory left = _open(req, ref, RIVAL);
        _playHonestly(m);
        bytes memory again = abi.encodeCall(game.prove, (m.context, _proofOf(m, _contested(m))));
        _prove(m);
        _refused(address(drainer), again, IDisputeGame.ClaimAlreadyLost.selector, "proven twice");
        again = abi.encodeCall(game.settleVoid, (m.context));
        _refused(address(drainer), again, IDisputeGame.GameNotRunning.selector, "won and void");
        game.settleVoid(left.context);
        again = abi.encodeCall(game.settleVoid, (left.context));
        _refused(RIVAL, again, IDisputeGame.GameNotRunning.selector, "void twice");

        uint256 owed = game.credit(address(drainer));
        vm.prank(address(drainer));
        game.withdrawCredit(payable(address(drainer)));
        assertTrue(!drainer.paidTwice(), "paid again while being paid");
        assertEq(address(drainer).balance, owed, "its credit");
        again = abi.encodeCall(game.withdrawCredit, (SAFE));
        _refused(address(drainer), again, ICredits.NoCredit.selector, "paid again");
        _assertPaidInFull(victim);
        _takeDue(CHALLENGER, SAFE);
        assertEq(_takeDue(RIVAL, SAFE), bond + _gasOf(left), "the others' credits are whole");
        assertEq(address(game).balance, 0, "to the wei");
    }

    /// @dev Code4rena 2024-07 Optimism M-08 and Sherlock 2024-02 Optimism #097:
    ///      https://github.com/code-423n4/2024-07-optimism-findings/issues/31
    ///      There: the last step was anyone's to send and paid its sender, so who watched the mempool took the bond that another
    ///      had worked for.
    ///      Here: a proof is its player's alone, and the payee is the one recorded when the game was opened.
    function test_finding_stolenProof() public {
        Match memory m = _open(req, ref, CHALLENGER);
        _playHonestly(m);
        Proof memory p = _proofOf(m, _contested(m));
        bytes memory call = abi.encodeCall(game.prove, (m.context, p));
        _refused(ANYONE, call, IDisputeGame.StaleMove.selector, "sent first by a watcher");
        _refused(executor, call, IDisputeGame.StaleMove.selector, "or by the loser");
        m.context.challenger = ANYONE;
        call = abi.encodeCall(game.prove, (m.context, p));
        _refused(ANYONE, call, IDisputeGame.GameNotRunning.selector, "under the watcher's name");
        m.context.challenger = CHALLENGER;
        _prove(m);
        assertEq(game.credit(ANYONE), 0, "nothing to the watcher");
        _assertPaidInFull(m);
    }

    /// @dev Sherlock 2024-02 Optimism #194 (M-3): https://github.com/sherlock-audit/2024-02-optimism-2024-judging/issues/194
    ///      There: the bond of a game was owed to `tx.origin`, so anybody who relayed a smart wallet's signed call owned it.
    ///      Here: the challenger is who called and paid.
    function test_finding_bondOwedToTheRelayer() public {
        Match memory m = _matchOf(req, ref, CHALLENGER);
        attackVm.prank(CHALLENGER, ANYONE);
        bytes32 id = game.open{value: bond}(req, ref, payload, output);
        assertEq(id, m.id, "the wallet's game");
        Move memory mv = _moveOf(m, 0);
        attackVm.prank(CHALLENGER, ANYONE);
        game.move(mv);
        vm.warp(block.timestamp + ALLOWANCE);
        attackVm.prank(ANYONE, ANYONE);
        game.timeout(m.context);
        assertEq(game.credit(ANYONE), 0, "nothing to the relayer");
        _assertPaidInFull(m);
    }

    /// @dev Sherlock 2024-02 Optimism #087, and ORA opML, where the stake is a comment:
    ///      https://github.com/sherlock-audit/2024-02-optimism-2024-judging/issues/87
    ///      There: for a while after a new kind of game was set up its bond was zero, and claims at no risk could be made.
    ///      Here: bonds are fixed when the contracts are deployed; no game opens and no claim stands without its own.
    function test_finding_unbondedGame() public {
        bytes memory open = abi.encodeCall(game.open, (req, ref, payload, output));
        _refused(CHALLENGER, address(game), 0, open, IDisputeGame.WrongBond.selector, "free");
        _refused(CHALLENGER, address(game), bond - 1, open, IDisputeGame.WrongBond.selector, "a wei short");
        Request memory r = _ask();
        _assertOne(_segment(0xE9, 1, _results(r)), IRollup.ResultError.NoStake);
        vm.warp(uint256(r.params.inclusionDeadline) + 1);
        vm.prank(vm.addr(0xE9));
        vm.expectRevert(abi.encodeWithSelector(IRollup.ClaimRefused.selector, IRollup.ResultError.NoStake));
        rollup.claimDirect(r, output);
        assertTrue(bond > 0 && rollup.claimBond() > 0, "neither is zero");
    }

    /// @dev Sherlock 2024-02 Optimism #007: https://github.com/sherlock-audit/2024-02-optimism-2024-judging/issues/7
    ///      There: resolving a claim walked through everything below it, so whoever added enough subgames made it cost more gas
    ///      than a block has.
    ///      Here: nothing walks through games; one of fifty ends at the cost of one alone.
    function test_finding_endingTooDear() public {
        // The first one also warms the accounts that all of them touch.
        _gasOfProving(0);
        uint256 alone = _gasOfProving(0);
        assertTrue(_gasOfProving(50) < alone + 10_000, "the same gas beside fifty shams");
    }

    function _gasOfProving(uint256 shams) private returns (uint256 spent) {
        _start(true);
        for (uint256 i = 0; i < shams; ++i) {
            address who = address(uint160(0x5000 + i));
            vm.deal(who, bond);
            _open(req, ref, who);
        }
        Match memory m = _open(req, ref, CHALLENGER);
        _playHonestly(m);
        Proof memory p = _proofOf(m, _contested(m));
        vm.prank(CHALLENGER);
        spent = gasleft();
        game.prove(m.context, p);
        spent -= gasleft();
        _assertPaidInFull(m);
    }

    /// @dev Sherlock 2024-02 Optimism #199: https://github.com/sherlock-audit/2024-02-optimism-2024-judging/issues/199
    ///      There: every move is bonded, so a richer attacker opens claims beside each other until the honest side has no bonds
    ///      left to answer with.
    ///      Here: moves need no bond. One claim locks one bond however many games there are, and each sham that loses repays the
    ///      executor's gas out of its own bond.
    function test_finding_honestBondsRunOut() public {
        _start(false);
        Match[] memory shams = new Match[](20);
        for (uint256 i = 0; i < shams.length; ++i) {
            address who = address(uint160(0x5000 + i));
            vm.deal(who, bond);
            shams[i] = _open(req, ref, who);
            _play(shams[i], _moveOf(shams[i], 0));
            _play(shams[i], _moveOf(shams[i], _contested(shams[i])));
        }
        assertEq(staking.freeStake(executor), 100 ether - CLAIM_BOND, "one bond for all");
        vm.warp(START + ALLOWANCE);
        uint256 gas = 0;
        for (uint256 i = 0; i < shams.length; ++i) {
            vm.prank(executor);
            game.timeout(shams[i].context);
            gas += _state(shams[i]).executorGas * 1 gwei;
        }
        assertTrue(gas > 20 * 100_000 * 2 gwei, "a move and an ending each");
        assertEq(game.credit(executor), gas, "all of it repaid");
        _assertFinalAndWhole();
    }
}

/// @notice The same where stake is ether,
contract PayoutFindings is PayoutLaws {}

/// @notice and where it is a token.
contract TokenPayoutFindings is PayoutLaws {
    function setUp() public override {
        hands = new TokenHands(new Token(), 1 ether);
        super.setUp();
    }
}

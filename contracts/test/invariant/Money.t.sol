// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {
    Callback,
    ClaimGames,
    ClaimRef,
    Delivery,
    GameState,
    GameStatus,
    Request,
    RequestParams,
    RequestState,
    RequestStatus,
    Result,
    Segment,
    SignedRequest
} from "../../src/interfaces/Types.sol";
import {Recorder} from "../base/Consumers.sol";
import {GameFixture} from "../base/GameFixture.sol";
import {TestBase} from "../base/TestBase.sol";

/// @notice Random users of a whole rollup: asks, claims, games, deliveries, refunds, withdrawals, in any order.
/// @dev k = 4 over 16 steps: two moves and a proof. The executor's claims are all lies, so challengers win if they play.
contract Users is GameFixture {
    struct Ask {
        Request request;
        ClaimRef claim;
    }

    Recorder public consumer;
    Ask[] private _asks;
    Match[] private _matches;
    uint64 private _number;
    mapping(bytes32 what => uint256 count) public done;
    uint256 public calls;
    /// @dev Wei that games burned.
    uint256 public burnedByGames;
    uint256 private immutable _burnedBefore;

    constructor() {
        _burnedBefore = address(0).balance;
        _games(2, 4, true, 7);
        consumer = new Recorder();
        vm.deal(address(this), 1_000_000 ether);
        staking.deposit{value: 400 ether}(executor);
        inbox.deposit{value: 20 ether}(payer);
    }

    // ---- actions ----------------------------------------------------------------------------------------------------

    function ask(uint96 fee, uint8 kind) external counted {
        RequestParams memory p = _params();
        // Near the least fee, or anywhere: what the window's level makes too dear is skipped.
        p.fee = uint128(rollup.leastFee(39_000)) + (fee % 2 == 0 ? fee % 0.001 ether : fee % 2 ether);
        p.minBond = kind % 5 == 0 ? 7 ether : 0;
        p.delivery = kind % 2;
        if (kind % 3 != 0) {
            (p.callback, p.callbackGas, p.callbackFee) = (address(consumer), 150_000, uint128(fee % 0.1 ether));
        }
        Ask storage a = _asks.push();
        if (kind % 4 == 3) {
            _askSigned(a, p);
        } else {
            a.request = _ask(p);
        }
        _did("ask");
    }

    function _askSigned(Ask storage a, RequestParams memory p) private {
        SignedRequest[] memory signed = new SignedRequest[](1);
        signed[0] = _signed(p, uint64(_asks.length));
        a.request = _requestOf(p, payer, 1, uint64(_asks.length), signed[0].entropy);
        vm.prank(SEQUENCER);
        rollup.postBatch(new Segment[](0), signed);
    }

    function answer(uint256 which, bool byOther) external counted {
        _answer(_pick(which, RequestState.Open), byOther ? OTHER_KEY : EXECUTOR_KEY);
    }

    function _answer(Ask storage a, uint256 key) private {
        Result[] memory results = _results(a.request);
        uint64 id = _post(_segment(key, ++_number, results));
        a.claim = _refOf(id, 0, results);
        if (_state(a.request) == RequestState.Claimed) _did("claim");
    }

    function claimDirect(uint256 which) external counted {
        Ask storage a = _pick(which, RequestState.Open);
        vm.warp(uint256(inbox.status(_idOf(a.request)).deadline) + 1);
        vm.prank(other);
        uint64 id = rollup.claimDirect(a.request, output);
        a.claim = _refOf(id, 0, _results(a.request));
        _did("claimDirect");
    }

    /// @dev Challenges a claim whose window is open, or else has one made.
    function challenge(uint256 which, bool byRival) external counted {
        Ask storage a = _pickChallengeable(which);
        if (_state(a.request) == RequestState.Open) _answer(a, EXECUTOR_KEY);
        _matches.push(_open(a.request, a.claim, byRival ? RIVAL : CHALLENGER));
        _did("open");
    }

    function play(uint256 which) external counted burning {
        uint256 i = _pickMatch(which, false);
        Match memory m = _matches[i];
        if (m.stride > 1) {
            _play(m, _moveOf(m, _contested(m)));
            _matches[i] = m;
            _did("move");
        } else {
            _prove(m);
            _did("prove");
        }
    }

    function timeout(uint256 which) external counted burning {
        Match storage m = _matches[_pickMatch(which, false)];
        vm.warp(block.timestamp + ALLOWANCE);
        game.timeout(m.context);
        _did("timeout");
    }

    function settleVoid(uint256 which) external counted {
        game.settleVoid(_matches[_pickMatch(which, true)].context);
        _did("settleVoid");
    }

    function finalize(uint256 which) external counted {
        Ask storage a = _pick(which, RequestState.Claimed);
        vm.warp(block.timestamp + WINDOW);
        rollup.finalize(a.request, a.claim);
        _did("finalize");
    }

    function deliver(uint256 which, uint8 mode, bool broken) external counted {
        Ask storage a = _asks[which % _asks.length];
        consumer.setBroken(broken);
        if (mode % 3 == 0) rollup.deliverResult(a.request, a.claim, output, userData);
        else if (mode % 3 == 1) rollup.deliverFinality(a.request);
        else rollup.deliverOverturn(a.request);
        _did("deliver");
    }

    function refund(uint256 which) external counted {
        Ask storage a = _pick(which, RequestState.Open);
        vm.warp(uint256(inbox.status(_idOf(a.request)).deadline) + DIRECT);
        inbox.refund(a.request);
        _did("refund");
    }

    function withdraw(uint8 who) external counted {
        address account = _people()[who % _people().length];
        vm.prank(account);
        if (who % 2 == 0) inbox.withdrawCredit(payable(address(0xD00D)));
        else game.withdrawCredit(payable(address(0xD00D)));
        _did("withdraw");
    }

    function unstake(uint96 amount) external counted {
        (,, uint128 leaving, uint64 availableAt) = staking.accounts(executor);
        bool due = leaving != 0 && block.timestamp >= availableAt;
        vm.prank(executor);
        if (due) staking.withdraw(payable(address(0xD00D)));
        else staking.startWithdrawal(amount % 10 ether);
        _did(due ? bytes32("unstake") : bytes32("startUnstake"));
    }

    function wait(uint8 time) external counted {
        vm.warp(block.timestamp + time);
    }

    // ---- what must hold ---------------------------------------------------------------------------------------------

    /// @dev Inbox: every wei is a fee, an unpaid callback fee, a deposit or a credit.
    function checkInbox() external view {
        uint256 owed = 0;
        for (uint256 i = 0; i < _asks.length; ++i) {
            Request memory r = _asks[i].request;
            RequestStatus memory s = inbox.status(_idOf(r));
            if (s.state == RequestState.None || s.state == RequestState.Refunded) continue;
            if (s.state != RequestState.Final) owed += r.params.fee;
            uint256 fee = r.params.callbackFee;
            if (s.feeHalvesPaid & 1 == 0) owed += fee / 2;
            if (s.feeHalvesPaid & 2 == 0) owed += fee - fee / 2;
        }
        (uint112 balance,,) = inbox.deposits(payer);
        address[] memory people = _people();
        for (uint256 i = 0; i < people.length; ++i) {
            owed += inbox.credit(people[i]);
        }
        assertEq(address(inbox).balance, owed + balance, "inbox");
    }

    /// @dev Burned: what the claims of final requests burn of their fees, half at most, and what games burn of bonds. Nothing
    ///      else, and nothing of a request that is not final.
    function checkBurned() external view returns (uint256 byWork) {
        for (uint256 i = 0; i < _asks.length; ++i) {
            Request memory r = _asks[i].request;
            RequestStatus memory s = inbox.status(_idOf(r));
            bool claimed = s.state == RequestState.Claimed || s.state == RequestState.Final;
            assertTrue(claimed == (s.burn != 0), "a claim burns something, and nothing else does");
            assertTrue(2 * uint256(s.burn) <= r.params.fee, "half at most");
            if (s.state == RequestState.Final) byWork += s.burn;
        }
        assertEq(address(0).balance - _burnedBefore, byWork + burnedByGames, "burned");
    }

    /// @dev Staking: its balance is what is staked, and each executor's locked stake is the bonds of its standing claims.
    function checkStaking() external view {
        address[2] memory executors = [executor, other];
        uint256 total = 0;
        for (uint256 e = 0; e < 2; ++e) {
            (uint128 staked, uint128 locked, uint128 leaving,) = staking.accounts(executors[e]);
            assertTrue(uint256(locked) + leaving <= staked, "locked + leaving <= staked");
            uint256 bonds = 0;
            for (uint256 i = 0; i < _asks.length; ++i) {
                RequestStatus memory s = inbox.status(_idOf(_asks[i].request));
                if (s.state != RequestState.Claimed) continue;
                (, address claimer,,) = rollup.segments(s.segmentId);
                if (claimer == executors[e]) bonds += rollup.bondOf(_asks[i].request);
            }
            assertEq(locked, bonds, "locked = bonds");
            total += staked;
        }
        assertEq(address(staking).balance, total, "staking");
    }

    /// @dev Game: bonds of running games, what is left of gas pools, credits; rounding may leave a few wei more.
    function checkGame() external view {
        uint256 owed = 0;
        uint256 dust = 0;
        for (uint256 i = 0; i < _matches.length; ++i) {
            Match storage m = _matches[i];
            GameState memory g = game.game(m.id);
            ClaimGames memory games = game.claimGames(uint256(m.context.segmentId) << 16 | m.context.index);
            bool running = g.status == GameStatus.ChallengerToMove || g.status == GameStatus.ExecutorToMove;
            if (running) owed += game.challengerBond();
            if (running && games.lost && games.gas != 0) {
                owed += uint256(games.pool) * 1 gwei * g.challengerGas / games.gas;
            }
            // Each game of a claim rounds its share of the pool down by less than a wei.
            if (games.lost) ++dust;
        }
        address[] memory people = _people();
        for (uint256 i = 0; i < people.length; ++i) {
            owed += game.credit(people[i]);
        }
        uint256 has = address(game).balance;
        if (has < owed || has > owed + dust) revert Differs("game has, game owes", has, owed);
    }

    function _people() private view returns (address[] memory people) {
        people = new address[](7);
        (people[0], people[1], people[2], people[3]) = (executor, other, CHALLENGER, RIVAL);
        (people[4], people[5], people[6]) = (REFUND, address(this), payer);
    }

    // ---- book-keeping -----------------------------------------------------------------------------------------------

    modifier counted() {
        ++calls;
        _;
    }

    modifier burning() {
        uint256 before = address(0).balance;
        _;
        burnedByGames += address(0).balance - before;
    }

    function _did(bytes32 what) private {
        ++done[what];
    }

    /// @dev The first running game at or after `which`, on a claim that is lost or not.
    function _pickMatch(uint256 which, bool lost) private view returns (uint256) {
        for (uint256 i = 0; i < _matches.length; ++i) {
            uint256 index = (which % _matches.length + i) % _matches.length;
            GameStatus status = _status(_matches[index]);
            bool running = status == GameStatus.ChallengerToMove || status == GameStatus.ExecutorToMove;
            uint256 key = uint256(_matches[index].context.segmentId) << 16 | _matches[index].context.index;
            if (running && game.claimGames(key).lost == lost) return index;
        }
        revert("no such game");
    }

    function _pickChallengeable(uint256 which) private view returns (Ask storage) {
        for (uint256 i = 0; i < _asks.length; ++i) {
            Ask storage a = _asks[(which % _asks.length + i) % _asks.length];
            if (_state(a.request) != RequestState.Claimed) continue;
            (,, uint40 postedAt,) = rollup.segments(a.claim.segmentId);
            if (block.timestamp < postedAt + WINDOW) return a;
        }
        return _pick(which, RequestState.Open);
    }

    /// @dev The first request at or after `which` in this state, so that most calls find one.
    function _pick(uint256 which, RequestState state) private view returns (Ask storage) {
        for (uint256 i = 0; i < _asks.length; ++i) {
            uint256 index = (which % _asks.length + i) % _asks.length;
            if (_state(_asks[index].request) == state) return _asks[index];
        }
        revert("none in that state");
    }
}

contract MoneyTest is TestBase {
    Users private users;

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function setUp() public {
        users = new Users();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(users);
    }

    /// @dev One caller that is no contract of ours: the runner pays unused gas back to callers, which would look like income.
    function targetSenders() public pure returns (address[] memory senders) {
        senders = new address[](1);
        senders[0] = address(0xCA11E4);
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory s = new bytes4[](19);
        (s[0], s[1], s[2]) = (Users.ask.selector, Users.ask.selector, Users.ask.selector);
        (s[3], s[4], s[5]) = (Users.answer.selector, Users.answer.selector, Users.answer.selector);
        (s[6], s[7], s[8]) = (Users.challenge.selector, Users.challenge.selector, Users.play.selector);
        (s[9], s[10], s[11]) = (Users.play.selector, Users.play.selector, Users.timeout.selector);
        (s[12], s[13], s[14]) = (Users.settleVoid.selector, Users.finalize.selector, Users.deliver.selector);
        (s[15], s[16], s[17]) = (Users.refund.selector, Users.withdraw.selector, Users.unstake.selector);
        s[18] = Users.wait.selector;
        targets = new FuzzSelector[](2);
        targets[0] = FuzzSelector(address(users), s);
        bytes4[] memory more = new bytes4[](1);
        more[0] = Users.claimDirect.selector;
        targets[1] = FuzzSelector(address(users), more);
    }

    /// @dev [S] Money is conserved: no contract owes more than it has, or has what it owes to nobody.
    function invariant_moneyIsConserved() public view {
        users.checkInbox();
        users.checkBurned();
        users.checkStaking();
        users.checkGame();
    }

    /// @dev The gate: 30 % of the 64 calls. A run in which nearly everything reverted would show nothing.
    function afterInvariant() public view {
        assertTrue(users.calls() >= 20, "too few calls got through");
        assertTrue(users.done("ask") > 0 && users.done("claim") > 0, "nothing was ever claimed");
    }

    /// @dev Every action of the random users gets through, and money is conserved after each: the invariant is not vacuous.
    function test_moneyIsConserved_throughEveryAction_succeeds() public {
        // Two asks (optimistic with callback, signed), one found out by two challengers, one delivered and final.
        users.ask(1 ether, 1);
        users.ask(1.5 ether, 7);
        _check("ask");
        users.answer(0, false);
        users.answer(1, true);
        _check("claim");
        users.deliver(0, 0, false);
        _check("deliver");
        users.challenge(0, false);
        users.challenge(0, true);
        _check("open");
        for (uint256 i = 0; i < 3; ++i) {
            users.play(0);
            _check("move");
        }
        _check("prove");
        users.settleVoid(1);
        _check("settleVoid");
        users.deliver(0, 2, true);
        users.deliver(0, 2, false);
        users.finalize(1);
        _check("finalize");
        users.deliver(1, 0, false);
        users.deliver(1, 1, false);
        users.claimDirect(0);
        _check("claimDirect");
        users.challenge(0, true);
        users.timeout(2);
        _check("timeout");
        users.finalize(0);
        users.ask(0.5 ether, 0);
        users.refund(2);
        _check("refund");
        users.unstake(3 ether);
        for (uint256 i = 0; i < 3; ++i) {
            users.wait(200);
        }
        users.unstake(0);
        _check("unstake");
        // An executor's fee, then a challenger's winnings.
        users.withdraw(8);
        users.withdraw(9);
        _check("withdraw");
        assertTrue(users.checkBurned() > 0 && users.burnedByGames() > 0, "both ways of burning were seen");
    }

    function _check(bytes32 what) private view {
        users.checkInbox();
        users.checkBurned();
        users.checkStaking();
        users.checkGame();
        assertTrue(users.done(what) > 0, string(abi.encodePacked(what)));
    }
}

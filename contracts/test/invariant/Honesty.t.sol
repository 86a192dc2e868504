// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {
    ClaimRef,
    GameContext,
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
import {GameFixture} from "../base/GameFixture.sol";
import {OutputProver} from "../base/OutputProver.sol";
import {TestBase} from "../base/TestBase.sol";
import {ToyProver} from "../base/ToyProver.sol";

/// @notice An executor that claims nothing but the truth and a challenger that opens on lies alone, among others who claim,
///         challenge, move, wait, time out and finalize as they like.
/// @dev k = 2. The two honest ones look once in LOOK seconds at the latest, and then answer whatever waits for them.
contract Players is GameFixture {
    struct Ask {
        Request request;
        ClaimRef claim;
        /// @dev The claim before, which was rejected.
        ClaimRef former;
        bool isFalse;
    }

    /// @dev A game, where the trace of its liar leaves the truth, and the least that each clock was seen at.
    struct Board {
        Match m;
        uint256 flip;
        uint256 challengerLeft;
        uint256 executorLeft;
    }

    /// @dev A window's last second, and of three turns less than a clock.
    uint256 private constant LOOK = WINDOW - 1;
    uint256 private constant STAKE = 500 ether;
    bytes private constant TRUTH = hex"000200000007000000090000006f6b";
    bytes private constant LIE = hex"000200000007000000090000006e6f";

    Ask[] private _asks;
    Board[] private _boards;
    mapping(uint256 claimKey => mapping(address challenger => bool)) private _opened;
    mapping(bytes32 requestId => uint256 count) private _finals;
    uint64 private _number;
    /// @dev ROMs of the game whose trace is asked for.
    bytes32 private _requestRoot;
    bytes32 private _outputRoot;

    uint256 public calls;
    /// @dev Ends of games with an honest player, by how it came out of them.
    mapping(bytes32 how => uint256 count) public ends;
    uint256 public ended;
    /// @dev What was seen that must not be. A revert would undo the call that showed it.
    bool private _refused;
    bool private _rose;

    constructor(uint8 traceLog2) {
        _games(1, traceLog2, true, 1);
        vm.deal(address(this), 1_000_000 ether);
        staking.deposit{value: STAKE - 100 ether}(executor);
        staking.deposit{value: STAKE - 100 ether}(other);
    }

    /// @dev What a constructor can't: calls itself.
    function start() external {
        OutputProver(address(prover)).setTrueOutput(this.romRoot("", TRUTH));
    }

    function _newProver(uint256 length, bytes32 first, bytes32 last) internal override returns (ToyProver) {
        return ToyProver(address(new OutputProver(length, first, last)));
    }

    function _truth(uint256 index) internal view override returns (bytes32) {
        return OutputProver(address(prover)).truth(_requestRoot, _outputRoot, index);
    }

    // ---- actions ----------------------------------------------------------------------------------------------------

    function ask() external watched {
        _askNext();
    }

    /// @dev The honest executor's answer, or another's, which is true or not.
    function answer(uint256 which, bool byOther, bool isFalse) external watched {
        _answer(which, byOther, isFalse);
    }

    /// @dev A challenge of any claim, be it true. One is made if none stands.
    function challenge(uint256 which) external watched {
        uint256 index = _pickChallengeable(which);
        if (index == _asks.length) index = _answer(which, which % 3 == 0, which % 2 == 0);
        _challenge(index, RIVAL);
    }

    /// @dev Whoever is not honest plays its lie, or anything on any piece.
    function play(uint256 which, uint256 how) external watched {
        Board storage b = _boards[_pickTurn(which)];
        Match memory m = b.m;
        _about(b);
        if (m.stride == 1) {
            Proof memory p = _proofOf(m, (how >> 8) % m.roots.length);
            vm.prank(_mover(m));
            return game.prove(m.context, p);
        }
        Move memory mv = _moveOf(m, how % 2 == 0 ? _denied(m) : (how >> 8) % m.roots.length);
        for (uint256 j = 0; how % 4 == 3 && j < mv.roots.length; ++j) {
            mv.roots[j] = keccak256(abi.encode("noise", how, j));
        }
        uint256 last = mv.roots.length - 1;
        if (mv.roots[last] == mv.right) mv.roots[last] = keccak256(abi.encode("denied", how));
        _play(m, mv);
        b.m = m;
    }

    function timeout(uint256 which) external watched {
        GameContext memory context = _boards[_pickRunning(which, false)].m.context;
        vm.prank(ANYONE);
        game.timeout(context);
    }

    function settleVoid(uint256 which) external watched {
        game.settleVoid(_boards[_pickRunning(which, true)].m.context);
    }

    /// @dev A claim that stands, or any request once more, by its last claim or the one before.
    function finalize(uint256 which, uint8 how) external watched {
        Ask storage a = _asks[how % 4 < 2 ? which % _asks.length : _pick(which, RequestState.Claimed)];
        rollup.finalize(a.request, how % 4 == 0 ? a.former : a.claim);
    }

    function refund(uint256 which) external watched {
        inbox.refund(_asks[_pick(which, RequestState.Open)].request);
    }

    function wait(uint8 time) external watched {
        vm.warp(block.timestamp + time % (LOOK + 1));
        _lookAndAnswer();
    }

    /// @dev Long enough for a clock to run out, while the honest ones look as ever. One plays at least.
    function sleep(uint256 which) external watched {
        if (!_anyHonestPlays()) _challenge(_answer(which, false, false), RIVAL);
        for (uint256 spent = 0; spent < ALLOWANCE; spent += LOOK) {
            vm.warp(block.timestamp + LOOK);
            _lookAndAnswer();
        }
    }

    // ---- the honest players -----------------------------------------------------------------------------------------

    function _lookAndAnswer() private {
        _lookAtClocks();
        for (uint256 i = 0; i < _asks.length; ++i) {
            if (_asks[i].isFalse && _challengeable(i, CHALLENGER)) _honestly(abi.encodeCall(this.challengeLie, (i)));
        }
        for (uint256 i = 0; i < _boards.length; ++i) {
            if (_waitsForHonest(_boards[i])) _honestly(abi.encodeCall(this.reply, (i)));
        }
        _lookAtClocks();
    }

    function _honestly(bytes memory what) private {
        (bool ok,) = address(this).call(what);
        if (!ok) _refused = true;
    }

    function challengeLie(uint256 i) external mine {
        _challenge(i, CHALLENGER);
    }

    /// @dev Voids, times out, moves or proves, by the true trace.
    function reply(uint256 i) external mine {
        Board storage b = _boards[i];
        Match memory m = b.m;
        if (_isLost(m)) return game.settleVoid(m.context);
        if (!_isHonest(_mover(m))) {
            vm.prank(_waiting(m));
            return game.timeout(m.context);
        }
        _about(b);
        if (m.stride == 1) return _prove(m);
        _play(m, _moveOf(m, _contested(m)));
        b.m = m;
    }

    function _waitsForHonest(Board storage b) private view returns (bool) {
        if (!_isRunning(b.m)) return false;
        if (_isLost(b.m)) return _isHonest(b.m.context.challenger);
        if (_isHonest(_mover(b.m))) return true;
        (uint256 challengerLeft, uint256 executorLeft) = _clocks(b.m.id);
        return _isHonest(_waiting(b.m)) && (challengerLeft == 0 || executorLeft == 0);
    }

    function _anyHonestPlays() private view returns (bool) {
        for (uint256 i = 0; i < _boards.length; ++i) {
            GameContext memory c = _boards[i].m.context;
            if (_isRunning(_boards[i].m) && (_isHonest(c.executor) || _isHonest(c.challenger))) return true;
        }
        return false;
    }

    function _isHonest(address who) private view returns (bool) {
        return who == executor || who == CHALLENGER;
    }

    // ---- what must hold ---------------------------------------------------------------------------------------------

    /// @dev The honest executor's stake is whole, its games won; the honest challenger's are won or void, the bonds back, and
    ///      with them what was won.
    function checkHonest() external view {
        assertTrue(!_refused, "an honest player was refused");
        uint256 due = 0;
        for (uint256 i = 0; i < _boards.length; ++i) {
            GameContext memory c = _boards[i].m.context;
            GameStatus status = _status(_boards[i].m);
            bool lost = status == GameStatus.ChallengerWon || status == GameStatus.Void;
            assertTrue(c.executor != executor || !lost, "the honest executor lost a game");
            if (c.challenger != CHALLENGER) continue;
            assertTrue(status != GameStatus.ExecutorWon, "the honest challenger lost a game");
            if (lost) due += game.challengerBond();
            if (status == GameStatus.ChallengerWon) due += c.claimBond / 4;
        }
        assertTrue(game.credit(CHALLENGER) >= due, "the honest challenger's bonds and winnings");
        (uint128 staked, uint128 locked,,) = staking.accounts(executor);
        assertEq(staked, STAKE, "the honest executor's stake");
        assertTrue(locked <= staked, "locked <= staked");
    }

    /// @dev A request has one final result at most, for good, and never a lie.
    function checkFinals() external view {
        for (uint256 i = 0; i < _asks.length; ++i) {
            uint256 finals = _finals[_idOf(_asks[i].request)];
            assertTrue(finals <= 1, "two final results");
            assertEq(finals, _state(_asks[i].request) == RequestState.Final ? 1 : 0, "final once and for good");
            assertTrue(finals == 0 || !_asks[i].isFalse, "a lie is final");
        }
    }

    /// @dev Of no running game has either player more time than when it was last looked at.
    function checkClocks() external view {
        assertTrue(!_rose, "a clock rose");
        for (uint256 i = 0; i < _boards.length; ++i) {
            if (!_isRunning(_boards[i].m)) continue;
            (uint256 challengerLeft, uint256 executorLeft) = _clocks(_boards[i].m.id);
            bool fell = challengerLeft <= _boards[i].challengerLeft && executorLeft <= _boards[i].executorLeft;
            assertTrue(fell, "a clock rose");
        }
    }

    // ---- book-keeping -----------------------------------------------------------------------------------------------

    modifier watched() {
        vm.recordLogs();
        _lookAtClocks();
        _;
        ++calls;
        _lookAtClocks();
        _read(_logs());
    }

    modifier mine() {
        assertTrue(msg.sender == address(this), "not for others");
        _;
    }

    /// @dev Seconds that each player has left: what it used is taken off, and of the one to move what it takes just now.
    function _clocks(bytes32 id) private view returns (uint256 challengerLeft, uint256 executorLeft) {
        GameState memory g = game.game(id);
        (uint256 byChallenger, uint256 byExecutor) = (g.challengerUsed, g.executorUsed);
        if (g.status == GameStatus.ChallengerToMove) byChallenger += block.timestamp - g.lastAt;
        else byExecutor += block.timestamp - g.lastAt;
        challengerLeft = byChallenger < ALLOWANCE ? ALLOWANCE - byChallenger : 0;
        executorLeft = byExecutor < ALLOWANCE ? ALLOWANCE - byExecutor : 0;
    }

    function _lookAtClocks() private {
        for (uint256 i = 0; i < _boards.length; ++i) {
            Board storage b = _boards[i];
            if (!_isRunning(b.m)) continue;
            (uint256 challengerLeft, uint256 executorLeft) = _clocks(b.m.id);
            if (challengerLeft > b.challengerLeft || executorLeft > b.executorLeft) _rose = true;
            (b.challengerLeft, b.executorLeft) = (challengerLeft, executorLeft);
        }
    }

    function _read(Log[] memory logs) private {
        for (uint256 i = 0; i < logs.length; ++i) {
            bytes32[] memory topics = logs[i].topics;
            if (logs[i].topic == IRollup.ClaimFinalized.selector) ++_finals[topics[1]];
            if (logs[i].topic == IDisputeGame.GameVoided.selector && topics[2] == bytes32(uint256(uint160(CHALLENGER))))
            {
                _ended("void");
            }
            if (logs[i].topic != IDisputeGame.GameWon.selector) continue;
            address winner = address(uint160(uint256(topics[2])));
            bool byProof = abi.decode(logs[i].data, (uint256)) == uint256(IDisputeGame.Reason.Proof);
            if (winner == executor) _ended(byProof ? bytes32("executor proves") : bytes32("executor waits"));
            if (winner == CHALLENGER) _ended(byProof ? bytes32("challenger proves") : bytes32("challenger waits"));
        }
    }

    function _ended(bytes32 how) private {
        ++ends[how];
        ++ended;
    }

    function _askNext() private {
        RequestParams memory p = _params();
        p.fee = 4 ether;
        _asks.push().request = _ask(p);
    }

    /// @dev Of a request at or after `which` that is open, or of a new one.
    function _answer(uint256 which, bool byOther, bool isFalse) private returns (uint256 index) {
        index = _pick(which, RequestState.Open);
        if (index == _asks.length) _askNext();
        Ask storage a = _asks[index];
        isFalse = byOther && isFalse;
        output = isFalse ? LIE : TRUTH;
        Result[] memory results = _results(a.request);
        uint64 id = _post(_segment(byOther ? OTHER_KEY : EXECUTOR_KEY, ++_number, results));
        assertTrue(_state(a.request) == RequestState.Claimed, "skipped");
        a.former = a.claim;
        (a.claim, a.isFalse) = (_refOf(id, 0, results), isFalse);
    }

    function _pickChallengeable(uint256 which) private view returns (uint256) {
        for (uint256 i = 0; i < _asks.length; ++i) {
            uint256 index = (which % _asks.length + i) % _asks.length;
            if (_challengeable(index, RIVAL)) return index;
        }
        return _asks.length;
    }

    function _challengeable(uint256 i, address who) private view returns (bool) {
        Ask storage a = _asks[i];
        if (_state(a.request) != RequestState.Claimed || _opened[_key(a.claim)][who]) return false;
        (,, uint40 postedAt,) = rollup.segments(a.claim.segmentId);
        return block.timestamp < postedAt + WINDOW;
    }

    function _challenge(uint256 i, address who) private {
        Ask storage a = _asks[i];
        output = a.isFalse ? LIE : TRUTH;
        Match memory m = _open(a.request, a.claim, who);
        _opened[_key(a.claim)][who] = true;
        _boards.push(Board(m, 1 + uint256(m.id) % traceLength, ALLOWANCE, ALLOWANCE));
    }

    function _key(ClaimRef memory c) private pure returns (uint256) {
        return uint256(c.segmentId) << 16 | c.index;
    }

    /// @dev From now on traces are those of this game, and of its mover: the truth for an honest one, else its lie.
    function _about(Board storage b) private {
        (_requestRoot, _outputRoot) = (b.m.context.requestRoot, b.m.context.outputRoot);
        flip = b.flip;
        address mover = _mover(b.m);
        liarIsExecutor = (mover == b.m.context.challenger) == _isHonest(mover);
    }

    /// @dev As `_contested`, or the last piece where the mover's trace has every root of the game.
    function _denied(Match memory m) private view returns (uint256 i) {
        bool challenger = m.moves % 2 == 0;
        while (i + 1 < m.roots.length && m.roots[i] == _traceOf(challenger, m.start + (i + 1) * m.stride)) ++i;
    }

    function _isRunning(Match memory m) private view returns (bool) {
        GameStatus status = _status(m);
        return status == GameStatus.ChallengerToMove || status == GameStatus.ExecutorToMove;
    }

    function _isLost(Match memory m) private view returns (bool) {
        return game.claimGames(uint256(m.context.segmentId) << 16 | m.context.index).lost;
    }

    /// @dev The first running game at or after `which`, on a claim that is lost or not.
    function _pickRunning(uint256 which, bool lost) private view returns (uint256) {
        for (uint256 i = 0; i < _boards.length; ++i) {
            uint256 index = (which % _boards.length + i) % _boards.length;
            if (_isRunning(_boards[index].m) && _isLost(_boards[index].m) == lost) return index;
        }
        revert("no such game");
    }

    /// @dev The first game at or after `which` in which somebody is to move who is not honest.
    function _pickTurn(uint256 which) private view returns (uint256) {
        for (uint256 i = 0; i < _boards.length; ++i) {
            uint256 index = (which % _boards.length + i) % _boards.length;
            Match memory m = _boards[index].m;
            if (_isRunning(m) && !_isLost(m) && !_isHonest(_mover(m))) return index;
        }
        revert("nobody's turn");
    }

    /// @dev The first request at or after `which` in this state, so that most calls find one; or their number.
    function _pick(uint256 which, RequestState state) private view returns (uint256) {
        for (uint256 i = 0; i < _asks.length; ++i) {
            uint256 index = (which % _asks.length + i) % _asks.length;
            if (_state(_asks[index].request) == state) return index;
        }
        return _asks.length;
    }
}

abstract contract HonestyLaws is TestBase {
    Players internal players;

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function _start(uint8 traceLog2) internal {
        players = new Players(traceLog2);
        players.start();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(players);
    }

    /// @dev As in Money.t.sol.
    function targetSenders() public pure returns (address[] memory senders) {
        senders = new address[](1);
        senders[0] = address(0xCA11E4);
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory s = new bytes4[](22);
        (s[0], s[1], s[2]) = (Players.ask.selector, Players.finalize.selector, Players.answer.selector);
        (s[3], s[4], s[5]) = (Players.answer.selector, Players.answer.selector, Players.answer.selector);
        (s[6], s[7], s[8]) = (Players.challenge.selector, Players.challenge.selector, Players.play.selector);
        (s[9], s[10], s[11]) = (Players.play.selector, Players.play.selector, Players.play.selector);
        (s[12], s[13], s[14]) = (Players.wait.selector, Players.wait.selector, Players.wait.selector);
        (s[15], s[16], s[17]) = (Players.timeout.selector, Players.settleVoid.selector, Players.finalize.selector);
        (s[18], s[19], s[20]) = (Players.refund.selector, Players.sleep.selector, Players.sleep.selector);
        s[21] = Players.sleep.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(players), s);
    }

    /// @dev [S] Whoever claims the truth, or challenges lies alone, and answers in time, wins or has its bond back; a request
    ///      has one final result at most, and no lie that an honest challenger saw; no player's time grows while its game
    ///      runs. One invariant, as each would be asked of the same runs.
    function invariant_honestBondsAreSafe_oneFinalResult_clocksOnlyFall() public view {
        players.checkHonest();
        players.checkFinals();
        players.checkClocks();
    }

    /// @dev The gate: 30 % of the 64 calls get through, and games of honest players come to their ends.
    function afterInvariant() public view {
        assertTrue(players.calls() >= 20, "too few calls got through");
        assertTrue(players.ended() >= 1, "no game of an honest player ended");
    }

    function _check(bytes32 how) internal view {
        players.checkHonest();
        players.checkFinals();
        players.checkClocks();
        assertTrue(players.ends(how) > 0, string(abi.encodePacked(how)));
    }

    /// @dev A true claim and two false ones: the first challenged in vain, the others by the honest challenger, who is second
    ///      to win against the last. Each side answers at the end of its time to look.
    function _everyEnding(bytes32 ofExecutor, bytes32 ofChallenger) internal {
        players.ask();
        players.answer(0, false, true);
        players.challenge(0);
        _playOut();
        _check(ofExecutor);
        players.finalize(0, 2);
        players.ask();
        players.answer(1, true, true);
        _playOut();
        _check(ofChallenger);
        // The liar answers the same question again, and lets its friend win.
        players.answer(1, true, true);
        players.challenge(0);
        players.play(0, 0);
        players.wait(29);
        for (uint256 i = 0; i < 3; ++i) {
            players.wait(29);
        }
        players.wait(4);
        players.timeout(0);
        players.wait(0);
        _check("void");
    }

    /// @dev The dishonest one plays as long as it can, then sleeps.
    function _playOut() private {
        for (uint256 i = 0; i < 4; ++i) {
            players.wait(29);
            try players.play(0, 0) {} catch {}
        }
        players.sleep(0);
    }
}

/// @notice Four moves, so that the challenger is the one who proves,
contract HonestyTest is HonestyLaws {
    function setUp() public {
        _start(4);
    }

    /// @dev [S] Every ending of an honest player's game is reached: the invariants are not vacuous.
    function test_honestPlayers_throughEveryEnding_succeeds() public {
        _everyEnding("executor waits", "challenger proves");
    }
}

/// @notice and five, so that the executor is.
contract HonestyOddTest is HonestyLaws {
    function setUp() public {
        _start(5);
    }

    /// @dev [S] As above.
    function test_honestPlayers_throughEveryEndingOfOddGames_succeeds() public {
        _everyEnding("executor proves", "challenger waits");
    }
}

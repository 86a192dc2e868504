// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ClaimRef, Promise, Request, RequestState, Result} from "../../src/interfaces/Types.sol";
import {IInbox} from "../../src/interfaces/IInbox.sol";
import {ILivenessPenalty} from "../../src/interfaces/ILivenessPenalty.sol";
import {IStaking} from "../../src/interfaces/IStaking.sol";
import {LivenessPenalty} from "../../src/rollup/LivenessPenalty.sol";
import {TokenHands} from "../base/AssetHands.sol";
import {ClaimFixture} from "../base/ClaimFixture.sol";
import {Token} from "../market/Tokens.sol";

/// @notice What an executor loses that promised an answer, and what it can't lose.
abstract contract LivenessLaws is ClaimFixture {
    uint256 internal constant CAP = CLAIM_BOND / 2;
    uint64 internal constant DUE = uint64(START) + 20;

    Request internal asked;
    bytes32 internal id;

    function setUp() public virtual override {
        _start(true);
        asked = _ask();
        id = _idOf(asked);
    }

    function _promise(uint64 deadline, uint128 penalty) internal view returns (Promise memory) {
        return Promise(id, deadline, penalty);
    }

    function _penalize(Promise memory p, uint256 key) internal returns (uint256) {
        return liveness.penalize(asked, p, _sign(key, liveness.promiseDigest(p)));
    }

    function _refused(Promise memory p, bytes memory why) internal {
        bytes memory signature = _sign(OTHER_KEY, liveness.promiseDigest(p));
        vm.expectRevert(why);
        liveness.penalize(asked, p, signature);
    }

    function _notMissing(RequestState state) internal view returns (bytes memory) {
        return abi.encodeWithSelector(ILivenessPenalty.NotMissing.selector, id, state);
    }

    function _staked(address who) internal view returns (uint256 staked) {
        (staked,,,) = staking.accounts(who);
    }

    /// @dev Runs `m` to a lost claim.
    function _lose(Match memory m) internal {
        _playHonestly(m);
        _prove(m);
    }

    // ---- what it costs ------------------------------------------------------------------------------------------------

    /// @dev [S] Half is burned and half is the asker's, so penalizing oneself loses half: asker and executor being one never pays.
    function test_penalize_missingAnswer_halfBurnedHalfToTheAsker_succeeds() public {
        vm.warp(DUE + 1);
        uint256 burnt = _burned();
        assertEq(_penalize(_promise(DUE, 1 ether), OTHER_KEY), 1 ether, "taken");
        assertEq(_burned() - burnt, 0.5 ether, "burned");
        assertEq(staking.credit(REFUND), 0.5 ether, "the asker's");
        assertEq(staking.credit(address(this)), 0, "nothing to the caller");
        assertEq(_staked(other), 99 ether, "its stake");
        assertEq(staking.freeStake(other), 99 ether, "backs less");
        vm.prank(REFUND);
        staking.withdrawCredit(payable(address(0x5AFE)));
        assertEq(_has(address(0x5AFE)), 0.5 ether, "paid");
        assertEq(_staked(executor), 100 ether, "nobody else's");
    }

    function test_penalize_moreThanTheCap_isTheCap_succeeds() public {
        vm.warp(DUE + 1);
        assertEq(_penalize(_promise(DUE, 50 ether), OTHER_KEY), CAP, "the cap");
    }

    /// @dev [S] Once for each executor and request.
    function test_penalize_twice_reverts() public {
        vm.warp(DUE + 1);
        _penalize(_promise(DUE, 1 ether), OTHER_KEY);
        _refused(_promise(DUE, 1 ether), abi.encodeWithSelector(ILivenessPenalty.NothingToTake.selector));
        // Another promise for the same request adds only what it is dearer, and that is taken once as well.
        assertEq(_penalize(_promise(DUE - 1, 1.5 ether), OTHER_KEY), 0.5 ether, "the dearest of the two");
        assertEq(_penalize(_promise(DUE - 2, 1.2 ether), OTHER_KEY), 0, "nothing more");
        _refused(_promise(DUE - 2, 1.2 ether), abi.encodeWithSelector(ILivenessPenalty.NothingToTake.selector));
        assertEq(_staked(other), 98.5 ether, "in all");
        assertEq(liveness.taken(other, id), 1.5 ether, "counted");
    }

    /// @dev [S] A small promise of the executor's own to itself does not use up the one that somebody holds.
    function test_penalize_smallPromiseFirst_leavesTheLargeOne_succeeds() public {
        vm.warp(DUE + 1);
        assertEq(_penalize(_promise(DUE - 5, 1), OTHER_KEY), 1, "its own");
        assertEq(_penalize(_promise(DUE, 1 ether), OTHER_KEY), 1 ether - 1, "the asker's");
    }

    function test_penalize_twoExecutors_eachPays_succeeds() public {
        vm.warp(DUE + 1);
        assertEq(_penalize(_promise(DUE, 1 ether), OTHER_KEY), 1 ether, "one");
        assertEq(_penalize(_promise(DUE, 1 ether), EXECUTOR_KEY), 1 ether, "the other");
    }

    // ---- when it is broken --------------------------------------------------------------------------------------------

    function test_penalize_untilTheDeadlineIsOver_reverts() public {
        vm.warp(DUE);
        _refused(_promise(DUE, 1 ether), abi.encodeWithSelector(ILivenessPenalty.NotYetBroken.selector, DUE));
        vm.warp(DUE + 1);
        _penalize(_promise(DUE, 1 ether), OTHER_KEY);
    }

    /// @dev Whoever answered: the promise is that there is an answer.
    function test_penalize_answeredByAnother_reverts() public {
        ClaimRef memory c = _claim(asked);
        vm.warp(DUE + 1);
        _refused(_promise(DUE, 1 ether), _notMissing(RequestState.Claimed));
        _finalize(asked, c);
        _refused(_promise(DUE, 1 ether), _notMissing(RequestState.Final));
    }

    /// @dev An answer that comes late, but before anybody showed the promise, is one: the chain does not tell when a request was
    ///      claimed once it is final.
    function test_penalize_answeredLateButBefore_reverts() public {
        vm.warp(DUE + 10);
        _claim(asked);
        _refused(_promise(DUE, 1 ether), _notMissing(RequestState.Claimed));
    }

    /// @dev [S] A false answer keeps no promise; but while it stood nobody could answer, so there is time again.
    function test_penalize_claimWasRejected_countsAsMissing_succeeds() public {
        ClaimRef memory c = _claim(asked);
        Match memory m = _open(asked, c, CHALLENGER);
        _lose(m);
        uint256 due = block.timestamp + REOPEN + DIRECT / 2;
        assertTrue(due > DUE, "later than promised");
        vm.warp(due);
        _refused(_promise(DUE, 1 ether), abi.encodeWithSelector(ILivenessPenalty.NotYetBroken.selector, due));
        vm.warp(due + 1);
        assertEq(_penalize(_promise(DUE, 1 ether), OTHER_KEY), 1 ether, "missing again");
        assertEq(_penalize(_promise(DUE, 1 ether), EXECUTOR_KEY), 1 ether, "the liar's promise too");
    }

    /// @dev [S] A lie shortly before the deadline, and a sequencer that then posts nothing, break nobody's promise: whoever gave it
    ///      can still claim directly.
    function test_penalize_afterARejection_leavesTimeForADirectClaim_reverts() public {
        ClaimRef memory c = _claim(asked);
        _lose(_open(asked, c, CHALLENGER));
        uint256 fresh = inbox.status(id).deadline;
        vm.warp(fresh + 1);
        bytes memory why = abi.encodeWithSelector(ILivenessPenalty.NotYetBroken.selector, fresh + DIRECT / 2);
        _refused(_promise(DUE, 1 ether), why);
        vm.prank(other);
        rollup.claimDirect(asked, output);
        vm.warp(fresh + DIRECT);
        _refused(_promise(DUE, 1 ether), _notMissing(RequestState.Claimed));
    }

    /// @dev [S] An executor can't escape by giving the asker its money back.
    function test_penalize_refunded_countsAsMissing_succeeds() public {
        vm.warp(uint256(asked.params.inclusionDeadline) + DIRECT);
        inbox.refund(asked);
        assertEq(_penalize(_promise(DUE, 1 ether), OTHER_KEY), 1 ether, "after the refund");
        Promise memory longest = _promise(asked.params.inclusionDeadline + DIRECT - 1, 1 ether);
        assertEq(_penalize(longest, EXECUTOR_KEY), 1 ether, "the longest promise");
    }

    /// @dev A lie early on gives a request a nearer deadline, and so an earlier refund than the promise reckoned with.
    function test_penalize_refundedBeforeItWasDue_reverts() public {
        ClaimRef memory c = _claim(asked);
        _lose(_open(asked, c, CHALLENGER));
        uint64 due = asked.params.inclusionDeadline + DIRECT - 1;
        uint256 refundFrom = uint256(inbox.status(id).deadline) + DIRECT;
        assertTrue(refundFrom < due, "the refund comes first");
        vm.warp(refundFrom);
        inbox.refund(asked);
        vm.warp(uint256(due) + 1);
        _refused(_promise(due, 1 ether), _notMissing(RequestState.Refunded));
        _refused(_promise(uint64(refundFrom), 1 ether), _notMissing(RequestState.Refunded));
        assertEq(_penalize(_promise(uint64(refundFrom) - 1, 1 ether), OTHER_KEY), 1 ether, "one that was due before");
    }

    /// @dev [S] Longer than until the first possible refund, and so beyond what unbonding covers: no such promise holds.
    function test_penalize_promiseBeyondTheFirstRefund_reverts() public {
        uint64 until = asked.params.inclusionDeadline + DIRECT;
        vm.warp(uint256(until) + 1);
        bytes memory why = abi.encodeWithSelector(ILivenessPenalty.PromiseTooLong.selector, until, until);
        _refused(_promise(until, 1 ether), why);
        assertEq(_penalize(_promise(until - 1, 1 ether), OTHER_KEY), 1 ether, "a second less");
    }

    // ---- whose stake, and which ---------------------------------------------------------------------------------------

    /// @dev [S] What backs claims is the challengers', whatever was promised.
    function test_penalize_lockedStake_isNotTouched_succeeds() public {
        _lockAllBut(0.25 ether);
        (, uint128 locked,,) = staking.accounts(other);
        vm.warp(DUE + 1);
        assertEq(_penalize(_promise(DUE, 1 ether), OTHER_KEY), 0.25 ether, "what is free");
        (uint128 staked, uint128 still,,) = staking.accounts(other);
        assertEq(staked, locked, "all of the rest is locked");
        assertEq(still, locked, "and untouched");
        vm.prank(address(rollup));
        staking.unlock(other, locked);
    }

    function _lockAllBut(uint256 rest) internal {
        uint256 amount = staking.freeStake(other) - rest;
        vm.prank(address(rollup));
        staking.lock(other, amount);
    }

    /// @dev [S] Who locks all it has when the promise breaks owes it later, and a late answer does not help.
    function test_penalize_allLocked_owesTheRest_succeeds() public {
        _lockAllBut(0);
        vm.warp(DUE + 1);
        assertEq(_penalize(_promise(DUE, 1 ether), OTHER_KEY), 0, "nothing can be had");
        assertTrue(liveness.broken(other, liveness.promiseDigest(_promise(DUE, 1 ether))), "but it is known");
        _refused(_promise(DUE, 1 ether), abi.encodeWithSelector(ILivenessPenalty.NothingToTake.selector));
        _claim(asked);
        vm.prank(address(rollup));
        staking.unlock(other, 0.4 ether);
        assertEq(_penalize(_promise(DUE, 1 ether), OTHER_KEY), 0.4 ether, "as soon as it is unlocked");
        vm.prank(address(rollup));
        staking.unlock(other, 10 ether);
        vm.prank(other);
        staking.startWithdrawal(10 ether);
        assertEq(_penalize(_promise(DUE, 1 ether), OTHER_KEY), 0.6 ether, "leaving or not");
        _refused(_promise(DUE, 1 ether), abi.encodeWithSelector(ILivenessPenalty.NothingToTake.selector));
    }

    /// @dev [S] A withdrawal begun after the promise does not get ahead of it.
    function test_penalize_leavingStake_isLiable_succeeds() public {
        vm.prank(other);
        staking.startWithdrawal(99.5 ether);
        vm.warp(DUE + 1);
        assertEq(_penalize(_promise(DUE, 1 ether), OTHER_KEY), 1 ether, "free first, then leaving");
        (uint128 staked,, uint128 leaving,) = staking.accounts(other);
        assertEq(staked, 99 ether, "staked");
        assertEq(leaving, 99 ether, "leaving");
        vm.warp(START + UNBONDING);
        vm.prank(other);
        assertEq(staking.withdraw(payable(address(0x5AFE))), 99 ether, "the rest leaves");
        assertEq(_has(address(0x5AFE)), 99 ether, "paid");
    }

    /// @dev [S] Free stake that could not leave before the promise was due is still there when it is.
    function testFuzz_cover_whateverTheExecutorDoes_canBeTaken(uint64 wait, uint128 amount, uint8 secondsLate) public {
        uint256 covered = liveness.cover(other, DUE);
        assertEq(covered, CAP, "the cap");
        vm.prank(other);
        staking.startWithdrawal(amount % (100 ether + 1));
        vm.warp(START + wait % (UNBONDING - 1));
        vm.prank(other);
        (bool left,) = address(staking).call(abi.encodeCall(staking.withdraw, (payable(other))));
        assertTrue(!left, "not yet");
        if (block.timestamp <= DUE) vm.warp(uint256(DUE) + 1 + secondsLate % 100);
        assertEq(_penalize(_promise(DUE, uint128(covered)), OTHER_KEY), covered, "all of it");
    }

    function test_cover_whatCanLeaveBefore_isNothing_succeeds() public {
        uint64 end = uint64(START) + UNBONDING;
        assertEq(liveness.cover(other, end - 1), CAP, "in time");
        assertEq(liveness.cover(other, end), 0, "too late");
        vm.prank(other);
        staking.startWithdrawal(99.5 ether);
        assertEq(liveness.cover(other, end - 1), 0.5 ether, "what is leaving does not count");
    }

    /// @dev The smaller of penalty, cap and stake that backs nothing; the account's law holds and no unit is lost.
    function testFuzz_penalize_takesTheSmallest(uint128 locked, uint128 leaving, uint128 penalty) public {
        locked %= 100 ether + 1;
        leaving = uint128(leaving % (100 ether - locked + 1));
        vm.assume(penalty != 0);
        vm.prank(address(rollup));
        staking.lock(other, locked);
        vm.prank(other);
        staking.startWithdrawal(leaving);
        vm.warp(DUE + 1);
        uint256 burnt = _burned();
        uint256 most = penalty < CAP ? penalty : CAP;
        if (100 ether - locked < most) most = 100 ether - locked;
        assertEq(_penalize(_promise(DUE, penalty), OTHER_KEY), most, "taken");
        (uint128 staked, uint128 still, uint128 out,) = staking.accounts(other);
        assertEq(staked, 100 ether - most, "staked");
        assertEq(still, locked, "locked");
        assertTrue(uint256(still) + out <= staked, "locked + leaving <= staked");
        uint256 burned = _burned() - burnt;
        assertEq(burned + staking.credit(REFUND), most, "burned and credited");
        assertTrue(2 * burned >= most, "half at least");
    }

    // ---- who --------------------------------------------------------------------------------------------------------

    function test_penalize_notThePromisesRequest_reverts() public {
        Promise memory p = Promise(keccak256("another"), DUE, 1 ether);
        vm.warp(DUE + 1);
        _refused(p, abi.encodeWithSelector(ILivenessPenalty.WrongRequest.selector, id, p.requestId));
    }

    /// @dev A signature is one executor's, one promise's, and can't be turned into a second one.
    function test_penalize_signatureOfNobodyStaked_reverts() public {
        vm.warp(DUE + 1);
        Promise memory p = _promise(DUE, 1 ether);
        bytes32 digest = liveness.promiseDigest(p);
        bytes memory stranger = _sign(0x57A, digest);
        vm.expectRevert(ILivenessPenalty.NothingToTake.selector);
        liveness.penalize(asked, p, stranger);
        vm.expectRevert(ILivenessPenalty.BadSignature.selector);
        liveness.penalize(asked, p, hex"00");
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(OTHER_KEY, digest);
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        bytes memory twin = abi.encodePacked(r, order - uint256(s), v == 27 ? uint8(28) : uint8(27));
        vm.expectRevert(ILivenessPenalty.BadSignature.selector);
        liveness.penalize(asked, p, twin);
        bytes memory changed = _sign(OTHER_KEY, digest);
        p.penalty = 2 ether;
        vm.expectRevert(ILivenessPenalty.NothingToTake.selector);
        liveness.penalize(asked, p, changed);
        assertEq(_staked(other), 100 ether, "untouched");
    }

    /// @dev The digest, computed apart: docs/encoding.md.
    function test_promiseDigest_isEip712_succeeds() public view {
        Promise memory p = _promise(DUE, 1 ether);
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Assay"),
                keccak256("1"),
                block.chainid,
                address(liveness)
            )
        );
        bytes32 typeHash = keccak256("Promise(bytes32 requestId,uint64 deadline,uint128 penalty)");
        bytes32 inner = keccak256(abi.encode(typeHash, p.requestId, uint256(p.deadline), uint256(p.penalty)));
        assertEq(liveness.promiseDigest(p), keccak256(abi.encodePacked(hex"1901", domain, inner)), "digest");
        assertEq(liveness.domainSeparator(), domain, "domain");
    }

    /// @dev [S] Nobody else takes stake by way of penalties.
    function test_stakingPenalize_byAnyoneElse_reverts() public {
        address[4] memory callers = [address(rollup), address(game), executor, ANYONE];
        for (uint256 i = 0; i < 4; ++i) {
            vm.prank(callers[i]);
            vm.expectRevert(abi.encodeWithSelector(IStaking.NotAuthorized.selector, callers[i]));
            staking.penalize(other, 1, callers[i]);
        }
        vm.prank(address(liveness));
        vm.expectRevert(abi.encodeWithSelector(IStaking.NotAuthorized.selector, address(liveness)));
        staking.slash(other, 1);
    }

    // ---- deployment -------------------------------------------------------------------------------------------------

    function deployBeside(IInbox inbox_, IStaking staking_, uint256 cap) public {
        new LivenessPenalty(inbox_, staking_, cap);
    }

    /// @dev [S] Half of a bond at most: a lie that puts a promise off burns as much.
    function test_deploy_capOrWiringWrong_reverts() public {
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)));
        vm.mockCall(address(staking), abi.encodeCall(IStaking.liveness, ()), abi.encode(next));
        vm.expectRevert(ILivenessPenalty.BadParameters.selector);
        this.deployBeside(inbox, staking, CAP + 1);
        vm.expectRevert(ILivenessPenalty.BadParameters.selector);
        this.deployBeside(inbox, staking, 0);
        vm.mockCall(address(staking), abi.encodeCall(IStaking.rollup, ()), abi.encode(address(0xBAD)));
        vm.expectRevert(ILivenessPenalty.BadParameters.selector);
        this.deployBeside(inbox, staking, CAP);
        vm.mockCall(address(staking), abi.encodeCall(IStaking.rollup, ()), abi.encode(address(rollup)));
        this.deployBeside(inbox, staking, CAP);
        vm.clearMockedCalls();
        vm.expectRevert(ILivenessPenalty.BadParameters.selector);
        this.deployBeside(inbox, staking, CAP);
        assertEq(address(liveness.inbox()), address(inbox), "inbox");
        assertEq(address(liveness.staking()), address(staking), "staking");
        assertEq(liveness.cap(), CAP, "cap");
    }
}

/// @notice The same where stake is ether,
contract LivenessPenaltyTest is LivenessLaws {}

/// @notice and where it is a token.
contract TokenLivenessPenaltyTest is LivenessLaws {
    function setUp() public override {
        hands = new TokenHands(new Token(), 1 ether);
        super.setUp();
    }
}

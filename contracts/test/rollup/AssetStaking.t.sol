// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {GameStatus, Promise, Request} from "../../src/interfaces/Types.sol";
import {IAssetStaking} from "../../src/interfaces/IAssetStaking.sol";
import {ILivenessPenalty} from "../../src/interfaces/ILivenessPenalty.sol";
import {IRollup} from "../../src/interfaces/IRollup.sol";
import {IStakeAsset} from "../../src/interfaces/IStakeAsset.sol";
import {IStaking} from "../../src/interfaces/IStaking.sol";
import {AssetStaking} from "../../src/rollup/AssetStaking.sol";
import {AssetHands, TokenHands, VaultHands} from "../base/AssetHands.sol";
import {ClaimFixture} from "../base/ClaimFixture.sol";
import {Vault} from "../base/Vault.sol";
import {BrokenToken, FalseToken, FeeToken, HookToken, IHook, SilentToken, Token} from "../market/Tokens.sol";

/// @notice Moves nothing from or to accounts on its list.
contract ListToken is Token {
    mapping(address who => bool) public listed;

    error Listed(address who);

    function list(address who) external {
        listed[who] = true;
    }

    function _move(address from, address to, uint256 amount) internal override {
        if (listed[from]) revert Listed(from);
        if (listed[to]) revert Listed(to);
        super._move(from, to, amount);
    }
}

/// @notice Stakes, and calls back in while its token is on the way.
contract Reenterer is IHook {
    AssetStaking private immutable _staking;
    bytes private _call;
    bool public got;
    bytes4 public refusal;

    constructor(AssetStaking staking, HookToken token) {
        _staking = staking;
        token.approve(address(staking.asset()), type(uint256).max);
        token.setHook(address(this));
    }

    function prepare(bytes calldata call) external {
        (_call, got, refusal) = (call, false, 0);
    }

    function run(bytes calldata call) external {
        (bool ok, bytes memory why) = address(_staking).call(call);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(why, 32), mload(why))
            }
        }
    }

    function onMove(address, address, uint256) external {
        if (_call.length == 0) return;
        bytes memory why;
        (got, why) = address(_staking).call(_call);
        if (!got) refusal = bytes4(why);
    }
}

/// @notice Stake in tokens of all kinds, and in a vault that may give less than is asked.
contract AssetStakingTest is ClaimFixture {
    address payable private constant SAFE = payable(address(0x5AFE));
    bytes4 private constant REENTERED = ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector;

    AssetStaking private assets;
    Vault private vault;

    function setUp() public override {}

    /// @dev A false claim by the first executor, 100 ether staked.
    function _with(AssetHands hands_) private {
        hands = hands_;
        _start(true);
        assets = hands_.staking();
    }

    function _withToken(Token token) private {
        _with(new TokenHands(token, 1 ether));
    }

    function _withVault(uint256 haircut) private {
        vault = new Vault(new Token(), haircut);
        _with(new VaultHands(vault, 1 ether));
    }

    function _staked(address who) private view returns (uint256 staked) {
        (staked,,,) = staking.accounts(who);
    }

    function _locked(address who) private view returns (uint256 locked) {
        (, locked,,) = staking.accounts(who);
    }

    // ---- tokens -----------------------------------------------------------------------------------------------------

    /// @dev A token of six decimals, 3,000 of it for an ether: shares are the same as in ether, to the unit.
    function test_claimLost_sixDecimals_sharesOfTheBond_succeeds() public {
        _with(new TokenHands(new Token(), 3000e6));
        assertEq(_staked(executor), 300_000e6, "staked");
        assertEq(staking.freeStake(executor), 100 ether - CLAIM_BOND, "free, in wei");
        Match memory m = _open(req, ref, CHALLENGER);
        Match memory left = _open(req, ref, RIVAL);
        _win(m);
        assertEq(_staked(executor), 300_000e6 - 12_000e6, "the bond");
        assertEq(game.credit(CHALLENGER), bond, "ether is bonds of challengers alone");
        uint256 won = (CLAIM_BOND / 4 + _gasOf(m)) * 3000e6 / 1 ether;
        assertEq(assets.credit(CHALLENGER), won, "quarter and gas, in the token");
        game.settleVoid(left.context);
        uint256 repaid = _gasOf(left) * 3000e6 / 1 ether;
        assertEq(game.credit(RIVAL), bond, "its bond");
        assertTrue(assets.credit(RIVAL) <= repaid && repaid <= assets.credit(RIVAL) + 1, "its gas, in the token");
        assertTrue(assets.burned() >= 6_000e6, "half at least");
        assertTrue(assets.pot() <= 3, "all but dust is someone's");
        assertEq(12_000e6, assets.burned() + assets.pot() + assets.credit(CHALLENGER) + assets.credit(RIVAL), "all");
        vm.prank(CHALLENGER);
        assertEq(assets.withdrawCredit(SAFE), won, "paid");
        assertEq(hands.token().balanceOf(SAFE), won, "in the token");
        // Without a share for whoever is the burned money's.
        vm.expectRevert();
        assets.withdrawCredit(SAFE);
    }

    /// @dev [S] What a token keeps on the way backs nothing.
    function test_deposit_tokenKeepsAFee_whatCameCounts_succeeds() public {
        _withToken(new FeeToken());
        assertEq(_staked(executor), 99 ether, "what came");
        assertEq(staking.freeStake(executor), 99 ether - CLAIM_BOND, "backs claims");
        (uint256 stakes,) = _stakeHeld();
        assertEq(stakes, _staked(executor) + _staked(other), "is there");
    }

    function test_deposit_tokenReturnsNothing_succeeds() public {
        _withToken(new SilentToken());
        assertEq(_staked(executor), 100 ether, "staked");
        vm.prank(other);
        staking.startWithdrawal(7 ether);
        vm.warp(START + UNBONDING);
        vm.prank(other);
        staking.withdraw(SAFE);
        assertEq(hands.token().balanceOf(SAFE), 7 ether, "withdrawn");
    }

    /// @dev [S] A token that says false has not moved.
    function test_deposit_tokenSaysFalse_reverts() public {
        FalseToken token = new FalseToken();
        _withToken(token);
        token.setLies(true);
        vm.expectRevert();
        hands.stake(executor, 1 ether);
        assertEq(_staked(executor), 100 ether, "nothing was credited");
    }

    /// @dev [S] One deposit must not count for two, nor may anything be drawn while a token is on its way.
    function test_deposit_reentered_isRefused_succeeds() public {
        HookToken token = new HookToken();
        _withToken(token);
        Reenterer r = new Reenterer(assets, token);
        token.mint(address(r), 100 ether);
        // What is due to it could be paid out of what it brings.
        vm.prank(address(liveness));
        assets.penalize(executor, 2 ether, address(r));
        bytes memory deposit = abi.encodeCall(assets.deposit, (address(r), 10 ether));
        bytes[5] memory calls = [
            deposit,
            abi.encodeCall(assets.startWithdrawal, (1)),
            abi.encodeCall(assets.withdrawCredit, (SAFE)),
            abi.encodeCall(assets.freeStake, (executor)),
            abi.encodeCall(assets.accounts, (executor))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            r.prepare(calls[i]);
            r.run(deposit);
            assertTrue(!r.got(), "got in");
            assertEq(bytes32(r.refusal()), bytes32(REENTERED), "busy");
            assertEq(_staked(address(r)), 10 ether * (i + 1), "counted once");
        }
        r.prepare(deposit);
        r.run(abi.encodeCall(assets.startWithdrawal, (5 ether)));
        vm.warp(START + UNBONDING);
        r.run(abi.encodeCall(assets.withdraw, (payable(address(r)))));
        assertTrue(!r.got(), "nor on the way out");
        assertEq(_staked(address(r)), 45 ether, "left once");
    }

    /// @dev [S] No token can keep a game from ending, a claim from being lost, or its own failure from being others'.
    function test_prove_tokenRefuses_theGameEnds_succeeds() public {
        for (uint8 mode = 1; mode < 3; ++mode) {
            BrokenToken token = new BrokenToken();
            _withToken(token);
            Match memory m = _open(req, ref, CHALLENGER);
            _playHonestly(m);
            token.setMode(mode);
            _prove(m);
            _assertStatus(m, GameStatus.ChallengerWon, "won");
            vm.prank(CHALLENGER);
            assertEq(game.withdrawCredit(SAFE), bond, "its bond");
            uint256 owed = assets.credit(CHALLENGER);
            vm.prank(CHALLENGER);
            (bool ok,) = address(assets).call{gas: 1_000_000}(abi.encodeCall(assets.withdrawCredit, (SAFE)));
            assertTrue(!ok, "the token refuses");
            assertEq(assets.credit(CHALLENGER), owed, "still owed");
            token.setMode(0);
            vm.prank(CHALLENGER);
            assertEq(assets.withdrawCredit(SAFE), owed, "once it works");
        }
    }

    /// @dev [S] A token's list hits those on it and nobody else.
    function test_withdraw_oneIsListed_othersAreNot_succeeds() public {
        ListToken token = new ListToken();
        _withToken(token);
        Match memory m = _open(req, ref, CHALLENGER);
        Match memory left = _open(req, ref, RIVAL);
        _playHonestly(m);
        token.list(CHALLENGER);
        token.list(executor);
        _prove(m);
        game.settleVoid(left.context);
        vm.prank(CHALLENGER);
        vm.expectRevert(abi.encodeWithSelector(ListToken.Listed.selector, CHALLENGER));
        assets.withdrawCredit(payable(CHALLENGER));
        vm.prank(RIVAL);
        assertTrue(assets.withdrawCredit(payable(RIVAL)) > 0, "the other challenger");
        vm.prank(CHALLENGER);
        assertTrue(assets.withdrawCredit(SAFE) > 0, "or elsewhere");
        vm.prank(other);
        staking.startWithdrawal(100 ether);
        vm.warp(block.timestamp + UNBONDING);
        vm.prank(other);
        assertEq(staking.withdraw(SAFE), 100 ether, "the other executor");
    }

    // ---- rounding ---------------------------------------------------------------------------------------------------

    /// @dev Stakes units of the token, whatever they are worth.
    function _stakeUnits(address who, uint256 units) private {
        hands.token().mint(address(this), units);
        hands.token().approve(address(hands.adapter()), units);
        assets.deposit(who, units);
    }

    /// @dev [S] A bond that is no whole number of units keeps the unit that it is a part of: that can neither leave nor be taken
    ///      by a penalty.
    function test_lock_partOfAUnit_keepsItWhole_succeeds() public {
        _with(new TokenHands(new Token(), 3000e6));
        vm.prank(address(rollup));
        staking.lock(other, 1);
        uint256 rest = 300_000e6 - 1;
        vm.prank(other);
        vm.expectRevert(abi.encodeWithSelector(IStaking.InsufficientStake.selector, rest, rest + 1));
        staking.startWithdrawal(rest + 1);
        vm.prank(address(liveness));
        assertEq(staking.penalize(other, 200 ether, REFUND), hands.weiOf(rest), "all but a unit");
        assertEq(_staked(other), 1, "which is left");
    }

    /// @dev [S] Nor do units back a wei that they are not worth.
    function test_lock_lessThanAWei_backsNothing_succeeds() public {
        _with(new TokenHands(new Token(), 7 ether));
        _stakeUnits(address(7), 6);
        assertEq(staking.freeStake(address(7)), 0, "six units are less than a wei");
        _stakeUnits(address(7), 1);
        assertEq(staking.freeStake(address(7)), 1, "seven are one");
    }

    /// @dev What 128 bits don't hold counts as the most that they do.
    function test_freeStake_beyond128Bits_isTheMost_succeeds() public {
        _with(new TokenHands(new Token(), 1e6));
        _stakeUnits(other, 1 << 160);
        assertEq(_staked(other), type(uint128).max, "units");
        assertEq(staking.freeStake(other), type(uint128).max, "wei");
    }

    // ---- a vault ----------------------------------------------------------------------------------------------------

    function test_withdraw_fromTheVault_succeeds() public {
        _withVault(0);
        vm.prank(other);
        staking.startWithdrawal(40 ether);
        assertEq(staking.freeStake(other), 60 ether, "out of use");
        vm.warp(START + UNBONDING);
        vm.prank(other);
        staking.withdraw(SAFE);
        assertEq(hands.token().balanceOf(SAFE), 40 ether, "left the vault");
        assertEq(_staked(other), 60 ether, "the rest");
    }

    /// @dev [S] Shares are of what came, not of what was asked: at least half of that is burned, and nobody is credited what is
    ///      not there.
    function test_claimLost_vaultPaysLess_sharesOfWhatCame_succeeds() public {
        _withVault(100);
        Match memory m = _open(req, ref, CHALLENGER);
        Match memory left = _open(req, ref, RIVAL);
        _win(m);
        uint256 came = CLAIM_BOND * 9 / 10;
        assertEq(hands.taken(), came, "a tenth went on the way");
        assertEq(assets.credit(CHALLENGER), came / 4 + _gasOf(m), "a quarter of what came, and gas");
        game.settleVoid(left.context);
        assertEq(assets.credit(RIVAL), _gasOf(left), "gas");
        assertTrue(assets.burned() >= came / 2, "half of it at least");
        assertEq(came, assets.burned() + assets.credit(CHALLENGER) + assets.credit(RIVAL) + assets.pot(), "all of it");
        assertEq(assets.pot(), 0, "nothing is left over");
        vm.prank(CHALLENGER);
        assets.withdrawCredit(SAFE);
        vm.prank(RIVAL);
        assets.withdrawCredit(SAFE);
        assertEq(hands.taken(), assets.burned(), "paid, and the burned stays");
    }

    /// @dev [S] A vault that says it gave more than it was asked for is believed no more than that, so that nobody is credited
    ///      what is not there.
    function test_slash_vaultSaysMore_countsWhatWasAsked_succeeds() public {
        _withVault(0);
        Match memory m = _open(req, ref, CHALLENGER);
        _playHonestly(m);
        vault.setMode(4);
        _prove(m);
        assertEq(assets.burned() + assets.pot() + assets.credit(CHALLENGER), CLAIM_BOND, "the bond");
        vm.prank(address(liveness));
        assertEq(staking.penalize(other, 1 ether, REFUND), 1 ether, "the penalty");
        assertEq(assets.credit(REFUND), 0.5 ether, "half of it");
        assertEq(hands.taken(), CLAIM_BOND + 1 ether, "what came");
    }

    /// @dev [S] Half of what came, however short it is of the gas.
    function test_claimLost_littleCame_poolIsShort_halfBurned_succeeds() public {
        _withVault(0);
        vm.fee(1000 gwei);
        vm.txGasPrice(1000 gwei);
        _slashElsewhere(executor, 99 ether);
        Match memory m = _open(req, ref, CHALLENGER);
        _win(m);
        assertTrue(_gasOf(m) > 0.25 ether, "more than a quarter");
        assertEq(assets.burned(), 0.5 ether, "half");
        assertEq(assets.credit(CHALLENGER), 0.5 ether, "two quarters");
    }

    /// @dev Another service, to which the same stake is allotted, slashes it.
    function _slashElsewhere(address who, uint256 amount) private {
        vm.startPrank(address(0x5E47));
        vault.allot(who, amount);
        vault.slash(who, amount);
        vm.stopPrank();
    }

    /// @dev [S] Stake that fell below what it backs: nothing underflows, nothing is claimed on it, nothing leaves, and each
    ///      claim is lost or final as ever.
    function test_stakeBelowLocked_claimsAreStillDecided_succeeds() public {
        _withVault(0);
        Request memory second = _ask();
        uint64 honest = _post(_segment(EXECUTOR_KEY, 77, _results(second)));
        assertEq(_locked(executor), 2 * CLAIM_BOND, "two claims");
        vm.prank(executor);
        staking.startWithdrawal(50 ether);
        _slashElsewhere(executor, 97 ether);
        assertEq(_staked(executor), 3 ether, "reported");
        assertEq(staking.freeStake(executor), 0, "nothing is free");
        assertEq(liveness.cover(executor, uint64(block.timestamp)), 0, "nor covers a promise");
        _assertOne(_segment(EXECUTOR_KEY, 78, _results(_ask())), IRollup.ResultError.NoStake);
        vm.prank(executor);
        vm.expectRevert(abi.encodeWithSelector(IStaking.InsufficientStake.selector, 0, 1));
        staking.startWithdrawal(1);
        vm.warp(START + UNBONDING);
        vm.prank(executor);
        assertEq(staking.withdraw(SAFE), 0, "what was leaving backs claims now");
        vm.warp(START + 1);

        Match memory m = _open(req, ref, CHALLENGER);
        _win(m);
        assertEq(_locked(executor), CLAIM_BOND, "lost");
        assertEq(hands.taken(), 3 ether, "what there was");
        assertEq(assets.credit(CHALLENGER), 0.75 ether + _gasOf(m), "shares of it");
        _finalize(second, _refOf(honest, 0, _results(second)));
        assertEq(_locked(executor), 0, "final");
        assertEq(staking.freeStake(executor), 0, "with nothing behind it");
    }

    /// @dev [S] A vault that fails, or burns all that it is given, keeps no claim from being lost.
    function test_prove_vaultRefusesToSlash_claimIsLost_succeeds() public {
        for (uint8 mode = 1; mode < 3; ++mode) {
            _withVault(0);
            Match memory m = _open(req, ref, CHALLENGER);
            Match memory left = _open(req, ref, RIVAL);
            _playHonestly(m);
            vault.setMode(mode);
            _prove(m);
            _assertStatus(m, GameStatus.ChallengerWon, "won");
            assertEq(_locked(executor), 0, "backs nothing any more");
            assertEq(hands.taken(), 0, "nothing came");
            assertEq(assets.credit(CHALLENGER) + assets.burned(), 0, "so nothing is shared out");
            game.settleVoid(left.context);
            assertEq(game.credit(CHALLENGER) + game.credit(RIVAL), 2 * bond, "bonds are ether");
        }
    }

    /// @dev [S] A vault that burns all it is given is given a take's gas and no more: the game ends in a small transaction.
    function test_timeout_vaultBurnsItsGas_endsWithTheRest_succeeds() public {
        _withVault(0);
        Match memory m = _open(req, ref, CHALLENGER);
        _play(m, _moveOf(m, 0));
        vm.warp(block.timestamp + ALLOWANCE);
        vault.setMode(2);
        uint256 gas = gasleft();
        (bool ok,) = address(game).call{gas: 10_000_000}(abi.encodeCall(game.timeout, (m.context)));
        assertTrue(ok, "ended");
        assertTrue(gas - gasleft() < assets.takeGas() + 300_000, "a take's gas was burned");
        _assertStatus(m, GameStatus.ChallengerWon, "won");
        assertEq(_locked(executor), 0, "backs nothing any more");
    }

    /// @dev [S] Stake that can't be read backs nothing meanwhile; a batch lives, and each claim is decided as ever.
    function test_stakeUnreadable_batchesAndClaimsGoOn_succeeds() public {
        _withVault(0);
        Request memory second = _ask();
        vault.setMode(3);
        assertEq(staking.freeStake(executor), 0, "nothing is free");
        _assertOne(_segment(EXECUTOR_KEY, 77, _results(second)), IRollup.ResultError.NoStake);
        _finalize(req, ref);
        assertEq(_locked(executor), 0, "final");
        vault.setMode(0);
        assertEq(staking.freeStake(executor), 100 ether, "all of it again");
    }

    /// @dev [S] A liar that ends its game itself, with any gas, is slashed or changes nothing.
    function test_timeout_withLittleGas_isSlashedOrReverts_succeeds() public {
        _withVault(0);
        Match memory m = _open(req, ref, CHALLENGER);
        _play(m, _moveOf(m, 0));
        vm.warp(block.timestamp + ALLOWANCE);
        uint256 refused = 0;
        uint256 ended = 0;
        for (uint256 gas = 50_000; gas < 1_600_000; gas += 10_000) {
            uint256 id = vm.snapshotState();
            vm.prank(executor);
            (bool ok,) = address(game).call{gas: gas}(abi.encodeCall(game.timeout, (m.context)));
            if (ok) ++ended;
            else ++refused;
            assertEq(_staked(executor), ok ? 100 ether - CLAIM_BOND : 100 ether, "slashed, or not ended");
            vm.revertToState(id);
        }
        assertTrue(refused > 50 && ended > 10, "both were seen");
    }

    /// @dev [S] Whatever a slash calls finds every account shut: what came is not known yet.
    function test_slash_reentered_isRefused_succeeds() public {
        for (uint256 i = 0; i < 5; ++i) {
            _withVault(0);
            Match memory m = _open(req, ref, CHALLENGER);
            // A void game settled too early would draw on others' shares.
            Match memory left = _open(req, ref, RIVAL);
            _playHonestly(m);
            bytes[5] memory calls = [
                abi.encodeCall(game.settleVoid, (left.context)),
                abi.encodeCall(assets.freeStake, (executor)),
                abi.encodeCall(assets.deposit, (executor, 1)),
                abi.encodeCall(assets.startWithdrawal, (1)),
                abi.encodeCall(assets.accounts, (executor))
            ];
            vault.setCall(i == 0 ? address(game) : address(assets), calls[i]);
            _prove(m);
            assertTrue(!vault.reentered(), "got in");
            assertEq(bytes32(vault.refusal()), bytes32(REENTERED), "busy");
            game.settleVoid(left.context);
            assertEq(assets.credit(RIVAL), _gasOf(left), "settled afterwards");
        }
    }

    /// @dev [S] A vault that gives less than it takes, or nothing for now: its operator is charged once all the same, and no late
    ///      answer mends what was broken meanwhile.
    function test_penalize_vaultPaysLess_chargedOnce_succeeds() public {
        _withVault(100);
        Request memory asked = _ask();
        Promise memory p = Promise(_idOf(asked), uint64(block.timestamp) + 20, 1 ether);
        bytes memory signature = _sign(OTHER_KEY, liveness.promiseDigest(p));
        vm.warp(uint256(p.deadline) + 1);
        vm.prank(other);
        assets.startWithdrawal(99.5 ether);
        vault.setMode(1);
        assertEq(liveness.penalize(asked, p, signature), 0, "nothing came");
        assertTrue(liveness.broken(other, liveness.promiseDigest(p)), "but it is known");
        vault.setMode(2);
        vm.expectRevert(ILivenessPenalty.NothingToTake.selector);
        liveness.penalize(asked, p, signature);
        (,, uint128 leaving,) = assets.accounts(other);
        assertEq(leaving, 99.5 ether, "nothing was charged");
        assertEq(liveness.taken(other, p.requestId), 0, "nor counted");
        vault.setMode(0);
        _claim(asked);
        assertEq(liveness.penalize(asked, p, signature), 1 ether, "charged");
        assertEq(_staked(other), 99 ether, "lost");
        assertEq(assets.credit(REFUND), 0.45 ether, "half of what came");
        assertEq(assets.burned(), 0.45 ether, "half of what came");
        vm.expectRevert(ILivenessPenalty.NothingToTake.selector);
        liveness.penalize(asked, p, signature);
    }

    // ---- who --------------------------------------------------------------------------------------------------------

    /// @dev [S] Adapters obey their staking contract and the staking contract its game.
    function test_adapterAndAward_byAnyoneElse_reverts() public {
        for (uint256 i = 0; i < 2; ++i) {
            if (i == 0) _withToken(new Token());
            else _withVault(0);
            IStakeAsset adapter = hands.adapter();
            bytes memory why = abi.encodeWithSelector(IStakeAsset.NotStaking.selector, address(this));
            vm.expectRevert(why);
            adapter.pull(executor, address(this), 1);
            vm.expectRevert(why);
            adapter.push(executor, address(this), 1);
            vm.expectRevert(why);
            adapter.slash(executor, 1);
            vm.expectRevert(why);
            adapter.pay(address(this), 1);
            vm.expectRevert(abi.encodeWithSelector(IStaking.NotAuthorized.selector, address(this)));
            assets.award(address(this), 1, 0);
            // The game itself can't award what no claim lost.
            vm.prank(address(game));
            vm.expectRevert();
            assets.award(address(this), 1, 0);
        }
    }

    function deployBeside(IStakeAsset asset, uint128 perEther) public {
        new AssetStaking(address(1), address(2), address(3), 1, asset, perEther);
    }

    function test_deploy_foreignAdapterOrNoRate_reverts() public {
        _withToken(new Token());
        IStakeAsset foreign = hands.adapter();
        vm.expectRevert(IAssetStaking.BadParameters.selector);
        this.deployBeside(foreign, 1 ether);
        address next = vm.computeCreateAddress(address(this), vm.getNonce(address(this)));
        IStakeAsset own = hands.adapterFor(next);
        vm.expectRevert(IAssetStaking.BadParameters.selector);
        this.deployBeside(own, 1e6 - 1);
    }

    function test_views_nameTheAsset_succeeds() public {
        _withToken(new Token());
        assertEq(address(staking.asset()), address(hands.adapter()), "asset");
        assertEq(staking.perEther(), 1 ether, "rate");
        assertEq(assets.takeGas(), 1_000_000, "gas of a take");
        hands = AssetHands(address(0));
        _start(true);
        assertEq(address(staking.asset()), address(0), "ether");
        assertEq(staking.perEther(), 1 ether, "a wei is a wei");
        assertEq(staking.liveness(), address(liveness), "liveness");
    }
}

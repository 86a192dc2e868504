// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IStaking} from "../../src/interfaces/IStaking.sol";
import {AssetStaking} from "../../src/rollup/AssetStaking.sol";
import {Staking} from "../../src/rollup/Staking.sol";
import {AssetHands, TokenHands, VaultHands} from "../base/AssetHands.sol";
import {TestBase} from "../base/TestBase.sol";
import {Vault} from "../base/Vault.sol";
import {FeeToken, Token} from "../market/Tokens.sol";

/// @notice Random executors of one staking contract, whose rollup, game and liveness contract this is. Bonds are shared out as
///         the game does.
contract StakeUsers is TestBase {
    /// @dev A claim's bond, standing or lost.
    struct Bond {
        address executor;
        uint128 amount;
        bool over;
        uint256 pool;
    }

    /// @dev Zero where stake is ether.
    AssetHands public immutable hands;
    IStaking public immutable staking;
    Vault private immutable _vault;
    Bond[] private _bonds;
    address[3] private _executors = [address(0xE1), address(0xE2), address(0xE3)];
    address[2] private _payees = [address(0xC1), address(0xAF)];
    mapping(bytes32 what => uint256) public done;
    uint256 public calls;
    uint256 public taken;

    constructor(AssetHands hands_, Vault vault_) {
        (hands, _vault) = (hands_, vault_);
        address at_ = vm.computeCreateAddress(address(this), 1);
        address me = address(this);
        if (address(hands_) == address(0)) staking = new Staking(me, me, me, 100);
        else staking = new AssetStaking(me, me, me, 100, hands_.adapterFor(at_), hands_.perEther());
        vm.deal(me, type(uint96).max);
    }

    receive() external payable {}

    modifier counted(bytes32 what) {
        _;
        ++calls;
        ++done[what];
    }

    function _ether() private view returns (bool) {
        return address(hands) == address(0);
    }

    // ---- actions ----------------------------------------------------------------------------------------------------

    function deposit(uint8 who, uint96 amount) external counted("deposit") {
        address executor = _executors[who % 3];
        if (_ether()) Staking(address(staking)).deposit{value: amount % 50 ether}(executor);
        else hands.stake(executor, amount % 50 ether);
    }

    function startWithdrawal(uint8 who, uint96 amount) external counted("start") {
        address executor = _executors[who % 3];
        (uint128 staked, uint128 locked, uint128 leaving,) = staking.accounts(executor);
        uint256 held = _unitsFor(locked) + leaving;
        uint256 free = staked > held ? staked - held : 0;
        vm.prank(executor);
        staking.startWithdrawal(uint256(amount) % (free + 1));
    }

    function withdraw(uint8 who) external counted("withdraw") {
        address executor = _executors[who % 3];
        (,, uint128 leaving, uint64 availableAt) = staking.accounts(executor);
        if (leaving != 0 && block.timestamp < availableAt) vm.warp(availableAt);
        vm.prank(executor);
        staking.withdraw(payable(address(0xD00D)));
    }

    function lock(uint8 who, uint96 amount) external counted("lock") {
        address executor = _executors[who % 3];
        uint256 bond = uint256(amount) % (staking.freeStake(executor) + 1) % 20 ether;
        staking.lock(executor, bond);
        _bonds.push(Bond(executor, uint128(bond), false, 0));
    }

    function unlock(uint256 which) external counted("unlock") {
        Bond storage b = _pick(which);
        b.over = true;
        staking.unlock(b.executor, b.amount);
    }

    /// @dev A lost claim, as the game shares it out: a quarter, a part of a quarter to whom it is awarded, the rest burned.
    function slash(uint256 which, uint96 gas, uint8 payee) external counted("slash") {
        Bond storage b = _pick(which);
        b.over = true;
        uint256 before = _keptUnits();
        uint256 came = staking.slash(b.executor, b.amount);
        assertTrue(came <= b.amount, "no more than the bond");
        if (_ether()) {
            assertEq(came, b.amount, "ether comes whole");
            return;
        }
        taken += _keptUnits() - before;
        uint256 pool = came / 4 < gas ? came / 4 : gas;
        uint256 now_ = pool / 3;
        b.pool = pool - now_;
        AssetStaking(address(staking)).award(_payees[payee % 2], came / 4 + now_, came - came / 4 - pool);
    }

    /// @dev A void game draws on the pool of a lost claim.
    function settleVoid(uint256 which, uint8 payee) external counted("void") {
        Bond storage b = _bonds[which % _bonds.length];
        if (b.pool == 0) revert("nothing left");
        uint256 share = b.pool / 2 + 1;
        b.pool -= share;
        AssetStaking(address(staking)).award(_payees[payee % 2], share, 0);
    }

    function penalize(uint8 who, uint96 amount, uint8 payee) external counted("penalize") {
        address executor = _executors[who % 3];
        (uint128 staked, uint128 locked,,) = staking.accounts(executor);
        uint256 before = _keptUnits();
        uint256 came = staking.penalize(executor, amount % 3 ether, _payees[payee % 2]);
        assertTrue(came <= amount % 3 ether, "no more than asked");
        if (!_ether()) taken += _keptUnits() - before;
        (uint128 rest, uint128 still,,) = staking.accounts(executor);
        assertEq(still, locked, "locked stake is not touched");
        assertTrue(staked < _unitsFor(locked) || rest >= _unitsFor(locked), "and still backed");
    }

    function takeCredit(uint8 payee) external counted("credit") {
        vm.prank(_payees[payee % 2]);
        staking.withdrawCredit(payable(address(0xD00D)));
    }

    /// @dev Another service of the vault slashes what is staked here too.
    function slashElsewhere(uint8 who, uint96 amount) external counted("elsewhere") {
        if (address(_vault) == address(0)) return;
        address executor = _executors[who % 3];
        uint256 part = amount % (_vault.held(executor) / 4 + 1);
        vm.startPrank(address(0x5E47));
        _vault.allot(executor, part);
        _vault.slash(executor, part);
        vm.stopPrank();
    }

    // ---- what must hold ---------------------------------------------------------------------------------------------

    function check() external view {
        uint256 stakes = 0;
        for (uint256 e = 0; e < 3; ++e) {
            (uint128 staked, uint128 locked, uint128 leaving,) = staking.accounts(_executors[e]);
            stakes += staked;
            uint256 bonds = 0;
            for (uint256 i = 0; i < _bonds.length; ++i) {
                if (!_bonds[i].over && _bonds[i].executor == _executors[e]) bonds += _bonds[i].amount;
            }
            assertEq(locked, bonds, "locked = bonds that stand");
            bool short = uint256(staked) < _unitsFor(locked) + leaving;
            if (short) assertTrue(address(_vault) != address(0), "only a vault's stake may fall short");
            if (uint256(staked) < _unitsFor(locked)) {
                assertEq(staking.freeStake(_executors[e]), 0, "and then nothing is free");
            }
        }
        uint256 credits = staking.credit(_payees[0]) + staking.credit(_payees[1]);
        if (_ether()) {
            assertEq(address(staking).balance, stakes + credits, "staking has what it owes");
            return;
        }
        AssetStaking s = AssetStaking(address(staking));
        assertEq(hands.taken(), s.pot() + s.burned() + credits, "the adapter kept what is due or burned");
        // Credits are rounded down, so what is not theirs is half at least.
        assertTrue(2 * (s.burned() + s.pot()) >= taken, "half is burned, or may yet be");
        if (address(_vault) == address(0)) assertEq(hands.stakes(), stakes, "and holds the stakes");
    }

    function _keptUnits() private view returns (uint256) {
        return _ether() ? 0 : hands.taken();
    }

    function _unitsFor(uint256 amount) private view returns (uint256) {
        return _ether() ? amount : (amount * hands.perEther() + 1 ether - 1) / 1 ether;
    }

    /// @dev The first bond at or after `which` that stands.
    function _pick(uint256 which) private view returns (Bond storage) {
        for (uint256 i = 0; i < _bonds.length; ++i) {
            Bond storage b = _bonds[(which % _bonds.length + i) % _bonds.length];
            if (!b.over) return b;
        }
        revert("none stands");
    }
}

/// @notice Money is conserved in each asset, whatever executors, games and others do.
abstract contract StakeMoneyTest is TestBase {
    StakeUsers internal users;

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(users);
    }

    function targetSenders() public pure returns (address[] memory senders) {
        senders = new address[](1);
        senders[0] = address(0xCA11E4);
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory s = new bytes4[](14);
        (s[0], s[1], s[2]) = (StakeUsers.deposit.selector, StakeUsers.deposit.selector, StakeUsers.lock.selector);
        (s[3], s[4], s[5]) = (StakeUsers.lock.selector, StakeUsers.lock.selector, StakeUsers.unlock.selector);
        (s[6], s[7], s[8]) = (StakeUsers.slash.selector, StakeUsers.slash.selector, StakeUsers.settleVoid.selector);
        (s[9], s[10]) = (StakeUsers.penalize.selector, StakeUsers.takeCredit.selector);
        (s[11], s[12]) = (StakeUsers.startWithdrawal.selector, StakeUsers.withdraw.selector);
        s[13] = StakeUsers.slashElsewhere.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(users), s);
    }

    /// @dev [S] Nobody's stake pays for another's loss, and no credit is without its money.
    function invariant_stakeIsConserved() public view {
        users.check();
    }

    /// @dev The gate: 30 % of a run's 64 calls get through at least.
    function afterInvariant() public view {
        assertTrue(users.calls() >= 20, "too few calls got through");
        assertTrue(users.done("deposit") > 0, "nothing was ever staked");
    }

    /// @dev Every action gets through once, and all holds after each: the invariant is not vacuous.
    function test_stakeIsConserved_throughEveryAction_succeeds() public {
        bool token = address(users.hands()) != address(0);
        users.deposit(0, 40 ether);
        users.deposit(1, 30 ether);
        users.lock(0, 8 ether + 7);
        users.lock(0, 5 ether + 1);
        users.lock(1, 3 ether);
        users.startWithdrawal(0, 6 ether);
        users.check();
        users.slash(0, 0.4 ether, 0);
        users.check();
        if (token) users.settleVoid(0, 1);
        users.penalize(0, 2 ether, 1);
        users.check();
        users.unlock(1);
        users.slashElsewhere(0, 20 ether);
        users.check();
        users.slash(2, 0.1 ether, 1);
        users.withdraw(0);
        users.check();
        users.takeCredit(1);
        if (token) users.takeCredit(0);
        users.check();
        bytes32[8] memory all =
            [bytes32("deposit"), "lock", "start", "slash", "penalize", "unlock", "withdraw", "credit"];
        for (uint256 i = 0; i < all.length; ++i) {
            assertTrue(users.done(all[i]) > 0, string(abi.encodePacked(all[i])));
        }
    }
}

contract EtherStakeMoneyTest is StakeMoneyTest {
    function setUp() public {
        users = new StakeUsers(AssetHands(address(0)), Vault(address(0)));
    }
}

/// @notice Six decimals: nearly every amount is rounded.
contract TokenStakeMoneyTest is StakeMoneyTest {
    function setUp() public {
        users = new StakeUsers(new TokenHands(new Token(), 3000e6), Vault(address(0)));
    }
}

contract FeeTokenStakeMoneyTest is StakeMoneyTest {
    function setUp() public {
        users = new StakeUsers(new TokenHands(new FeeToken(), 7 ether), Vault(address(0)));
    }
}

contract VaultStakeMoneyTest is StakeMoneyTest {
    function setUp() public {
        Vault vault = new Vault(new Token(), 150);
        users = new StakeUsers(new VaultHands(vault, 1 ether + 1), vault);
    }
}

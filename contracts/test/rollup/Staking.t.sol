// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IStaking} from "../../src/interfaces/IStaking.sol";
import {IRollup} from "../../src/interfaces/IRollup.sol";
import {TokenHands} from "../base/AssetHands.sol";
import {Fixture} from "../base/Fixture.sol";
import {Token} from "../market/Tokens.sol";

abstract contract StakingLaws is Fixture {
    function test_deposit_forAnother_succeeds() public {
        _stake(address(7), 3 ether);
        assertEq(staking.freeStake(address(7)), 3 ether, "free");
    }

    function test_withdraw_afterDelay_succeeds() public {
        vm.prank(executor);
        staking.startWithdrawal(40 ether);
        assertEq(staking.freeStake(executor), 60 ether, "leaving stake backs nothing");
        vm.warp(START + UNBONDING);
        vm.prank(executor);
        staking.withdraw(payable(address(0xF00)));
        assertEq(_has(address(0xF00)), 40 ether, "paid");
        (uint128 staked,, uint128 leaving,) = staking.accounts(executor);
        assertEq(staked, 60 ether, "staked");
        assertEq(leaving, 0, "leaving");
    }

    function test_withdraw_beforeDelay_reverts() public {
        vm.prank(executor);
        staking.startWithdrawal(1 ether);
        vm.warp(START + UNBONDING - 1);
        vm.prank(executor);
        vm.expectRevert(abi.encodeWithSelector(IStaking.NotYetWithdrawable.selector, START + UNBONDING));
        staking.withdraw(payable(executor));
    }

    /// @dev [S] What is added to a withdrawal waits as long as if it were alone, or stake could leave from under a claim or a
    ///      promise.
    function test_startWithdrawal_again_waitsAnew_succeeds() public {
        vm.startPrank(executor);
        staking.startWithdrawal(1 ether);
        vm.warp(START + UNBONDING - 1);
        staking.startWithdrawal(98 ether);
        vm.expectRevert(abi.encodeWithSelector(IStaking.InsufficientStake.selector, 1 ether, 2 ether));
        staking.startWithdrawal(2 ether);
        uint256 from = START + UNBONDING - 1 + UNBONDING;
        vm.warp(from - 1);
        vm.expectRevert(abi.encodeWithSelector(IStaking.NotYetWithdrawable.selector, from));
        staking.withdraw(payable(address(0xF00)));
        vm.warp(from);
        assertEq(staking.withdraw(payable(address(0xF00))), 99 ether, "both");
        vm.stopPrank();
        (uint128 staked,, uint128 leaving, uint64 availableAt) = staking.accounts(executor);
        assertTrue(staked == 1 ether && leaving == 0 && availableAt == 0, "the rest is not leaving");
    }

    function test_withdraw_nothingStarted_reverts() public {
        vm.prank(executor);
        vm.expectRevert(abi.encodeWithSelector(IStaking.NotYetWithdrawable.selector, 0));
        staking.withdraw(payable(executor));
    }

    /// @dev [S] Stake that backs a claim can't leave.
    function test_startWithdrawal_ofLockedStake_reverts() public {
        _claim(_ask());
        vm.prank(executor);
        vm.expectRevert(abi.encodeWithSelector(IStaking.InsufficientStake.selector, 100 ether - CLAIM_BOND, 100 ether));
        staking.startWithdrawal(100 ether);
    }

    function test_lockUnlockSlash_byAnyoneElse_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IStaking.NotAuthorized.selector, address(this)));
        staking.lock(executor, 1);
        vm.expectRevert(abi.encodeWithSelector(IStaking.NotAuthorized.selector, address(this)));
        staking.unlock(executor, 1);
        vm.prank(address(rollup));
        vm.expectRevert(abi.encodeWithSelector(IStaking.NotAuthorized.selector, address(rollup)));
        staking.slash(executor, 1);
        vm.prank(address(game));
        vm.expectRevert(abi.encodeWithSelector(IStaking.NotAuthorized.selector, address(game)));
        staking.lock(executor, 1);
    }

    function testFuzz_lock_moreThanFree_reverts(uint128 leaving, uint128 locked, uint128 more) public {
        leaving %= 100 ether;
        vm.prank(executor);
        staking.startWithdrawal(leaving);
        uint256 free = 100 ether - leaving;
        locked = uint128(locked % (free + 1));
        vm.prank(address(rollup));
        staking.lock(executor, locked);
        free -= locked;
        vm.assume(more > free);
        vm.prank(address(rollup));
        vm.expectRevert(abi.encodeWithSelector(IStaking.InsufficientStake.selector, free, more));
        staking.lock(executor, more);
    }

    /// @dev [S] Stake must outlast every claim that it backs: window and both clocks.
    function test_deploy_unbondingShorterThanLongestGame_reverts() public {
        unbonding = WINDOW + 2 * ALLOWANCE;
        vm.expectRevert(IRollup.BadParameters.selector);
        this.deployAgain();
        unbonding += 1;
        this.deployAgain();
    }
}

/// @notice The same where stake is ether,
contract StakingTest is StakingLaws {
    function test_withdraw_receiverRefuses_reverts() public {
        vm.prank(executor);
        staking.startWithdrawal(1 ether);
        vm.warp(START + UNBONDING);
        vm.prank(executor);
        vm.expectRevert(abi.encodeWithSelector(IStaking.TransferFailed.selector, address(registry)));
        staking.withdraw(payable(address(registry)));
    }
}

/// @notice and where it is a token.
contract TokenStakingTest is StakingLaws {
    function setUp() public override {
        hands = new TokenHands(new Token(), 1 ether);
        super.setUp();
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IStaking} from "../interfaces/IStaking.sol";

/// @title Executors' stakes
contract Staking is IStaking {
    // INVARIANT: locked + leaving <= staked.
    struct Account {
        uint128 staked;
        uint128 locked;
        uint128 leaving;
        uint64 availableAt;
    }

    /// @inheritdoc IStaking
    address public immutable rollup;
    /// @inheritdoc IStaking
    address public immutable game;
    /// @inheritdoc IStaking
    uint64 public immutable unbondingDelay;

    /// @inheritdoc IStaking
    mapping(address executor => Account account) public accounts;

    modifier only(address caller) {
        if (msg.sender != caller) revert NotAuthorized(msg.sender);
        _;
    }

    constructor(address rollup_, address game_, uint64 unbondingDelay_) {
        (rollup, game, unbondingDelay) = (rollup_, game_, unbondingDelay_);
    }

    /// @inheritdoc IStaking
    function deposit(address executor) external payable {
        accounts[executor].staked += uint128(msg.value);
        emit Deposited(executor, msg.value);
    }

    /// @inheritdoc IStaking
    function startWithdrawal(uint256 amount) external {
        Account storage account = accounts[msg.sender];
        uint256 free = _free(account);
        if (amount > free) revert InsufficientStake(free, amount);
        account.leaving += uint128(amount);
        account.availableAt = uint64(block.timestamp) + unbondingDelay;
        emit WithdrawalStarted(msg.sender, amount, account.availableAt);
    }

    /// @inheritdoc IStaking
    function withdraw(address payable to) external returns (uint256 amount) {
        Account storage account = accounts[msg.sender];
        amount = account.leaving;
        if (amount == 0) revert NotYetWithdrawable(0);
        if (block.timestamp < account.availableAt) revert NotYetWithdrawable(account.availableAt);
        account.staked -= uint128(amount);
        account.leaving = 0;
        account.availableAt = 0;
        emit Withdrawn(msg.sender, to, amount);
        (bool ok,) = to.call{value: amount}("");
        if (!ok) revert TransferFailed(to);
    }

    /// @inheritdoc IStaking
    function lock(address executor, uint256 amount) external only(rollup) {
        Account storage account = accounts[executor];
        uint256 free = _free(account);
        if (amount > free) revert InsufficientStake(free, amount);
        account.locked += uint128(amount);
        emit Locked(executor, amount);
    }

    /// @inheritdoc IStaking
    function unlock(address executor, uint256 amount) external only(rollup) {
        accounts[executor].locked -= uint128(amount);
        emit Unlocked(executor, amount);
    }

    /// @inheritdoc IStaking
    function slash(address executor, uint256 amount) external only(game) {
        Account storage account = accounts[executor];
        account.locked -= uint128(amount);
        account.staked -= uint128(amount);
        emit Slashed(executor, amount);
        (bool ok,) = msg.sender.call{value: amount}("");
        if (!ok) revert TransferFailed(msg.sender);
    }

    /// @inheritdoc IStaking
    function freeStake(address executor) external view returns (uint256) {
        return _free(accounts[executor]);
    }

    function _free(Account storage account) private view returns (uint256) {
        return uint256(account.staked) - account.locked - account.leaving;
    }
}

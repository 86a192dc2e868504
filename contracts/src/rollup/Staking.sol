// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IStakeAsset} from "../interfaces/IStakeAsset.sol";
import {IStaking} from "../interfaces/IStaking.sol";
import {StakingBase} from "./StakingBase.sol";

/// @title Executors' stakes in ether
// INVARIANT: balance = stakes + credits.
contract Staking is StakingBase {
    constructor(address rollup_, address game_, address liveness_, uint64 unbondingDelay_)
        StakingBase(rollup_, game_, liveness_, unbondingDelay_)
    {}

    /// @notice Adds the value sent to `executor`'s stake.
    function deposit(address executor) external payable {
        _accounts[executor].staked += uint128(msg.value);
        emit Deposited(executor, msg.value);
    }

    /// @inheritdoc IStaking
    function asset() external pure returns (IStakeAsset) {
        return IStakeAsset(address(0));
    }

    /// @inheritdoc IStaking
    function perEther() external pure returns (uint256) {
        return 1 ether;
    }

    function _stake(address, Account storage account) internal view override returns (uint256) {
        return account.staked;
    }

    function _forfeit(address, Account storage account, uint256 amount) internal override returns (uint256) {
        // Both are computed before either is stored: one store, as they share a slot.
        (uint128 staked, uint128 locked) = (account.staked - uint128(amount), account.locked - uint128(amount));
        (account.staked, account.locked) = (staked, locked);
        return amount;
    }

    function _take(address, Account storage account, uint256 amount) internal override returns (uint256) {
        account.staked -= uint128(amount);
        return amount;
    }

    /// @dev Nobody else takes from stake that is held here, and a penalty lowers `leaving` with it.
    function _ripe(address, Account storage, uint256 leaving) internal pure override returns (uint256) {
        return leaving;
    }

    function _release(address, Account storage account, address payable to, uint256 amount) internal override {
        account.staked -= uint128(amount);
        _send(to, amount);
    }

    function _keep(uint256 amount) internal override {
        _send(payable(msg.sender), amount);
    }

    function _burn(uint256 amount) internal override {
        _send(payable(address(0)), amount);
    }

    function _send(address payable to, uint256 amount) private {
        (bool ok,) = to.call{value: amount}("");
        if (!ok) revert TransferFailed(to);
    }

    function _worth(uint256 amount) internal pure override returns (uint256) {
        return amount;
    }

    function _unitsIn(uint256 amount) internal pure override returns (uint256) {
        return amount;
    }

    function _unitsFor(uint256 amount) internal pure override returns (uint256) {
        return amount;
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IAssetStaking} from "../interfaces/IAssetStaking.sol";
import {IStakeAsset} from "../interfaces/IStakeAsset.sol";
import {IStaking} from "../interfaces/IStaking.sol";
import {StakingBase} from "./StakingBase.sol";

/// @title Executors' stakes in an asset behind an adapter
/// @dev The guard is up during every call to the adapter. Meanwhile no account can be read, so none can be drawn on.
// INVARIANT: all that the adapter took = pot + burned + credits.
contract AssetStaking is IAssetStaking, StakingBase, ReentrancyGuardTransient {
    uint256 private constant TAKE_GAS = 1_000_000;
    /// @dev Fewer units to an ether would round bonds, or shares of them, away.
    uint256 private constant LEAST_PER_ETHER = 1e6;
    /// @dev What the ending of a game still needs after a take that burned all it was given.
    uint256 private constant ENDING_GAS = 150_000;

    /// @inheritdoc IStaking
    IStakeAsset public immutable asset;
    /// @inheritdoc IStaking
    uint256 public immutable perEther;

    /// @inheritdoc IAssetStaking
    uint256 public pot;
    /// @inheritdoc IAssetStaking
    uint256 public burned;

    constructor(
        address rollup_,
        address game_,
        address liveness_,
        uint64 unbondingDelay_,
        IStakeAsset asset_,
        uint128 perEther_
    ) StakingBase(rollup_, game_, liveness_, unbondingDelay_) {
        if (perEther_ < LEAST_PER_ETHER || asset_.staking() != address(this)) {
            revert BadParameters();
        }
        (asset, perEther) = (asset_, perEther_);
    }

    /// @inheritdoc IAssetStaking
    function deposit(address executor, uint256 amount) external nonReentrant returns (uint256 came) {
        came = asset.pull(msg.sender, executor, amount);
        emit Deposited(executor, came);
    }

    /// @inheritdoc IAssetStaking
    function award(address account, uint256 amount, uint256 burned_) external only(game) nonReentrant {
        (uint256 credited, uint256 lost) = (_unitsIn(amount), _unitsIn(burned_));
        // INVARIANT: the game shares out what came and no more, so stakes and others' credits are out of its reach.
        pot -= credited + lost;
        burned += lost;
        _credit(account, credited);
    }

    /// @inheritdoc IAssetStaking
    function takeGas() external pure returns (uint256) {
        return TAKE_GAS;
    }

    function _stake(address executor, Account storage) internal view override nonReentrantView returns (uint256) {
        try asset.stakeOf(executor) returns (uint256 units) {
            return units > type(uint128).max ? type(uint128).max : units;
        } catch {
            // One executor's stake that can't be read must not stop a batch of others.
            return 0;
        }
    }

    function _forfeit(address executor, Account storage account, uint256 amount) internal override returns (uint256) {
        account.locked -= uint128(amount);
        return _take(executor, account, _unitsIn(amount));
    }

    function _take(address executor, Account storage, uint256 units)
        internal
        override
        nonReentrant
        returns (uint256 taken)
    {
        // INVARIANT: a take fails by the asset's doing, never because the caller brought too little gas. And if it fails, the
        //            claim is lost all the same.
        uint256 have = gasleft() * 63 / 64;
        if (have < TAKE_GAS + ENDING_GAS) revert NotEnoughGas(have, TAKE_GAS + ENDING_GAS);
        try asset.slash{gas: TAKE_GAS}(executor, units) returns (uint256 came) {
            return came < units ? came : units;
        } catch {
            return 0;
        }
    }

    function _ripe(address executor, Account storage account, uint256 leaving)
        internal
        view
        override
        returns (uint256)
    {
        uint256 unlocked = _unlocked(executor, account);
        return leaving < unlocked ? leaving : unlocked;
    }

    function _release(address executor, Account storage, address payable to, uint256 units)
        internal
        override
        nonReentrant
    {
        asset.push(executor, to, units);
    }

    function _keep(uint256 units) internal override {
        pot += units;
    }

    function _burn(uint256 units) internal override {
        burned += units;
    }

    function _pay(address payable to, uint256 units) internal override nonReentrant {
        asset.pay(to, units);
    }

    // All of these fit: units, bonds and `perEther` are below 2^128.

    function _worth(uint256 units) internal view override returns (uint256) {
        uint256 amount = units * 1 ether / perEther;
        return amount > type(uint128).max ? type(uint128).max : amount;
    }

    function _unitsIn(uint256 amount) internal view override returns (uint256) {
        return amount * perEther / 1 ether;
    }

    function _unitsFor(uint256 amount) internal view override returns (uint256) {
        return (amount * perEther + 1 ether - 1) / 1 ether;
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IStakeAsset} from "../../src/interfaces/IStakeAsset.sol";
import {AssetStaking} from "../../src/rollup/AssetStaking.sol";
import {Erc20Asset} from "../../src/rollup/Erc20Asset.sol";
import {Token} from "../market/Tokens.sol";
import {TestBase} from "./TestBase.sol";
import {RestakedAsset, Vault} from "./Vault.sol";

/// @notice The hands of executors that stake another asset than ether; amounts in wei at the deployment's rate.
abstract contract AssetHands is TestBase {
    Token public immutable token;
    uint128 public immutable perEther;
    IStakeAsset public adapter;
    AssetStaking public staking;

    constructor(Token token_, uint128 perEther_) {
        (token, perEther) = (token_, perEther_);
    }

    /// @notice The adapter of the staking contract that will be at `staking_`.
    function adapterFor(address staking_) external returns (IStakeAsset) {
        staking = AssetStaking(staking_);
        return adapter = _newAdapter(staking_);
    }

    function stake(address who, uint256 amount) external virtual;

    /// @notice Units that the adapter took and still has.
    function taken() public view virtual returns (uint256);

    /// @notice Units of stake that back the adapter's reports.
    function stakes() public view virtual returns (uint256);

    function _newAdapter(address staking_) internal virtual returns (IStakeAsset);

    function unitsOf(uint256 amount) public view returns (uint256) {
        return amount * perEther / 1 ether;
    }

    function weiOf(uint256 units) public view returns (uint256) {
        return units * 1 ether / perEther;
    }
}

/// @notice Any token.
contract TokenHands is AssetHands {
    constructor(Token token_, uint128 perEther_) AssetHands(token_, perEther_) {}

    function stake(address who, uint256 amount) external override {
        uint256 units = unitsOf(amount);
        token.mint(address(this), units);
        token.approve(address(adapter), units);
        staking.deposit(who, units);
    }

    function taken() public view override returns (uint256) {
        return Erc20Asset(address(adapter)).taken();
    }

    function stakes() public view override returns (uint256) {
        return token.balanceOf(address(adapter)) - taken();
    }

    function _newAdapter(address staking_) internal override returns (IStakeAsset) {
        return new Erc20Asset(IERC20(address(token)), staking_);
    }
}

/// @notice Stake that stays in a restaking vault.
contract VaultHands is AssetHands {
    Vault public immutable vault;

    constructor(Vault vault_, uint128 perEther_) AssetHands(vault_.token(), perEther_) {
        vault = vault_;
    }

    function stake(address who, uint256 amount) external override {
        uint256 units = unitsOf(amount);
        token.mint(who, units);
        vm.startPrank(who);
        token.approve(address(vault), units);
        vault.enter(units);
        staking.deposit(who, units);
        vm.stopPrank();
    }

    function taken() public view override returns (uint256) {
        return token.balanceOf(address(adapter));
    }

    function stakes() public view override returns (uint256) {
        return token.balanceOf(address(vault));
    }

    function _newAdapter(address staking_) internal override returns (IStakeAsset) {
        return new RestakedAsset(vault, staking_);
    }
}

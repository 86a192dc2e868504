// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IStakeAsset} from "../interfaces/IStakeAsset.sol";

/// @title Stake in an ERC-20 token
/// @notice Holds the tokens. One that keeps a fee is credited at what came. One that rebases, or whose owner takes from holders,
///         is not supported: what it takes is missing to whoever withdraws last.
// INVARIANT: balance >= stakes + taken.
contract Erc20Asset is IStakeAsset {
    using SafeERC20 for IERC20;

    /// @notice The token.
    IERC20 public immutable token;
    /// @inheritdoc IStakeAsset
    address public immutable staking;

    /// @inheritdoc IStakeAsset
    mapping(address executor => uint256 units) public stakeOf;
    /// @notice Units that were slashed and not paid out.
    uint256 public taken;

    modifier onlyStaking() {
        if (msg.sender != staking) revert NotStaking(msg.sender);
        _;
    }

    constructor(IERC20 token_, address staking_) {
        (token, staking) = (token_, staking_);
    }

    /// @inheritdoc IStakeAsset
    // INVARIANT: the staking contract lets nothing else move this token here meanwhile, so no unit is counted twice.
    function pull(address from, address executor, uint256 amount) external onlyStaking returns (uint256 came) {
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(from, address(this), amount);
        came = token.balanceOf(address(this)) - before;
        stakeOf[executor] += came;
    }

    /// @inheritdoc IStakeAsset
    function push(address executor, address to, uint256 amount) external onlyStaking {
        stakeOf[executor] -= amount;
        token.safeTransfer(to, amount);
    }

    /// @inheritdoc IStakeAsset
    // INVARIANT: the token is not called, so it can stop no game's ending.
    function slash(address executor, uint256 amount) external onlyStaking returns (uint256) {
        stakeOf[executor] -= amount;
        taken += amount;
        return amount;
    }

    /// @inheritdoc IStakeAsset
    function pay(address to, uint256 amount) external onlyStaking {
        taken -= amount;
        token.safeTransfer(to, amount);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IStaking} from "./IStaking.sol";

/// @title Executors' stakes in another asset than ether
/// @notice What is slashed stays with the asset's adapter. The game awards shares of it, in wei, which are credits here.
interface IAssetStaking is IStaking {
    /// @notice Deployment parameters that contradict each other.
    error BadParameters();
    /// @notice Too little gas to let the asset take what is lost.
    error NotEnoughGas(uint256 have, uint256 need);

    /// @notice Puts up to `amount` of the caller's asset behind `executor`; what came counts.
    function deposit(address executor, uint256 amount) external returns (uint256 came);

    /// @notice Credits `amount` wei's worth of what was slashed to `account`, and counts `burned` wei's worth as burned: it stays
    ///         where it is, out of everybody's reach. Game only.
    function award(address account, uint256 amount, uint256 burned) external;

    /// @notice Units taken from lost claims that are neither credited nor burned: what void games may still draw, and dust.
    function pot() external view returns (uint256);

    /// @notice Units burned so far.
    function burned() external view returns (uint256);

    /// @notice Gas that the asset has for one take; what fails with it brings nothing.
    function takeGas() external view returns (uint256);
}

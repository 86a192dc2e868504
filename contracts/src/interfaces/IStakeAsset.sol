// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title What stake is held in, where it is not ether
/// @notice An adapter over a token, or over a restaking service whose stake is only reported here and can be slashed. It keeps
///         the ledger of what each executor may lose; `AssetStaking` keeps what of it backs claims or is leaving. Only that
///         contract may call what changes anything. Amounts are in the asset's smallest units. docs/stake.md has the duties.
interface IStakeAsset {
    /// @notice The caller is not the staking contract.
    error NotStaking(address caller);

    /// @notice The one staking contract that this adapter serves.
    function staking() external view returns (address);

    /// @notice What could be slashed from `executor` now, and still could after `IStaking.unbondingDelay` whatever it does, but
    ///         for what others slash. May fall at any time. Does not revert.
    function stakeOf(address executor) external view returns (uint256);

    /// @notice Puts `amount` of `from`'s behind `executor` and says how much more that now has. `from` called for it.
    function pull(address from, address executor, uint256 amount) external returns (uint256 came);

    /// @notice Gives `amount` of `executor`'s stake, which has waited, to `to`.
    function push(address executor, address to, uint256 amount) external;

    /// @notice Takes up to `amount` of `executor`'s stake and keeps it for `pay`. Has `IAssetStaking.takeGas` to do so.
    /// @return taken what is kept: at most `amount`, and less where less could be had
    function slash(address executor, uint256 amount) external returns (uint256 taken);

    /// @notice Pays `amount` of what was taken to `to`.
    function pay(address to, uint256 amount) external;
}

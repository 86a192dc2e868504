// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Executors' stakes
/// @notice Wei that executors put up. Claims lock it; only the rollup and the game lock, unlock and slash.
interface IStaking {
    /// @notice `executor`'s stake grew by `amount`.
    event Deposited(address indexed executor, uint256 amount);
    /// @notice `amount` leaves at `availableAt`; it backs no new claim from now on.
    event WithdrawalStarted(address indexed executor, uint256 amount, uint256 availableAt);
    /// @notice `amount` left.
    event Withdrawn(address indexed executor, address indexed to, uint256 amount);
    /// @notice `amount` now backs claims.
    event Locked(address indexed executor, uint256 amount);
    /// @notice `amount` backs nothing any more.
    event Unlocked(address indexed executor, uint256 amount);
    /// @notice `amount` was taken from `executor` for a lost claim.
    event Slashed(address indexed executor, uint256 amount);

    /// @notice The caller is neither the rollup nor the game.
    error NotAuthorized(address caller);
    /// @notice More than the free stake.
    error InsufficientStake(uint256 free, uint256 needed);
    /// @notice The withdrawal is not due before `availableAt` (0: none was started).
    error NotYetWithdrawable(uint256 availableAt);
    /// @notice The receiver refused the money.
    error TransferFailed(address to);

    /// @notice Adds the value sent to `executor`'s stake.
    function deposit(address executor) external payable;

    /// @notice Takes `amount` of the caller's free stake out of use; a second call adds to it and starts the delay anew.
    function startWithdrawal(uint256 amount) external;

    /// @notice Pays what the caller took out of use, once the delay is over.
    function withdraw(address payable to) external returns (uint256 amount);

    /// @notice Locks `amount` of `executor`'s free stake. Rollup only.
    function lock(address executor, uint256 amount) external;

    /// @notice Unlocks `amount`. Rollup only.
    function unlock(address executor, uint256 amount) external;

    /// @notice Takes `amount` of `executor`'s locked stake and sends it to the caller. Game only.
    function slash(address executor, uint256 amount) external;

    /// @notice Stake that backs nothing and is not leaving.
    function freeStake(address executor) external view returns (uint256);

    /// @notice `executor`'s account, in wei; `staked >= locked + leaving`.
    function accounts(address executor)
        external
        view
        returns (uint128 staked, uint128 locked, uint128 leaving, uint64 availableAt);

    /// @notice The contract that locks and unlocks.
    function rollup() external view returns (address);

    /// @notice The contract that slashes.
    function game() external view returns (address);

    /// @notice Seconds between `startWithdrawal` and `withdraw`.
    function unbondingDelay() external view returns (uint64);
}

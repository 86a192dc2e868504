// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ICredits} from "./ICredits.sol";
import {IStakeAsset} from "./IStakeAsset.sol";

/// @title Executors' stakes
/// @notice What executors put up, in ether or another asset. Claims lock it; only the rollup, the game and the liveness contract
///         touch it. Bonds are in wei everywhere: `locked` and the amounts of `lock`, `unlock`, `slash`, `penalize` and
///         `freeStake`. All else is in units of the asset, `perEther` of them for each ether; where the asset is ether, in wei.
///         `deposit` stands at the contracts. Credits are askers' halves of penalties, and what else is due in the asset.
interface IStaking is ICredits {
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
    /// @notice `burned + toPayee` was taken from `executor` for a result that it promised and did not bring.
    event StakePenalized(address indexed executor, address indexed payee, uint256 burned, uint256 toPayee);

    /// @notice The caller may not do this.
    error NotAuthorized(address caller);
    /// @notice More than the free stake.
    error InsufficientStake(uint256 free, uint256 needed);
    /// @notice The withdrawal is not due before `availableAt` (0: none was started).
    error NotYetWithdrawable(uint256 availableAt);
    /// @notice The receiver refused the money.
    error TransferFailed(address to);

    /// @notice Takes `amount` of the caller's free stake out of use; a second call adds to it and starts the delay anew. It is
    ///         liable to penalties until it has left.
    function startWithdrawal(uint256 amount) external;

    /// @notice Pays what the caller took out of use, or what is left of it, once the delay is over.
    function withdraw(address payable to) external returns (uint256 amount);

    /// @notice Locks `amount` of `executor`'s free stake. Rollup only.
    function lock(address executor, uint256 amount) external;

    /// @notice Unlocks `amount`. Rollup only.
    function unlock(address executor, uint256 amount) external;

    /// @notice Takes `amount` of `executor`'s locked stake, for the game to share out. Game only.
    /// @return taken what came, in wei: all, if the stake is ether
    function slash(address executor, uint256 amount) external returns (uint256 taken);

    /// @notice Takes up to `amount` of `executor`'s stake that is not locked, leaving or not: burns half, credits half to `payee`.
    ///         Liveness contract only.
    /// @return charged what `executor` lost, in wei, though less may have come of it; nothing if nothing came
    function penalize(address executor, uint256 amount, address payee) external returns (uint256 charged);

    /// @notice Wei of stake that backs nothing and is not leaving.
    function freeStake(address executor) external view returns (uint256);

    /// @notice `executor`'s account. What `locked` is worth, with `leaving`, is at most `staked`, unless `asset` lost stake.
    function accounts(address executor)
        external
        view
        returns (uint128 staked, uint128 locked, uint128 leaving, uint64 availableAt);

    /// @notice What stake is held in; zero for ether.
    function asset() external view returns (IStakeAsset);

    /// @notice Units of the asset that stand for one ether.
    function perEther() external view returns (uint256);

    /// @notice The contract that locks and unlocks.
    function rollup() external view returns (address);

    /// @notice The contract that slashes.
    function game() external view returns (address);

    /// @notice The contract that penalizes; zero for none.
    function liveness() external view returns (address);

    /// @notice Seconds between `startWithdrawal` and `withdraw`.
    function unbondingDelay() external view returns (uint64);
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Payouts that are pulled
/// @notice Nobody is ever paid by a push, so nobody can block anything by refusing money.
interface ICredits {
    /// @notice `account` may withdraw `amount` more.
    event Credited(address indexed account, uint256 amount);
    /// @notice `account` withdrew `amount`.
    event CreditWithdrawn(address indexed account, address indexed to, uint256 amount);

    /// @notice The caller has no credit.
    error NoCredit();
    /// @notice The receiver refused the money.
    error CreditTransferFailed(address to);

    /// @notice What `account` may withdraw: wei, or units of the stake's asset where an `IStaking` owes it.
    function credit(address account) external view returns (uint256);

    /// @notice Sends all of the caller's credit to `to`.
    function withdrawCredit(address payable to) external returns (uint256 amount);
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Payouts in any token that are pulled
/// @notice As `ICredits`, for ether (token 0) and ERC-20 tokens. A token or an account that refuses its money blocks nobody else.
interface ITokenCredits {
    /// @notice `account` may withdraw `amount` more of `token`.
    event Credited(address indexed token, address indexed account, uint256 amount);
    /// @notice `account` withdrew `amount` of `token`.
    event CreditWithdrawn(address indexed token, address indexed account, address indexed to, uint256 amount);

    /// @notice The caller has no credit in this token.
    error NoCredit(address token);
    /// @notice The receiver refused the ether.
    error TransferFailed(address to);
    /// @notice `token` calls back in while it is being taken: what came in could not be told apart.
    error TokenBusy(address token);

    /// @notice Of `token`'s smallest unit, what `account` may withdraw.
    function credit(address token, address account) external view returns (uint256);

    /// @notice Sends all of the caller's credit in `token` to `to`.
    function withdraw(address token, address to) external returns (uint256 amount);
}

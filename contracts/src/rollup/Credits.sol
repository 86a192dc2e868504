// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ICredits} from "../interfaces/ICredits.sol";

/// @title Ledger of payouts that are pulled
abstract contract Credits is ICredits {
    /// @inheritdoc ICredits
    mapping(address account => uint256 amount) public credit;

    /// @inheritdoc ICredits
    function withdrawCredit(address payable to) external returns (uint256 amount) {
        amount = credit[msg.sender];
        if (amount == 0) revert NoCredit();
        // INVARIANT: the debt is gone before the money moves.
        credit[msg.sender] = 0;
        emit CreditWithdrawn(msg.sender, to, amount);
        _pay(to, amount);
    }

    function _pay(address payable to, uint256 amount) internal virtual {
        (bool ok,) = to.call{value: amount}("");
        if (!ok) revert CreditTransferFailed(to);
    }

    /// @dev The caller holds `amount` for it already.
    function _credit(address account, uint256 amount) internal {
        if (amount == 0) return;
        credit[account] += amount;
        emit Credited(account, amount);
    }
}

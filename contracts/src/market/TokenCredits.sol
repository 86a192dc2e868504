// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {SlotDerivation} from "@openzeppelin/contracts/utils/SlotDerivation.sol";
import {TransientSlot} from "@openzeppelin/contracts/utils/TransientSlot.sol";
import {ITokenCredits} from "../interfaces/ITokenCredits.sol";

/// @title Ledger of payouts in any token that are pulled
abstract contract TokenCredits is ITokenCredits {
    using SafeERC20 for IERC20;
    using SlotDerivation for bytes32;
    using TransientSlot for bytes32;
    using TransientSlot for TransientSlot.BooleanSlot;

    /// @dev Ether, where a token is named.
    address internal constant ETHER = address(0);
    bytes32 private constant BUSY = keccak256("assay.market.TokenCredits.busy");

    /// @inheritdoc ITokenCredits
    mapping(address token => mapping(address account => uint256 amount)) public credit;

    /// @dev One lock for each token, not one for all: whoever holds all of it by a token of its own could make the callbacks of
    ///      consumers that ask again fail.
    modifier alone(address token) {
        TransientSlot.BooleanSlot busy = BUSY.deriveMapping(token).asBoolean();
        if (busy.tload()) revert TokenBusy(token);
        busy.tstore(true);
        _;
        busy.tstore(false);
    }

    /// @inheritdoc ITokenCredits
    function withdraw(address token, address to) external returns (uint256 amount) {
        amount = credit[token][msg.sender];
        if (amount == 0) revert NoCredit(token);
        // INVARIANT: the debt is gone before the money moves.
        credit[token][msg.sender] = 0;
        emit CreditWithdrawn(token, msg.sender, to, amount);
        if (token == ETHER) {
            (bool ok,) = to.call{value: amount}("");
            if (!ok) revert TransferFailed(to);
        } else {
            _send(token, to, amount);
        }
    }

    /// @dev The caller holds `amount` for it already.
    function _credit(address token, address account, uint256 amount) internal {
        if (amount == 0) return;
        credit[token][account] += amount;
        emit Credited(token, account, amount);
    }

    /// @dev Takes `amount` from the caller and says what came, which is less where the token keeps a fee.
    // INVARIANT: nothing else moves this token here meanwhile, so no unit is counted for two orders.
    function _pull(address token, uint256 amount) internal alone(token) returns (uint256 received) {
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        received = IERC20(token).balanceOf(address(this)) - before;
    }

    function _send(address token, address to, uint256 amount) private alone(token) {
        IERC20(token).safeTransfer(to, amount);
    }
}

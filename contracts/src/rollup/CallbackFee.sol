// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IInbox} from "../interfaces/IInbox.sol";
import {Delivery} from "../interfaces/Types.sol";

/// @title Who is paid for which callback
/// @notice A callback fee has two halves. Final delivery makes one callback, which earns both; Optimistic delivery makes two, and
///         the second half waits for the second. Each half is paid once.
library CallbackFee {
    uint8 internal constant FIRST_HALF = 1;
    uint8 internal constant SECOND_HALF = 2;
    uint8 internal constant BOTH = FIRST_HALF | SECOND_HALF;

    /// @notice Halves that the callback of `mode` earns, less those `paid` already.
    function halves(IInbox.Mode mode, uint8 delivery, uint8 paid) internal pure returns (uint8) {
        if (delivery == uint8(Delivery.Final)) return BOTH & ~paid;
        return (mode == IInbox.Mode.Result ? FIRST_HALF : SECOND_HALF) & ~paid;
    }

    /// @notice Wei of these halves of `fee`.
    function amount(uint8 which, uint256 fee) internal pure returns (uint256 sum) {
        if (which & FIRST_HALF != 0) sum += fee / 2;
        if (which & SECOND_HALF != 0) sum += fee - fee / 2;
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ClaimRef, Request} from "../../src/interfaces/Types.sol";
import {GameFixture} from "./GameFixture.sol";

/// @notice One claim, true or not, and games on it.
abstract contract ClaimFixture is GameFixture {
    Request internal req;
    ClaimRef internal ref;
    uint256 internal bond;

    function setUp() public virtual override {
        _start(true);
    }

    /// @dev A claim by the first executor, k = 32 over 2^50 steps.
    function _start(bool executorLies) internal {
        _games(5, 50, executorLies, 0xdead_beef_cafe);
        req = _ask();
        ref = _claim(req);
        bond = game.challengerBond();
    }

    function _win(Match memory m) internal {
        _playHonestly(m);
        _prove(m);
    }

    /// @dev Wei of gas that the challenger is owed.
    function _gasOf(Match memory m) internal view returns (uint256) {
        return _state(m).challengerGas * 1 gwei;
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ClaimRef, Request} from "../../src/interfaces/Types.sol";
import {GameFixture} from "./GameFixture.sol";

/// @notice Cheatcodes that only an attacker's tests need.
interface AttackVm {
    function snapshotState() external returns (uint256 id);
    function revertToState(uint256 id) external returns (bool ok);
    function prank(address sender, address origin) external;
}

/// @notice One claim and an attack on it. The tests of `test/findings` are named after what went wrong elsewhere
///         (docs/findings.md).
abstract contract FindingFixture is GameFixture {
    AttackVm internal constant attackVm = AttackVm(address(vm));

    Request internal req;
    ClaimRef internal ref;
    uint256 internal bond;

    function setUp() public virtual override {
        _start(true);
    }

    /// @dev A claim by the first executor, true or not, k = 32 over 2^50 steps.
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

    /// @dev What a challenger has who won against the claim and whose gas the pool covers.
    function _assertPaidInFull(Match memory m) internal view {
        uint256 all = bond + m.context.claimBond / 4 + _gasOf(m);
        assertEq(game.credit(m.context.challenger), all, "bond, a quarter, all gas");
    }

    /// @dev The fee, and the stake as it was: what a true claim leaves its executor with.
    function _assertFinalAndWhole() internal {
        rollup.finalize(req, ref);
        assertEq(staking.freeStake(executor), 100 ether, "the executor's stake");
        assertEq(inbox.credit(executor), req.params.fee - inbox.status(_idOf(req)).burn, "the executor's fee");
    }

    function _refused(address who, address to, uint256 value, bytes memory call, bytes4 why, string memory what)
        internal
    {
        uint256 balance = who.balance;
        vm.prank(who);
        (bool ok, bytes memory data) = to.call{value: value}(call);
        assertTrue(!ok, what);
        assertEq(bytes32(bytes4(data)), bytes32(why), what);
        assertEq(who.balance, balance, what);
    }

    /// @dev `who` plays `call` on the game, which refuses it.
    function _refused(address who, bytes memory call, bytes4 why, string memory what) internal {
        _refused(who, address(game), 0, call, why, what);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ClaimFixture} from "./ClaimFixture.sol";

/// @notice Cheatcodes that only an attacker's tests need.
interface AttackVm {
    function snapshotState() external returns (uint256 id);
    function revertToState(uint256 id) external returns (bool ok);
    function prank(address sender, address origin) external;
}

/// @notice An attack on one claim. The tests of `test/findings` are named after what went wrong elsewhere
///         (docs/findings.md).
abstract contract FindingFixture is ClaimFixture {
    AttackVm internal constant attackVm = AttackVm(address(vm));

    /// @dev What a challenger has who won against the claim and whose gas the pool covers.
    function _assertPaidInFull(Match memory m) internal view {
        uint256 all = bond + m.context.claimBond / 4 + _gasOf(m);
        assertEq(_due(m.context.challenger), all, "bond, a quarter, all gas");
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

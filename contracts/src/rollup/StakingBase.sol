// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IStaking} from "../interfaces/IStaking.sol";
import {Credits} from "./Credits.sol";

/// @title Accounts of stake, whatever it is held in
abstract contract StakingBase is IStaking, Credits {
    // INVARIANT: what `locked` is worth + leaving <= stake, while nobody else slashes it. Where somebody does, sums stop at
    //            zero: nothing can be locked or leave, and a claim is unlocked or lost as ever.
    /// @param staked stake that is held here; unused where an asset keeps it
    /// @param locked wei of bonds of the claims that stand
    /// @param leaving out of use, and liable, until it is withdrawn
    struct Account {
        uint128 staked;
        uint128 locked;
        uint128 leaving;
        uint64 availableAt;
    }

    /// @inheritdoc IStaking
    address public immutable rollup;
    /// @inheritdoc IStaking
    address public immutable game;
    /// @inheritdoc IStaking
    address public immutable liveness;
    /// @inheritdoc IStaking
    uint64 public immutable unbondingDelay;

    mapping(address executor => Account account) internal _accounts;

    modifier only(address caller) {
        if (msg.sender != caller) revert NotAuthorized(msg.sender);
        _;
    }

    constructor(address rollup_, address game_, address liveness_, uint64 unbondingDelay_) {
        (rollup, game, liveness, unbondingDelay) = (rollup_, game_, liveness_, unbondingDelay_);
    }

    /// @inheritdoc IStaking
    function startWithdrawal(uint256 amount) external {
        Account storage account = _accounts[msg.sender];
        uint256 free = _less(_unlocked(msg.sender, account), account.leaving);
        if (amount > free) revert InsufficientStake(free, amount);
        account.leaving += uint128(amount);
        account.availableAt = uint64(block.timestamp) + unbondingDelay;
        emit WithdrawalStarted(msg.sender, amount, account.availableAt);
    }

    /// @inheritdoc IStaking
    function withdraw(address payable to) external returns (uint256 amount) {
        Account storage account = _accounts[msg.sender];
        amount = account.leaving;
        if (amount == 0) revert NotYetWithdrawable(0);
        if (block.timestamp < account.availableAt) revert NotYetWithdrawable(account.availableAt);
        amount = _ripe(msg.sender, account, amount);
        account.leaving = 0;
        account.availableAt = 0;
        emit Withdrawn(msg.sender, to, amount);
        _release(msg.sender, account, to, amount);
    }

    /// @inheritdoc IStaking
    function lock(address executor, uint256 amount) external only(rollup) {
        Account storage account = _accounts[executor];
        uint256 free = _free(executor, account);
        if (amount > free) revert InsufficientStake(free, amount);
        account.locked += uint128(amount);
        emit Locked(executor, amount);
    }

    /// @inheritdoc IStaking
    function unlock(address executor, uint256 amount) external only(rollup) {
        _accounts[executor].locked -= uint128(amount);
        emit Unlocked(executor, amount);
    }

    /// @inheritdoc IStaking
    function slash(address executor, uint256 amount) external only(game) returns (uint256 taken) {
        Account storage account = _accounts[executor];
        uint256 units = _forfeit(executor, account, amount);
        emit Slashed(executor, units);
        _keep(units);
        return _worth(units);
    }

    /// @inheritdoc IStaking
    function penalize(address executor, uint256 amount, address payee)
        external
        only(liveness)
        returns (uint256 charged)
    {
        Account storage account = _accounts[executor];
        // INVARIANT: what backs a claim is not touched, what is leaving is.
        uint256 liable = _unlocked(executor, account);
        uint256 units = _unitsIn(amount);
        if (units > liable) units = liable;
        if (units == 0) return 0;
        uint256 came = _take(executor, account, units);
        // INVARIANT: charged in full if anything came, so nobody pays twice; but not for nothing.
        if (came == 0) return 0;
        if (account.leaving > liable - units) account.leaving = uint128(liable - units);
        // INVARIANT: at least half is burned, so penalizing oneself never pays.
        uint256 toPayee = came / 2;
        emit StakePenalized(executor, payee, came - toPayee, toPayee);
        _credit(payee, toPayee);
        _burn(came - toPayee);
        return _worth(units);
    }

    /// @inheritdoc IStaking
    function freeStake(address executor) external view returns (uint256) {
        return _free(executor, _accounts[executor]);
    }

    /// @inheritdoc IStaking
    function accounts(address executor)
        external
        view
        returns (uint128 staked, uint128 locked, uint128 leaving, uint64 availableAt)
    {
        Account storage account = _accounts[executor];
        return (uint128(_stake(executor, account)), account.locked, account.leaving, account.availableAt);
    }

    /// @dev Wei of new bonds that the account can back.
    function _free(address executor, Account storage account) private view returns (uint256) {
        return _less(_worth(_less(_stake(executor, account), account.leaving)), account.locked);
    }

    /// @dev Units that back no claim, leaving or not.
    function _unlocked(address executor, Account storage account) internal view returns (uint256) {
        return _less(_stake(executor, account), _unitsFor(account.locked));
    }

    function _less(uint256 from, uint256 amount) private pure returns (uint256) {
        return from > amount ? from - amount : 0;
    }

    // ---- what the asset decides -------------------------------------------------------------------------------------

    /// @dev Units of an executor's stake, below 2^128.
    function _stake(address executor, Account storage account) internal view virtual returns (uint256);

    /// @dev Takes a bond of `amount` wei, or what of it can be had.
    // INVARIANT: a lost claim backs nothing any more, whatever can be had for it.
    function _forfeit(address executor, Account storage account, uint256 amount)
        internal
        virtual
        returns (uint256 taken);

    /// @dev Takes `units`, or what of them can be had.
    function _take(address executor, Account storage account, uint256 units) internal virtual returns (uint256 taken);

    /// @dev What of `leaving` can be had when its time has come.
    function _ripe(address executor, Account storage account, uint256 leaving) internal view virtual returns (uint256);

    function _release(address executor, Account storage account, address payable to, uint256 units) internal virtual;

    /// @dev Leaves what was taken for a lost claim to the game.
    function _keep(uint256 units) internal virtual;

    function _burn(uint256 units) internal virtual;

    /// @dev Wei that `units` are worth, rounded down, below 2^128.
    function _worth(uint256 units) internal view virtual returns (uint256);

    /// @dev Units that `amount` wei are worth, rounded down.
    function _unitsIn(uint256 amount) internal view virtual returns (uint256);

    /// @dev Least units that are worth `amount` wei.
    function _unitsFor(uint256 amount) internal view virtual returns (uint256);
}

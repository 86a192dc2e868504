// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IStakeAsset} from "../../src/interfaces/IStakeAsset.sol";
import {Token} from "../market/Tokens.sol";

/// @notice A small restaking service. Operators' tokens stay here; they allot parts of them to services, which may slash those.
///         One token may be allotted to two services, so what one slashes is gone for the other. A slash pays the service what
///         is left of the operator's tokens, less a haircut.
contract Vault {
    Token public immutable token;
    /// @dev Thousandths of a slash that are destroyed on the way.
    uint256 public immutable haircut;

    mapping(address operator => uint256) public held;
    mapping(address operator => mapping(address service => uint256)) private _allotted;
    uint256 public destroyed;
    uint8 private _mode;
    bytes private _call;
    address private _callee;

    error TooMuch();
    error Paused();

    constructor(Token token_, uint256 haircut_) {
        (token, haircut) = (token_, haircut_);
    }

    function enter(uint256 amount) external {
        token.transferFrom(msg.sender, address(this), amount);
        held[msg.sender] += amount;
    }

    /// @notice By the service, when its operator asked it to.
    function allot(address operator, uint256 amount) external {
        _allotted[operator][msg.sender] += amount;
        if (_allotted[operator][msg.sender] > held[operator]) revert TooMuch();
    }

    /// @notice By the service alone: it says how long it takes. What is free may leave.
    function release(address operator, address to, uint256 amount) external {
        _allotted[operator][msg.sender] -= amount;
        held[operator] -= amount;
        token.transfer(to, amount);
    }

    /// @notice By a service.
    function slash(address operator, uint256 amount) external returns (uint256 paid) {
        if (_mode == 1) revert Paused();
        if (_mode == 2) {
            assembly ("memory-safe") {
                invalid()
            }
        }
        if (_callee != address(0)) _reenter();
        uint256 left = held[operator] < amount ? held[operator] : amount;
        uint256 mine = _allotted[operator][msg.sender];
        _allotted[operator][msg.sender] = mine < amount ? 0 : mine - amount;
        held[operator] -= left;
        paid = left - left * haircut / 1000;
        destroyed += left - paid;
        token.transfer(msg.sender, paid);
        if (_mode == 4) paid *= 2;
    }

    function allotted(address operator, address service) external view returns (uint256) {
        if (_mode == 3) revert Paused();
        return _allotted[operator][service];
    }

    /// @notice 0 works, 1 refuses to slash, 2 burns all gas when it should, 3 does not say what is allotted,
    ///         4 says that it pays twice what it does.
    function setMode(uint8 to) external {
        _mode = to;
    }

    /// @notice What it calls in the middle of a slash.
    function setCall(address callee, bytes calldata call) external {
        (_callee, _call) = (callee, call);
    }

    bool public reentered;
    bytes4 public refusal;

    function _reenter() private {
        bytes memory why;
        (reentered, why) = _callee.call(_call);
        if (!reentered) refusal = bytes4(why);
    }
}

/// @notice Stake that is only reported here: what an operator of the vault allotted to this adapter and still has.
contract RestakedAsset is IStakeAsset {
    Vault public immutable vault;
    /// @inheritdoc IStakeAsset
    address public immutable staking;

    modifier onlyStaking() {
        if (msg.sender != staking) revert NotStaking(msg.sender);
        _;
    }

    error OwnStakeOnly();

    constructor(Vault vault_, address staking_) {
        (vault, staking) = (vault_, staking_);
    }

    /// @inheritdoc IStakeAsset
    function stakeOf(address executor) external view returns (uint256) {
        (uint256 mine, uint256 held) = (vault.allotted(executor, address(this)), vault.held(executor));
        return mine < held ? mine : held;
    }

    /// @inheritdoc IStakeAsset
    function pull(address from, address executor, uint256 amount) external onlyStaking returns (uint256) {
        if (from != executor) revert OwnStakeOnly();
        vault.allot(executor, amount);
        return amount;
    }

    /// @inheritdoc IStakeAsset
    function push(address executor, address to, uint256 amount) external onlyStaking {
        vault.release(executor, to, amount);
    }

    /// @inheritdoc IStakeAsset
    function slash(address executor, uint256 amount) external onlyStaking returns (uint256) {
        return vault.slash(executor, amount);
    }

    /// @inheritdoc IStakeAsset
    function pay(address to, uint256 amount) external onlyStaking {
        vault.token().transfer(to, amount);
    }
}

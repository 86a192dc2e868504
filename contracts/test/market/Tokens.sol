// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice A well-behaved ERC-20 token that anyone mints.
contract Token {
    mapping(address who => uint256 amount) public balanceOf;
    mapping(address owner => mapping(address spender => uint256 amount)) public allowance;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        return true;
    }

    function transfer(address to, uint256 amount) external virtual returns (bool) {
        _move(msg.sender, to, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external virtual returns (bool) {
        allowance[from][msg.sender] -= amount;
        _move(from, to, amount);
        return true;
    }

    function _move(address from, address to, uint256 amount) internal virtual {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// @notice Keeps a hundredth of what is moved.
contract FeeToken is Token {
    function _move(address from, address to, uint256 amount) internal override {
        balanceOf[from] -= amount;
        balanceOf[to] += amount - amount / 100;
    }
}

/// @notice Returns nothing, as some old tokens do.
contract SilentToken is Token {
    function transfer(address to, uint256 amount) external override returns (bool) {
        _move(msg.sender, to, amount);
        assembly {
            return(0, 0)
        }
    }

    function transferFrom(address from, address to, uint256 amount) external override returns (bool) {
        allowance[from][msg.sender] -= amount;
        _move(from, to, amount);
        assembly {
            return(0, 0)
        }
    }
}

/// @notice Says false and moves nothing, once told to.
contract FalseToken is Token {
    bool public lies;

    function setLies(bool to) external {
        lies = to;
    }

    function transfer(address to, uint256 amount) external override returns (bool) {
        if (lies) return false;
        _move(msg.sender, to, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external override returns (bool) {
        if (lies) return false;
        _move(from, to, amount);
        return true;
    }
}

/// @notice Refuses, or burns all gas, once told to.
contract BrokenToken is Token {
    uint8 public mode;

    error Broken();

    function setMode(uint8 to) external {
        mode = to;
    }

    function _move(address from, address to, uint256 amount) internal override {
        if (mode == 1) revert Broken();
        if (mode == 2) {
            assembly {
                invalid()
            }
        }
        super._move(from, to, amount);
    }
}

/// @notice A token with hooks: calls whoever sends before the move, and whoever receives after it, if they asked to be called.
contract HookToken is Token {
    mapping(address who => address hook) public hooks;

    function setHook(address hook) external {
        hooks[msg.sender] = hook;
    }

    function _move(address from, address to, uint256 amount) internal override {
        if (hooks[from] != address(0)) IHook(hooks[from]).onMove(from, to, amount);
        super._move(from, to, amount);
        if (hooks[to] != address(0)) IHook(hooks[to]).onMove(from, to, amount);
    }
}

interface IHook {
    function onMove(address from, address to, uint256 amount) external;
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Request} from "../../src/interfaces/Types.sol";
import {GameFixture} from "./GameFixture.sol";
import {Headers} from "./Headers.sol";

/// @notice A rollup whose seeds come from later blocks, and a chain whose blocks a test makes.
abstract contract SeedFixture is GameFixture {
    uint64 internal constant DELAY = 8;
    address internal constant HISTORY = 0x0000F90827F1C53a10cb7A02335B175320002935;
    address private constant SYSTEM = 0xffffFFFfFFffffffffffffffFfFFFfffFFFfFFfE;
    /// @dev As EIP-2935 deploys it.
    bytes private constant HISTORY_CODE =
        hex"3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500";

    /// @dev What the test's chain drew, by block.
    mapping(uint256 number => bytes32 prevrandao) internal drawn;

    function setUp() public virtual override {
        seedDelay = DELAY;
        vm.roll(1000);
        _games(5, 50, true, 0xdead_beef_cafe);
    }

    function _header(uint256 number) internal view returns (bytes memory) {
        return Headers.header(number, drawn[number]);
    }

    /// @dev The chain makes block `number`, which draws `prevrandao`, and the one behind it.
    function _mine(uint256 number, bytes32 prevrandao) internal {
        drawn[number] = prevrandao;
        vm.roll(number + 1);
        vm.setBlockhash(number, keccak256(_header(number)));
        if (HISTORY.code.length == 0) return;
        vm.prank(SYSTEM);
        (bool ok,) = HISTORY.call(abi.encode(keccak256(_header(number))));
        assertTrue(ok, "history");
    }

    function _mine(Request memory r) internal {
        _mine(uint256(r.entropy), keccak256(abi.encode("drawn", r.entropy)));
    }

    function _record(uint256 number) internal {
        inbox.recordSeed(uint64(number), _header(number));
    }

    function _mineAndRecord(Request memory r) internal {
        _mine(r);
        _record(uint256(r.entropy));
    }

    /// @dev As on a chain with EIP-2935, from now on.
    function _withHistory() internal {
        vm.etch(HISTORY, HISTORY_CODE);
    }

    function _entropyOf(Request memory r) internal view override returns (bytes32) {
        return r.origin == 2 ? drawn[uint256(r.entropy)] : super._entropyOf(r);
    }
}

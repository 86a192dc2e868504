// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Request, RequestState} from "../../src/interfaces/Types.sol";
import {SeedFixture} from "../base/SeedFixture.sol";
import {TestBase} from "../base/TestBase.sol";

/// @notice Random users of seeds of later blocks, on a chain that makes blocks and forgets them.
contract SeedUsers is SeedFixture {
    Request[] private _asks;
    /// @dev Requests that were refunded before the time for direct claims was over.
    mapping(bytes32 id => bool) public early;
    mapping(bytes32 what => uint256 count) public done;
    uint64 private _number;

    constructor() {
        setUp();
        vm.deal(ASKER, 1_000_000 ether);
        vm.deal(address(this), 1_000_000 ether);
        staking.deposit{value: 1000 ether}(executor);
    }

    // ---- actions ----------------------------------------------------------------------------------------------------

    function ask() external {
        _asks.push(_ask());
        ++done["ask"];
    }

    /// @dev Some blocks, each with its own draw. A chain of the short kind forgets them after 256.
    function mine(uint8 blocks) external {
        for (uint256 i = 0; i <= blocks % 24; ++i) {
            _mine(block.number, keccak256(abi.encode("drawn", block.number, _number)));
        }
        ++done["mine"];
    }

    function skip() external {
        vm.roll(block.number + 250);
        ++done["skip"];
    }

    /// @dev Of a block that somebody made, or makes now; skipped ones have no header that anybody knows.
    function record(uint256 which, bool another) external {
        uint256 number = uint256(_pick(which).entropy) + (another ? 1 : 0);
        if (number >= block.number) _mine(number, keccak256(abi.encode("drawn", number, _number)));
        // The runner forgets a block's hash behind the call that set it.
        else if (drawn[number] != 0) vm.setBlockhash(number, keccak256(_header(number)));
        _record(number);
        ++done["record"];
    }

    function answer(uint256 which) external {
        Request memory r = _pick(which);
        _post(_segment(EXECUTOR_KEY, ++_number, _results(r)));
        if (_state(r) == RequestState.Claimed) ++done["claim"];
        else ++done["skipped"];
    }

    function claimDirect(uint256 which) external {
        Request memory r = _pick(which);
        vm.warp(uint256(r.params.inclusionDeadline) + 1);
        vm.prank(executor);
        rollup.claimDirect(r, output);
        ++done["claimDirect"];
    }

    function refund(uint256 which) external {
        Request memory r = _pick(which);
        bool tooEarly = block.timestamp < uint256(inbox.status(_idOf(r)).deadline) + DIRECT;
        inbox.refund(r);
        early[_idOf(r)] = tooEarly;
        ++done[tooEarly ? bytes32("early") : bytes32("refund")];
    }

    function wait(uint8 time) external {
        vm.warp(block.timestamp + time);
    }

    // ---- what must hold ---------------------------------------------------------------------------------------------

    function check() external view {
        uint256 held = inbox.credit(REFUND);
        for (uint256 i = 0; i < _asks.length; ++i) {
            Request memory r = _asks[i];
            RequestState state = _state(r);
            bytes32 recorded = inbox.recordedSeed(uint256(r.entropy));
            assertTrue(recorded == 0 || recorded == drawn[uint256(r.entropy)], "what the block drew");
            assertTrue(state != RequestState.Claimed || recorded != 0, "claimed on a known seed");
            assertTrue(!early[_idOf(r)] || (recorded == 0 && inbox.seedLost(uint256(r.entropy))), "early, so lost");
            assertTrue(!early[_idOf(r)] || state == RequestState.Refunded, "lost, so refunded");
            if (state != RequestState.Refunded) held += r.params.fee;
        }
        assertEq(address(inbox).balance, held, "money");
    }

    /// @dev The first Open request at or after `which`.
    function _pick(uint256 which) private view returns (Request memory) {
        for (uint256 i = 0; i < _asks.length; ++i) {
            uint256 index = (which % _asks.length + i) % _asks.length;
            if (_state(_asks[index]) == RequestState.Open) return _asks[index];
        }
        revert("none is open");
    }
}

contract SeedInvariantTest is TestBase {
    SeedUsers private users;

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function setUp() public {
        users = new SeedUsers();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(users);
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory s = new bytes4[](12);
        (s[0], s[1], s[2]) = (SeedUsers.ask.selector, SeedUsers.ask.selector, SeedUsers.mine.selector);
        (s[3], s[4], s[5]) = (SeedUsers.mine.selector, SeedUsers.record.selector, SeedUsers.answer.selector);
        (s[6], s[7], s[8]) = (SeedUsers.claimDirect.selector, SeedUsers.refund.selector, SeedUsers.skip.selector);
        (s[9], s[10], s[11]) = (SeedUsers.wait.selector, SeedUsers.record.selector, SeedUsers.answer.selector);
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(users), s);
    }

    /// @dev The gate: a run in which nearly everything reverted would show nothing. 20 of 64 are more than 30 %.
    function afterInvariant() public view {
        bytes32[9] memory all =
            [bytes32("ask"), "mine", "skip", "record", "claim", "skipped", "claimDirect", "early", "refund"];
        uint256 calls = 0;
        for (uint256 i = 0; i < all.length; ++i) {
            calls += users.done(all[i]);
        }
        assertTrue(calls >= 20 && users.done("ask") > 0, "too few calls got through");
    }

    /// @dev [S] Whatever happens in whatever order: nothing is claimed on a seed that is not the recorded draw of its block, and
    ///      nothing is refunded early but what never can be.
    function invariant_seedsAreTheBlocks() public view {
        users.check();
    }

    /// @dev Every action gets through, and what must hold does after each: the invariant is not vacuous.
    function test_seedsAreTheBlocks_throughEveryAction_succeeds() public {
        users.ask();
        users.answer(0);
        _check("skipped");
        users.mine(9);
        _check("mine");
        users.record(0, false);
        _check("record");
        users.answer(0);
        _check("claim");
        users.ask();
        users.mine(9);
        users.record(0, false);
        users.claimDirect(1);
        _check("claimDirect");
        users.ask();
        users.mine(9);
        users.skip();
        users.skip();
        users.refund(2);
        _check("early");
        users.ask();
        users.wait(200);
        users.refund(3);
        _check("refund");
    }

    function _check(bytes32 what) private view {
        users.check();
        assertTrue(users.done(what) > 0, string(abi.encodePacked(what)));
    }
}

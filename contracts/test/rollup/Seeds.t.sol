// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IInbox} from "../../src/interfaces/IInbox.sol";
import {ISeeds} from "../../src/interfaces/ISeeds.sol";
import {Request, RequestState} from "../../src/interfaces/Types.sol";
import {BlockHeader} from "../../src/rollup/BlockHeader.sol";
import {Inbox} from "../../src/rollup/Inbox.sol";
import {Headers} from "../base/Headers.sol";
import {SeedFixture} from "../base/SeedFixture.sol";

/// @notice What is recorded of a block, by whom and until when.
contract SeedsTest is SeedFixture {
    bytes32 private constant DRAWN = keccak256("drawn");
    uint256 private constant BLOCK = 1008;

    function _recordReverts(uint256 number, bytes memory header, bytes memory why) private {
        vm.expectRevert(why);
        inbox.recordSeed(uint64(number), header);
    }

    function _noHash(uint256 number) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ISeeds.NoBlockHash.selector, number);
    }

    function test_recordSeed_recentBlock_succeeds() public {
        _mine(BLOCK, DRAWN);
        vm.expectEmit(true, true, true, true, address(inbox));
        emit ISeeds.SeedRecorded(uint64(BLOCK), DRAWN);
        vm.prank(ANYONE);
        inbox.recordSeed(uint64(BLOCK), _header(BLOCK));
        assertEq(inbox.recordedSeed(BLOCK), DRAWN, "recorded");
        assertTrue(!inbox.seedLost(BLOCK), "not lost");
    }

    /// @dev Blocks of Ethereum and of OP Mainnet, as their nodes hand them out.
    function test_recordSeed_realBlocks_succeeds() public {
        vm.roll(24_630_101);
        vm.setBlockhash(24_630_100, Headers.MAINNET_HASH);
        inbox.recordSeed(24_630_100, Headers.mainnet());
        bytes32 drawnThere = 0xf824cbc0bffaa4862fffafa96c2cce90898dda8b97fc3eaa6a85ac38075991e5;
        assertEq(inbox.recordedSeed(24_630_100), drawnThere, "Ethereum");
        vm.roll(157_796_869);
        vm.setBlockhash(157_796_868, Headers.OP_HASH);
        inbox.recordSeed(157_796_868, Headers.op());
        drawnThere = 0x4cd595fb7524a96f75f79e3b5bf495274795932bf683bfa232c727f42dd40fba;
        assertEq(inbox.recordedSeed(157_796_868), drawnThere, "OP Mainnet");
    }

    function deployWith(uint64 delay) external {
        new Inbox(address(1), registry, 1, 1, 1, delay);
    }

    /// @dev [S] Else a block's number might not be told from a drawn entropy, and a claim on it need no record.
    function test_deploy_delayBeyondAnyUse_reverts() public {
        this.deployWith(1_000_000);
        vm.expectRevert(abi.encodeWithSelector(ISeeds.DelayTooLong.selector, 1_000_000));
        this.deployWith(1_000_001);
    }

    /// @dev [S] A header that draws what one likes is not the block's.
    function test_recordSeed_forgedHeader_reverts() public {
        _mine(BLOCK, DRAWN);
        bytes memory forged = Headers.header(BLOCK, keccak256("what suits me"));
        bytes32 hash = keccak256(_header(BLOCK));
        _recordReverts(
            BLOCK, forged, abi.encodeWithSelector(ISeeds.WrongHeader.selector, BLOCK, hash, keccak256(forged))
        );
        _recordReverts(BLOCK, "", abi.encodeWithSelector(ISeeds.WrongHeader.selector, BLOCK, hash, keccak256("")));
    }

    function testFuzz_recordSeed_changedByte_reverts(uint256 place, uint8 change) public {
        _mine(BLOCK, DRAWN);
        bytes memory header = _header(BLOCK);
        place %= header.length;
        vm.assume(change != 0);
        header[place] = bytes1(uint8(header[place]) ^ change);
        vm.expectRevert();
        inbox.recordSeed(uint64(BLOCK), header);
    }

    /// @dev [S] No block lends its randomness to another.
    function test_recordSeed_anotherBlocksHeader_reverts() public {
        _mine(BLOCK, DRAWN);
        _mine(BLOCK + 1, keccak256("what suits me"));
        bytes32 other = keccak256(_header(BLOCK + 1));
        _recordReverts(
            BLOCK,
            _header(BLOCK + 1),
            abi.encodeWithSelector(ISeeds.WrongHeader.selector, BLOCK, keccak256(_header(BLOCK)), other)
        );
        // Where the chain's numbers are not those of the headers that it hashes.
        vm.setBlockhash(BLOCK, other);
        _recordReverts(BLOCK, _header(BLOCK + 1), abi.encodeWithSelector(ISeeds.WrongNumber.selector, BLOCK, BLOCK + 1));
    }

    function test_recordSeed_unknownFormat_reverts() public {
        vm.roll(BLOCK + 1);
        bytes memory header = bytes.concat(Headers.header(BLOCK, DRAWN), hex"00");
        vm.setBlockhash(BLOCK, keccak256(header));
        bytes memory why =
            abi.encodeWithSelector(BlockHeader.BadHeader.selector, BlockHeader.Flaw.Trailing, header.length - 1);
        _recordReverts(BLOCK, header, why);
    }

    function test_recordSeed_blockToCome_reverts() public {
        drawn[BLOCK] = DRAWN;
        vm.roll(BLOCK - 1);
        _recordReverts(BLOCK, _header(BLOCK), _noHash(BLOCK));
        vm.roll(BLOCK);
        _recordReverts(BLOCK, _header(BLOCK), _noHash(BLOCK));
        assertTrue(!inbox.seedLost(BLOCK) && !inbox.seedLost(BLOCK + 1), "to come, not lost");
    }

    /// @dev [S] What claims were checked against stands, whatever the chain says of the block later.
    function test_recordSeed_twice_keepsTheFirst_succeeds() public {
        _mine(BLOCK, DRAWN);
        _record(BLOCK);
        bytes memory header = Headers.header(BLOCK, keccak256("what suits me"));
        vm.setBlockhash(BLOCK, keccak256(header));
        vm.recordLogs();
        inbox.recordSeed(uint64(BLOCK), header);
        inbox.recordSeed(uint64(BLOCK), "");
        assertEq(_logs().length, 0, "nothing happens");
        assertEq(inbox.recordedSeed(BLOCK), DRAWN, "the first");
        vm.roll(BLOCK + 100_000);
        assertTrue(!inbox.seedLost(BLOCK), "never lost");
    }

    /// @dev A chain without randomness gives no seed that everybody knows beforehand.
    function test_recordSeed_zeroRandomness_reverts() public {
        Request memory r = _ask();
        _mine(uint256(r.entropy), 0);
        bytes memory header = _header(uint256(r.entropy));
        _recordReverts(
            uint256(r.entropy), header, abi.encodeWithSelector(ISeeds.NoRandomness.selector, uint256(r.entropy))
        );
        vm.roll(uint256(r.entropy) + 257);
        inbox.refund(r);
        _assertState(r, RequestState.Refunded, "refunded");
    }

    // ---- how long -----------------------------------------------------------------------------------------------------

    function test_seedLost_withoutHistory_after256Blocks_succeeds() public {
        _mine(BLOCK, DRAWN);
        vm.roll(BLOCK + 256);
        assertTrue(!inbox.seedLost(BLOCK), "the last of blockhash");
        uint256 state = vm.snapshotState();
        _record(BLOCK);
        assertTrue(vm.revertToState(state), "back");
        vm.roll(BLOCK + 257);
        assertTrue(inbox.seedLost(BLOCK), "lost");
        _recordReverts(BLOCK, _header(BLOCK), _noHash(BLOCK));
    }

    function test_seedLost_withHistory_after8191Blocks_succeeds() public {
        _withHistory();
        _mine(BLOCK, DRAWN);
        vm.roll(BLOCK + 8191);
        assertTrue(!inbox.seedLost(BLOCK), "the last of the history contract");
        uint256 state = vm.snapshotState();
        _record(BLOCK);
        assertEq(inbox.recordedSeed(BLOCK), DRAWN, "recorded");
        assertTrue(vm.revertToState(state), "back");
        vm.roll(BLOCK + 8192);
        assertTrue(inbox.seedLost(BLOCK), "lost");
        _recordReverts(BLOCK, _header(BLOCK), _noHash(BLOCK));
    }

    /// @dev A header is held to the history contract as it is to `blockhash`.
    function test_recordSeed_oldBlock_forgedHeader_reverts() public {
        _withHistory();
        _mine(BLOCK, DRAWN);
        vm.roll(BLOCK + 1000);
        bytes memory forged = Headers.header(BLOCK, keccak256("what suits me"));
        bytes32 hash = keccak256(_header(BLOCK));
        _recordReverts(
            BLOCK, forged, abi.encodeWithSelector(ISeeds.WrongHeader.selector, BLOCK, hash, keccak256(forged))
        );
        _record(BLOCK);
    }

    /// @dev Blocks before the fork that brought the history contract are not in it.
    function test_seedLost_historyBeganLater_succeeds() public {
        _mine(BLOCK, DRAWN);
        _withHistory();
        vm.roll(BLOCK + 256);
        assertTrue(!inbox.seedLost(BLOCK), "blockhash has it");
        vm.roll(BLOCK + 257);
        assertTrue(inbox.seedLost(BLOCK), "lost");
    }

    /// @dev Something else at the history contract's address says nothing.
    function test_seedLost_historyIsAnother_succeeds() public {
        // Reverts, says nothing, says two zero words, says two words, reverts with one.
        bytes[5] memory codes =
            [bytes(hex"5f5ffd"), hex"00", hex"60405ff3", hex"60015f5260405ff3", hex"60015f5260205ffd"];
        _mine(BLOCK, DRAWN);
        vm.roll(BLOCK + 257);
        for (uint256 i = 0; i < codes.length; ++i) {
            vm.etch(HISTORY, codes[i]);
            assertTrue(inbox.seedLost(BLOCK), "lost");
        }
    }

    function testFuzz_seedLost_anyAge_isWhenNeitherHasIt(uint256 age, bool history, bool recorded) public {
        age %= 20_000;
        if (history) _withHistory();
        _mine(BLOCK, DRAWN);
        if (recorded) _record(BLOCK);
        vm.roll(BLOCK + age);
        assertTrue(inbox.seedLost(BLOCK) == (!recorded && age > (history ? 8191 : 256)), "lost");
        assertTrue(!inbox.seedLost(BLOCK + age + 1) && !inbox.seedLost(type(uint256).max), "to come");
    }

    /// @dev [S] Whoever brings too little gas for the history contract is refused, not told that the block is lost.
    function test_refund_wantOfGas_isNoLoss_reverts() public {
        _withHistory();
        Request memory r = _ask();
        _mine(r);
        vm.roll(uint256(r.entropy) + 300);
        for (uint256 gas = 5_000; gas < 90_000; gas += 53) {
            vm.cool(address(inbox));
            vm.cool(HISTORY);
            (bool ok,) = address(inbox).call{gas: gas}(abi.encodeCall(IInbox.refund, (r)));
            assertTrue(!ok, "refused");
        }
        vm.expectRevert(abi.encodeWithSelector(IInbox.TooEarly.selector, inbox.status(_idOf(r)).deadline + DIRECT));
        inbox.refund(r);
    }
}

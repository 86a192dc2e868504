// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Request, RequestParams, RequestState, RequestStatus, Result, Segment} from "../../src/interfaces/Types.sol";
import {IInbox} from "../../src/interfaces/IInbox.sol";
import {IRollup} from "../../src/interfaces/IRollup.sol";
import {StatusSlot, pack} from "../../src/rollup/StatusSlot.sol";
import {Fixture} from "../base/Fixture.sol";

/// @notice The results of a segment are claimed in runs, a call of the inbox each. Nobody may be able to tell.
contract RunsTest is Fixture {
    /// @dev What a segment did.
    struct Outcome {
        uint256[] reasons;
        uint256[] burns;
        uint256 stake;
        uint256 left;
    }

    /// @dev Asks with a payload of `length` bytes and `tokens` at most.
    function _askFor(uint256 length, uint32 tokens, uint128 fee, uint128 minBond) private returns (Request memory r) {
        bytes memory small = payload;
        payload = new bytes(length);
        (payload[0], payload[2], payload[3]) = (0x01, bytes1(uint8(tokens)), bytes1(uint8(tokens >> 8)));
        RequestParams memory p = _params();
        (p.fee, p.minBond) = (fee, minBond);
        r = _requestOf(p, ASKER, 0, inbox.requestCount(), keccak256("entropy"));
        r.maxTokens = tokens;
        vm.prank(ASKER);
        inbox.request{value: fee}(p, payload, userData);
        payload = small;
    }

    /// @dev A result of one of all kinds, good ones as often as the bad ones together.
    function _result(Result[] memory before, uint256 count, uint256 seed) private returns (Result memory) {
        uint256 kind = seed % 12;
        uint256 dice = seed >> 8;
        if (kind == 0 && count != 0) {
            // One of those before, perhaps with another answer: what it takes may differ.
            return Result(before[dice % count].request, dice & 256 == 0 ? output : bytes(hex"0100000000"));
        }
        Request memory r;
        if (kind == 1) {
            // Never asked, and as heavy as several.
            r = _requestOf(_params(), ASKER, 0, 1e6, keccak256("entropy"));
            (r.modelLength, r.payloadLength, r.params.fee) = (uint64(dice % MAX_WORK), 4, type(uint128).max);
            r.params.minBond = uint128(dice % 60 ether);
        } else if (kind == 2) {
            r = _askFor(20, 30, uint128(rollup.leastFee(50 * MODEL_LENGTH)), 0);
        } else if (kind == 3) {
            r = _askFor(20, 30, 1 ether, uint128(dice % 60 ether));
        } else if (kind == 4) {
            r = _askFor(100, 100, 4 ether, 0);
            r.payloadLength = 65_536;
        } else if (kind == 5) {
            r = _askFor(100, 900, 100 ether, 0);
        } else {
            r = _askFor(20, uint32(1 + dice % 200), 20 ether, 0);
        }
        return Result(r, dice & 256 == 0 ? output : bytes(hex"0100000000"));
    }

    function _outcome(Result[] memory results, uint256[] memory reasons) private view returns (Outcome memory o) {
        o.reasons = reasons;
        o.burns = new uint256[](results.length);
        for (uint256 i = 0; i < results.length; ++i) {
            o.burns[i] = inbox.status(_idOf(results[i].request)).burn;
        }
        o.stake = staking.freeStake(executor);
        (o.left,) = rollup.workLeft();
    }

    function _together(Result[] memory results) private returns (Outcome memory) {
        (uint256 whole, uint256[] memory each) = _reasons(_segment(EXECUTOR_KEY, 1, results));
        assertEq(whole, 0, "stands");
        return _outcome(results, each);
    }

    /// @dev A segment for each result.
    function _oneByOne(Result[] memory results) private returns (Outcome memory) {
        uint256[] memory reasons = new uint256[](results.length);
        for (uint256 i = 0; i < results.length; ++i) {
            Result[] memory one = new Result[](1);
            one[0] = results[i];
            (, uint256[] memory each) = _reasons(_segment(EXECUTOR_KEY, uint64(1000 + i), one));
            reasons[i] = each[0];
        }
        return _outcome(results, reasons);
    }

    /// @dev [S] A result is claimed, skipped and charged as if the segment ended with it, whatever stands before and behind it.
    function testFuzz_postBatch_resultsTogether_asOneByOne_succeeds(uint256 seed) public {
        vm.deal(ASKER, 10_000 ether);
        Result[] memory results = new Result[](3 + seed % 20);
        for (uint256 i = 0; i < results.length; ++i) {
            results[i] = _result(results, i, uint256(keccak256(abi.encode(seed, i))));
        }
        uint256 state = vm.snapshotState();
        Outcome memory together = _together(results);
        assertTrue(vm.revertToState(state), "back");
        Outcome memory apart = _oneByOne(results);
        for (uint256 i = 0; i < results.length; ++i) {
            assertEq(together.reasons[i], apart.reasons[i], "reason");
            assertEq(together.burns[i], apart.burns[i], "burn");
        }
        assertEq(together.stake, apart.stake, "stake");
        assertEq(together.left, apart.left, "work");
    }

    /// @dev Each claim names its own place, in whichever run it was made.
    function test_postBatch_severalRuns_nameTheirPlaces_succeeds() public {
        Result[] memory results = new Result[](12);
        for (uint256 i = 0; i < results.length; ++i) {
            results[i] = Result(_ask(), output);
            // The first, one in the middle and the last were never asked.
            if (i == 0 || i == 5 || i == 11) results[i].request.nonce += 100;
        }
        (, uint256[] memory each) = _reasons(_segment(EXECUTOR_KEY, 1, results));
        for (uint256 i = 0; i < results.length; ++i) {
            bool asked = i != 0 && i != 5 && i != 11;
            assertEq(each[i], asked ? NONE : uint256(IRollup.ResultError.NotOpen), "reason");
            if (!asked) continue;
            RequestStatus memory s = inbox.status(_idOf(results[i].request));
            assertTrue(s.state == RequestState.Claimed && s.claims == 1, "claimed");
            assertEq(s.index, i, "place");
            rollup.checkClaim(_idOf(results[i].request), _refOf(s.segmentId, uint16(i), results));
        }
    }

    /// @dev [S] What stands behind a result that was never asked meets neither its work nor its bond.
    function test_postBatch_behindOneNeverAsked_meetsNothingOfIt_succeeds() public {
        Result[] memory results = new Result[](3);
        results[0] = Result(_requestOf(_params(), ASKER, 0, 99, keccak256("entropy")), output);
        (results[0].request.modelLength, results[0].request.payloadLength) = (uint64(2 * MAX_WORK), 0);
        (results[0].request.params.fee, results[0].request.params.minBond) = (type(uint128).max, 99 ether);
        results[1] = Result(_ask(), output);
        results[2] = Result(_ask(), output);
        (, uint256[] memory each) = _reasons(_segment(EXECUTOR_KEY, 1, results));
        assertEq(each[0], uint256(IRollup.ResultError.NotOpen), "never asked");
        assertEq(each[1], NONE, "its bond is free");
        assertEq(each[2], NONE, "and the next one's");
        (uint256 left,) = rollup.workLeft();
        assertEq(left, 4 * MAX_WORK - 2 * MODEL_LENGTH * (payload.length + 2), "two answers' work");
    }

    /// @dev [S] A request with a word that its type can't hold is another one, never the one that was asked.
    function test_idOf_dirtyWord_isAnotherRequest_succeeds() public {
        Request memory r = _ask();
        bytes memory data = abi.encodeCall(inbox.idOf, (r));
        (bool ok, bytes memory id) = address(inbox).staticcall(data);
        assertTrue(ok && abi.decode(id, (bytes32)) == _idOf(r), "as it was asked");
        // The byte before each of twenty words; those of 32 bytes have no room for dirt.
        for (uint256 word = 0; word < 20; ++word) {
            bytes memory dirty = bytes.concat(data);
            dirty[4 + 32 * word] ^= 0x80;
            (ok, id) = address(inbox).staticcall(dirty);
            assertTrue(!ok || abi.decode(id, (bytes32)) != _idOf(r), "dirty");
        }
    }

    // ---- the inbox's part -------------------------------------------------------------------------------------------

    function test_claimMany_stopsAtTheFirstThatIsNotOpen_succeeds() public {
        bytes32[] memory ids = new bytes32[](4);
        uint80[] memory burns = new uint80[](4);
        for (uint256 i = 0; i < 4; ++i) {
            (ids[i], burns[i]) = (_idOf(_ask()), uint80(10 + i));
        }
        ids[2] = ids[1];
        vm.prank(address(rollup));
        assertEq(inbox.claimMany(7, 40, ids, burns), 2, "two before the one that is named twice");
        for (uint256 i = 0; i < 2; ++i) {
            RequestStatus memory s = inbox.status(ids[i]);
            assertTrue(s.state == RequestState.Claimed && s.segmentId == 7, "claimed");
            assertEq(s.index, 40 + i, "index");
            assertEq(s.burn, 10 + i, "burn");
        }
        assertTrue(inbox.status(ids[3]).state == RequestState.Open, "none behind it");
    }

    function test_claimMany_byAnyoneElse_reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IInbox.NotRollup.selector, address(this)));
        inbox.claimMany(0, 0, new bytes32[](0), new uint80[](0));
    }

    /// @dev Every field that a claim does not set is kept, whatever it holds.
    function testFuzz_statusSlot_claimedBy_asFieldByField_succeeds(
        uint256 word,
        uint64 segmentId,
        uint16 index,
        uint80 burn
    ) public pure {
        uint256 w = word;
        for (uint256 shift = 144; shift <= 160; shift += 8) {
            w &= ~(uint256(0xfc) << shift);
        }
        w = (w & ~uint256(0xff)) | uint256(RequestState.Open);
        RequestStatus memory s = StatusSlot.wrap(w).unpack();
        s.state = RequestState.Claimed;
        (s.segmentId, s.index, s.burn) = (segmentId, index, burn);
        unchecked {
            ++s.claims;
        }
        StatusSlot claimed = StatusSlot.wrap(w).claimedBy(segmentId, index, burn);
        assertEq(StatusSlot.unwrap(claimed), StatusSlot.unwrap(pack(s)), "slot");
        for (uint256 state = 0; state < 5; ++state) {
            assertTrue(StatusSlot.wrap((w & ~uint256(0xff)) | state).isOpen() == (state == 1), "open");
        }
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ClaimRef, Request, RequestParams, RequestState, Result} from "../../src/interfaces/Types.sol";
import {IInbox} from "../../src/interfaces/IInbox.sol";
import {IRollup} from "../../src/interfaces/IRollup.sol";
import {GameFixture} from "../base/GameFixture.sol";
import {WorkPrice} from "../base/WorkPrice.sol";

/// @notice How much work a window takes, what it burns, and who pays for it.
contract WorkTest is GameFixture {
    /// @dev The shares of a window: batches have four of the largest requests, direct claims one.
    uint256 private constant BATCH_CAP = 4 * MAX_WORK;
    uint256 private constant DIRECT_CAP = MAX_WORK;
    /// @dev What the fixture's request and its answer take.
    uint256 private constant ASKED = MODEL_LENGTH * (23 + MAX_TOKENS);
    uint256 private constant ANSWERED = MODEL_LENGTH * (23 + 2);

    function _burnt(uint256 cap, uint256 level, uint256 work) private pure returns (uint256) {
        return WorkPrice.burn(PRICE_FLOOR, DOUBLINGS, cap, level, work);
    }

    function _fill(uint256 count) private {
        bytes memory small = payload;
        for (uint64 i = 0; i < count; ++i) {
            _post(_segment(OTHER_KEY, 1000 + i, _bigRequest(900)));
        }
        payload = small;
    }

    function _askWith(uint128 fee) private returns (Request memory) {
        RequestParams memory p = _params();
        p.fee = fee;
        return _ask(p);
    }

    /// @dev Refused when made.
    function _refusedWith(uint128 fee) private {
        RequestParams memory p = _params();
        p.fee = fee;
        vm.prank(ASKER);
        vm.expectRevert(abi.encodeWithSelector(IInbox.Refused.selector, IInbox.AdmitError.FeeTooLow));
        inbox.request{value: fee}(p, payload, userData);
    }

    /// @dev A request that charges `tokens` beyond its payload for an error output, and its answer.
    function _bigRequest(uint32 tokens) private returns (Result[] memory results) {
        payload = new bytes(1000 - tokens);
        (payload[0], payload[2], payload[3]) = (0x01, bytes1(uint8(tokens)), bytes1(uint8(tokens >> 8)));
        Request memory r = _requestOf(_params(), ASKER, 0, inbox.requestCount(), keccak256("entropy"));
        r.maxTokens = tokens;
        vm.prank(ASKER);
        inbox.request{value: 1 ether}(_params(), payload, userData);
        assertTrue(_state(r) == RequestState.Open, "asked");
        results = new Result[](1);
        results[0] = Result(r, hex"0100000000");
    }

    /// @dev [S] No window holds more work than watchtowers can check; what is beyond it is skipped.
    function test_postBatch_windowFull_skips() public {
        // 5 requests' work are a full window: 4 by batch, 1 direct.
        _fill(4);
        (uint256 batch, uint256 direct) = rollup.workLeft();
        assertEq(batch, 0, "batches have used their part");
        assertEq(direct, MAX_WORK, "the direct part is kept");
        Result[] memory late = _bigRequest(900);
        _assertOne(_segment(EXECUTOR_KEY, 5, late), IRollup.ResultError.WindowFull);
        _assertState(late[0].request, RequestState.Open, "still to be answered");
        // A quarter of the share drains in a quarter of the window, rounded up to seconds.
        vm.warp(block.timestamp + (WINDOW + 3) / 4);
        _post(_segment(EXECUTOR_KEY, 6, late));
        _assertState(late[0].request, RequestState.Claimed, "once there is room again");
    }

    /// @dev [S] An error output can't be had for less work than the longest answer.
    function test_postBatch_errorOutput_countsMaxTokens_succeeds() public {
        _post(_segment(EXECUTOR_KEY, 1, _bigRequest(900)));
        (uint256 batch,) = rollup.workLeft();
        assertEq(batch, 3 * MAX_WORK, "payload + max tokens");
    }

    function test_postBatch_answer_countsItsTokens_succeeds() public {
        Result[] memory results = _bigRequest(900);
        results[0].output = hex"00030000000000000000000000000000000078";
        _post(_segment(EXECUTOR_KEY, 1, results));
        (uint256 batch,) = rollup.workLeft();
        assertEq(batch, 4 * MAX_WORK - MODEL_LENGTH * (100 + 3), "payload + three tokens");
    }

    /// @dev A count beyond the request's maximum is a lie: it is charged the maximum, not more, not less.
    function test_postBatch_answerClaimingTooManyTokens_countsMaxTokens_succeeds() public {
        Result[] memory results = _bigRequest(900);
        results[0].output = hex"00ffffffff";
        _post(_segment(EXECUTOR_KEY, 1, results));
        (uint256 batch,) = rollup.workLeft();
        assertEq(batch, 3 * MAX_WORK, "maximum");
    }

    /// @dev [S] Within any stretch of one window at most WORK_PER_WINDOW is claimed, however greedily.
    function test_workPerWindow_everySecondAgain_staysBelow_succeeds() public {
        uint256 claimed = 0;
        for (uint64 i = 0; i <= 4 * WINDOW; ++i) {
            Result[] memory results = _bigRequest(900);
            _post(_segment(EXECUTOR_KEY, i, results));
            if (_state(results[0].request) == RequestState.Claimed) claimed += MAX_WORK;
            if (i % 4 == 3) vm.warp(block.timestamp + 1);
        }
        assertTrue(claimed <= WORK_PER_WINDOW - 2 * DIRECT_CAP, "no more than the batches' part of the window");
        assertTrue(claimed >= 7 * MAX_WORK, "a full share and, in whole requests, what drained of it");
    }

    /// @dev [S] Or the largest request could never be claimed directly.
    function test_deploy_directShareBelowMaxWork_reverts() public {
        workPerWindow = WORK_PER_WINDOW - 1;
        vm.expectRevert(IRollup.BadParameters.selector);
        this.deployAgain();
    }

    /// @dev [S] A full batch share leaves the fifth for direct claims, and that is a limit too.
    function test_claimDirect_afterFullBatches_hasItsOwnShare_succeeds() public {
        Result[] memory a = _bigRequest(900);
        Result[] memory b = _bigRequest(900);
        vm.warp(uint256(a[0].request.params.inclusionDeadline) + 1);
        _fill(4);
        vm.prank(other);
        rollup.claimDirect(a[0].request, a[0].output);
        vm.prank(other);
        vm.expectRevert(abi.encodeWithSelector(IRollup.ClaimRefused.selector, IRollup.ResultError.WindowFull));
        rollup.claimDirect(b[0].request, b[0].output);
    }

    /// @dev [S] Nothing that a forged result says makes the arithmetic of work fail: it is skipped like any other.
    function test_postBatch_forgedRequestOfAbsurdWork_skips() public {
        Request memory r = _requestOf(_params(), ASKER, 0, 99, keccak256("entropy"));
        (r.modelLength, r.maxTokens) = (type(uint64).max, type(uint32).max);
        Result[] memory results = _results(r);
        results[0].output = hex"01ffffffff";
        _assertOne(_segment(EXECUTOR_KEY, 1, results), IRollup.ResultError.WindowFull);
        // The most that fits the share: what it burns fits its field, and it was never asked.
        (r.modelLength, r.maxTokens, r.payloadLength, r.params.fee) = (uint64(BATCH_CAP), 1, 0, type(uint128).max);
        _assertOne(_segment(EXECUTOR_KEY, 2, results), IRollup.ResultError.NotOpen);
    }

    // ---- what it burns ----------------------------------------------------------------------------------------------

    /// @dev [S] Who fills the window with answers to its own questions burns what the price says, the more the fuller it is.
    function test_claim_fillingTheWindowForFree_costsMore() public {
        Request[] memory asked = new Request[](4);
        ClaimRef[] memory claims = new ClaimRef[](4);
        for (uint64 i = 0; i < 4; ++i) {
            Result[] memory results = _bigRequest(900);
            claims[i] = _refOf(_post(_segment(EXECUTOR_KEY, i, results)), 0, results);
            asked[i] = results[0].request;
            uint256 burn = inbox.status(_idOf(asked[i])).burn;
            assertEq(burn, _burnt(BATCH_CAP, i * MAX_WORK, MAX_WORK), "by the level that it finds");
            // Two doublings for each quarter.
            if (i != 0) {
                assertTrue(burn >= 4 * inbox.status(_idOf(asked[i - 1])).burn - 4, "each dearer than the last");
            }
        }
        vm.warp(block.timestamp + WINDOW);
        uint256 before = address(0).balance;
        for (uint256 i = 0; i < 4; ++i) {
            rollup.finalize(asked[i], claims[i]);
        }
        // The attacker is asker and executor, so it has back whatever is not burned.
        uint256 lost = 4 ether - inbox.credit(executor);
        assertEq(address(0).balance - before, lost, "burned");
        uint256 whole = _burnt(BATCH_CAP, 0, BATCH_CAP);
        assertTrue(lost >= whole && lost < whole + 4, "the whole share, rounded up four times");
        assertTrue(lost > 30 * BATCH_CAP * PRICE_FLOOR / 2 ** 20, "far above the price of an idle window");
    }

    /// @dev [S] Holding it full goes on costing the price at the top.
    function test_claim_holdingTheWindowFull_costsTheTopPrice_succeeds() public {
        _fill(4);
        for (uint64 i = 0; i < 4; ++i) {
            vm.warp(block.timestamp + 8);
            (uint256 left,) = rollup.workLeft();
            Result[] memory results = _bigRequest(900);
            _post(_segment(EXECUTOR_KEY, i, results));
            uint256 burn = inbox.status(_idOf(results[0].request)).burn;
            assertEq(burn, _burnt(BATCH_CAP, BATCH_CAP - left, MAX_WORK), "at the top");
            assertTrue(burn > 80 * MAX_WORK * PRICE_FLOOR / 2 ** 20, "a multiple of the idle price");
        }
    }

    /// @dev [S] Nor does it pay to fill the window with lies against oneself: of each lost bond more is burned than any
    ///      claim's work burns.
    function test_claim_fillingTheWindowWithLies_costsMore() public {
        _games(2, 4, true, 7);
        Request memory r = _ask();
        Match memory m = _open(r, _claim(r), CHALLENGER);
        _play(m, _moveOf(m, _contested(m)));
        vm.warp(block.timestamp + ALLOWANCE);
        uint256 before = address(0).balance;
        game.timeout(m.context);
        uint256 dearest = _burnt(BATCH_CAP, BATCH_CAP - MAX_WORK, MAX_WORK);
        assertTrue(_burnt(DIRECT_CAP, 0, MAX_WORK) <= dearest, "of both shares");
        assertTrue(address(0).balance - before >= dearest, "half of the bond is more");
    }

    /// @dev [S] A deployment in which work may burn more than half of a bond is refused: lying would be the cheaper way.
    function test_deploy_workDearerThanHalfTheBond_reverts() public {
        uint256 dearest = _burnt(BATCH_CAP, BATCH_CAP - MAX_WORK, MAX_WORK);
        priceFloor = PRICE_FLOOR * (CLAIM_BOND / 2) / dearest;
        this.deployAgain();
        priceFloor += PRICE_FLOOR / 1e6;
        vm.expectRevert(IRollup.BadParameters.selector);
        this.deployAgain();
    }

    /// @dev [S] A burn that its field in the request's status can't hold would be cut: such a deployment is refused.
    function test_deploy_burnBeyondItsField_reverts() public {
        (priceFloor, doublings, workPerWindow) = (1 ether, 1, 1e12);
        this.deployAgain();
        workPerWindow = 1e13;
        assertTrue(WorkPrice.burn(priceFloor, 1, 4e12, 0, 4e12) > type(uint80).max, "too much");
        vm.expectRevert(IRollup.BadParameters.selector);
        this.deployAgain();
    }

    /// @dev [S] Free work, or a price that does not rise, is no deployment.
    function test_deploy_freeWork_reverts() public {
        priceFloor = 0;
        vm.expectRevert(IRollup.BadParameters.selector);
        this.deployAgain();
        (priceFloor, doublings) = (PRICE_FLOOR, 0);
        vm.expectRevert(IRollup.BadParameters.selector);
        this.deployAgain();
    }

    // ---- who pays ---------------------------------------------------------------------------------------------------

    /// @dev [S] An executor never works for less than half of the fee: a dearer result is skipped, and the batch goes on.
    function test_postBatch_burnAboveHalfTheFee_skips() public {
        _fill(3);
        uint256 burn = _burnt(BATCH_CAP, 3 * MAX_WORK, ANSWERED);
        Request memory r = _askWith(uint128(2 * burn - 1));
        _assertOne(_segment(EXECUTOR_KEY, 1, _results(r)), IRollup.ResultError.FeeTooLow);
        _assertState(r, RequestState.Open, "still to be answered");
        (uint256 left,) = rollup.workLeft();
        assertEq(left, MAX_WORK, "and takes no work");
        r = _askWith(uint128(2 * burn));
        ClaimRef memory c = _claim(r);
        _finalize(r, c);
        assertEq(inbox.credit(executor), burn, "exactly half of it");
    }

    function test_postBatch_feeTooLowBetweenGood_claimsTheGood_succeeds() public {
        _fill(3);
        Result[] memory results = new Result[](3);
        results[0] = Result(_ask(), output);
        results[1] = Result(_askWith(uint128(rollup.leastFee(ASKED))), output);
        results[2] = Result(_ask(), output);
        (, uint256[] memory each) = _reasons(_segment(EXECUTOR_KEY, 1, results));
        assertEq(each[0], NONE, "good");
        assertEq(each[1], uint256(IRollup.ResultError.FeeTooLow), "too low");
        assertEq(each[2], NONE, "good");
        // Once the window has emptied the same result is claimed.
        vm.warp(block.timestamp + WINDOW);
        (results[0], results[2]) = (results[1], Result(_ask(), output));
        (, each) = _reasons(_segment(EXECUTOR_KEY, 2, results));
        assertEq(each[0], NONE, "an idle window takes it");
    }

    /// @dev What is burned was fixed when the claim was posted; neither a fuller nor an emptier window changes it.
    function test_finalize_priceMovedSince_burnsTheClaims_succeeds() public {
        Request memory r = _ask();
        ClaimRef memory c = _claim(r);
        uint256 burn = _burnt(BATCH_CAP, 0, ANSWERED);
        assertEq(inbox.status(_idOf(r)).burn, burn, "noted");
        _fill(3);
        uint256 before = address(0).balance;
        _finalize(r, c);
        assertEq(address(0).balance - before, burn, "burned");
        assertEq(inbox.credit(executor), 1 ether - burn, "the rest is the executor's");
    }

    /// @dev [S] A fee burns once: a rejected claim's work is on its liar's bond, and the fee is whole for the next.
    function test_reject_replayedRequest_burnsOnce_succeeds() public {
        _fill(3);
        Request memory r = _ask();
        ClaimRef memory lie = _claim(r);
        uint256 held = address(inbox).balance;
        assertEq(inbox.status(_idOf(r)).burn, _burnt(BATCH_CAP, 3 * MAX_WORK, ANSWERED), "dear");
        vm.prank(address(game));
        rollup.reject(_idOf(r), lie.segmentId, lie.index);
        assertEq(inbox.status(_idOf(r)).burn, 0, "nothing is due");
        vm.warp(block.timestamp + WINDOW);
        Result[] memory results = _results(r);
        ClaimRef memory c = _refOf(_post(_segment(OTHER_KEY, 1, results)), 0, results);
        uint256 burn = _burnt(BATCH_CAP, 0, ANSWERED);
        uint256 before = address(0).balance;
        _finalize(r, c);
        assertEq(address(0).balance - before, burn, "burned once, at the second claim's price");
        assertEq(inbox.credit(other), 1 ether - burn, "the honest executor has the rest");
        assertEq(inbox.credit(executor), 0, "the liar nothing");
        assertEq(held - address(inbox).balance, burn, "nothing else left");
    }

    function test_refund_afterARejection_givesTheWholeFee_succeeds() public {
        Request memory r = _ask();
        ClaimRef memory lie = _claim(r);
        vm.prank(address(game));
        rollup.reject(_idOf(r), lie.segmentId, lie.index);
        vm.warp(uint256(inbox.status(_idOf(r)).deadline) + DIRECT);
        inbox.refund(r);
        assertEq(inbox.credit(REFUND), 1 ether, "all of it");
    }

    // ---- what is known when a request is made -------------------------------------------------------------------------

    /// @dev [S] A request that could never be claimed is not taken.
    function test_request_feeBelowTheLeast_reverts() public {
        uint256 least = 2 * _burnt(DIRECT_CAP, 0, ASKED);
        assertEq(rollup.leastFee(ASKED), least, "as announced");
        _refusedWith(uint128(least - 1));
        _askWith(uint128(least));
        // The window's level does not matter: bounds are known in advance.
        _fill(4);
        _refusedWith(uint128(least - 1));
        _askWith(uint128(least));
    }

    function test_admit_feeBelowTheLeast_skips() public {
        inbox.deposit{value: 1 ether}(payer);
        RequestParams memory p = _params();
        p.fee = uint128(2 * _burnt(DIRECT_CAP, 0, ASKED) - 1);
        assertEq(uint256(_admit(_signed(p, 1))), uint256(IInbox.AdmitError.FeeTooLow), "too low");
        assertTrue(!inbox.nonceUsed(payer, 1), "its nonce is kept");
        p.fee += 1;
        assertEq(uint256(_admit(_signed(p, 1))), uint256(IInbox.AdmitError.None), "enough");
    }

    /// @dev [S] A sequencer that keeps the batches' share full prices nobody out of claiming directly: whatever the inbox
    ///      has taken, at the least fee and with the longest output, an idle direct share takes too.
    function testFuzz_claimDirect_leastFeeWhileBatchesAreFull_succeeds(uint16 bytes_, uint16 tokens) public {
        payload = new bytes(13 + bytes_ % 900);
        uint32 most = 1 + uint32(tokens) % uint32(1000 - payload.length);
        (payload[0], payload[2], payload[3]) = (0x01, bytes1(uint8(most)), bytes1(uint8(most >> 8)));
        uint256 work = MODEL_LENGTH * (payload.length + most);
        RequestParams memory p = _params();
        p.fee = uint128(rollup.leastFee(work));
        Request memory r = _requestOf(p, ASKER, 0, inbox.requestCount(), keccak256("entropy"));
        r.maxTokens = most;
        vm.prank(ASKER);
        inbox.request{value: p.fee}(p, payload, userData);
        vm.warp(uint256(p.inclusionDeadline) + 1);
        _fill(4);
        vm.prank(other);
        rollup.claimDirect(r, hex"0100000000");
        assertEq(inbox.status(_idOf(r)).burn, _burnt(DIRECT_CAP, 0, work), "its own price");
    }

    function test_claimDirect_burnAboveHalfTheFee_reverts() public {
        Request memory r = _askWith(uint128(rollup.leastFee(ASKED)));
        Result[] memory first = _bigRequest(500);
        vm.warp(uint256(r.params.inclusionDeadline) + 1);
        vm.prank(other);
        rollup.claimDirect(first[0].request, hex"000000000000");
        (, uint256 present) = rollup.presentFee(ASKED);
        assertTrue(present > r.params.fee, "dearer now");
        assertEq(rollup.leastFee(ASKED), r.params.fee, "but what the inbox takes is the same");
        vm.prank(other);
        vm.expectRevert(abi.encodeWithSelector(IRollup.ClaimRefused.selector, IRollup.ResultError.FeeTooLow));
        rollup.claimDirect(r, output);
    }

    /// @dev What `presentFee` says is what a claim needs, no more and no less.
    function test_presentFee_isWhatAClaimNeeds_succeeds() public {
        _fill(2);
        (uint256 batch, uint256 direct) = rollup.presentFee(ANSWERED);
        assertEq(batch, 2 * _burnt(BATCH_CAP, 2 * MAX_WORK, ANSWERED), "batch");
        assertEq(direct, 2 * _burnt(DIRECT_CAP, 0, ANSWERED), "direct");
        (batch, direct) = rollup.presentFee(2 * MAX_WORK + 1);
        assertEq(batch, type(uint256).max, "does not fit");
        assertEq(direct, type(uint256).max, "does not fit");
        assertEq(rollup.leastFee(DIRECT_CAP + 1), type(uint256).max, "never fits");
    }
}

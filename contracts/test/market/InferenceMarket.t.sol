// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IInferenceMarket} from "../../src/interfaces/IInferenceMarket.sol";
import {AskTerms, Checkpoint, SignedAsk} from "../../src/interfaces/MarketTypes.sol";
import {InferenceMarket} from "../../src/market/InferenceMarket.sol";
import {MarketFixture} from "./MarketFixture.sol";

contract InferenceMarketTest is MarketFixture {
    uint256 private constant NOTHING = type(uint256).max;

    /// @dev Token price in force at `time`; NOTHING without an ask.
    function _at(uint256 time) private view returns (uint256) {
        Checkpoint memory ask = market.askAt(executor, modelId, time);
        return ask.from == 0 ? NOTHING : ask.tokenPrice;
    }

    function _postAt(uint96 promptPrice, uint96 tokenPrice) private returns (uint256 from) {
        return _post(executor, _terms(ETHER, promptPrice, tokenPrice));
    }

    // ---- when an ask holds ------------------------------------------------------------------------------------------

    function test_post_first_holdsAfterTheNotice_succeeds() public {
        assertEq(_postAt(5, 9), block.timestamp + NOTICE, "from");
        assertEq(_at(block.timestamp + NOTICE - 1), NOTHING, "not yet");
        Checkpoint memory ask = market.askAt(executor, modelId, block.timestamp + NOTICE);
        assertTrue(ask.promptPrice == 5 && ask.tokenPrice == 9 && ask.token == ETHER, "prices");
        assertTrue(ask.hardware == 3 && ask.capacity == 100, "what it says of itself");
        assertEq(_at(ask.validUntil), 9, "to its last second");
        assertEq(_at(uint256(ask.validUntil) + 1), NOTHING, "and no longer");
    }

    function test_post_fall_holdsAtOnce_succeeds() public {
        _asks(executor, ETHER, 5, 9);
        uint256 before = block.timestamp - 1;
        assertEq(_postAt(5, 8), block.timestamp, "at once");
        assertEq(_at(block.timestamp), 8, "now");
        vm.warp(block.timestamp + 10);
        assertEq(_postAt(4, 8), block.timestamp, "the other price");
        assertEq(_at(before), NOTHING, "the past is as it was");
        assertEq(_at(block.timestamp - 1), 8, "and the time between");
    }

    /// @dev [S] Whatever is not a fall waits: a raise of either price, another token, an ask where none is in force.
    function test_post_anyRaise_holdsAfterTheNotice_succeeds() public {
        _asks(executor, ETHER, 5, 9);
        uint256 later = block.timestamp + NOTICE;
        assertEq(_postAt(5, 10), later, "token price");
        assertEq(_postAt(6, 0), later, "prompt price, the other one falling");
        assertEq(_post(executor, _terms(address(token), 0, 0)), later, "another token");
        assertEq(_at(later - 1), 9, "the old price until then");
        vm.prank(executor);
        market.withdraw(modelId);
        assertEq(_at(block.timestamp), 9, "what was in force in a second is so in all of it");
        assertEq(_at(later), NOTHING, "and what was to begin later with it");
        vm.warp(block.timestamp + 1);
        assertEq(_postAt(0, 0), later + 1, "posted anew");
        AskTerms memory brief = _terms(ETHER, 5, 9);
        brief.validUntil = uint40(later + 1);
        _post(executor, brief);
        vm.warp(later + 2);
        assertEq(_postAt(5, 9), block.timestamp + NOTICE, "after it was over");
    }

    function test_post_again_replacesWhatWasToBegin_succeeds() public {
        _asks(executor, ETHER, 5, 9);
        uint256 count = market.checkpointCount(executor, modelId);
        _postAt(5, 20);
        vm.warp(block.timestamp + NOTICE - 1);
        _postAt(5, 30);
        assertEq(market.checkpointCount(executor, modelId), count + 1, "one that begins later");
        assertEq(_at(block.timestamp + 1), 9, "the first raise is gone");
        assertEq(_at(block.timestamp + NOTICE), 30, "the second holds");
        assertEq(market.checkpoint(executor, modelId, count).tokenPrice, 30, "checkpoint");
        _postAt(5, 1);
        assertEq(_at(block.timestamp + NOTICE), 1, "a fall drops it too");
    }

    function test_post_endsBeforeItBegins_reverts() public {
        AskTerms memory t = _terms(ETHER, 5, 9);
        uint256 from = block.timestamp + NOTICE;
        t.validUntil = uint40(from - 1);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.EndsTooSoon.selector, from, from - 1));
        market.post(modelId, t);
    }

    function test_post_unknownModel_reverts() public {
        AskTerms memory t = _terms(ETHER, 5, 9);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.UnknownModel.selector, keccak256("none")));
        market.post(keccak256("none"), t);
    }

    function test_withdraw_nothing_reverts() public {
        bytes memory why = abi.encodeWithSelector(IInferenceMarket.NoAsk.selector, address(this), modelId);
        vm.expectRevert(why);
        market.withdraw(modelId);
        market.post(modelId, _terms(ETHER, 5, 9));
        market.withdraw(modelId);
        vm.expectRevert(why);
        market.withdraw(modelId);
    }

    function test_constructor_noNotice_reverts() public {
        vm.expectRevert(IInferenceMarket.NoNotice.selector);
        new InferenceMarket(registry, 0);
    }

    uint256[] private _times;
    uint256[] private _seen;

    /// @dev [S] Through any sequence of posts and withdrawals: the ask at a time that is over never changes, and a price seen
    ///      with no raise announced rises by nothing within the notice.
    function testFuzz_askAt_historyStands_succeeds(uint256 seed) public {
        uint256 quoted = NOTHING;
        uint256 quotedAt = 0;
        for (uint256 i = 0; i < 24; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            uint256 last = market.checkpointCount(executor, modelId);
            bool raiseAnnounced = last != 0 && market.checkpoint(executor, modelId, last - 1).from > block.timestamp;
            if (!raiseAnnounced && quotedAt == 0) (quoted, quotedAt) = (_at(block.timestamp), block.timestamp);
            _act(seed);
            _times.push(block.timestamp);
            vm.warp(block.timestamp + 1 + (seed >> 32) % 400);
            _seen.push(_at(_times[i]));
            for (uint256 j = 0; j <= i; ++j) {
                assertEq(_at(_times[j]), _seen[j], "the past stands");
            }
            if (quotedAt != 0 && block.timestamp < quotedAt + NOTICE) {
                uint256 price = _at(block.timestamp);
                assertTrue(price == NOTHING || price <= quoted, "no raise within the notice");
                // Nothing was asked, so nothing may be charged: NOTHING compares as the highest price, which it is not.
                if (quoted == NOTHING) assertEq(price, NOTHING, "no ask out of nothing");
            } else {
                quotedAt = 0;
            }
        }
    }

    function _act(uint256 seed) private {
        uint256 count = market.checkpointCount(executor, modelId);
        bool asked = count != 0 && market.checkpoint(executor, modelId, count - 1).validUntil != 0;
        if (seed % 5 == 0 && asked) {
            vm.prank(executor);
            market.withdraw(modelId);
            return;
        }
        AskTerms memory t = _terms(ETHER, 1, uint96((seed >> 8) % 8));
        t.validUntil = uint40(block.timestamp + NOTICE + (seed >> 64) % 1500);
        _post(executor, t);
    }

    // ---- who asks ---------------------------------------------------------------------------------------------------

    /// @dev [S] However many ask, a page is as long as its reader wants, and each executor stands in one place.
    function test_executors_pages_succeeds() public {
        for (uint160 i = 1; i <= 5; ++i) {
            _post(address(i), _terms(ETHER, 1, 1));
            _post(address(i), _terms(ETHER, 2, 2));
        }
        assertEq(market.executorCount(modelId), 5, "each once");
        address[] memory page = market.executors(modelId, 1, 2);
        assertTrue(page.length == 2 && page[0] == address(2) && page[1] == address(3), "a page");
        page = market.executors(modelId, 3, type(uint256).max);
        assertTrue(page.length == 2 && page[1] == address(5), "the end");
        assertEq(market.executors(modelId, 5, 1).length, 0, "past the end");
        vm.prank(address(1));
        market.withdraw(modelId);
        _post(address(1), _terms(ETHER, 2, 2));
        assertEq(market.executorCount(modelId), 5, "still once");
    }

    // ---- signed asks ------------------------------------------------------------------------------------------------

    function test_verify_signed_succeeds() public view {
        SignedAsk memory ask = _signedAsk(EXECUTOR_KEY, ETHER, 5, 9);
        market.verify(ask);
    }

    /// @dev Written out by the standard, another way than the contract's.
    function test_askDigest_isTheStandardOne_succeeds() public view {
        SignedAsk memory a = _signedAsk(EXECUTOR_KEY, address(token), 5, 9);
        bytes32 typeHash = keccak256(
            "Ask(address executor,bytes32 modelId,address token,uint8 hardware,uint32 capacity,uint96 promptPrice,uint96 tokenPrice,uint64 nonce,uint40 validUntil)"
        );
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Assay"),
                keccak256("1"),
                block.chainid,
                address(market)
            )
        );
        bytes32 hash = keccak256(
            abi.encode(
                typeHash,
                a.executor,
                a.modelId,
                a.token,
                uint256(a.hardware),
                uint256(a.capacity),
                a.promptPrice,
                a.tokenPrice,
                a.nonce,
                uint256(a.validUntil)
            )
        );
        assertEq(market.domainSeparator(), domain, "domain");
        assertEq(market.askDigest(a), keccak256(abi.encodePacked(hex"1901", domain, hash)), "digest");
    }

    /// @dev [S] Every field is signed, and the chain and the market with them.
    function test_verify_changed_reverts() public {
        SignedAsk memory good = _signedAsk(EXECUTOR_KEY, ETHER, 5, 9);
        for (uint256 field = 0; field < 7; ++field) {
            SignedAsk memory ask = _signedAsk(EXECUTOR_KEY, ETHER, 5, 9);
            if (field == 0) ask.executor = other;
            if (field == 1) ask.modelId = keccak256("another");
            if (field == 2) ask.token = address(token);
            if (field == 3) ask.promptPrice = 4;
            if (field == 4) ask.tokenPrice = 10;
            if (field == 5) ask.nonce = 78;
            if (field == 6) ask.validUntil += 1;
            vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.BadAskSignature.selector, ask.executor));
            market.verify(ask);
        }
        market.verify(good);
        bytes memory bad = abi.encodeWithSelector(IInferenceMarket.BadAskSignature.selector, executor);
        InferenceMarket another = new InferenceMarket(registry, NOTICE);
        vm.expectRevert(bad);
        another.verify(good);
        vm.chainId(999);
        vm.expectRevert(bad);
        market.verify(good);
    }

    function test_verify_over_reverts() public {
        SignedAsk memory ask = _signedAsk(EXECUTOR_KEY, ETHER, 5, 9);
        vm.warp(ask.validUntil);
        market.verify(ask);
        vm.warp(uint256(ask.validUntil) + 1);
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.AskEnded.selector, executor, 77));
        market.verify(ask);
    }

    /// @dev Only its executor cancels an ask, and only those that it names.
    function test_cancel_endsThoseNamed_succeeds() public {
        SignedAsk memory ask = _signedAsk(EXECUTOR_KEY, ETHER, 5, 9);
        market.cancel(0, type(uint256).max);
        vm.startPrank(executor);
        market.cancel(0, ~(uint256(1) << 77));
        market.cancel(1, type(uint256).max);
        vm.stopPrank();
        market.verify(ask);
        assertTrue(market.cancelled(executor, 78) && market.cancelled(executor, 256), "others");
        vm.prank(executor);
        market.cancel(0, 1 << 77);
        assertTrue(market.cancelled(executor, 77) && market.cancelled(executor, 78), "it too");
        vm.expectRevert(abi.encodeWithSelector(IInferenceMarket.AskEnded.selector, executor, 77));
        market.verify(ask);
    }
}

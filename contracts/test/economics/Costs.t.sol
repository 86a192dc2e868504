// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {
    ClaimRef,
    Move,
    Proof,
    Request,
    RequestParams,
    Result,
    Segment,
    SignedRequest
} from "../../src/interfaces/Types.sol";
import {GameFixture} from "../base/GameFixture.sol";

/// @notice What the players' transactions cost, what of it the game counts, and their calldata: `snapshots/economics.json`,
///         which `scripts/economics.mjs` reads.
contract CostsTest is GameFixture {
    /// @dev The longest payload beside the fixture's output.
    uint256 private constant LONGEST = 65_536 - 15;
    address private constant ANYONE_ELSE = address(0xC3);

    function setUp() public override {
        _games(5, 50, true, 0xdead_beef_cafe);
        // At this price the counted gwei are gas.
        vm.fee(1 gwei);
        vm.txGasPrice(1 gwei);
        vm.deal(address(0), 1);
    }

    /// @dev The last call as a transaction of its own: intrinsic gas and calldata, or the floor of EIP-7623.
    function _cost(string memory name, bytes memory call) private {
        uint256 gas = vm.snapshotGasLastCall("economics", name);
        uint256 zeros = 0;
        for (uint256 i = 0; i < call.length; ++i) {
            if (call[i] == 0) ++zeros;
        }
        uint256 tokens = zeros + 4 * (call.length - zeros);
        uint256 standard = 21_000 + 4 * tokens + gas;
        uint256 floor = 21_000 + 10 * tokens;
        vm.snapshotValue("economics", name, standard > floor ? standard : floor);
        vm.snapshotValue("economics", string.concat(name, ", bytes"), call.length);
    }

    /// @dev Gas that the game counts for it; whether it covers what is paid, over a whole game, the simulation asserts.
    function _counted(string memory name, uint256 gwei_) private {
        vm.snapshotValue("economics", string.concat(name, ", counted"), gwei_);
        assertTrue(gwei_ > 60_000, "counted");
    }

    function test_costs_ofAGame_measured() public {
        (Request memory r, ClaimRef memory c) = _claimed(_params());
        uint256 bond = game.challengerBond();
        _cool();
        vm.prank(CHALLENGER);
        game.open{value: bond}(r, c, payload, output);
        _cost("open", abi.encodeCall(game.open, (r, c, payload, output)));
        Match memory m = _matchOf(r, c, CHALLENGER);
        _counted("open", _state(m).challengerGas);
        while (m.stride > 1) {
            Move memory mv = _moveOf(m, _contested(m));
            _cool();
            vm.prank(_mover(m));
            game.move(mv);
            _cost("move", abi.encodeCall(game.move, (mv)));
            _follow(m, mv);
        }
        _counted("move", _state(m).executorGas / 5);
        uint256 before = _state(m).challengerGas;
        Proof memory p = _proofOf(m, _contested(m));
        _cool();
        vm.prank(CHALLENGER);
        game.prove(m.context, p);
        _cost("prove, without its step", abi.encodeCall(game.prove, (m.context, p)));
        _counted("prove, without its step", _state(m).challengerGas - before);
    }

    function test_costs_ofOtherEndings_measured() public {
        (Request memory r, ClaimRef memory c) = _claimed(_params());
        Match memory stopped = _open(r, c, RIVAL);
        Match memory won = _open(r, c, CHALLENGER);
        _play(won, _moveOf(won, 0));
        Match memory left = _open(r, c, ANYONE_ELSE);
        vm.warp(block.timestamp + ALLOWANCE);
        _cool();
        vm.prank(executor);
        game.timeout(stopped.context);
        _cost("timeout by executor", abi.encodeCall(game.timeout, (stopped.context)));
        _counted("timeout by executor", _state(stopped).executorGas);
        uint256 before = _state(won).challengerGas;
        _cool();
        vm.prank(CHALLENGER);
        game.timeout(won.context);
        _cost("timeout by challenger", abi.encodeCall(game.timeout, (won.context)));
        _counted("timeout by challenger", _state(won).challengerGas - before);
        _cool();
        game.settleVoid(left.context);
        _cost("settleVoid", abi.encodeCall(game.settleVoid, (left.context)));
        _cool();
        vm.prank(CHALLENGER);
        game.withdrawCredit(payable(CHALLENGER));
        _cost("withdrawCredit", abi.encodeCall(game.withdrawCredit, (payable(CHALLENGER))));
        vm.warp(uint256(inbox.status(_idOf(r)).deadline) + DIRECT);
        _cool();
        inbox.refund(r);
        _cost("refund", abi.encodeCall(inbox.refund, (r)));
    }

    function test_costs_ofTheLongestOpening_measured() public {
        payload = new bytes(LONGEST);
        for (uint256 i = 0; i < LONGEST; ++i) {
            payload[i] = 0x5a;
        }
        // Version, greedy, one token.
        (payload[0], payload[1], payload[2]) = (0x01, 0x00, 0x01);
        (payload[3], payload[4], payload[5]) = (0x00, 0x00, 0x00);
        bytes memory long = payload;
        // A model of 15 bytes, so that the longest payload is within the largest work.
        Request memory r = _askLong(long);
        Result[] memory results = new Result[](1);
        results[0] = Result(r, output);
        ClaimRef memory c = _refOf(_post(_segment(EXECUTOR_KEY, 77, results)), 0, results);
        uint256 bond = game.challengerBond();
        _cool();
        vm.prank(CHALLENGER);
        game.open{value: bond}(r, c, long, output);
        _cost("open, longest", abi.encodeCall(game.open, (r, c, long, output)));
        _counted("open, longest", _state(_matchOf(r, c, CHALLENGER)).challengerGas);
    }

    function test_costs_ofAskingAndAnswering_measured() public {
        RequestParams memory p = _params();
        _cool();
        vm.prank(ASKER);
        inbox.request{value: p.fee}(p, payload, userData);
        _cost("request", abi.encodeCall(inbox.request, (p, payload, userData)));
        Request memory r = _requestOf(p, ASKER, 0, 0, keccak256("entropy"));
        Segment[] memory batch = new Segment[](1);
        batch[0] = _segment(EXECUTOR_KEY, 1, _results(r));
        _cool();
        vm.prank(SEQUENCER);
        rollup.postBatch(batch, new SignedRequest[](0));
        _cost("postBatch of one", abi.encodeCall(rollup.postBatch, (batch, new SignedRequest[](0))));
        Request memory late = _ask();
        vm.warp(uint256(p.inclusionDeadline) + 1);
        _cool();
        vm.prank(other);
        rollup.claimDirect(late, output);
        _cost("claimDirect", abi.encodeCall(rollup.claimDirect, (late, output)));
        ClaimRef memory c = _refOf(0, 0, _results(r));
        vm.warp(block.timestamp + WINDOW);
        _cool();
        rollup.finalize(r, c);
        _cost("finalize", abi.encodeCall(rollup.finalize, (r, c)));
    }

    function _claimed(RequestParams memory p) private returns (Request memory r, ClaimRef memory c) {
        vm.deal(ANYONE_ELSE, 100 ether);
        r = _ask(p);
        c = _claim(r);
    }

    function _askLong(bytes memory long) private returns (Request memory r) {
        uint64 length = 15;
        (bytes32 root, bytes memory leaf, bytes32[33] memory siblings) = _modelProof(length);
        RequestParams memory p = _params();
        p.modelId = registry.registerModel(root, length, programId, 0, 0, leaf, siblings, "file:tiny");
        r = _requestOf(p, ASKER, 0, inbox.requestCount(), keccak256("entropy"));
        (r.maxTokens, r.modelLength) = (1, length);
        vm.prank(ASKER);
        assertEq(inbox.request{value: p.fee}(p, long, userData), _idOf(r), "request id");
    }
}

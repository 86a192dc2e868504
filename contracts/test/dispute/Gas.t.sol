// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ClaimRef, Move, Proof, Request, RequestParams} from "../../src/interfaces/Types.sol";
import {Recorder} from "../base/Consumers.sol";
import {GameFixture} from "../base/GameFixture.sol";

/// @notice What transactions cost, each as one of its own: intrinsic gas and calldata included (`snapshots/`).
contract GasTest is GameFixture {
    function setUp() public override {
        _games(5, 50, true, 0xdead_beef_cafe);
        // Something was burned before, as on any chain.
        vm.deal(address(0), 1);
    }

    function _gas(string memory group, string memory name, bytes memory call) private returns (uint256 gas) {
        gas = vm.snapshotGasLastCall(group, name);
        // What a transaction pays beyond a call: 21,000 and its calldata, or the floor of EIP-7623.
        uint256 zeros = 0;
        for (uint256 i = 0; i < call.length; ++i) {
            if (call[i] == 0) ++zeros;
        }
        uint256 tokens = zeros + 4 * (call.length - zeros);
        uint256 floor = 21_000 + 10 * tokens;
        gas += 21_000 + 4 * tokens;
        if (gas < floor) gas = floor;
        vm.snapshotValue(group, name, gas);
    }

    /// @dev The targets of a dispute: open <= 250k, a move about 85k, all of it with a 350k step <= 1.5M.
    function test_gas_wholeDispute_staysBelowTargets() public {
        RequestParams memory params = _params();
        Request memory r = _ask(params);
        ClaimRef memory c = _claim(r);
        uint256 bond = game.challengerBond();
        this.cool();
        vm.prank(CHALLENGER);
        game.open{value: bond}(r, c, payload, output);
        uint256 total = _gas("dispute", "open", abi.encodeCall(game.open, (r, c, payload, output)));
        assertTrue(total <= 250_000, "open");

        Match memory m = _matchOf(r, c, CHALLENGER);
        uint256 worst = 0;
        while (m.stride > 1) {
            vm.warp(block.timestamp + 1);
            Move memory mv = _moveOf(m, _contested(m));
            this.cool();
            vm.prank(_mover(m));
            game.move(mv);
            uint256 gas = _gas("dispute", "move", abi.encodeCall(game.move, (mv)));
            _follow(m, mv);
            if (gas > worst) worst = gas;
            total += gas;
        }
        assertTrue(worst <= 90_000, "move");
        Proof memory p = _proofOf(m, _contested(m));
        this.cool();
        vm.prank(CHALLENGER);
        game.prove(m.context, p);
        total += _gas("dispute", "prove, without its step", abi.encodeCall(game.prove, (m.context, p)));
        vm.snapshotValue("dispute", "whole, without its step", total);
        assertTrue(total <= 1_160_000, "whole: 340k are left for the step and its witness");
    }

    function test_gas_happyPath_measured() public {
        RequestParams memory params = _params();
        (params.callback, params.callbackGas, params.callbackFee) = (address(new Recorder()), 300_000, 0.1 ether);
        this.cool();
        vm.prank(ASKER);
        inbox.request{value: 1.1 ether}(params, payload, userData);
        _gas("rollup", "request", abi.encodeCall(inbox.request, (params, payload, userData)));
        Request memory r = _requestOf(params, ASKER, 0, 0, keccak256("entropy"));
        ClaimRef memory c = _claim(r);
        vm.warp(block.timestamp + WINDOW);
        this.cool();
        rollup.finalize(r, c);
        _gas("rollup", "finalize", abi.encodeCall(rollup.finalize, (r, c)));
        this.cool();
        rollup.deliverResult(r, c, output, userData);
        _gas("rollup", "deliverResult", abi.encodeCall(rollup.deliverResult, (r, c, output, userData)));
    }

    /// @dev Forgets which accounts and slots are warm, as between transactions.
    function cool() external {
        vm.cool(address(game));
        vm.cool(address(rollup));
        vm.cool(address(inbox));
        vm.cool(address(staking));
        vm.cool(address(registry));
        vm.cool(address(prover));
        vm.cool(address(0));
    }
}

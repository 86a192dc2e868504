// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Request, RequestState, Result, Segment, SignedRequest} from "../../src/interfaces/Types.sol";
import {Cost, GasMeter} from "./GasMeter.sol";

/// @notice A batch of one executor's segment: answers of 64 tokens to requests that a dApp made on chain.
contract BatchGasTest is GasMeter {
    /// @dev What a result may cost beyond its calldata in a batch of 100. The aim is 25,000.
    uint256 private constant CEILING = 22_700;

    function test_gas_batchOf1_measured() public {
        _batch(1, "gas_batch_1");
    }

    function test_gas_batchOf10_measured() public {
        _batch(10, "gas_batch_10");
    }

    function test_gas_batchOf100_staysBelowItsCeiling() public {
        assertTrue(_batch(100, "gas_batch_100") <= CEILING, "gas a result beyond its calldata");
    }

    function test_gas_storageAndEventsOfABatch_recorded() public {
        splits = true;
        _batch(100, "gas_batch_100");
    }

    function test_gas_batchOf1000_measured() public {
        _batch(1000, "gas_batch_1000");
    }

    /// @dev What a result costs, part by part: each of them as a call of its own.
    function test_gas_partsOfAResult_measured() public {
        _rollup(5, false, 3);
        Request memory r = this.dappAsks();
        Cost memory cost = _send(ANYONE, address(inbox), 0, abi.encodeCall(inbox.idOf, (r)));
        _record("gas_result", "hash of the request", cost);
        uint256 work = uint256(MODEL_LENGTH) * (payload.length + ANSWER_TOKENS);
        cost = _send(ANYONE, address(rollup), 0, abi.encodeCall(rollup.leastFee, (work)));
        _record("gas_result", "price of its work", cost);
        cost = _send(address(rollup), address(inbox), 0, abi.encodeCall(inbox.claim, (_idOf(r), 1, 0, 1e15)));
        _assertState(r, RequestState.Claimed, "the inbox's part");
        _record("gas_result", "new state in the inbox", cost);
        _record("gas_result", "request posted", _bytes(abi.encode(r)));
        _record("gas_result", "output posted", _bytes(output));
    }

    /// @dev Gas a result beyond its calldata.
    function _batch(uint256 count, string memory group) private returns (uint256) {
        _rollup(5, false, count + 1);
        // Neither the chain's first segment nor its executor's.
        _claim(this.dappAsks());
        Result[] memory results = new Result[](count);
        for (uint256 i = 0; i < count; ++i) {
            results[i] = Result(this.dappAsks(), this.answer(i));
        }
        Segment[] memory batch = new Segment[](1);
        batch[0] = _segment(EXECUTOR_KEY, 1, results);
        bytes memory data = abi.encodeCall(rollup.postBatch, (batch, new SignedRequest[](0)));
        Cost memory cost = _send(SEQUENCER, address(rollup), 0, data);
        for (uint256 i = 0; i < count; ++i) {
            _assertState(results[i].request, RequestState.Claimed, "every result is claimed");
        }
        _record(group, "batch", cost);
        return (TX_GAS + cost.execution) / count;
    }

    function _bytes(bytes memory data) private pure returns (Cost memory) {
        uint256 zeros = _zeros(data);
        return Cost(0, zeros, data.length - zeros, 0, 0);
    }
}

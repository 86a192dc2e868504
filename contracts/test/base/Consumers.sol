// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {InferenceConsumer} from "../../src/consumer/InferenceConsumer.sol";
import {IInbox} from "../../src/interfaces/IInbox.sol";
import {IInferenceConsumer} from "../../src/interfaces/IInferenceConsumer.sol";
import {ClaimRef, Request} from "../../src/interfaces/Types.sol";
import {Rollup} from "../../src/rollup/Rollup.sol";

/// @notice Remembers what it is told; fails on demand.
contract Recorder is IInferenceConsumer {
    uint256 public results;
    uint256 public finals;
    uint256 public overturns;
    bytes32 public lastId;
    bytes public lastOutput;
    bytes public lastUserData;
    bool public lastIsFinal;
    bool public broken;

    function setBroken(bool to) external {
        broken = to;
    }

    function onInferenceResult(bytes32 id, bytes calldata output, bytes calldata userData, bool isFinal)
        external
        virtual
    {
        require(!broken, "broken");
        (lastId, lastOutput, lastUserData, lastIsFinal) = (id, output, userData, isFinal);
        ++results;
    }

    function onInferenceFinal(bytes32 id) external {
        require(!broken, "broken");
        lastId = id;
        ++finals;
    }

    function onInferenceOverturned(bytes32 id) external {
        require(!broken, "broken");
        lastId = id;
        ++overturns;
    }
}

/// @notice Counts what the base tells it.
contract Counter is InferenceConsumer {
    uint256 public results;
    uint256 public finals;

    constructor(IInbox inbox_) InferenceConsumer(inbox_) {}

    function _onResult(bytes32, bytes calldata, bytes calldata) internal override {
        ++results;
    }

    function _onFinal(bytes32) internal override {
        require(results == 1, "final before its answer");
        ++finals;
    }

    function _onError(bytes32, uint8, bytes calldata) internal override {}
    function _onOverturned(bytes32) internal override {}
}

/// @notice Burns all the gas that it is given.
contract GasBurner is IInferenceConsumer {
    function onInferenceResult(bytes32, bytes calldata, bytes calldata, bool) external pure {
        assembly {
            invalid()
        }
    }

    function onInferenceFinal(bytes32) external {}
    function onInferenceOverturned(bytes32) external {}
}

/// @notice Fails with a megabyte of return data, which would cost a caller that copies it all its gas.
contract ReturnBomb is IInferenceConsumer {
    function onInferenceResult(bytes32, bytes calldata, bytes calldata, bool) external pure {
        assembly {
            revert(0, 400000)
        }
    }

    function onInferenceFinal(bytes32) external {}
    function onInferenceOverturned(bytes32) external {}
}

/// @notice Remembers what gas it is given, whichever callback it is. No interface: nothing but the choice of the getter
///         comes before `gasleft()`.
contract GasWitness {
    uint256 public given;

    fallback() external {
        given = gasleft();
    }
}

/// @notice Tries to be told again while it is being told.
contract Reenterer is IInferenceConsumer {
    Rollup public rollup;
    Request private _req;
    ClaimRef private _claim;
    uint256 public calls;
    bool public innerSucceeded;

    function arm(Rollup rollup_, Request calldata req, ClaimRef calldata claim) external {
        (rollup, _req, _claim) = (rollup_, req, claim);
    }

    function onInferenceResult(bytes32, bytes calldata output, bytes calldata userData, bool) external {
        ++calls;
        try rollup.deliverResult(_req, _claim, output, userData) {
            innerSucceeded = true;
        } catch {}
    }

    function onInferenceFinal(bytes32) external {}
    function onInferenceOverturned(bytes32) external {}
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IInbox} from "../interfaces/IInbox.sol";
import {IInferenceConsumer} from "../interfaces/IInferenceConsumer.sol";
import {RequestParams} from "../interfaces/Types.sol";
import {RequestLib} from "./RequestLib.sol";

/// @title Base of contracts that ask
/// @notice Lets only the rollup deliver, and tells answers from errors.
abstract contract InferenceConsumer is IInferenceConsumer {
    /// @notice The caller is not the rollup.
    error OnlyRollup(address caller);

    /// @notice Where questions go.
    IInbox public immutable inbox;
    /// @notice Where answers come from.
    address public immutable rollup;

    modifier onlyRollup() {
        if (msg.sender != rollup) revert OnlyRollup(msg.sender);
        _;
    }

    constructor(IInbox inbox_) {
        inbox = inbox_;
        rollup = inbox_.rollup();
    }

    /// @inheritdoc IInferenceConsumer
    function onInferenceResult(bytes32 id, bytes calldata output, bytes calldata userData, bool isFinal)
        external
        onlyRollup
    {
        uint8 kind = RequestLib.kind(output);
        if (kind == 0) _onResult(id, output, userData);
        else _onError(id, kind, userData);
        if (isFinal) _onFinal(id);
    }

    /// @inheritdoc IInferenceConsumer
    function onInferenceFinal(bytes32 id) external onlyRollup {
        _onFinal(id);
    }

    /// @inheritdoc IInferenceConsumer
    function onInferenceOverturned(bytes32 id) external onlyRollup {
        _onOverturned(id);
    }

    /// @dev Asks; sends what `params` promises out of this contract's balance.
    function _ask(RequestParams memory params, bytes memory payload, bytes memory userData)
        internal
        returns (bytes32 id)
    {
        return inbox.request{value: uint256(params.fee) + params.callbackFee}(params, payload, userData);
    }

    /// @dev An answer came. With Optimistic delivery, `_onFinal` or `_onOverturned` follows.
    function _onResult(bytes32 id, bytes calldata output, bytes calldata userData) internal virtual;

    /// @dev The model could not answer; `code` as in docs/encoding.md, section 7.
    function _onError(bytes32 id, uint8 code, bytes calldata userData) internal virtual;

    /// @dev What was delivered is final. Comes once.
    function _onFinal(bytes32 id) internal virtual;

    /// @dev What was delivered was a lie.
    function _onOverturned(bytes32 id) internal virtual;
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title What the rollup calls on a contract that asked
/// @notice Each is called with the gas that the request named. A revert is recorded and can be retried; it blocks nothing.
interface IInferenceConsumer {
    /// @notice The answer. With Optimistic delivery it may yet be overturned.
    /// @param id the request
    /// @param output canonical output (docs/encoding.md, section 7)
    /// @param userData the bytes that the request gave
    /// @param isFinal whether delivery is Final, so that the answer is and nothing follows. With Optimistic delivery it is false also
    ///        where the answer is delivered late and is final already: `onInferenceFinal` says so
    function onInferenceResult(bytes32 id, bytes calldata output, bytes calldata userData, bool isFinal) external;

    /// @notice The result delivered before is final. Optimistic delivery only.
    function onInferenceFinal(bytes32 id) external;

    /// @notice The result delivered before was a lie; another one will come. Optimistic delivery only.
    function onInferenceOverturned(bytes32 id) external;
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IInbox} from "../interfaces/IInbox.sol";
import {Delivery, RequestParams} from "../interfaces/Types.sol";
import {InferenceConsumer} from "./InferenceConsumer.sol";
import {RequestLib} from "./RequestLib.sol";

/// @title Sample dApp: is a review positive or negative?
/// @notice Shows the first answer at once and says whether it is settled.
contract ReviewJudge is InferenceConsumer {
    /// @notice How far a verdict is.
    enum Stage {
        Unknown,
        Asked,
        Provisional,
        Settled,
        Failed
    }

    /// @notice What is known about one review.
    struct Verdict {
        address asker;
        Stage stage;
        uint8 errorCode;
        string text;
    }

    /// @notice Somebody asked about `review`.
    event ReviewAsked(bytes32 indexed id, address indexed asker, string review);
    /// @notice The model said `text`.
    event VerdictGiven(bytes32 indexed id, string text);
    /// @notice The model could not answer.
    event VerdictFailed(bytes32 indexed id, uint8 errorCode);
    /// @notice What was given stands.
    event VerdictSettled(bytes32 indexed id, string text);
    /// @notice What was given was a lie and is withdrawn.
    event VerdictOverturned(bytes32 indexed id, string text);

    /// @notice Less than `callbackFee` was sent.
    error TooLittle(uint256 needed);

    uint32 private constant MAX_TOKENS = 8;
    uint32 private constant CALLBACK_GAS = 200_000;

    /// @notice The model asked.
    bytes32 public immutable modelId;
    /// @notice Wei that pay for both callbacks, out of what the asker sends; the rest is the executor's fee.
    uint128 public immutable callbackFee;
    /// @notice Seconds that the sequencer has to take a question.
    uint64 public immutable patience;

    mapping(bytes32 id => Verdict) private _verdicts;

    constructor(IInbox inbox_, bytes32 modelId_, uint128 callbackFee_, uint64 patience_) InferenceConsumer(inbox_) {
        (modelId, callbackFee, patience) = (modelId_, callbackFee_, patience_);
    }

    /// @notice Asks about `review`. Send the callback fee and, on top, whatever fee executors want.
    function judge(string calldata review) external payable returns (bytes32 id) {
        if (msg.value < callbackFee) revert TooLittle(callbackFee);
        RequestParams memory params = RequestParams({
            modelId: modelId,
            callback: address(this),
            callbackGas: CALLBACK_GAS,
            delivery: uint8(Delivery.Optimistic),
            tolerant: false,
            minBond: 0,
            fee: uint128(msg.value - callbackFee),
            callbackFee: callbackFee,
            refundTo: msg.sender,
            inclusionDeadline: uint64(block.timestamp) + patience
        });
        string memory prompt = string.concat("Review: ", review, "\nSentiment:");
        id = _ask(params, RequestLib.greedy(prompt, MAX_TOKENS), "");
        _verdicts[id].asker = msg.sender;
        _verdicts[id].stage = Stage.Asked;
        emit ReviewAsked(id, msg.sender, review);
    }

    /// @notice What is known about a question.
    function verdict(bytes32 id) external view returns (Verdict memory) {
        return _verdicts[id];
    }

    function _onResult(bytes32 id, bytes calldata output, bytes calldata) internal override {
        Verdict storage v = _verdicts[id];
        v.stage = Stage.Provisional;
        v.text = RequestLib.text(output);
        emit VerdictGiven(id, v.text);
    }

    function _onError(bytes32 id, uint8 code, bytes calldata) internal override {
        Verdict storage v = _verdicts[id];
        (v.stage, v.errorCode) = (Stage.Failed, code);
        emit VerdictFailed(id, code);
    }

    function _onFinal(bytes32 id) internal override {
        Verdict storage v = _verdicts[id];
        if (v.stage != Stage.Provisional) return;
        v.stage = Stage.Settled;
        emit VerdictSettled(id, v.text);
    }

    function _onOverturned(bytes32 id) internal override {
        Verdict storage v = _verdicts[id];
        string memory lie = v.text;
        (v.stage, v.errorCode, v.text) = (Stage.Asked, 0, "");
        emit VerdictOverturned(id, lie);
    }
}

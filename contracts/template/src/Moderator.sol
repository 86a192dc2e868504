// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {InferenceConsumer} from "assay/src/consumer/InferenceConsumer.sol";
import {RequestLib} from "assay/src/consumer/RequestLib.sol";
import {IInbox} from "assay/src/interfaces/IInbox.sol";
import {Delivery, RequestParams} from "assay/src/interfaces/Types.sol";

/// @title A board whose posts are moderated by a language model
/// @notice A post is shown once the model's verdict is final. Nobody but the model decides, and a lie about it costs its bond.
contract Moderator is InferenceConsumer {
    /// @notice How a post stands.
    enum State {
        Unknown,
        Waiting,
        Shown,
        Refused,
        Undecided
    }

    /// @notice One post.
    struct Post {
        address author;
        State state;
        string text;
    }

    /// @notice A post waits for its verdict.
    event Posted(bytes32 indexed id, address indexed author, string text);
    /// @notice A post's verdict is final.
    event Moderated(bytes32 indexed id, State state);

    /// @notice Less than the callback's fee was sent.
    error TooLittle(uint256 needed);

    uint128 private constant CALLBACK_FEE = 0.001 ether;
    uint32 private constant CALLBACK_GAS = 100_000;
    uint32 private constant MAX_TOKENS = 4;
    uint64 private constant PATIENCE = 1 hours;

    /// @notice The model that decides.
    bytes32 public immutable modelId;
    mapping(bytes32 id => Post) private _posts;

    constructor(IInbox inbox_, bytes32 modelId_) InferenceConsumer(inbox_) {
        modelId = modelId_;
    }

    /// @notice Posts `text`. The value pays for the callback and, with what is left, the executor. If nobody answers, it goes back to
    ///         the author as a credit of the inbox.
    function post(string calldata text) external payable returns (bytes32 id) {
        if (msg.value < CALLBACK_FEE) revert TooLittle(CALLBACK_FEE);
        RequestParams memory params = RequestParams({
            modelId: modelId,
            callback: address(this),
            callbackGas: CALLBACK_GAS,
            delivery: uint8(Delivery.Final),
            tolerant: false,
            minBond: 0,
            fee: uint128(msg.value - CALLBACK_FEE),
            callbackFee: CALLBACK_FEE,
            refundTo: msg.sender,
            inclusionDeadline: uint64(block.timestamp) + PATIENCE
        });
        string memory prompt = string.concat("Post: ", text, "\nIs it polite? Answer:");
        // The answer is one of the two, scored inside the proven program: nothing is left to parse, or to trick.
        id = _ask(params, RequestLib.choice(prompt, _verdicts(), MAX_TOKENS), "");
        _posts[id] = Post(msg.sender, State.Waiting, text);
        emit Posted(id, msg.sender, text);
    }

    /// @notice A post.
    function postOf(bytes32 id) external view returns (Post memory) {
        return _posts[id];
    }

    function _onResult(bytes32 id, bytes calldata output, bytes calldata) internal override {
        _moderate(id, RequestLib.chosen(output, _verdicts()) == 0 ? State.Shown : State.Refused);
    }

    function _onError(bytes32 id, uint8, bytes calldata) internal override {
        _moderate(id, State.Undecided);
    }

    /// @dev Final delivery: the result is final when it comes, and is never overturned.
    function _onFinal(bytes32) internal override {}

    function _onOverturned(bytes32) internal override {}

    function _moderate(bytes32 id, State state) private {
        _posts[id].state = state;
        emit Moderated(id, state);
    }

    function _verdicts() private pure returns (string[] memory verdicts) {
        verdicts = new string[](2);
        (verdicts[0], verdicts[1]) = (" yes", " no");
    }
}

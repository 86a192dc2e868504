// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IInbox} from "../src/interfaces/IInbox.sol";
import {IInferenceConsumer} from "../src/interfaces/IInferenceConsumer.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {Callback, Delivery, Model, Request, RequestState, RequestStatus} from "../src/interfaces/Types.sol";
import {Inbox} from "../src/rollup/Inbox.sol";

/// @title The real inbox, which remembers what was asked
/// @notice Only a log holds a request on a chain; a test has no logs to read.
contract MockInbox is Inbox {
    mapping(bytes32 id => Request) private _requests;
    mapping(bytes32 id => bytes) private _userData;
    mapping(bytes32 id => bytes) private _payloads;

    /// @notice The id was never asked here.
    error NeverAsked(bytes32 id);

    constructor() Inbox(msg.sender, IModelRegistry(msg.sender), type(uint256).max, 1 hours, 1 hours, 0) {}

    /// @notice A request, with the payload and user data that only its hashes stand for on a chain.
    function asked(bytes32 id) external view returns (Request memory req, bytes memory payload, bytes memory userData) {
        req = _requests[id];
        if (req.params.refundTo == address(0)) revert NeverAsked(id);
        return (req, _payloads[id], _userData[id]);
    }

    function _open(Request memory req, bytes calldata payload, bytes calldata userData)
        internal
        override
        returns (bytes32 id)
    {
        id = super._open(req, payload, userData);
        (_requests[id], _payloads[id], _userData[id]) = (req, payload, userData);
    }
}

/// @title Assay for the tests of a dApp, without executors, disputes or waiting
/// @notice Questions go to `inbox()`, which is the real one: it refuses, charges and refunds as on a chain, and each callback comes
///         exactly once. What executors, watchtowers and time do on a chain, the test says: `answer`, `finalize`, `overturn`.
///         Every model id but 0 is known and any fee will do, unless `setLeastFee` says otherwise. Stakes, full windows and what work
///         burns are not played. A request costs some 300,000 gas more than on a chain, since a test has to find it again: give more to a
///         callback that asks.
contract MockInferenceHub {
    /// @notice A callback was made.
    event Delivered(bytes32 indexed id, IInbox.Mode mode, address indexed consumer, bool success);

    /// @notice The test brought too little gas for a callback, which a rollup refuses to start.
    error NotEnoughGas(uint256 have, uint256 needed);
    /// @notice The request is `state`.
    error NotOpen(bytes32 id, RequestState state);
    /// @notice 0 is not an error's code.
    error NotAnError();
    /// @notice The request names no callback, or none is due.
    error NothingDue(bytes32 id);

    /// @notice Who is paid for answers.
    address public constant EXECUTOR = address(0xE8EC);
    /// @notice Bytes of every model.
    uint64 public constant MODEL_LENGTH = 1 << 20;
    uint256 private constant CALLBACK_MARGIN = 40_000;

    /// @notice Where questions go, for the dApp's constructor.
    MockInbox public immutable inbox;
    uint256 private _least;
    uint64 private _segments;
    mapping(bytes32 id => bytes) private _outputs;

    constructor() {
        inbox = new MockInbox();
    }

    // ---- what the test says ------------------------------------------------------------------------------------------

    /// @notice An executor claims that the model said `text`. Optimistic consumers hear of it at once.
    /// @return success whether the callback went through; true where none was due
    function answer(bytes32 id, string memory text) external returns (bool success) {
        // One token, whatever the text: how many it has depends on a model, of which there is none.
        return claim(id, bytes.concat(hex"00", hex"01000000", hex"00000000", bytes(text)));
    }

    /// @notice An executor claims that the model can't answer; `code` as in docs/encoding.md, section 7.
    function fail(bytes32 id, uint8 code) external returns (bool success) {
        if (code == 0) revert NotAnError();
        return claim(id, bytes.concat(bytes1(code), hex"00000000"));
    }

    /// @notice An executor claims `output`, in the canonical encoding.
    function claim(bytes32 id, bytes memory output) public returns (bool success) {
        (Request memory req,,) = inbox.asked(id);
        if (!inbox.claim(id, _segments++, 0, 0)) revert NotOpen(id, inbox.status(id).state);
        _outputs[id] = output;
        bool due = req.params.callback != address(0) && req.params.delivery == uint8(Delivery.Optimistic);
        return due ? deliver(id) : true;
    }

    /// @notice The challenge window of the standing claim ends: its executor is paid and the consumer hears what is due.
    function finalize(bytes32 id) external returns (bool success) {
        (Request memory req,,) = inbox.asked(id);
        inbox.settle(id, EXECUTOR, req);
        return req.params.callback == address(0) ? true : deliver(id);
    }

    /// @notice A challenger proves the standing claim a lie: the request is open again, and who was told is told so.
    function overturn(bytes32 id) external returns (bool success) {
        RequestStatus memory s = inbox.status(id);
        inbox.reopen(id, s.segmentId, s.index);
        return inbox.status(id).overturn == Callback.Owed ? _deliver(id, IInbox.Mode.Overturn) : true;
    }

    /// @notice Makes the callback that is due, again where it failed. An overturn that was not heard comes before the next result.
    /// @return success whether the last of them went through
    function deliver(bytes32 id) public returns (bool success) {
        (Request memory req,,) = inbox.asked(id);
        RequestStatus memory s = inbox.status(id);
        bool optimistic = req.params.delivery == uint8(Delivery.Optimistic);
        bool isFinal = s.state == RequestState.Final;
        bool unheard = s.result != Callback.Done;
        bool overturned = unheard && (s.overturn == Callback.Owed || s.overturn == Callback.Failed);
        bool result = unheard && (isFinal || (optimistic && s.state == RequestState.Claimed));
        bool finality = !unheard && isFinal && optimistic && s.finality != Callback.Done;
        if (req.params.callback == address(0) || !(overturned || result || finality)) revert NothingDue(id);
        if (overturned) success = _deliver(id, IInbox.Mode.Overturn);
        if (result) success = _deliver(id, IInbox.Mode.Result);
        if (finality) success = _deliver(id, IInbox.Mode.Finality);
    }

    /// @notice Gives the money of an unanswered request back; the test must `vm.warp` past `refundableAt` first.
    function refund(bytes32 id) external {
        (Request memory req,,) = inbox.asked(id);
        inbox.refund(req);
    }

    /// @notice When a request can be refunded, unix seconds.
    function refundableAt(bytes32 id) external view returns (uint256) {
        return uint256(inbox.status(id).deadline) + inbox.directPeriod();
    }

    /// @notice The fee below which requests are refused from now on, in wei.
    function setLeastFee(uint256 wei_) external {
        _least = wei_;
    }

    // ---- what the inbox asks -----------------------------------------------------------------------------------------

    /// @notice As the rollup's, but the same for all work.
    function leastFee(uint256) external view returns (uint256) {
        return _least;
    }

    /// @notice As the registry's: every model but 0 is known, tolerates a tenth of a logit in two positions.
    function model(bytes32 modelId) external pure returns (Model memory m) {
        if (modelId != 0) m = Model(modelId, bytes32(uint256(1)), MODEL_LENGTH, 100, 2);
    }

    // ---- inside -----------------------------------------------------------------------------------------------------

    function _deliver(bytes32 id, IInbox.Mode mode) private returns (bool success) {
        (Request memory req,, bytes memory userData) = inbox.asked(id);
        inbox.beginCallback(id, mode, req, msg.sender);
        uint256 give = req.params.callbackGas;
        uint256 have = gasleft() * 63 / 64;
        if (have < give + CALLBACK_MARGIN) revert NotEnoughGas(have, give + CALLBACK_MARGIN);
        (success,) = req.params.callback.call{gas: give}(_call(id, mode, userData));
        if (!success) inbox.failCallback(id, mode);
        emit Delivered(id, mode, req.params.callback, success);
    }

    function _call(bytes32 id, IInbox.Mode mode, bytes memory userData) private view returns (bytes memory) {
        if (mode == IInbox.Mode.Finality) return abi.encodeCall(IInferenceConsumer.onInferenceFinal, (id));
        if (mode == IInbox.Mode.Overturn) return abi.encodeCall(IInferenceConsumer.onInferenceOverturned, (id));
        (Request memory req,,) = inbox.asked(id);
        bool isFinal = req.params.delivery == uint8(Delivery.Final);
        return abi.encodeCall(IInferenceConsumer.onInferenceResult, (id, _outputs[id], userData, isFinal));
    }
}

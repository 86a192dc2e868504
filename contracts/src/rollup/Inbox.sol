// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {
    Callback,
    Delivery,
    Model,
    Request,
    RequestParams,
    RequestState,
    RequestStatus,
    SignedRequest
} from "../interfaces/Types.sol";
import {IInbox} from "../interfaces/IInbox.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {IRollup} from "../interfaces/IRollup.sol";
import {CallbackFee} from "./CallbackFee.sol";
import {Credits} from "./Credits.sol";
import {Ecdsa} from "./Ecdsa.sol";
import {Eip712} from "./Eip712.sol";
import {RequestLaws} from "./RequestLaws.sol";
import {Seeds} from "./Seeds.sol";
import {StatusSlot, pack} from "./StatusSlot.sol";

/// @title Where questions come in
// INVARIANT: balance = fees and unpaid callback fees of Open and Claimed requests + unpaid callback fees of Final ones
//            + deposits + credits.
contract Inbox is IInbox, Credits, Eip712, Seeds {
    struct Account {
        uint112 balance;
        uint112 leaving;
        uint32 availableAt;
    }

    bytes32 private constant REQUEST_TYPEHASH = keccak256(
        "InferenceRequest(address payer,uint64 nonce,bytes32 entropy,bytes32 modelId,address callback,uint32 callbackGas,uint8 delivery,bool tolerant,uint128 minBond,uint128 fee,uint128 callbackFee,address refundTo,uint64 inclusionDeadline,bytes payload,bytes userData)"
    );
    uint256 private constant MAX_USER_DATA = 4096;
    uint256 private constant MAX_CALLBACK_GAS = 2_000_000;
    uint256 private constant MAX_INCLUSION_DELAY = 7 days;
    uint256 private constant DEPOSIT_DELAY = 1 hours;

    /// @inheritdoc IInbox
    address public immutable rollup;
    /// @inheritdoc IInbox
    IModelRegistry public immutable registry;
    /// @inheritdoc IInbox
    uint256 public immutable maxWork;
    /// @inheritdoc IInbox
    uint64 public immutable directPeriod;
    /// @inheritdoc IInbox
    uint64 public immutable reopenPeriod;

    /// @inheritdoc IInbox
    uint64 public requestCount;
    /// @inheritdoc IInbox
    mapping(address payer => Account) public deposits;
    mapping(bytes32 id => StatusSlot) private _slots;
    mapping(address payer => mapping(uint256 word => uint256 bits)) private _nonces;

    modifier onlyRollup() {
        if (msg.sender != rollup) revert NotRollup(msg.sender);
        _;
    }

    constructor(
        address rollup_,
        IModelRegistry registry_,
        uint256 maxWork_,
        uint64 directPeriod_,
        uint64 reopenPeriod_,
        uint64 seedDelay_
    ) Seeds(seedDelay_) {
        (rollup, registry, maxWork) = (rollup_, registry_, maxWork_);
        (directPeriod, reopenPeriod) = (directPeriod_, reopenPeriod_);
    }

    // ---- asking -----------------------------------------------------------------------------------------------------

    /// @inheritdoc IInbox
    function request(RequestParams calldata params, bytes calldata payload, bytes calldata userData)
        external
        payable
        returns (bytes32 id)
    {
        uint256 due = uint256(params.fee) + params.callbackFee;
        if (msg.value != due) revert WrongValue(due, msg.value);
        Request memory req;
        req.requester = msg.sender;
        (req.origin, req.entropy) = _drawFrom();
        req.nonce = requestCount++;
        AdmitError reason = _complete(req, params, payload, userData);
        if (reason != AdmitError.None) revert Refused(reason);
        id = _open(req, payload, userData);
    }

    /// @inheritdoc IInbox
    function requestFor(SignedRequest calldata s) external payable returns (bytes32 id) {
        uint256 due = uint256(s.params.fee) + s.params.callbackFee;
        if (msg.value != due) revert WrongValue(due, msg.value);
        AdmitError reason;
        // INVARIANT: the caller pays; what the signer has deposited is not touched.
        (reason, id) = _openSigned(s, due, msg.value);
        if (reason != AdmitError.None) revert Refused(reason);
    }

    /// @inheritdoc IInbox
    function admit(SignedRequest[] calldata signed) external onlyRollup {
        for (uint256 i = 0; i < signed.length; ++i) {
            SignedRequest calldata s = signed[i];
            AdmitError reason = _admit(s);
            if (reason != AdmitError.None) emit SignedRequestSkipped(s.payer, s.nonce, reason);
        }
    }

    /// @inheritdoc IInbox
    function refund(Request calldata req) external {
        bytes32 id = idOf(req);
        RequestStatus memory s = status(id);
        uint256 from = uint256(s.deadline) + directPeriod;
        bool early = s.state == RequestState.Open && block.timestamp < from;
        // INVARIANT: what can't be claimed any more need not wait for claims.
        if (early && !_unanswerable(req)) revert TooEarly(from);
        uint8 unpaid = CallbackFee.BOTH & ~s.feeHalvesPaid;
        uint256 amount = uint256(req.params.fee) + CallbackFee.amount(unpaid, req.params.callbackFee);
        s.feeHalvesPaid = CallbackFee.BOTH;
        _transition(id, s, RequestState.Open, RequestState.Refunded);
        _credit(req.params.refundTo, amount);
    }

    // ---- deposits for signed requests -------------------------------------------------------------------------------

    /// @inheritdoc IInbox
    function deposit(address payer) external payable {
        deposits[payer].balance += uint112(msg.value);
        emit DepositMade(payer, msg.value);
    }

    /// @inheritdoc IInbox
    function startDepositWithdrawal(uint256 amount) external {
        Account storage account = deposits[msg.sender];
        if (amount > account.balance) revert InsufficientDeposit(account.balance, amount);
        account.leaving = uint112(amount);
        account.availableAt = uint32(block.timestamp + DEPOSIT_DELAY);
        emit DepositWithdrawalStarted(msg.sender, amount, account.availableAt);
    }

    /// @inheritdoc IInbox
    function withdrawDeposit(address payable to) external returns (uint256 amount) {
        Account storage account = deposits[msg.sender];
        // Signed requests may have eaten into it: they were promised the money first.
        amount = account.leaving < account.balance ? account.leaving : account.balance;
        if (block.timestamp < account.availableAt) revert TooEarly(account.availableAt);
        if (amount == 0) revert InsufficientDeposit(0, 0);
        account.balance -= uint112(amount);
        account.leaving = 0;
        emit DepositWithdrawn(msg.sender, to, amount);
        (bool ok,) = to.call{value: amount}("");
        if (!ok) revert TransferFailed(to);
    }

    // ---- what the rollup does ---------------------------------------------------------------------------------------

    /// @inheritdoc IInbox
    function claim(bytes32 id, uint64 segmentId, uint16 index, uint80 burn) external onlyRollup returns (bool claimed) {
        return _claim(id, segmentId, index, burn);
    }

    /// @inheritdoc IInbox
    function claimMany(uint64 segmentId, uint16 from, bytes32[] calldata ids, uint80[] calldata burns)
        external
        onlyRollup
        returns (uint256 claimed)
    {
        // INVARIANT: one by one, so an id that is named twice is not Open the second time.
        while (claimed < ids.length && _claim(ids[claimed], segmentId, uint16(from + claimed), burns[claimed])) ++claimed;
    }

    /// @inheritdoc IInbox
    function settle(bytes32 id, address executor, Request calldata req) external onlyRollup {
        RequestStatus memory s = status(id);
        _transition(id, s, RequestState.Claimed, RequestState.Final);
        // INVARIANT: a fee is split once, here, by the claim that stands: burned + credited = fee.
        _credit(executor, req.params.fee - s.burn);
        if (s.burn == 0) return;
        emit WorkBurned(id, s.burn);
        (bool ok,) = address(0).call{value: s.burn}("");
        if (!ok) revert TransferFailed(address(0));
    }

    /// @inheritdoc IInbox
    function reopen(bytes32 id, uint64 segmentId, uint16 index) external onlyRollup {
        RequestStatus memory s = status(id);
        if (s.segmentId != segmentId || s.index != index) revert WrongState(id, s.state);
        if (s.result == Callback.Done) s.overturn = Callback.Owed;
        s.result = Callback.None;
        // INVARIANT: a lost claim burns its executor's bond and nothing of the fee, which is whole for the next claim.
        (s.segmentId, s.index, s.burn) = (0, 0, 0);
        s.deadline = uint40(block.timestamp + reopenPeriod);
        _transition(id, s, RequestState.Claimed, RequestState.Open);
    }

    /// @inheritdoc IInbox
    function beginCallback(bytes32 id, Mode mode, Request calldata req, address deliverer) external onlyRollup {
        RequestStatus memory s = status(id);
        Callback progress = _progress(s, mode);
        if (!_due(s, mode, req.params.delivery)) revert NotDue(id, mode, progress);
        // INVARIANT: marked before the call, so a consumer that calls back in finds nothing due.
        _mark(s, mode, Callback.Done);
        uint8 halves = CallbackFee.halves(mode, req.params.delivery, s.feeHalvesPaid);
        s.feeHalvesPaid |= halves;
        _slots[id] = pack(s);
        emit CallbackChanged(id, mode, Callback.Done);
        _credit(deliverer, CallbackFee.amount(halves, req.params.callbackFee));
    }

    /// @inheritdoc IInbox
    function failCallback(bytes32 id, Mode mode) external onlyRollup {
        RequestStatus memory s = status(id);
        _mark(s, mode, Callback.Failed);
        _slots[id] = pack(s);
        emit CallbackChanged(id, mode, Callback.Failed);
    }

    // ---- views ------------------------------------------------------------------------------------------------------

    /// @inheritdoc IInbox
    function status(bytes32 id) public view returns (RequestStatus memory) {
        return _slots[id].unpack();
    }

    /// @inheritdoc IInbox
    function idOf(Request calldata req) public view returns (bytes32) {
        return RequestLaws.idOf(req, address(this));
    }

    /// @inheritdoc IInbox
    function nonceUsed(address payer, uint64 nonce) public view returns (bool) {
        return (_nonces[payer][nonce >> 8] >> (nonce & 0xff)) & 1 == 1;
    }

    /// @inheritdoc IInbox
    function signedRequestDigest(SignedRequest calldata s) public view returns (bytes32) {
        return _digest(
            keccak256(
                abi.encode(
                    REQUEST_TYPEHASH, s.payer, s.nonce, s.entropy, s.params, keccak256(s.payload), keccak256(s.userData)
                )
            )
        );
    }

    /// @inheritdoc IInbox
    function domainSeparator() public view override(IInbox, Eip712) returns (bytes32) {
        return Eip712.domainSeparator();
    }

    // ---- inside -----------------------------------------------------------------------------------------------------

    /// @dev The one place where a request changes its state, but for `_claim`; each path names its edge.
    // INVARIANT: None -> Open -> Claimed -> Final, Claimed -> Open, Open -> Refunded, and nothing else.
    function _transition(bytes32 id, RequestStatus memory s, RequestState from, RequestState to) private {
        if (s.state != from) revert WrongState(id, s.state);
        s.state = to;
        _slots[id] = pack(s);
        emit StateChanged(id, from, to, s.segmentId, s.index, s.deadline);
    }

    /// @dev Open -> Claimed, if Open. Says nothing, as the rollup says all that there is to say (`ResultClaimed`).
    function _claim(bytes32 id, uint64 segmentId, uint16 index, uint80 burn) private returns (bool) {
        StatusSlot slot = _slots[id];
        if (!slot.isOpen()) return false;
        _slots[id] = slot.claimedBy(segmentId, index, burn);
        return true;
    }

    function _unanswerable(Request calldata req) private view returns (bool) {
        return req.origin == RequestLaws.ORIGIN_LATER && seedLost(uint256(req.entropy));
    }

    /// @dev Checks everything that is refused when a request is made, and fills in what the contract knows.
    function _complete(
        Request memory req,
        RequestParams calldata params,
        bytes calldata payload,
        bytes calldata userData
    ) private view returns (AdmitError) {
        if (params.inclusionDeadline <= block.timestamp) return AdmitError.PastDeadline;
        if (params.inclusionDeadline > block.timestamp + MAX_INCLUSION_DELAY) return AdmitError.DeadlineTooFar;
        if (!_paramsFit(params) || userData.length > MAX_USER_DATA) return AdmitError.BadParams;
        req.maxTokens = RequestLaws.maxTokens(payload);
        if (req.maxTokens == 0) return AdmitError.BadPayload;
        Model memory model = registry.model(params.modelId);
        if (model.programId == 0) return AdmitError.UnknownModel;
        // INVARIANT: no request can cost a watchtower more than maxWork.
        uint256 work = RequestLaws.work(model.length, payload.length, req.maxTokens);
        if (work > maxWork) return AdmitError.TooMuchWork;
        // INVARIANT: whatever is open can be claimed directly at its longest while the direct share is idle.
        if (params.fee < IRollup(rollup).leastFee(work)) return AdmitError.FeeTooLow;
        req.payloadHash = keccak256(payload);
        req.payloadLength = uint32(payload.length);
        req.userDataHash = keccak256(userData);
        req.modelLength = model.length;
        if (params.tolerant) req.tolerance = uint64(model.maxGap) << 32 | model.maxFlips;
        req.params = params;
        return AdmitError.None;
    }

    function _paramsFit(RequestParams calldata p) private pure returns (bool) {
        if (p.refundTo == address(0) || p.delivery > uint8(Delivery.Optimistic)) return false;
        return p.callback == address(0) ? p.callbackFee == 0 : p.callbackGas <= MAX_CALLBACK_GAS;
    }

    /// @dev Virtual for tests, whose inbox remembers what a chain's log does.
    function _open(Request memory req, bytes calldata payload, bytes calldata userData)
        internal
        virtual
        returns (bytes32 id)
    {
        id = RequestLaws.id(req, address(this));
        RequestStatus memory s = status(id);
        s.deadline = uint40(req.params.inclusionDeadline);
        emit Requested(id, req.requester, req, payload, userData);
        _transition(id, s, RequestState.None, RequestState.Open);
    }

    function _admit(SignedRequest calldata s) private returns (AdmitError) {
        uint256 due = uint256(s.params.fee) + s.params.callbackFee;
        Account storage account = deposits[s.payer];
        (AdmitError reason, bytes32 id) = _openSigned(s, due, account.balance);
        if (reason != AdmitError.None) return reason;
        account.balance -= uint112(due);
        emit DepositCharged(s.payer, id, due);
        return AdmitError.None;
    }

    /// @dev Opens what `s.payer` signed, if `available` covers what is `due` for it; the caller takes the money.
    function _openSigned(SignedRequest calldata s, uint256 due, uint256 available)
        private
        returns (AdmitError reason, bytes32 id)
    {
        if (nonceUsed(s.payer, s.nonce)) return (AdmitError.NonceUsed, 0);
        if (due > available) return (AdmitError.CannotPay, 0);
        Request memory req;
        req.requester = s.payer;
        req.origin = RequestLaws.ORIGIN_SIGNED;
        req.nonce = s.nonce;
        req.entropy = s.entropy;
        reason = _complete(req, s.params, s.payload, s.userData);
        if (reason != AdmitError.None) return (reason, 0);
        if (!Ecdsa.isBy(s.signature, signedRequestDigest(s), s.payer)) return (AdmitError.BadSignature, 0);
        // INVARIANT: a nonce is spent with its request, so no signature opens two, whichever way it comes.
        _nonces[s.payer][s.nonce >> 8] |= 1 << (s.nonce & 0xff);
        id = _open(req, s.payload, s.userData);
    }

    /// @dev A consumer hears its result once it is final, or at once if it is Optimistic and has heard of any overturn.
    function _due(RequestStatus memory s, Mode mode, uint8 delivery) private pure returns (bool) {
        bool optimistic = delivery == uint8(Delivery.Optimistic);
        bool isFinal = s.state == RequestState.Final;
        if (mode == Mode.Result) {
            bool early = optimistic && s.state == RequestState.Claimed;
            return (isFinal || early) && s.result != Callback.Done && s.overturn != Callback.Owed;
        }
        if (mode == Mode.Finality) {
            return optimistic && isFinal && s.result == Callback.Done && s.finality != Callback.Done;
        }
        // Once a newer result was heard, a failed overturn is stale.
        bool pending = s.overturn == Callback.Owed || s.overturn == Callback.Failed;
        return pending && s.result != Callback.Done;
    }

    function _progress(RequestStatus memory s, Mode mode) private pure returns (Callback) {
        if (mode == Mode.Result) return s.result;
        return mode == Mode.Finality ? s.finality : s.overturn;
    }

    function _mark(RequestStatus memory s, Mode mode, Callback progress) private pure {
        if (mode == Mode.Result) s.result = progress;
        else if (mode == Mode.Finality) s.finality = progress;
        else s.overturn = progress;
    }
}

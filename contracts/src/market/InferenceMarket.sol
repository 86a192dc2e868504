// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IInferenceMarket} from "../interfaces/IInferenceMarket.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {AskTerms, Checkpoint, SignedAsk} from "../interfaces/MarketTypes.sol";
import {Ecdsa} from "../rollup/Ecdsa.sol";
import {Eip712} from "../rollup/Eip712.sol";

/// @title What executors ask
/// @notice Holds no money and no opinion on anyone.
contract InferenceMarket is IInferenceMarket, Eip712 {
    bytes32 private constant ASK_TYPEHASH = keccak256(
        "Ask(address executor,bytes32 modelId,address token,uint8 hardware,uint32 capacity,uint96 promptPrice,uint96 tokenPrice,uint64 nonce,uint40 validUntil)"
    );

    /// @inheritdoc IInferenceMarket
    uint32 public immutable notice;
    IModelRegistry private immutable _registry;

    mapping(address executor => mapping(bytes32 modelId => Checkpoint[] history)) private _asks;
    mapping(bytes32 modelId => address[] executors) private _executors;
    mapping(address executor => mapping(uint256 word => uint256 bits)) private _cancelled;

    constructor(IModelRegistry registry_, uint32 notice_) {
        if (notice_ == 0) revert NoNotice();
        (_registry, notice) = (registry_, notice_);
    }

    // ---- asks on chain ----------------------------------------------------------------------------------------------

    /// @inheritdoc IInferenceMarket
    function post(bytes32 modelId, AskTerms calldata terms) external returns (uint40 from) {
        if (_registry.model(modelId).programId == 0) revert UnknownModel(modelId);
        Checkpoint[] storage history = _asks[msg.sender][modelId];
        Checkpoint memory now_ = _at(history, block.timestamp);
        // INVARIANT: a price rises, or begins, a notice after it was posted. A first ask waits too, or withdrawing and posting
        //            again would be a raise at once.
        from = uint40(_falls(now_, terms) ? block.timestamp : block.timestamp + notice);
        if (terms.validUntil < from) revert EndsTooSoon(from, terms.validUntil);
        if (history.length == 0) _executors[modelId].push(msg.sender);
        Checkpoint memory next = Checkpoint({
            from: from,
            validUntil: terms.validUntil,
            token: terms.token,
            hardware: terms.hardware,
            promptPrice: terms.promptPrice,
            tokenPrice: terms.tokenPrice,
            capacity: terms.capacity
        });
        _append(modelId, history, next);
    }

    /// @inheritdoc IInferenceMarket
    function withdraw(bytes32 modelId) external {
        Checkpoint[] storage history = _asks[msg.sender][modelId];
        if (history.length == 0 || history[history.length - 1].validUntil == 0) revert NoAsk(msg.sender, modelId);
        Checkpoint memory none;
        // INVARIANT: what was in force in a second stays in force in all of it: an order of this second was made at that ask.
        none.from = uint40(block.timestamp + 1);
        _append(modelId, history, none);
    }

    /// @inheritdoc IInferenceMarket
    function askAt(address executor, bytes32 modelId, uint256 time) external view returns (Checkpoint memory) {
        return _at(_asks[executor][modelId], time);
    }

    /// @inheritdoc IInferenceMarket
    function checkpointCount(address executor, bytes32 modelId) external view returns (uint256) {
        return _asks[executor][modelId].length;
    }

    /// @inheritdoc IInferenceMarket
    function checkpoint(address executor, bytes32 modelId, uint256 index) external view returns (Checkpoint memory) {
        return _asks[executor][modelId][index];
    }

    /// @inheritdoc IInferenceMarket
    function executorCount(bytes32 modelId) external view returns (uint256) {
        return _executors[modelId].length;
    }

    /// @inheritdoc IInferenceMarket
    function executors(bytes32 modelId, uint256 start, uint256 count) external view returns (address[] memory page) {
        address[] storage all = _executors[modelId];
        uint256 left = start < all.length ? all.length - start : 0;
        page = new address[](count < left ? count : left);
        for (uint256 i = 0; i < page.length; ++i) {
            page[i] = all[start + i];
        }
    }

    // ---- signed asks ------------------------------------------------------------------------------------------------

    /// @inheritdoc IInferenceMarket
    function cancel(uint256 word, uint256 bits) external {
        _cancelled[msg.sender][word] |= bits;
        emit AsksCancelled(msg.sender, word, bits);
    }

    /// @inheritdoc IInferenceMarket
    function verify(SignedAsk calldata ask) external view {
        if (block.timestamp > ask.validUntil || cancelled(ask.executor, ask.nonce)) {
            revert AskEnded(ask.executor, ask.nonce);
        }
        if (!Ecdsa.isBy(ask.signature, askDigest(ask), ask.executor)) revert BadAskSignature(ask.executor);
    }

    /// @inheritdoc IInferenceMarket
    function cancelled(address executor, uint64 nonce) public view returns (bool) {
        return (_cancelled[executor][nonce >> 8] >> (nonce & 0xff)) & 1 == 1;
    }

    /// @inheritdoc IInferenceMarket
    function askDigest(SignedAsk calldata ask) public view returns (bytes32) {
        bytes memory who = abi.encode(ASK_TYPEHASH, ask.executor, ask.modelId, ask.token, ask.hardware, ask.capacity);
        bytes memory prices = abi.encode(ask.promptPrice, ask.tokenPrice, ask.nonce, ask.validUntil);
        return _digest(keccak256(bytes.concat(who, prices)));
    }

    /// @inheritdoc IInferenceMarket
    function domainSeparator() public view override(IInferenceMarket, Eip712) returns (bytes32) {
        return Eip712.domainSeparator();
    }

    // ---- inside -----------------------------------------------------------------------------------------------------

    /// @dev Drops what was to begin later, then adds `next`.
    // INVARIANT: what began at a time that is over is never changed or dropped, so the ask at that time is one for good.
    function _append(bytes32 modelId, Checkpoint[] storage history, Checkpoint memory next) private {
        uint256 last = history.length;
        if (last != 0 && history[last - 1].from > block.timestamp) history.pop();
        history.push(next);
        emit AskPosted(msg.sender, modelId, next);
    }

    /// @dev The last checkpoint that began by `time`, if its ask was not over: nothing otherwise. `from` never falls.
    function _at(Checkpoint[] storage history, uint256 time) private view returns (Checkpoint memory found) {
        uint256 low = 0;
        uint256 high = history.length;
        while (low < high) {
            uint256 mid = (low + high) / 2;
            if (history[mid].from <= time) low = mid + 1;
            else high = mid;
        }
        if (low == 0 || time > history[low - 1].validUntil) return found;
        return history[low - 1];
    }

    function _falls(Checkpoint memory now_, AskTerms calldata next) private pure returns (bool) {
        return now_.from != 0 && now_.token == next.token && next.promptPrice <= now_.promptPrice
            && next.tokenPrice <= now_.tokenPrice;
    }
}

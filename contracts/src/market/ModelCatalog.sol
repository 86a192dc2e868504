// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IModelCatalog} from "../interfaces/IModelCatalog.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {Listing, Provenance} from "../interfaces/MarketTypes.sol";
import {Model} from "../interfaces/Types.sol";

/// @title Who says where a model comes from, and what it earns
contract ModelCatalog is IModelCatalog {
    struct Record {
        uint40 publishedAt;
        uint16 royaltyBps;
        address royaltyTo;
        Provenance provenance;
    }

    /// @dev Bytes of one text, and number of attestations: a listing can always be read.
    uint256 private constant MAX_TEXT = 1024;
    uint256 private constant MAX_ATTESTATIONS = 32;

    /// @inheritdoc IModelCatalog
    uint16 public constant MAX_ROYALTY_BPS = 2000;
    IModelRegistry private immutable _registry;

    mapping(bytes32 modelId => mapping(address publisher => Record)) private _records;

    constructor(IModelRegistry registry_) {
        _registry = registry_;
    }

    /// @inheritdoc IModelCatalog
    function publish(bytes32 modelId, Provenance calldata provenance, uint16 royaltyBps, address royaltyTo) external {
        if (_registry.model(modelId).programId == 0) revert UnknownModel(modelId);
        // INVARIANT: a listing is written once, so nobody is paid for other words than an asker read.
        if (published(modelId, msg.sender)) revert AlreadyPublished(modelId, msg.sender);
        if (royaltyBps > MAX_ROYALTY_BPS) revert RoyaltyTooHigh(MAX_ROYALTY_BPS, royaltyBps);
        if (royaltyBps != 0 && royaltyTo == address(0)) revert NoPayee();
        if (!_fits(provenance)) revert ListingTooLong();
        _records[modelId][msg.sender] = Record(uint40(block.timestamp), royaltyBps, royaltyTo, provenance);
        emit Published(modelId, msg.sender, provenance, royaltyBps, royaltyTo);
    }

    /// @inheritdoc IModelCatalog
    function lowerRoyalty(bytes32 modelId, uint16 royaltyBps) external {
        Record storage record = _own(modelId);
        // INVARIANT: a royalty never rises, so none is higher when an order is settled than when it was made.
        if (royaltyBps > record.royaltyBps) revert RoyaltyTooHigh(record.royaltyBps, royaltyBps);
        record.royaltyBps = royaltyBps;
        emit RoyaltyLowered(modelId, msg.sender, royaltyBps);
    }

    /// @inheritdoc IModelCatalog
    function redirectRoyalty(bytes32 modelId, address royaltyTo) external {
        Record storage record = _own(modelId);
        if (royaltyTo == address(0)) revert NoPayee();
        record.royaltyTo = royaltyTo;
        emit RoyaltyRedirected(modelId, msg.sender, royaltyTo);
    }

    /// @inheritdoc IModelCatalog
    function listing(bytes32 modelId, address publisher) external view returns (Listing memory) {
        Record storage record = _records[modelId][publisher];
        if (record.publishedAt == 0) revert NotPublished(modelId, publisher);
        Model memory model = _registry.model(modelId);
        return Listing({
            provenance: record.provenance,
            modelRoot: model.modelRoot,
            programId: model.programId,
            length: model.length,
            royaltyBps: record.royaltyBps,
            royaltyTo: record.royaltyTo,
            publishedAt: record.publishedAt
        });
    }

    /// @inheritdoc IModelCatalog
    function royalty(bytes32 modelId, address publisher) external view returns (uint16 bps, address to) {
        Record storage record = _records[modelId][publisher];
        return (record.royaltyBps, record.royaltyTo);
    }

    /// @inheritdoc IModelCatalog
    function published(bytes32 modelId, address publisher) public view returns (bool) {
        return _records[modelId][publisher].publishedAt != 0;
    }

    function _own(bytes32 modelId) private view returns (Record storage record) {
        record = _records[modelId][msg.sender];
        if (record.publishedAt == 0) revert NotPublished(modelId, msg.sender);
    }

    function _fits(Provenance calldata p) private pure returns (bool) {
        bool texts = bytes(p.sourceUri).length <= MAX_TEXT && bytes(p.license).length <= MAX_TEXT
            && bytes(p.attestationsUri).length <= MAX_TEXT;
        return texts && p.attestations.length <= MAX_ATTESTATIONS;
    }
}

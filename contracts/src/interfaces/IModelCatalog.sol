// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Listing, Provenance} from "./MarketTypes.sol";

/// @title Who says where a model comes from, and what it earns
/// @notice A listing belongs to a model and a publisher, and nobody owns a model: an id is a hash that anyone can compute and
///         register, so giving it to whoever came first would be a land grab. An asker names the publisher whose listing it
///         honours, or none.
interface IModelCatalog {
    /// @notice A publisher listed a model.
    event Published(
        bytes32 indexed modelId, address indexed publisher, Provenance provenance, uint16 royaltyBps, address royaltyTo
    );
    /// @notice A royalty fell.
    event RoyaltyLowered(bytes32 indexed modelId, address indexed publisher, uint16 royaltyBps);
    /// @notice A royalty goes elsewhere.
    event RoyaltyRedirected(bytes32 indexed modelId, address indexed publisher, address royaltyTo);

    /// @notice No such model is registered.
    error UnknownModel(bytes32 modelId);
    /// @notice The publisher has listed this model: a listing is written once.
    error AlreadyPublished(bytes32 modelId, address publisher);
    /// @notice The publisher has not listed this model.
    error NotPublished(bytes32 modelId, address publisher);
    /// @notice More than `most` hundredths of a per cent: the ceiling, or the royalty so far.
    error RoyaltyTooHigh(uint16 most, uint16 given);
    /// @notice A royalty needs somebody to go to.
    error NoPayee();
    /// @notice A text or the list of attestations is longer than a listing holds.
    error ListingTooLong();

    /// @notice Lists a registered model as the caller's. The words are final; the royalty can only fall.
    /// @param royaltyBps hundredths of a per cent of the executor's price, paid by the asker on top of it; at most 2,000
    function publish(bytes32 modelId, Provenance calldata provenance, uint16 royaltyBps, address royaltyTo) external;

    /// @notice Lowers the royalty of the caller's listing.
    function lowerRoyalty(bytes32 modelId, uint16 royaltyBps) external;

    /// @notice Sends the royalty of the caller's listing elsewhere, that of orders not settled yet included.
    function redirectRoyalty(bytes32 modelId, address royaltyTo) external;

    /// @notice A listing with what the registry knows of the model; reverts with `NotPublished`.
    function listing(bytes32 modelId, address publisher) external view returns (Listing memory);

    /// @notice What a listing earns; zero and nobody if there is none.
    function royalty(bytes32 modelId, address publisher) external view returns (uint16 bps, address to);

    /// @notice Whether `publisher` has listed the model.
    function published(bytes32 modelId, address publisher) external view returns (bool);

    /// @notice Highest royalty, in hundredths of a per cent.
    function MAX_ROYALTY_BPS() external view returns (uint16);
}

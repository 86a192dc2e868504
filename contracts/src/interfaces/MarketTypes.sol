// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {RequestParams} from "./Types.sol";

// Structs of the market above the rollup (docs/market.md). Token 0 is ether; a price is in the token's smallest unit.

/// @notice What an executor asks for one answer of one model.
/// @param token what it wants to be paid in
/// @param hardware what it says it runs: 0 unsaid, 1 CPU, 2 one consumer GPU, 3 one data-centre GPU, 4 several GPUs, 5 other.
///        Nothing checks it and nothing depends on it
/// @param capacity tokens a second that it says it makes, over all requests; likewise
/// @param promptPrice for 1,000 bytes of payload, which bound the prompt's tokens: the chain can't count tokens
/// @param tokenPrice for a token of answer
/// @param validUntil last second at which the ask holds
struct AskTerms {
    address token;
    uint8 hardware;
    uint32 capacity;
    uint96 promptPrice;
    uint96 tokenPrice;
    uint40 validUntil;
}

/// @notice An executor's ask in force from `from` until the next one's `from`. Two words.
/// @param validUntil as in `AskTerms`; zero where the ask was withdrawn
struct Checkpoint {
    uint40 from;
    uint40 validUntil;
    address token;
    uint8 hardware;
    uint96 promptPrice;
    uint96 tokenPrice;
    uint32 capacity;
}

/// @notice An ask that an executor signed off chain. It may be carried by any number of orders until it ends or is cancelled.
/// @param hardware as in `AskTerms`, like all that is not named here
/// @param nonce any number; cancelling it ends every ask that has it
/// @param signature 65 bytes r, s, v over the EIP-712 struct `Ask`
struct SignedAsk {
    address executor;
    bytes32 modelId;
    address token;
    uint8 hardware;
    uint32 capacity;
    uint96 promptPrice;
    uint96 tokenPrice;
    uint64 nonce;
    uint40 validUntil;
    bytes signature;
}

/// @notice What is left of a signed ask once it was verified.
struct Offer {
    address executor;
    uint96 promptPrice;
    uint96 tokenPrice;
}

/// @notice What an asker pays executors on top of the inbox's fee, and how.
/// @param token what it pays in
/// @param priceCap most that it pays, royalty included; held by the hub until the order ends
/// @param publisher whose listing of the model earns the royalty; zero for none
/// @param refundTo who gets what is not spent, as credit in the hub
/// @param asks up to 8 signed asks; they count before the executors' asks on chain
struct Terms {
    address token;
    uint128 priceCap;
    address publisher;
    address refundTo;
    SignedAsk[] asks;
}

/// @notice What the hub holds for a request. Only its hash is stored; the `Ordered` event has it.
/// @param escrow what the hub received
/// @param orderedAt unix seconds
struct Order {
    address token;
    uint128 escrow;
    uint40 orderedAt;
    address publisher;
    address refundTo;
    Offer[] offers;
}

/// @notice How an order stands.
enum OrderState {
    None,
    Held,
    Closed
}

/// @notice What is to be asked, for a quote.
/// @param payloadLength bytes of the payload
/// @param maxTokens most tokens of answer
/// @param token what the asker pays in
/// @param publisher whose listing is to earn its royalty; zero for none
/// @param minBond bond that the request will demand; the rollup's is the floor
struct Inquiry {
    bytes32 modelId;
    uint32 payloadLength;
    uint32 maxTokens;
    address token;
    address publisher;
    uint128 minBond;
}

/// @notice What an answer costs now.
/// @param leastFee wei below which the inbox refuses the request
/// @param batchFee least wei with which a batch can claim it now; the largest number where the window is full
/// @param directFee likewise for a direct claim
/// @param executor whose ask is the cheapest; zero if none was found, then `price` and what follows from it are zero
/// @param price what that ask costs at most
/// @param royalty what the listing earns on top of it
/// @param priceCap `price + royalty`: the cap that pays it in full
/// @param fee the inbox's fee to send: `batchFee` unless the window is full, else `leastFee`
/// @param value wei to send without a callback fee: `fee`, and `priceCap` if the token is ether
struct Quote {
    uint256 leastFee;
    uint256 batchFee;
    uint256 directFee;
    address executor;
    uint256 price;
    uint256 royalty;
    uint256 priceCap;
    uint256 fee;
    uint256 value;
}

/// @notice Where a model's file comes from, as its publisher says. Nothing proves it but what the chain joins in.
/// @param sourceUri where the file may be found
/// @param license SPDX expression or text
/// @param fileSha256 of the file as published, before it became a ROM
/// @param programSourceHash of the source that the program was built from
/// @param attestations hashes of data attestations
/// @param attestationsUri where they may be found
struct Provenance {
    string sourceUri;
    string license;
    bytes32 fileSha256;
    bytes32 programSourceHash;
    bytes32[] attestations;
    string attestationsUri;
}

/// @notice A publisher's word on a model, with what the registry knows.
struct Listing {
    Provenance provenance;
    bytes32 modelRoot;
    bytes32 programId;
    uint64 length;
    uint16 royaltyBps;
    address royaltyTo;
    uint40 publishedAt;
}

/// @notice One question, asked again and again. Only its hash is stored; the `Subscribed` event has it.
/// @param params as of one request; its `inclusionDeadline` is 0 and is set at each tick
/// @param every seconds from one question to the next
/// @param inclusionDelay seconds from a tick to its inclusion deadline
/// @param tip wei for whoever makes a tick
struct Plan {
    RequestParams params;
    bytes32 payloadHash;
    bytes32 userDataHash;
    uint32 every;
    uint32 inclusionDelay;
    uint128 tip;
}

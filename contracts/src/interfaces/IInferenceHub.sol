// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Inquiry, Order, OrderState, Quote, Terms} from "./MarketTypes.sol";
import {ITokenCredits} from "./ITokenCredits.sol";
import {ClaimRef, Request, RequestParams, RequestStatus, SignedRequest} from "./Types.sol";

/// @title The one contract that a dApp talks to
/// @notice Asks the inbox, and holds what the asker pays executors on top of the inbox's fee, in ether or any ERC-20 token. It has
///         no say in what is true or final; whoever does without it uses the inbox directly. Tokens whose balances move by
///         themselves are not supported: an order in one may lose its escrow, no other order does.
interface IInferenceHub is ITokenCredits {
    /// @notice `order` is held for request `id`; keep it, since only its hash is stored.
    event Ordered(bytes32 indexed id, address indexed payer, Order order);
    /// @notice An order is settled: `paid` to `executor`, `royalty` to `royaltyTo`, the rest of the escrow back.
    event Settled(
        bytes32 indexed id, address indexed executor, uint256 paid, address royaltyTo, uint256 royalty, uint256 refunded
    );
    /// @notice An order's request was not answered: all of the escrow went back.
    event OrderRefunded(bytes32 indexed id, address indexed refundTo, uint256 amount);

    /// @notice `msg.value` is not what the request and an escrow in ether come to.
    error WrongValue(uint256 expected, uint256 given);
    /// @notice The terms name nobody to give the rest to, or the hub itself.
    error BadRefundTo(address refundTo);
    /// @notice More than 8 signed asks.
    error TooManyAsks(uint256 given);
    /// @notice A signed ask is for another model or another token.
    error AskMismatch(address executor);
    /// @notice The publisher has not listed the model.
    error NotPublished(bytes32 modelId, address publisher);
    /// @notice More of a token than an order can hold.
    error TooMuch(uint256 amount);
    /// @notice No such order is held for this request: it is settled, refunded, or was never made so.
    error NotTheOrder(bytes32 id);
    /// @notice The request is not in the state that this needs.
    error WrongState(bytes32 id);
    /// @notice The output is not the one that was claimed.
    error OutputMismatch(bytes32 id);
    /// @notice Only the inbox sends ether without asking.
    error NotInbox(address sender);
    /// @notice The contracts do not belong together.
    error BadParameters();

    /// @notice What an answer costs: the inbox's floor, and the cheapest ask on chain among `executors` that have a bond free.
    /// @param executors candidates; a page of the market's list, or the asker's own. Unknown ones are passed over
    function quote(Inquiry calldata inquiry, address[] calldata executors) external view returns (Quote memory);

    /// @notice As above, over the market's executors of the model numbered `start` to `start + count - 1`.
    function quote(Inquiry calldata inquiry, uint256 start, uint256 count) external view returns (Quote memory);

    /// @notice Asks, and holds `terms.priceCap` for whoever answers. Send `fee + callbackFee`, and the cap if it is in ether; a
    ///         token needs an allowance.
    function request(
        RequestParams calldata params,
        bytes calldata payload,
        bytes calldata userData,
        Terms calldata terms
    ) external payable returns (bytes32 id);

    /// @notice Asks for a signer; the caller pays all. Unspent fees go where the signer said, unspent escrow where the caller says.
    function requestFor(SignedRequest calldata signed, Terms calldata terms) external payable returns (bytes32 id);

    /// @notice How a request and its order stand.
    function status(bytes32 id) external view returns (RequestStatus memory request, OrderState order);

    /// @notice Hash of the order held for `id`; zero if there is none.
    function orderHash(bytes32 id) external view returns (bytes32);

    /// @notice Makes a claim final. Anyone, as on the rollup itself.
    function finalize(Request calldata req, ClaimRef calldata claim) external;

    /// @notice Ends the order of a final request. Anyone.
    /// @param output the claimed bytes, which say how many tokens are paid for
    function settle(Order calldata order, Request calldata req, ClaimRef calldata claim, bytes calldata output) external;

    /// @notice As `settle`, where the output is in a blob: what stands for it there says how many tokens are paid for.
    /// @param blob versioned hash
    /// @param ref first element, bytes in the blob and head (`BlobRefs`)
    function settleFromBlob(
        Order calldata order,
        Request calldata req,
        ClaimRef calldata claim,
        bytes32 blob,
        bytes calldata ref
    ) external;

    /// @notice Delivers the result to its consumer, or again where it failed, and credits the caller with what the inbox pays for it.
    function retryCallback(
        Request calldata req,
        ClaimRef calldata claim,
        bytes calldata output,
        bytes calldata userData
    ) external returns (bool success);

    /// @notice Ends the order of a request that nobody answered in time; refunds the request itself if nobody has. Anyone.
    function refundExpired(Order calldata order, Request calldata req) external;
}

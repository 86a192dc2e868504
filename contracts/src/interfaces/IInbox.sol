// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Callback, Request, RequestParams, RequestState, RequestStatus, SignedRequest} from "./Types.sol";
import {ICredits} from "./ICredits.sol";
import {IModelRegistry} from "./IModelRegistry.sol";
import {ISeeds} from "./ISeeds.sol";

/// @title Where questions come in
/// @notice Holds the requests' money and the one status slot that each has.
interface IInbox is ICredits, ISeeds {
    /// @notice Why a signed request was not admitted.
    enum AdmitError {
        None,
        BadSignature,
        NonceUsed,
        PastDeadline,
        DeadlineTooFar,
        UnknownModel,
        BadPayload,
        BadParams,
        TooMuchWork,
        CannotPay,
        FeeTooLow
    }

    /// @notice A request is open. Everything needed to answer it is here.
    event Requested(bytes32 indexed id, address indexed requester, Request request, bytes payload, bytes userData);
    /// @notice A signed request of a batch was left out.
    event SignedRequestSkipped(address indexed payer, uint64 nonce, AdmitError reason);
    /// @notice A request moved, but for Open -> Claimed: that is the rollup's `ResultClaimed`. `deadline` is the inclusion
    ///         deadline in force when it is Open.
    event StateChanged(
        bytes32 indexed id, RequestState from, RequestState to, uint64 segmentId, uint16 index, uint40 deadline
    );
    /// @notice A callback's progress.
    event CallbackChanged(bytes32 indexed id, Mode mode, Callback progress);
    /// @notice A request is final, and its work burned `amount` of its fee.
    event WorkBurned(bytes32 indexed id, uint256 amount);
    /// @notice `payer`'s deposit grew.
    event DepositMade(address indexed payer, uint256 amount);
    /// @notice `payer`'s deposit paid for a signed request.
    event DepositCharged(address indexed payer, bytes32 indexed id, uint256 amount);
    /// @notice `amount` may leave the deposit from `availableAt` on.
    event DepositWithdrawalStarted(address indexed payer, uint256 amount, uint256 availableAt);
    /// @notice `amount` left the deposit.
    event DepositWithdrawn(address indexed payer, address indexed to, uint256 amount);

    /// @notice The three callbacks of a consumer.
    enum Mode {
        Result,
        Finality,
        Overturn
    }

    /// @notice The caller is not the rollup.
    error NotRollup(address caller);
    /// @notice `msg.value` is not fee + callback fee.
    error WrongValue(uint256 expected, uint256 given);
    /// @notice The request can't be taken.
    error Refused(AdmitError reason);
    /// @notice The request is not in the state that this needs.
    error WrongState(bytes32 id, RequestState state);
    /// @notice Refunds start at `from`.
    error TooEarly(uint256 from);
    /// @notice The callback is not due, or was delivered.
    error NotDue(bytes32 id, Mode mode, Callback progress);
    /// @notice More than the deposit.
    error InsufficientDeposit(uint256 deposit, uint256 needed);
    /// @notice The receiver refused the money.
    error TransferFailed(address to);

    /// @notice Asks. Send `fee + callbackFee`.
    /// @param params what the asker chooses
    /// @param payload docs/encoding.md, section 7
    /// @param userData at most 4,096 bytes, handed back to the consumer
    function request(RequestParams calldata params, bytes calldata payload, bytes calldata userData)
        external
        payable
        returns (bytes32 id);

    /// @notice Asks for `signed.payer`, who signed and needs no ether: the caller sends `fee + callbackFee`. A refund goes where the
    ///         signer said. What a batch would skip reverts with `Refused`.
    function requestFor(SignedRequest calldata signed) external payable returns (bytes32 id);

    /// @notice Adds the value sent to `payer`'s deposit, which pays for signed requests.
    function deposit(address payer) external payable;

    /// @notice Announces that `amount` of the caller's deposit will leave. It still pays for signed requests until it does.
    function startDepositWithdrawal(uint256 amount) external;

    /// @notice Pays what was announced, or what is left of it, once the delay is over.
    function withdrawDeposit(address payable to) external returns (uint256 amount);

    /// @notice Gives the money of an Open request back, as credit of `refundTo`. Anyone, once the time for direct claims is over,
    ///         or at once where the block of its seed is lost.
    function refund(Request calldata req) external;

    /// @notice Admits the signed requests of a batch; the bad ones are skipped. Rollup only.
    function admit(SignedRequest[] calldata signed) external;

    /// @notice Open -> Claimed. Returns false, and does nothing, unless Open. Rollup only.
    /// @param burn wei of the fee that are burned if this claim becomes final; at most half of it
    function claim(bytes32 id, uint64 segmentId, uint16 index, uint80 burn) external returns (bool claimed);

    /// @notice As `claim` for a run of results, `ids[0]` being result `from` of the segment. Stops at the first that is not
    ///         Open and says how many were. Rollup only.
    function claimMany(uint64 segmentId, uint16 from, bytes32[] calldata ids, uint80[] calldata burns)
        external
        returns (uint256 claimed);

    /// @notice Claimed -> Final: burns what the claim's work costs, credits the rest of `fee` to `executor`. Rollup only; it
    ///         has checked everything.
    function settle(bytes32 id, address executor, Request calldata req) external;

    /// @notice Claimed -> Open with a fresh deadline, if this is the standing claim. Rollup only.
    function reopen(bytes32 id, uint64 segmentId, uint16 index) external;

    /// @notice Marks a callback Done before it is made, and pays its deliverer the first time. Rollup only.
    function beginCallback(bytes32 id, Mode mode, Request calldata req, address deliverer) external;

    /// @notice Marks a callback Failed, so that it can be retried. Rollup only.
    function failCallback(bytes32 id, Mode mode) external;

    /// @notice How a request stands.
    function status(bytes32 id) external view returns (RequestStatus memory);

    /// @notice The id of a request.
    function idOf(Request calldata req) external view returns (bytes32);

    /// @notice EIP-712 digest that the payer of a signed request signs.
    function signedRequestDigest(SignedRequest calldata signed) external view returns (bytes32);

    /// @notice Whether `payer` has used `nonce`.
    function nonceUsed(address payer, uint64 nonce) external view returns (bool);

    /// @notice `payer`'s deposit; `leaving` of it may be withdrawn from `availableAt` on.
    function deposits(address payer) external view returns (uint112 balance, uint112 leaving, uint32 availableAt);

    /// @notice EIP-712 domain separator.
    function domainSeparator() external view returns (bytes32);

    /// @notice Requests asked on chain so far: the nonce of the next.
    function requestCount() external view returns (uint64);

    /// @notice Most work of one request, in model bytes x tokens.
    function maxWork() external view returns (uint256);

    /// @notice Seconds after the inclusion deadline in which direct claims come before refunds.
    function directPeriod() external view returns (uint64);

    /// @notice The one contract that moves requests.
    function rollup() external view returns (address);

    /// @notice Where the models are that can be asked.
    function registry() external view returns (IModelRegistry);

    /// @notice Seconds from a rejection to the fresh inclusion deadline.
    function reopenPeriod() external view returns (uint64);
}

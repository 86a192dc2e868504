// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {BlobOpening, ClaimGames, ClaimRef, GameContext, GameState, Request} from "./Types.sol";
import {IOneStepProver} from "../machine/IOneStepProver.sol";
import {ICredits} from "./ICredits.sol";
import {IModelRegistry} from "./IModelRegistry.sol";
import {IRollup} from "./IRollup.sol";
import {IStaking} from "./IStaking.sol";

/// @title The bisection game over one claim
/// @notice Many games per claim at once, each between one challenger and the claim's executor
///         (docs/encoding.md, section 8). The challenger moves first. `move` and `prove` stand at the contracts that post
///         roots in calldata and in blobs.
interface IDisputeGame is ICredits {
    /// @notice How a game was won.
    enum Reason {
        Proof,
        Timeout
    }

    /// @notice A game began. Its first history is `gameId`, its standing dissection `[initialRoot, Halted(0)]`.
    event GameOpened(
        bytes32 indexed gameId,
        bytes32 indexed requestId,
        address indexed challenger,
        GameContext context,
        bytes32 initialRoot
    );
    /// @notice One step was run: at `index` the machine goes from `beforeRoot` to `afterRoot`, not to `claimedRoot`.
    event StepProven(bytes32 indexed gameId, uint256 index, bytes32 beforeRoot, bytes32 afterRoot, bytes32 claimedRoot);
    /// @notice A game is over. Gas in wei as counted by the rules.
    event GameWon(
        bytes32 indexed gameId,
        address indexed winner,
        address indexed loser,
        Reason reason,
        uint256 challengerGas,
        uint256 executorGas
    );
    /// @notice The claim's bond was split: `burned + pool + toWinner` is all that came of it, in wei (`IStaking.slash`).
    event ClaimLost(bytes32 indexed requestId, bytes32 indexed gameId, uint256 burned, uint256 pool, uint256 toWinner);
    /// @notice The challenger's bond was split: `burned + toExecutor` is all of it.
    event BondForfeited(bytes32 indexed gameId, uint256 burned, uint256 toExecutor);
    /// @notice A game ended because the claim was lost in another one.
    event GameVoided(bytes32 indexed gameId, address indexed challenger, uint256 returned, uint256 gasRepaid);

    /// @notice The value sent is not the challenger's bond.
    error WrongBond(uint256 expected, uint256 given);
    /// @notice The window closed at `closedAt`.
    error WindowClosed(uint256 closedAt);
    /// @notice The claim lost a game already.
    error ClaimAlreadyLost();
    /// @notice The claim has not lost a game.
    error ClaimNotLost();
    /// @notice This challenger has a game on this claim.
    error GameExists(bytes32 gameId);
    /// @notice There is no such game, or it is over.
    error GameNotRunning(bytes32 gameId);
    /// @notice Bytes do not match the hash that the request or claim names.
    error HashMismatch();
    /// @notice History, players, claim or standing roots are not those of the game.
    error StaleMove(bytes32 expected, bytes32 given);
    /// @notice The piece is not one of the standing dissection.
    error NoSuchSegment(uint256 segment, uint256 pieces);
    /// @notice The proof's length does not fit the piece.
    error WrongProofLength();
    /// @notice The last root is the standing one: nothing is contested.
    error NothingContested();
    /// @notice The piece is one step long: it is proven, not split.
    error MustProve();
    /// @notice The piece is longer than one step.
    error TooLongToProve();
    /// @notice The witness starts from another state than the agreed one.
    error WrongBefore(bytes32 expected, bytes32 given);
    /// @notice The step ends where the opponent says.
    error StepAgrees();
    /// @notice Calldata is longer than its encoding.
    error NonCanonicalCalldata(uint256 expected, uint256 given);
    /// @notice The mover's clock ran out.
    error ClockRanOut();
    /// @notice The clock runs out at `endsAt`.
    error ClockRunning(uint256 endsAt);
    /// @notice Deployment parameters that contradict each other.
    error BadParameters();

    /// @notice Begins a game on a standing claim inside its window. Send exactly `challengerBond`.
    /// @param req the request
    /// @param claim the claim, with its leaf's proof
    /// @param payload the request's payload
    /// @param output the claimed output
    function open(Request calldata req, ClaimRef calldata claim, bytes calldata payload, bytes calldata output)
        external
        payable
        returns (bytes32 gameId);

    /// @notice As `open`, on a claim whose output is in a blob.
    /// @param output the claimed output, its head and the bytes in the blob
    /// @param opening shows that the bytes are the blob's
    function openFromBlob(
        Request calldata req,
        ClaimRef calldata claim,
        bytes calldata payload,
        bytes calldata output,
        BlobOpening calldata opening
    ) external payable returns (bytes32 gameId);

    /// @notice Ends a game whose player to move has run out of time. Anyone.
    function timeout(GameContext calldata context) external;

    /// @notice Ends a game on a claim that was lost in another one: the bond goes back, gas is repaid. Anyone.
    function settleVoid(GameContext calldata context) external;

    /// @notice A game's packed slot, unpacked.
    function game(bytes32 gameId) external view returns (GameState memory);

    /// @notice Commitment that a move must match (docs/encoding.md, section 8).
    function commitment(bytes32 gameId) external view returns (bytes32);

    /// @notice Games of a claim, by claim key (`segmentId << 16 | index`).
    function claimGames(uint256 claimKey) external view returns (ClaimGames memory);

    /// @notice The id of a game.
    function gameIdOf(GameContext calldata context) external view returns (bytes32);

    /// @notice Wei that a challenger sends with `open`: twice the executor's worst gas for a game.
    function challengerBond() external view returns (uint256);

    /// @notice The rollup whose claims are played for.
    function rollup() external view returns (IRollup);

    /// @notice The inbox whose requests are answered.
    function inbox() external view returns (address);

    /// @notice Where the bonds are that are played for.
    function staking() external view returns (IStaking);

    /// @notice Where the models' programs are.
    function registry() external view returns (IModelRegistry);

    /// @notice Who decides the last step.
    function prover() external view returns (IOneStepProver);

    /// @notice Seconds that each player may use in one game.
    function allowance() external view returns (uint64);

    /// @notice log2 of k, the most pieces of one dissection.
    function arityLog2() external view returns (uint8);

    /// @notice Whether roots are posted in blobs, as their low 248 bits; else in calldata.
    function postsBlobs() external view returns (bool);

    /// @notice log2 of the number of trace indices.
    function traceLog2() external view returns (uint8);
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {BlobOpening, ClaimGames, ClaimRef, GameContext, GameState, GameStatus, Request} from "../interfaces/Types.sol";
import {TAG_STATE} from "../generated/Params.sol";
import {IAssetStaking} from "../interfaces/IAssetStaking.sol";
import {IDisputeGame} from "../interfaces/IDisputeGame.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {IRollup} from "../interfaces/IRollup.sol";
import {ISeeds} from "../interfaces/ISeeds.sol";
import {IStaking} from "../interfaces/IStaking.sol";
import {IOneStepProver} from "../machine/IOneStepProver.sol";
import {Credits} from "../rollup/Credits.sol";
import {RequestLaws} from "../rollup/RequestLaws.sol";
import {BlobOutput} from "./BlobOutput.sol";
import {GameSlot, MAX_GAS_GWEI, pack} from "./GameSlot.sol";
import {RomTree} from "./RomTree.sol";

/// @title What every bisection game over a claim has, however its roots are posted
/// @notice Opening, clocks, endings and money. A mode adds `move`, `prove` and the form of a posted root.
// INVARIANT: balance >= challengerBond of every game that is neither won nor void + what is left of the gas pools of lost
//            claims, if stake is ether + credits. Only rounding dust of a pool exceeds it.
abstract contract GameBase is IDisputeGame, Credits {
    /// @dev The largest one-step proof: 300k gas for the step, 5 KB of calldata, and the ending of the game.
    uint256 private constant PROVE_GAS = 550_000;
    uint256 private constant TIMEOUT_GAS = 120_000;
    uint256 private constant TX_GAS = 21_000;
    uint256 private constant BYTE_GAS = 16;
    uint256 private constant FLOOR_BYTE_GAS = 40;
    /// @dev What a call still spends after it has counted its gas, and spent before: dispatch, last stores.
    uint256 internal constant UNCOUNTED_GAS = 8_000;
    uint256 private constant NEW_SLOT_GAS = 20_000;
    uint256 internal constant GWEI = 1 gwei;
    /// @dev `H(0x02, 0x03, 144 zero bytes)`: the state Halted(0).
    bytes32 internal immutable _haltedRoot;

    /// @inheritdoc IDisputeGame
    IRollup public immutable rollup;
    address private immutable _inbox;
    IStaking private immutable _staking;
    bool private immutable _stakeIsEther;
    IModelRegistry private immutable _registry;
    IOneStepProver private immutable _prover;
    uint256 private immutable _tipCap;
    /// @inheritdoc IDisputeGame
    uint256 public immutable challengerBond;
    /// @inheritdoc IDisputeGame
    uint64 public immutable allowance;
    /// @inheritdoc IDisputeGame
    uint8 public immutable arityLog2;
    /// @inheritdoc IDisputeGame
    uint8 public immutable traceLog2;

    /// @inheritdoc IDisputeGame
    mapping(bytes32 gameId => bytes32) public commitment;
    mapping(bytes32 gameId => GameSlot) internal _games;
    mapping(uint256 claimKey => ClaimGames) internal _claims;

    /// @param bondGasPrice wei per gas that the challenger's bond reckons with
    /// @param tipCap most wei per gas over the base fee that is repaid
    /// @param moveGas the dearest move, calldata and execution
    constructor(
        IRollup rollup_,
        address inbox_,
        IStaking staking_,
        IModelRegistry registry_,
        IOneStepProver prover_,
        uint8 arityLog2_,
        uint64 allowance_,
        uint256 bondGasPrice,
        uint256 tipCap,
        uint256 moveGas
    ) {
        (rollup, _inbox, _staking, _registry, _prover) = (rollup_, inbox_, staking_, registry_, prover_);
        (arityLog2, allowance, _tipCap) = (arityLog2_, allowance_, tipCap);
        _stakeIsEther = address(staking_.asset()) == address(0);
        uint8 log2 = registry_.traceLog2();
        bool fits = arityLog2_ != 0 && arityLog2_ <= 12 && log2 != 0 && log2 <= 56;
        if (!fits || allowance_ == 0 || allowance_ >= type(uint24).max) revert BadParameters();
        traceLog2 = log2;
        challengerBond = 2 * _executorWorstGas(log2, arityLog2_, moveGas) * bondGasPrice;
        _haltedRoot = keccak256(abi.encodePacked(TAG_STATE, uint8(3), new bytes(144)));
    }

    /// @dev Slashed bonds come from the staking contract.
    receive() external payable {
        if (msg.sender != address(_staking)) revert WrongBond(0, msg.value);
    }

    // ---- playing ----------------------------------------------------------------------------------------------------

    /// @inheritdoc IDisputeGame
    function open(Request calldata req, ClaimRef calldata claim, bytes calldata payload, bytes calldata output)
        external
        payable
        returns (bytes32 gameId)
    {
        uint256 gasBefore = gasleft();
        _exact(4 + 32 * (30 + claim.proof.length + _words(payload.length) + _words(output.length)));
        if (msg.value != challengerBond) revert WrongBond(challengerBond, msg.value);
        return _open(_contextOf(req, claim, payload, output, keccak256(output)), gasBefore);
    }

    /// @inheritdoc IDisputeGame
    function openFromBlob(
        Request calldata req,
        ClaimRef calldata claim,
        bytes calldata payload,
        bytes calldata output,
        BlobOpening calldata opening
    ) external payable returns (bytes32 gameId) {
        uint256 gasBefore = gasleft();
        _exact(
            4 + 32
                * (37
                    + claim.proof.length
                    + _words(payload.length)
                    + _words(output.length)
                    + _words(opening.rest.length)
                    + _words(opening.openings.length))
        );
        if (msg.value != challengerBond) revert WrongBond(challengerBond, msg.value);
        return _open(_contextOf(req, claim, payload, output, BlobOutput.check(output, opening)), gasBefore);
    }

    /// @inheritdoc IDisputeGame
    function timeout(GameContext calldata context) external {
        uint256 gasBefore = gasleft();
        _exact(4 + 32 * 9);
        bytes32 gameId = _id(context);
        if (_claims[_key(context.segmentId, context.index)].lost) revert ClaimAlreadyLost();
        GameState memory g = _games[gameId].unpack();
        bool executorWins = g.status == GameStatus.ChallengerToMove;
        if (!executorWins && g.status != GameStatus.ExecutorToMove) revert GameNotRunning(gameId);
        uint256 used = executorWins ? g.challengerUsed : g.executorUsed;
        uint256 endsAt = g.lastAt + allowance - used;
        if (block.timestamp < endsAt) revert ClockRunning(endsAt);
        // INVARIANT: payees are those of the context; whoever calls is repaid only if it is the winner itself.
        address winner = executorWins ? context.executor : context.challenger;
        uint256 spent = msg.sender == winner ? gasBefore - gasleft() : 0;
        _finish(gameId, context, g, !executorWins, Reason.Timeout, spent);
    }

    /// @inheritdoc IDisputeGame
    function settleVoid(GameContext calldata context) external {
        bytes32 gameId = _id(context);
        ClaimGames memory games = _claims[_key(context.segmentId, context.index)];
        if (!games.lost) revert ClaimNotLost();
        GameState memory g = _games[gameId].unpack();
        bool running = g.status == GameStatus.ChallengerToMove || g.status == GameStatus.ExecutorToMove;
        if (!running) revert GameNotRunning(gameId);
        g.status = GameStatus.Void;
        _games[gameId] = pack(g);
        --_claims[_key(context.segmentId, context.index)].open;
        uint256 repaid = _share(games, g.challengerGas);
        emit GameVoided(gameId, context.challenger, challengerBond, repaid);
        _creditWith(context.challenger, challengerBond, repaid, 0);
    }

    // ---- views ------------------------------------------------------------------------------------------------------

    /// @inheritdoc IDisputeGame
    function postsBlobs() external view virtual returns (bool);

    /// @inheritdoc IDisputeGame
    function game(bytes32 gameId) external view returns (GameState memory) {
        return _games[gameId].unpack();
    }

    /// @inheritdoc IDisputeGame
    function claimGames(uint256 claimKey) external view returns (ClaimGames memory) {
        return _claims[claimKey];
    }

    /// @inheritdoc IDisputeGame
    function inbox() external view returns (address) {
        return _inbox;
    }

    /// @inheritdoc IDisputeGame
    function staking() external view returns (IStaking) {
        return _staking;
    }

    /// @inheritdoc IDisputeGame
    function registry() external view returns (IModelRegistry) {
        return _registry;
    }

    /// @inheritdoc IDisputeGame
    function prover() external view returns (IOneStepProver) {
        return _prover;
    }

    /// @inheritdoc IDisputeGame
    function gameIdOf(GameContext calldata context) external view returns (bytes32) {
        return _id(context);
    }

    // ---- the board --------------------------------------------------------------------------------------------------

    /// @dev Begins the game; `gasBefore` is what the call began with.
    function _open(GameContext memory context, uint256 gasBefore) private returns (bytes32 gameId) {
        uint256 key = _key(context.segmentId, context.index);
        ClaimGames memory games = _claims[key];
        if (games.lost) revert ClaimAlreadyLost();
        gameId = _id(context);
        if (commitment[gameId] != 0) revert GameExists(gameId);

        bytes32 first = _registry.initialRootOf(context.modelId);
        // The opening dissection: one piece over the whole trace.
        commitment[gameId] = _commitOpening(gameId, first, key, msg.sender, context.executor);
        emit GameOpened(gameId, context.requestId, msg.sender, context, first);

        GameState memory g;
        g.status = GameStatus.ChallengerToMove;
        g.strideLog2 = traceLog2;
        g.lastAt = block.timestamp;
        // The claim's slot and the game's are stored after the count; the claim's is new to its first game.
        uint256 stores = games.gas == 0 ? 2 * NEW_SLOT_GAS : NEW_SLOT_GAS;
        g.challengerGas = _plus(0, _spentWei(gasBefore - gasleft() + stores + UNCOUNTED_GAS) / GWEI);
        ++games.open;
        games.gas += uint64(g.challengerGas);
        _claims[key] = games;
        _games[gameId] = pack(g);
    }

    /// @dev Checks a claim and the bytes behind it, and fixes what the game is about.
    // INVARIANT: both ROMs are computed here from bytes that were fixed, by what was posted, before anyone knew of a dispute.
    function _contextOf(
        Request calldata req,
        ClaimRef calldata claim,
        bytes calldata payload,
        bytes calldata output,
        bytes32 outputHash
    ) private view returns (GameContext memory context) {
        bytes32 id = RequestLaws.idOf(req, _inbox);
        (address executor, uint40 postedAt) = rollup.checkClaim(id, claim);
        uint256 closedAt = uint256(postedAt) + rollup.window();
        if (block.timestamp >= closedAt) revert WindowClosed(closedAt);
        if (keccak256(payload) != req.payloadHash || outputHash != claim.outputHash) revert HashMismatch();
        context.requestId = id;
        context.segmentId = claim.segmentId;
        context.index = claim.index;
        context.executor = executor;
        context.challenger = msg.sender;
        // As the rollup's `bondOf`, which would have the whole request handed over again.
        uint128 least = rollup.claimBond();
        context.claimBond = req.params.minBond > least ? req.params.minBond : least;
        context.modelId = req.params.modelId;
        context.requestRoot = RomTree.root(_romHeader(req, id), payload);
        context.outputRoot = RomTree.root("", output);
    }

    /// @dev The six words that stand before the payload (docs/encoding.md, section 7).
    function _romHeader(Request calldata req, bytes32 id) private view returns (bytes memory) {
        bytes32 entropy = req.entropy;
        // INVARIANT: recorded before it could be claimed, and never changed since.
        if (req.origin == RequestLaws.ORIGIN_LATER) entropy = ISeeds(_inbox).recordedSeed(uint256(entropy));
        bytes32 seed = RequestLaws.seed(entropy, id);
        return abi.encode(block.chainid, _inbox, id, req.params.modelId, seed, uint256(req.tolerance));
    }

    /// @dev Checks that the caller is to move and in time, charges its clock, and says which player it is. That the caller
    ///      is that player is part of the commitment.
    function _tick(bytes32 gameId, GameState memory g) internal view returns (bool byChallenger) {
        byChallenger = g.status == GameStatus.ChallengerToMove;
        if (!byChallenger && g.status != GameStatus.ExecutorToMove) revert GameNotRunning(gameId);
        uint256 used = (byChallenger ? g.challengerUsed : g.executorUsed) + block.timestamp - g.lastAt;
        if (used >= allowance) revert ClockRanOut();
        if (byChallenger) g.challengerUsed = used;
        else g.executorUsed = used;
        g.lastAt = block.timestamp;
    }

    /// @dev What a move on piece `segment` of claim `claim` finds: the state with the mover's clock charged, whose move it
    ///      is, and the log2 of how many roots it posts.
    function _beginMove(bytes32 gameId, uint256 claim)
        internal
        view
        returns (GameState memory g, bool byChallenger, uint256 width)
    {
        if (_claims[claim].lost) revert ClaimAlreadyLost();
        g = _games[gameId].unpack();
        byChallenger = _tick(gameId, g);
        if (g.strideLog2 == 0) revert MustProve();
        width = g.strideLog2 < arityLog2 ? g.strideLog2 : arityLog2;
    }

    /// @dev Stores the state after a move. `spent` is in gwei.
    function _endMove(
        bytes32 gameId,
        uint256 claim,
        uint256 segment,
        GameState memory g,
        bool byChallenger,
        uint256 width,
        uint256 spent
    ) internal {
        g.start += segment << g.strideLog2;
        g.strideLog2 -= width;
        g.piecesLog2 = width;
        g.status = byChallenger ? GameStatus.ExecutorToMove : GameStatus.ChallengerToMove;
        if (byChallenger) _claims[claim].gas += _addChallengerGas(g, spent);
        else g.executorGas = _plus(g.executorGas, spent);
        _games[gameId] = pack(g);
    }

    /// @dev What a proof finds. The claim's key, the state with the mover's clock charged, and whose proof it is.
    function _beginProof(bytes32 gameId, GameContext calldata context)
        internal
        view
        returns (GameState memory g, bool byChallenger)
    {
        if (_claims[_key(context.segmentId, context.index)].lost) revert ClaimAlreadyLost();
        g = _games[gameId].unpack();
        byChallenger = _tick(gameId, g);
        if (g.strideLog2 != 0) revert TooLongToProve();
    }

    /// @dev Reverts unless the step at `index` leads from the agreed root to another one than the opponent's.
    function _runStep(
        bytes32 gameId,
        GameContext calldata context,
        bytes32 left,
        bytes32 right,
        uint64 index,
        bytes calldata witness
    ) internal {
        (bytes32 beforeRoot, bytes32 afterRoot) = _prover.step(
            _registry.stepContext(context.modelId, context.requestRoot, context.outputRoot), index, witness
        );
        if (_posted(beforeRoot) != left) revert WrongBefore(left, beforeRoot);
        if (_posted(afterRoot) == right) revert StepAgrees();
        emit StepProven(gameId, index, beforeRoot, afterRoot, right);
    }

    /// @dev The form in which a root is posted and compared.
    function _posted(bytes32 root) internal pure virtual returns (bytes32);

    /// @dev Commitment to the opening dissection, from `first` to Halted(0).
    function _commitOpening(bytes32 gameId, bytes32 first, uint256 claim, address mover, address opponent)
        internal
        view
        virtual
        returns (bytes32);

    // ---- the money --------------------------------------------------------------------------------------------------

    /// @param gasUsed execution gas of the winner's last call; 0 if somebody else made it
    function _finish(
        bytes32 gameId,
        GameContext calldata context,
        GameState memory g,
        bool challengerWins,
        Reason reason,
        uint256 gasUsed
    ) internal {
        uint256 key = _key(context.segmentId, context.index);
        ClaimGames memory games = _claims[key];
        --games.open;
        uint256 spent = gasUsed == 0 ? 0 : _spentWei(gasUsed + 60_000) / GWEI;
        (address winner, address loser) = (context.challenger, context.executor);
        if (challengerWins) {
            games.gas += _addChallengerGas(g, spent);
        } else {
            (winner, loser) = (loser, winner);
            g.executorGas = _plus(g.executorGas, spent);
            games.gas -= uint64(g.challengerGas);
        }
        g.status = challengerWins ? GameStatus.ChallengerWon : GameStatus.ExecutorWon;
        _games[gameId] = pack(g);
        emit GameWon(gameId, winner, loser, reason, g.challengerGas * GWEI, g.executorGas * GWEI);
        if (challengerWins) {
            _splitClaimBond(gameId, context, games, g.challengerGas);
        } else {
            _claims[key] = games;
            _splitChallengerBond(gameId, context.executor, g.executorGas * GWEI);
        }
    }

    /// @dev The first lost game rejects the claim and spends its bond.
    // INVARIANT: at least half is burned, so losing to oneself never pays. INVARIANT: it happens once per claim.
    function _splitClaimBond(
        bytes32 gameId,
        GameContext calldata context,
        ClaimGames memory games,
        uint256 challengerGas
    ) private {
        uint256 key = _key(context.segmentId, context.index);
        uint256 burned = _divide(games, context.claimBond);
        games.lost = true;
        _claims[key] = games;
        uint256 came = _staking.slash(context.executor, context.claimBond);
        if (came != context.claimBond) {
            // INVARIANT: shares are of what came. Ether comes whole.
            burned = _divide(games, came);
            _claims[key] = games;
        }
        emit ClaimLost(context.requestId, gameId, burned, uint256(games.pool) * GWEI, came / 4);
        _creditWith(context.challenger, challengerBond, came / 4 + _share(games, challengerGas), burned);
        rollup.reject(context.requestId, context.segmentId, context.index);
    }

    /// @dev Sets `taken` wei of a bond out: up to a quarter for the pool, a quarter for the winner, the rest to burn.
    function _divide(ClaimGames memory games, uint256 taken) private pure returns (uint256 burned) {
        uint256 quarter = taken / 4;
        uint256 pool = quarter / GWEI < games.gas ? quarter / GWEI : games.gas;
        games.pool = uint64(pool);
        return taken - quarter - pool * GWEI;
    }

    /// @dev Credits a challenger's bond and its shares of the stake that was taken, and burns `burned` of that. Where the stake
    ///      is not ether, those shares are due at the staking contract.
    function _creditWith(address challenger, uint256 bond, uint256 shares, uint256 burned) private {
        if (_stakeIsEther) {
            _credit(challenger, bond + shares);
            return _burn(burned);
        }
        _credit(challenger, bond);
        IAssetStaking(address(_staking)).award(challenger, shares, burned);
    }

    /// @dev The executor's gas comes out of half of the bond; the rest is burned, so a sham game is never free.
    function _splitChallengerBond(bytes32 gameId, address executor, uint256 executorGasWei) private {
        uint256 half = challengerBond / 2;
        uint256 repaid = executorGasWei < half ? executorGasWei : half;
        emit BondForfeited(gameId, challengerBond - repaid, repaid);
        _credit(executor, repaid);
        _burn(challengerBond - repaid);
    }

    /// @dev A challenger's part of a lost claim's pool, in wei: its gas, or pro rata when the pool is short.
    function _share(ClaimGames memory games, uint256 gasGwei) private pure returns (uint256) {
        return games.gas == 0 ? 0 : uint256(games.pool) * GWEI * gasGwei / games.gas;
    }

    function _burn(uint256 amount) private {
        if (amount == 0) return;
        (bool ok,) = address(0).call{value: amount}("");
        // The zero address has no code: this fails only if the balance is short, which the invariant excludes.
        assert(ok);
    }

    /// @dev Wei of a call that executed `executionGas`, at the prices that are repaid.
    function _spentWei(uint256 executionGas) internal view returns (uint256) {
        // Gas and its price are far below 2^64 each.
        unchecked {
            uint256 standard = TX_GAS + BYTE_GAS * msg.data.length + executionGas;
            uint256 floor = TX_GAS + FLOOR_BYTE_GAS * msg.data.length;
            uint256 cap = block.basefee + _tipCap;
            return (standard > floor ? standard : floor) * (tx.gasprice < cap ? tx.gasprice : cap);
        }
    }

    function _plus(uint256 gwei_, uint256 more) private pure returns (uint256) {
        // INVARIANT: gwei_ <= MAX_GAS_GWEI, and `more` is wei / 10^9, so the sum does not wrap.
        unchecked {
            uint256 sum = gwei_ + more;
            return sum > MAX_GAS_GWEI ? MAX_GAS_GWEI : sum;
        }
    }

    /// @dev Returns what was really added, for the claim's sum.
    function _addChallengerGas(GameState memory g, uint256 spent) private pure returns (uint64 added) {
        uint256 sum = _plus(g.challengerGas, spent);
        added = uint64(sum - g.challengerGas);
        g.challengerGas = sum;
    }

    /// @dev The executor makes every second move, and the proof where the number of moves is odd.
    function _executorWorstGas(uint256 trace, uint256 arity, uint256 oneMove) private pure returns (uint256) {
        uint256 moves = (trace + arity - 1) / arity;
        return (moves / 2) * oneMove + (moves % 2) * PROVE_GAS + TIMEOUT_GAS;
    }

    // ---- hashes -----------------------------------------------------------------------------------------------------

    function _id(GameContext memory context) internal view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), context));
    }

    function _key(uint64 segmentId, uint16 index) internal pure returns (uint256) {
        return uint256(segmentId) << 16 | index;
    }

    /// @dev Bytes beyond the encoding would be paid for by the loser.
    function _exact(uint256 length) internal pure {
        if (msg.data.length != length) revert NonCanonicalCalldata(length, msg.data.length);
    }

    function _words(uint256 length) internal pure returns (uint256) {
        return (length + 31) / 32;
    }
}

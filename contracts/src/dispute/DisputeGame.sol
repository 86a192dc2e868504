// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ClaimGames, ClaimRef, GameContext, GameState, GameStatus, Move, Proof, Request} from "../interfaces/Types.sol";
import {TAG_STATE} from "../generated/Params.sol";
import {IDisputeGame} from "../interfaces/IDisputeGame.sol";
import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {IRollup} from "../interfaces/IRollup.sol";
import {IStaking} from "../interfaces/IStaking.sol";
import {IOneStepProver} from "../machine/IOneStepProver.sol";
import {Credits} from "../rollup/Credits.sol";
import {RequestLaws} from "../rollup/RequestLaws.sol";
import {Dissection} from "./Dissection.sol";
import {GameSlot, MAX_GAS_GWEI, pack} from "./GameSlot.sol";
import {RomTree} from "./RomTree.sol";

/// @title The bisection game over one claim
// INVARIANT: balance >= challengerBond of every game that is neither won nor void + what is left of the gas pools of lost
//            claims + credits. Only rounding dust of a pool exceeds it.
contract DisputeGame is IDisputeGame, Credits {
    /// @dev Calldata and execution of one move, over `MOVE_BASE_GAS + MOVE_ROOT_GAS * k`.
    uint256 private constant MOVE_BASE_GAS = 60_000;
    uint256 private constant MOVE_ROOT_GAS = 1_600;
    /// @dev The largest one-step proof: 300k gas for the step, 5 KB of calldata, and the ending of the game.
    uint256 private constant PROVE_GAS = 550_000;
    uint256 private constant TIMEOUT_GAS = 120_000;
    uint256 private constant TX_GAS = 21_000;
    uint256 private constant BYTE_GAS = 16;
    uint256 private constant FLOOR_BYTE_GAS = 40;
    /// @dev What a call still spends after it has counted its gas, and spent before: dispatch, last stores.
    uint256 private constant UNCOUNTED_GAS = 8_000;
    uint256 private constant NEW_SLOT_GAS = 20_000;
    uint256 private constant GWEI = 1 gwei;
    /// @dev `H(0x02, 0x03, 144 zero bytes)`: the state Halted(0).
    bytes32 private immutable _haltedRoot;

    /// @inheritdoc IDisputeGame
    IRollup public immutable rollup;
    address private immutable _inbox;
    IStaking private immutable _staking;
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
    mapping(bytes32 gameId => GameSlot) private _games;
    mapping(uint256 claimKey => ClaimGames) private _claims;

    /// @param bondGasPrice wei per gas that the challenger's bond reckons with
    /// @param tipCap most wei per gas over the base fee that is repaid
    constructor(
        IRollup rollup_,
        address inbox_,
        IStaking staking_,
        IModelRegistry registry_,
        IOneStepProver prover_,
        uint8 arityLog2_,
        uint64 allowance_,
        uint256 bondGasPrice,
        uint256 tipCap
    ) {
        (rollup, _inbox, _staking, _registry, _prover) = (rollup_, inbox_, staking_, registry_, prover_);
        (arityLog2, allowance, _tipCap) = (arityLog2_, allowance_, tipCap);
        uint8 log2 = registry_.traceLog2();
        bool fits = arityLog2_ != 0 && arityLog2_ <= 12 && log2 != 0 && log2 <= 56;
        if (!fits || allowance_ == 0 || allowance_ >= type(uint24).max) revert BadParameters();
        traceLog2 = log2;
        challengerBond = 2 * _executorWorstGas(log2, arityLog2_) * bondGasPrice;
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
        GameContext memory context = _contextOf(req, claim, payload, output);

        uint256 key = _key(context.segmentId, context.index);
        ClaimGames memory games = _claims[key];
        if (games.lost) revert ClaimAlreadyLost();
        gameId = _id(context);
        if (commitment[gameId] != 0) revert GameExists(gameId);

        bytes32 first = _registry.initialRootOf(context.modelId);
        // The opening dissection: one piece over the whole trace. A tree of one root is that root.
        commitment[gameId] = _commit(gameId, first, _haltedRoot, key, msg.sender, context.executor);
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

    /// @inheritdoc IDisputeGame
    function move(Move calldata m) external {
        uint256 gasBefore = gasleft();
        _exact(4 + 32 * (13 + m.proof.length + m.roots.length));
        if (_claims[m.claim].lost) revert ClaimAlreadyLost();
        GameState memory g = _games[m.gameId].unpack();
        bool byChallenger = _tick(m.gameId, g);

        if (g.strideLog2 == 0) revert MustProve();
        uint256 stride = g.strideLog2;
        uint256 width = stride < arityLog2 ? stride : arityLog2;
        if (m.roots.length != uint256(1) << width) revert WrongRootCount(uint256(1) << width, m.roots.length);
        // INVARIANT: the mover takes over the piece's start and denies its end, so the two players' ends of every standing
        //            piece differ and its start is agreed.
        if (m.roots[m.roots.length - 1] == m.right) revert NothingContested();
        _checkStanding(m, g.piecesLog2);

        bytes32 history = keccak256(abi.encodePacked(m.history, uint32(m.segment), m.roots));
        bytes32 posted = Dissection.rootOf(m.roots);
        commitment[m.gameId] = _commit(history, m.left, posted, m.claim, m.opponent, msg.sender);
        emit Moved(m.gameId, msg.sender, m.history, m.segment, m.roots);

        g.start += m.segment << stride;
        g.strideLog2 = stride - width;
        g.piecesLog2 = width;
        g.status = byChallenger ? GameStatus.ExecutorToMove : GameStatus.ChallengerToMove;
        uint256 spent = _spentWei(gasBefore - gasleft() + UNCOUNTED_GAS) / GWEI;
        if (byChallenger) _claims[m.claim].gas += _addChallengerGas(g, spent);
        else g.executorGas = _plus(g.executorGas, spent);
        _games[m.gameId] = pack(g);
    }

    /// @inheritdoc IDisputeGame
    function prove(GameContext calldata context, Proof calldata p) external {
        uint256 gasBefore = gasleft();
        _exact(4 + 32 * (19 + p.proof.length + _words(p.witness.length)));
        bytes32 gameId = _id(context);
        if (_claims[_key(context.segmentId, context.index)].lost) revert ClaimAlreadyLost();
        GameState memory g = _games[gameId].unpack();
        bool byChallenger = _tick(gameId, g);
        if (g.strideLog2 != 0) revert TooLongToProve();
        _checkEnding(gameId, context, p, g.piecesLog2, byChallenger);
        _runStep(gameId, context, p, uint64(g.start + p.segment));
        _finish(gameId, context, g, byChallenger, Reason.Proof, gasBefore - gasleft());
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
        _credit(context.challenger, challengerBond + repaid);
    }

    // ---- views ------------------------------------------------------------------------------------------------------

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

    /// @dev Checks a claim and the bytes behind it, and fixes what the game is about.
    // INVARIANT: both ROMs are computed here from bytes whose hashes were posted before anyone knew of a dispute.
    function _contextOf(Request calldata req, ClaimRef calldata claim, bytes calldata payload, bytes calldata output)
        private
        view
        returns (GameContext memory context)
    {
        bytes32 id = RequestLaws.idOf(req, _inbox);
        (address executor, uint40 postedAt) = rollup.checkClaim(id, claim);
        uint256 closedAt = uint256(postedAt) + rollup.window();
        if (block.timestamp >= closedAt) revert WindowClosed(closedAt);
        if (keccak256(payload) != req.payloadHash || keccak256(output) != claim.outputHash) revert HashMismatch();
        context.requestId = id;
        context.segmentId = claim.segmentId;
        context.index = claim.index;
        context.executor = executor;
        context.challenger = msg.sender;
        context.claimBond = uint128(rollup.bondOf(req));
        context.modelId = req.params.modelId;
        context.requestRoot = RomTree.root(_romHeader(req, id), payload);
        context.outputRoot = RomTree.root("", output);
    }

    /// @dev The six words that stand before the payload (docs/encoding.md, section 7).
    function _romHeader(Request calldata req, bytes32 id) private view returns (bytes memory) {
        bytes32 seed = RequestLaws.seed(req, id);
        return abi.encode(block.chainid, _inbox, id, req.params.modelId, seed, uint256(req.tolerance));
    }

    /// @dev Checks that the caller is to move and in time, charges its clock, and says which player it is. That the caller
    ///      is that player is part of the commitment.
    function _tick(bytes32 gameId, GameState memory g) private view returns (bool byChallenger) {
        byChallenger = g.status == GameStatus.ChallengerToMove;
        if (!byChallenger && g.status != GameStatus.ExecutorToMove) revert GameNotRunning(gameId);
        uint256 used = (byChallenger ? g.challengerUsed : g.executorUsed) + block.timestamp - g.lastAt;
        if (used >= allowance) revert ClockRanOut();
        if (byChallenger) g.challengerUsed = used;
        else g.executorUsed = used;
        g.lastAt = block.timestamp;
    }

    function _checkStanding(Move calldata m, uint256 piecesLog2) private view {
        if (m.segment >> piecesLog2 != 0) revert NoSuchSegment(m.segment, uint256(1) << piecesLog2);
        bytes32 posted = Dissection.fold(m.segment, piecesLog2, m.left, m.right, m.proof);
        bytes32 given = _commit(m.history, m.startRoot, posted, m.claim, msg.sender, m.opponent);
        bytes32 expected = commitment[m.gameId];
        if (given != expected || (m.segment == 0 && m.left != m.startRoot)) revert StaleMove(expected, given);
    }

    function _checkEnding(
        bytes32 gameId,
        GameContext calldata context,
        Proof calldata p,
        uint256 piecesLog2,
        bool byChallenger
    ) private view {
        if (p.segment >> piecesLog2 != 0) revert NoSuchSegment(p.segment, uint256(1) << piecesLog2);
        bytes32 posted = Dissection.fold(p.segment, piecesLog2, p.left, p.right, p.proof);
        address opponent = byChallenger ? context.executor : context.challenger;
        uint256 key = _key(context.segmentId, context.index);
        bytes32 given = _commit(p.history, p.startRoot, posted, key, msg.sender, opponent);
        bytes32 expected = commitment[gameId];
        if (given != expected || (p.segment == 0 && p.left != p.startRoot)) revert StaleMove(expected, given);
    }

    /// @dev Reverts unless the step at `index` leads from the agreed root to another one than the opponent's.
    function _runStep(bytes32 gameId, GameContext calldata context, Proof calldata p, uint64 index) private {
        (bytes32 beforeRoot, bytes32 afterRoot) = _prover.step(
            _registry.stepContext(context.modelId, context.requestRoot, context.outputRoot), index, p.witness
        );
        if (beforeRoot != p.left) revert WrongBefore(p.left, beforeRoot);
        if (afterRoot == p.right) revert StepAgrees();
        emit StepProven(gameId, index, beforeRoot, afterRoot, p.right);
    }

    // ---- the money --------------------------------------------------------------------------------------------------

    /// @param gasUsed execution gas of the winner's last call; 0 if somebody else made it
    function _finish(
        bytes32 gameId,
        GameContext calldata context,
        GameState memory g,
        bool challengerWins,
        Reason reason,
        uint256 gasUsed
    ) private {
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
        uint256 quarter = context.claimBond / 4;
        uint256 pool = quarter / GWEI < games.gas ? quarter / GWEI : games.gas;
        uint256 burned = context.claimBond - quarter - pool * GWEI;
        games.lost = true;
        games.pool = uint64(pool);
        _claims[_key(context.segmentId, context.index)] = games;
        emit ClaimLost(context.requestId, gameId, burned, pool * GWEI, quarter);
        _credit(context.challenger, challengerBond + quarter + _share(games, challengerGas));
        rollup.reject(context.requestId, context.segmentId, context.index);
        _staking.slash(context.executor, context.claimBond);
        _burn(burned);
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
    function _spentWei(uint256 executionGas) private view returns (uint256) {
        uint256 standard = TX_GAS + BYTE_GAS * msg.data.length + executionGas;
        uint256 floor = TX_GAS + FLOOR_BYTE_GAS * msg.data.length;
        uint256 cap = block.basefee + _tipCap;
        return (standard > floor ? standard : floor) * (tx.gasprice < cap ? tx.gasprice : cap);
    }

    function _plus(uint256 gwei_, uint256 more) private pure returns (uint256) {
        uint256 sum = gwei_ + more;
        return sum > MAX_GAS_GWEI ? MAX_GAS_GWEI : sum;
    }

    /// @dev Returns what was really added, for the claim's sum.
    function _addChallengerGas(GameState memory g, uint256 spent) private pure returns (uint64 added) {
        uint256 sum = _plus(g.challengerGas, spent);
        added = uint64(sum - g.challengerGas);
        g.challengerGas = sum;
    }

    /// @dev The executor makes every second move, and the proof where the number of moves is odd.
    function _executorWorstGas(uint256 trace, uint256 arity) private pure returns (uint256) {
        uint256 moves = (trace + arity - 1) / arity;
        uint256 oneMove = MOVE_BASE_GAS + (MOVE_ROOT_GAS << arity);
        return (moves / 2) * oneMove + (moves % 2) * PROVE_GAS + TIMEOUT_GAS;
    }

    // ---- hashes -----------------------------------------------------------------------------------------------------

    function _commit(bytes32 history, bytes32 startRoot, bytes32 posted, uint256 claim, address mover, address opponent)
        private
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(history, startRoot, posted, claim, mover, opponent));
    }

    function _id(GameContext memory context) private view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), context));
    }

    function _key(uint64 segmentId, uint16 index) private pure returns (uint256) {
        return uint256(segmentId) << 16 | index;
    }

    /// @dev Bytes beyond the encoding would be paid for by the loser.
    function _exact(uint256 length) private pure {
        if (msg.data.length != length) revert NonCanonicalCalldata(length, msg.data.length);
    }

    function _words(uint256 length) private pure returns (uint256) {
        return (length + 31) / 32;
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ClaimRef, GameStatus, Move, Proof, Request, RequestParams} from "../../src/interfaces/Types.sol";
import {MAX_REQUEST_OUTPUT_BYTES, MAX_WITNESS_BYTES} from "../../src/generated/Params.sol";
import {IDisputeGame} from "../../src/interfaces/IDisputeGame.sol";
import {TokenHands} from "../base/AssetHands.sol";
import {ClaimFixture} from "../base/ClaimFixture.sol";
import {Token} from "../market/Tokens.sol";

/// @notice Who pays whom when games end.
abstract contract BondLaws is ClaimFixture {
    /// @dev As `GameBase.PROVE_GAS` reckons with.
    uint256 private constant STEP_GAS = 300_000;

    /// @dev [S] Losing to oneself never pays: at least half of the claim's bond is burned, however much gas was spent.
    function test_claimLost_atLeastHalfIsBurned_succeeds() public {
        // So high a price that the gas pool is short.
        vm.fee(100_000 gwei);
        vm.txGasPrice(100_000 gwei);
        Match memory m = _open(req, ref, CHALLENGER);
        uint256 burnt = _burned();
        _win(m);
        assertTrue(_gasOf(m) > CLAIM_BOND / 4, "the pool is short");
        assertEq(_burned() - burnt, CLAIM_BOND / 2, "half burned");
        assertEq(_due(CHALLENGER), bond + CLAIM_BOND / 2, "a quarter won, a quarter of gas");
    }

    function test_claimLost_gasRepaid_restBurned_succeeds() public {
        Match memory m = _open(req, ref, CHALLENGER);
        uint256 burnt = _burned();
        _win(m);
        uint256 gas = _gasOf(m);
        assertTrue(gas > 0 && gas < CLAIM_BOND / 4, "the pool suffices");
        assertEq(_due(CHALLENGER), bond + CLAIM_BOND / 4 + gas, "bond, quarter, gas");
        assertEq(_burned() - burnt, CLAIM_BOND - CLAIM_BOND / 4 - gas, "the rest");
        (, uint256 slashed) = _stakeHeld();
        assertEq(address(game).balance + slashed, _due(CHALLENGER), "nothing is left over");
        (uint128 staked, uint128 locked,,) = staking.accounts(executor);
        assertEq(staked, 100 ether - CLAIM_BOND, "slashed");
        assertEq(locked, 0, "nothing locked");
        _takeDue(CHALLENGER, payable(CHALLENGER));
        (, slashed) = _stakeHeld();
        assertEq(address(game).balance + slashed, 0, "paid out");
    }

    /// @dev A tenth of what a transaction can cost more must not go uncounted, nor be counted twice.
    function test_gasCount_isCloseToTheTransactions_succeeds() public {
        Match memory m = _open(req, ref, CHALLENGER);
        _win(m);
        // Opening, five moves, proof: docs/gas.md has what each is charged, of another question's opening and with a real step
        // in the proof. Calldata is counted as if without zero bytes.
        uint256 gas = _gasOf(m) / 2 gwei;
        assertTrue(gas > 680_000 && gas < 860_000, "about 740k");
    }

    /// @dev [S] Bytes are counted at the floor (EIP-7623) where it binds, as in the longest opening, and the pool repays them.
    function test_open_longestOutput_countedAtTheFloor_succeeds() public {
        output = bytes.concat(output, new bytes(MAX_REQUEST_OUTPUT_BYTES - payload.length - output.length));
        req = _ask();
        ref = _claim(req);
        Match memory m = _open(req, ref, CHALLENGER);
        uint256 length = abi.encodeCall(game.open, (req, ref, payload, output)).length;
        assertTrue(length > MAX_REQUEST_OUTPUT_BYTES, "the longest");
        uint256 opening = (21_000 + 40 * length) * 2 gwei;
        assertEq(_gasOf(m), opening, "40 gas a byte and nothing else");
        assertEq(uint256(game.claimGames(uint256(ref.segmentId) << 16 | ref.index).gas) * 1 gwei, opening, "the pool's");
        // Another one wins: what is repaid of this game is its opening.
        _win(_open(req, ref, RIVAL));
        game.settleVoid(m.context);
        assertEq(_due(CHALLENGER), bond + opening, "repaid");
    }

    /// @dev [S] Void games give bonds back, and their gas comes out of the same quarter.
    function test_voidGames_bondsReturned_gasRepaid_succeeds() public {
        Match memory a = _open(req, ref, CHALLENGER);
        Match memory b = _open(req, ref, RIVAL);
        _play(b, _moveOf(b, 0));
        _win(a);
        uint256 gas = _gasOf(b);
        vm.prank(ANYONE);
        game.settleVoid(b.context);
        _assertStatus(b, GameStatus.Void, "void");
        assertEq(_due(RIVAL), bond + gas, "bond and gas");
        assertEq(_due(ANYONE), 0, "nothing to the caller");
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.GameNotRunning.selector, b.id));
        game.settleVoid(b.context);
        assertEq(game.claimGames(uint256(ref.segmentId) << 16 | ref.index).open, 0, "no open game");
    }

    /// @dev [S] Short pool: everyone gets the same share of its gas, and never more than the quarter together.
    function test_voidGames_shortPool_proRata_succeeds() public {
        vm.fee(100_000 gwei);
        vm.txGasPrice(100_000 gwei);
        Match memory a = _open(req, ref, CHALLENGER);
        Match memory b = _open(req, ref, RIVAL);
        _win(a);
        game.settleVoid(b.context);
        uint256 repaidA = _due(CHALLENGER) - bond - CLAIM_BOND / 4;
        uint256 repaidB = _due(RIVAL) - bond;
        uint256 quarter = CLAIM_BOND / 4;
        assertTrue(repaidA + repaidB <= quarter && quarter - repaidA - repaidB < 1 gwei * 10, "the quarter");
        uint256 sum = _gasOf(a) + _gasOf(b);
        uint256 fair = quarter * (_gasOf(b) / 1 gwei) / (sum / 1 gwei);
        assertTrue(repaidB <= fair + 1 && fair - repaidB < 1 gwei, "pro rata");
    }

    function test_settleVoid_claimStands_reverts() public {
        Match memory m = _open(req, ref, CHALLENGER);
        vm.expectRevert(IDisputeGame.ClaimNotLost.selector);
        game.settleVoid(m.context);
    }

    /// @dev [S] A lost game's gas is not repaid by a later winner's pool.
    function test_lostGame_gasNotInThePool_succeeds() public {
        Match memory sham = _open(req, ref, RIVAL);
        Match memory honest = _open(req, ref, CHALLENGER);
        vm.warp(block.timestamp + ALLOWANCE - 10);
        _play(honest, _moveOf(honest, 0));
        vm.warp(block.timestamp + 10);
        game.timeout(sham.context);
        assertEq(uint256(game.claimGames(uint256(ref.segmentId) << 16).gas) * 1 gwei, _gasOf(honest), "only hers");
        _win(honest);
        assertEq(_due(CHALLENGER), bond + CLAIM_BOND / 4 + _gasOf(honest), "all of her gas");
        assertEq(_due(RIVAL), 0, "nothing");
    }

    /// @dev [S] A winning executor draws its gas from half of the challenger's bond; the rest is burned.
    function test_challengerLoses_executorDrawsGas_restBurned_succeeds() public {
        _start(false);
        Match memory m = _open(req, ref, CHALLENGER);
        _playHonestly(m);
        vm.warp(block.timestamp + ALLOWANCE);
        uint256 burnt = _burned();
        vm.prank(executor);
        game.timeout(m.context);
        uint256 gas = uint256(_state(m).executorGas) * 1 gwei;
        assertTrue(gas > 5 * 75_000 * 2 gwei && gas < bond / 2, "five moves and the timeout");
        assertEq(_due(executor), gas, "its gas");
        assertEq(_burned() - burnt, bond - gas, "the rest");
        assertEq(staking.freeStake(executor), 100 ether - CLAIM_BOND, "its stake is untouched");
        assertEq(address(game).balance, _due(executor), "nothing is left over");
    }

    /// @dev [S] However dear gas gets, the challenger risks its bond only and the executor's draw is half of it.
    function test_challengerLoses_gasBeyondHalf_capped_succeeds() public {
        _start(false);
        vm.fee(1000 gwei);
        vm.txGasPrice(1000 gwei);
        Match memory m = _open(req, ref, CHALLENGER);
        _playHonestly(m);
        vm.warp(block.timestamp + ALLOWANCE);
        game.timeout(m.context);
        assertEq(_due(executor), bond / 2, "half");
    }

    /// @dev [S] The bond covers the executor's worst game twice at the price it reckons with.
    function test_challengerBond_coversTheExecutorsGas_succeeds() public {
        _start(false);
        vm.fee(8 gwei);
        vm.txGasPrice(10 gwei);
        Match memory m = _open(req, ref, CHALLENGER);
        _playHonestly(m);
        vm.warp(block.timestamp + ALLOWANCE);
        vm.prank(executor);
        game.timeout(m.context);
        assertTrue(2 * uint256(_state(m).executorGas) * 1 gwei <= bond, "twice");
        assertEq(_due(executor), uint256(_state(m).executorGas) * 1 gwei, "made whole");
    }

    /// @dev [S] It does at every arity, be the executor's last call a proof (k = 16, 64, 4096) or a timeout (k = 2, 32).
    function test_challengerBond_everyArity_coversTheExecutorsGas_succeeds() public {
        uint8[5] memory arities = [1, 4, 5, 6, 12];
        for (uint256 i = 0; i < arities.length; ++i) {
            _games(arities[i], 50, false, 0xdead_beef_cafe);
            vm.fee(8 gwei);
            vm.txGasPrice(10 gwei);
            req = _ask();
            ref = _claim(req);
            bond = game.challengerBond();
            Match memory m = _open(req, ref, CHALLENGER);
            while (m.stride > 1) {
                Move memory mv = this.moveOf(m);
                _cool();
                _play(m, mv);
            }
            uint256 more = _endAsExecutor(m);
            _assertStatus(m, GameStatus.ExecutorWon, "the executor's");
            assertTrue(2 * (uint256(_state(m).executorGas) * 1 gwei + more * 10 gwei) <= bond, "twice");
            assertEq(_due(executor), uint256(_state(m).executorGas) * 1 gwei, "made whole");
        }
    }

    /// @dev External, so that thousands of roots leave no memory behind.
    function moveOf(Match memory m) external view returns (Move memory) {
        return _moveOf(m, _contested(m));
    }

    /// @dev Returns what the dearest step would cost beyond the toy's.
    function _endAsExecutor(Match memory m) private returns (uint256 more) {
        if (_mover(m) != executor) {
            vm.warp(block.timestamp + ALLOWANCE);
            _cool();
            vm.prank(executor);
            game.timeout(m.context);
            return 0;
        }
        Proof memory p = _proofOf(m, _contested(m));
        p.witness = bytes.concat(p.left, new bytes(MAX_WITNESS_BYTES - 32));
        _cool();
        vm.prank(executor);
        game.prove(m.context, p);
        return STEP_GAS;
    }

    /// @dev [S] A tip beyond the cap is the player's own affair.
    function test_gasPrice_tipCapped_succeeds() public {
        vm.fee(1 gwei);
        vm.txGasPrice(1_000_000 gwei);
        Match memory m = _open(req, ref, CHALLENGER);
        uint256 dear = _gasOf(m);
        vm.txGasPrice(3 gwei);
        Match memory cheap = _open(req, ref, RIVAL);
        // Base fee 1 gwei + cap 2 gwei = 3 gwei; the second opening writes one new slot less.
        assertTrue(dear < _gasOf(cheap) * 5 / 4, "same price");
    }

    /// @dev [S] Payees are recorded: whoever ends a game gets nothing by it.
    function test_timeout_byAnyone_paysThePlayers_succeeds() public {
        Match memory m = _open(req, ref, CHALLENGER);
        _play(m, _moveOf(m, 0));
        vm.warp(block.timestamp + ALLOWANCE);
        uint256 gas = _gasOf(m);
        vm.prank(ANYONE);
        game.timeout(m.context);
        assertEq(_due(ANYONE), 0, "caller");
        assertEq(_gasOf(m), gas, "the caller's gas is not the winner's");
        assertEq(_due(CHALLENGER), bond + CLAIM_BOND / 4 + gas, "recorded challenger");
        _assertStatus(m, GameStatus.ChallengerWon, "the executor ran out");
    }

    /// @dev [S] Who asks for a larger bond has all of it behind the answer.
    function test_claimLost_largerMinBond_isAllAtStake_succeeds() public {
        RequestParams memory p = _params();
        p.minBond = 40 ether;
        Request memory r = _ask(p);
        ClaimRef memory c = _claim(r);
        Match memory m = _open(r, c, CHALLENGER);
        _win(m);
        (uint128 staked,,,) = staking.accounts(executor);
        assertEq(staked, 60 ether, "all of it");
        assertTrue(_due(CHALLENGER) >= bond + 10 ether, "a quarter of it");
    }

    function test_receive_fromAnyoneButStaking_reverts() public {
        vm.prank(ASKER);
        (bool ok,) = address(game).call{value: 1}("");
        assertTrue(!ok, "refused");
    }
}

/// @notice The same where stake is ether,
contract BondsTest is BondLaws {}

/// @notice and where it is a token.
contract TokenBondsTest is BondLaws {
    function setUp() public override {
        hands = new TokenHands(new Token(), 1 ether);
        super.setUp();
    }
}

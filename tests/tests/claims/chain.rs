//! The contracts at any state of the model: sends what the model's players try, and reads everything back.

use crate::games_support::toy_run::{Run, program};
use crate::games_support::{Court, account};
use crate::rules::{
    Attempt, Claim, Flaw, GWEI, Game, Phase, Refusal, Root, Rules, Side, State, Who,
};
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::{SolCall, SolError};
use assay_bindings::abi::{GameContext, Move, Proof};
use assay_bindings::convert::{b256, roots as words};
use assay_bindings::deploy::Parameters;
use assay_bindings::game::{claim_key, commitment, piece_proof};
use assay_bindings::{DisputeGame, Inbox, Rollup, Staking};
use assay_dispute::claim_ref::claim_ref;
use assay_dispute::ledger::ClaimKey;
use assay_machine::rom::Rom;
use assay_prover::evm::{Failure, Outcome, Snapshot, Tx};
use assay_types::game::next_history;
use assay_types::request::Payload;
use assay_types::state::halted_root;
use assay_types::{Hash, Header, StateRoot, Status};
use std::rc::Rc;
use std::sync::Arc;

/// What gas costs, and so whether the pool and the challenger's bond are long or short.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Prices {
    /// A gwei a gas: what is set aside repays all.
    Ample,
    /// A thousand times that: the pool is shared out pro rata, and half of the challenger's bond is less than the executor spent.
    Short,
}

impl Prices {
    fn gwei(self) -> u64 {
        match self {
            Prices::Ample => 1,
            Prices::Short => 1_000,
        }
    }
}

/// What the chain knows at one state of the model.
#[derive(Clone)]
pub struct Moment {
    chain: Rc<Snapshot>,
    records: [Record; 2],
}

/// A game's past: its history, and its last dissection with its sender.
#[derive(Clone)]
struct Record {
    history: Hash,
    last: Option<(Address, Bytes)>,
}

/// The contracts, one claim, and what is needed to play for it.
pub struct Chain {
    court: Court,
    run: Run,
    rules: Rules,
    prices: Prices,
    posted_at: u64,
    contexts: [GameContext; 2],
    ids: [B256; 2],
    key: ClaimKey,
    finalize: Bytes,
    opening: Bytes,
    work_burn: u128,
    fee: u128,
    total: U256,
    bond_locked: u128,
    staked: u128,
    burned_before: U256,
    /// Least and most of what is counted less what the transaction cost, in gas.
    pub count_error: (i64, i64),
}

/// Seconds: every one of them is a state, so nothing is left out between two.
const ALLOWANCE: u64 = 2;
/// One more than a clock, and less than two.
const WINDOW: u64 = 3;

fn lie(side: Side, claim_is_true: bool) -> u32 {
    match side {
        Side::Challenger => 5,
        // What a false claim says.
        Side::Executor if !claim_is_true => 0,
        Side::Executor => 6,
    }
}

fn address(who: Who) -> Address {
    match who {
        Who::Executor => unreachable!("the executor has a key"),
        Who::Challenger(seat) => account(["challenger a", "challenger b"][seat]),
        Who::Stranger(i) => account(["stranger x", "stranger y"][i]),
    }
}

fn big(wei: u128) -> U256 {
    U256::from(wei)
}

impl Chain {
    /// Deploys a rollup whose traces have `2^trace_log2` indices, with one claim that is true or not.
    pub fn new(
        trace_log2: u32,
        arity_log2: u32,
        claim_is_true: bool,
        prices: Prices,
    ) -> (Chain, Rules, Moment) {
        let length = 1u64 << trace_log2;
        let code = u64::from(!claim_is_true);
        let image = Arc::new(program(trace_log2 as u8, length, code));
        let model = Rom::new(b"a model that nobody reads");
        let mut parameters = Parameters::devnet(account("sequencer"));
        parameters.arity_log2 = arity_log2 as u8;
        (parameters.allowance, parameters.window) = (ALLOWANCE, WINDOW);
        parameters.tip_cap = u128::from(prices.gwei()) * GWEI;
        let claim_bond = parameters.claim_bond;
        let mut court = Court::with(&image, &model, parameters);
        court.evm.block().beneficiary = account("coinbase");

        // Another claim of the same executor, which nothing here may touch.
        let other = court.ask(&Payload::greedy("?", 3).encode());
        court.claim(other, &[0, 0, 0, 0, 0]);
        let id = court.ask(&Payload::greedy("?", 4).encode());
        let key = court.claim(id, &[0, 0, 0, 0, 0]);
        let inputs = court.inputs(key);
        let run = Run::new(
            image,
            [Rom::new(&inputs.request), Rom::new(&inputs.output), model],
        );
        let posted_at = court.evm.now();

        let claim = &court.ledger.claims[&key];
        let shown =
            claim_ref(claim, &court.ledger.segments[&key.segment]).expect("the leaf is known");
        let ask = &court.ledger.asks[&id];
        let req = ask.request.clone();
        let opening =
            assay_dispute::calls::opening(ask, claim, &shown, court.addresses.game, U256::ZERO);
        let finalize = Rollup::finalizeCall { req, claim: shown };
        let fee = ask.request.params.fee;
        let players = [0, 1].map(|seat| address(Who::Challenger(seat)));
        let before = court.moment();
        let ids = players.map(|who| court.open(who, key));
        let contexts = ids.map(|id| court.play(id).context.clone());
        court.go_back(&before);
        for who in [
            Who::Challenger(0),
            Who::Challenger(1),
            Who::Stranger(0),
            Who::Stranger(1),
        ] {
            court.evm.fund(address(who), big(1000 * GWEI * GWEI));
        }
        let status = court
            .evm
            .view(court.addresses.inbox, &Inbox::statusCall { id });
        let status = status.decode::<Inbox::statusCall>();
        let bond = court
            .evm
            .view(court.addresses.game, &DisputeGame::challengerBondCall {});
        let challenger_bond = bond.decode::<DisputeGame::challengerBondCall>().to();
        let rules = Rules {
            length,
            arity: 1 << arity_log2,
            allowance: ALLOWANCE,
            window: WINDOW,
            claim_is_true,
            claim_bond,
            challenger_bond,
        };
        let mut chain = Chain {
            run,
            rules,
            prices,
            posted_at,
            contexts,
            key,
            finalize: finalize.abi_encode().into(),
            opening: opening.data,
            work_burn: status.burn.to(),
            fee,
            total: U256::ZERO,
            bond_locked: claim_bond,
            staked: 0,
            burned_before: U256::ZERO,
            count_error: (i64::MAX, i64::MIN),
            ids,
            court,
        };
        chain.total = chain.everything();
        chain.staked = chain.stake().0;
        chain.burned_before = chain.court.evm.balance(Address::ZERO);
        let moment = Moment {
            chain: Rc::new(chain.court.evm.snapshot()),
            records: ids.map(|id| Record {
                history: Hash(id.0),
                last: None,
            }),
        };
        chain.compare(&State::posted(), &moment);
        (chain, rules, moment)
    }

    /// Goes to a state.
    pub fn go(&mut self, moment: &Moment) {
        self.court.evm.restore(&moment.chain);
    }

    /// The contract must refuse `attempt` for this very reason. The chain is at `state`, and stays there.
    pub fn refuses(&mut self, state: &State, moment: &Moment, attempt: &Attempt, why: Refusal) {
        let tx = self.transaction(state, moment, attempt);
        self.at(state.now);
        let outcome = self.court.evm.try_send(tx);
        let given = match &outcome.result {
            Err(Failure::Revert(data)) => data.clone(),
            other => panic!("{attempt:?} must be refused, {why:?}, but: {other:?} at {state:#?}"),
        };
        let expected = self.error(attempt, why);
        assert!(
            given.starts_with(&expected),
            "{attempt:?} must be refused by {why:?}, not by {given} at {state:#?}"
        );
    }

    /// The contract must accept `attempt`; gives the gas that it counted for it, in gwei, and the moment after it.
    pub fn accepts(&mut self, state: &State, moment: &Moment, attempt: &Attempt) -> (u64, Moment) {
        let tx = self.transaction(state, moment, attempt);
        self.at(state.now);
        let before = self.tallies();
        let length = tx.data.len() as u64;
        let (from, data) = (tx.from, tx.data.clone());
        let outcome = self.court.evm.send(tx);
        assert!(
            outcome.result.is_ok(),
            "{attempt:?} must be accepted, but: {:?} at {state:#?}",
            outcome.result
        );
        let mut counted = 0;
        let after = self.tallies();
        for (seat, side) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let more = after[seat][side] - before[seat][side];
            let owner = state
                .tally(attempt)
                .map(|(seat, side)| (seat, side as usize));
            if owner == Some((seat, side)) {
                counted = more;
            } else {
                assert_eq!(more, 0, "{attempt:?} is not of {side} in game {seat}");
            }
        }
        if state.tally(attempt).is_some() {
            self.check_count(&outcome, counted, length);
        }
        let mut records = moment.records.clone();
        if let Attempt::Dissect {
            seat, piece, roots, ..
        } = attempt
        {
            let game = state.games[*seat].as_ref().expect("it runs");
            let roots = self.posted(game, *piece, roots);
            let record = &mut records[*seat];
            record.history = next_history(&record.history, *piece as u32, &roots);
            record.last = Some((from, data));
        }
        let moment = Moment {
            chain: Rc::new(self.court.evm.snapshot()),
            records,
        };
        (counted, moment)
    }

    /// What is counted is what a transaction costs, within what the contract can't see of it: whole gas at the price paid, never
    /// less than calldata and the 21,000.
    fn check_count(&mut self, outcome: &Outcome, counted: u64, length: u64) {
        let price = self.prices.gwei();
        assert_eq!(counted % price, 0);
        let gas = counted / price;
        assert!(gas >= 21_000 + 16 * length);
        let error = gas as i64 - outcome.tx_gas as i64;
        self.count_error.0 = self.count_error.0.min(error);
        self.count_error.1 = self.count_error.1.max(error);
    }

    fn at(&mut self, now: u64) {
        self.court.evm.block().timestamp = U256::from(self.posted_at + now);
    }

    fn who(&self, who: Who) -> Address {
        match who {
            Who::Executor => self.court.executor.address(),
            other => address(other),
        }
    }

    fn player(&self, seat: usize, side: Side) -> Address {
        match side {
            Side::Executor => self.who(Who::Executor),
            Side::Challenger => self.who(Who::Challenger(seat)),
        }
    }

    fn root(&self, root: Root, index: u64) -> StateRoot {
        match root {
            Root::True => self.run.states[index as usize],
            Root::Lie(side) => halted_root(lie(side, self.rules.claim_is_true)),
        }
    }

    /// Roots of a game's standing dissection.
    fn standing(&self, game: &Game) -> Vec<StateRoot> {
        let at = |(i, root): (usize, &Root)| self.root(*root, game.start + i as u64 * game.stride);
        game.roots.iter().enumerate().map(at).collect()
    }

    /// What `roots` in piece `piece` of `game` are, as bytes.
    fn posted(&self, game: &Game, piece: u64, roots: &[Root]) -> Vec<StateRoot> {
        let start = game.start + piece.min(game.pieces() - 1) * game.stride;
        // Too many roots, or a piece of one step, are refused whatever the roots are.
        let step = (game.stride / roots.len() as u64).max(1);
        let at = |(i, root): (usize, &Root)| {
            let index = start + (i as u64 + 1) * step;
            self.root(*root, index.min(self.rules.length))
        };
        roots.iter().enumerate().map(at).collect()
    }

    fn transaction(&self, state: &State, moment: &Moment, attempt: &Attempt) -> Tx {
        let (from, value, data): (Address, u128, Bytes) = match attempt {
            Attempt::Open { seat, short } => {
                let value = self.rules.challenger_bond - u128::from(*short);
                (
                    self.who(Who::Challenger(*seat)),
                    value,
                    self.opening.clone(),
                )
            }
            Attempt::Replay { seat } => {
                let (from, data) = moment.records[*seat]
                    .last
                    .clone()
                    .expect("there was a move");
                (from, 0, data)
            }
            Attempt::Dissect { by, .. } => {
                let m = self.dissection(state, moment, attempt);
                (
                    self.who(*by),
                    0,
                    DisputeGame::moveCall { m }.abi_encode().into(),
                )
            }
            Attempt::Prove { by, seat, .. } => {
                let context = self.contexts[*seat].clone();
                let p = self.proof(state, moment, attempt);
                let call = DisputeGame::proveCall { context, p };
                (self.who(*by), 0, call.abi_encode().into())
            }
            Attempt::TimeOut { seat, by } => {
                let context = self.contexts[*seat].clone();
                let call = DisputeGame::timeoutCall { context };
                (self.who(*by), 0, call.abi_encode().into())
            }
            Attempt::SettleVoid { seat, by } => {
                let context = self.contexts[*seat].clone();
                let call = DisputeGame::settleVoidCall { context };
                (self.who(*by), 0, call.abi_encode().into())
            }
            Attempt::Finalize { by } => (self.who(*by), 0, self.finalize.clone()),
        };
        let to = match attempt {
            Attempt::Finalize { .. } => self.court.addresses.rollup,
            _ => self.court.addresses.game,
        };
        Tx {
            from,
            to: Some(to),
            data,
            value: big(value),
            gas_price: u128::from(self.prices.gwei()) * GWEI,
            ..Tx::default()
        }
    }

    fn dissection(&self, state: &State, moment: &Moment, attempt: &Attempt) -> Move {
        let Attempt::Dissect {
            seat,
            of,
            by,
            piece,
            roots,
            flaw,
        } = attempt
        else {
            unreachable!("called for dissections")
        };
        let game = state.games[*of].as_ref().expect("a game to answer");
        let (standing, opened) = (
            self.standing(game),
            (*piece).min(game.pieces() - 1) as usize,
        );
        let mut proof = piece_proof(&standing[1..], opened);
        if *flaw == Flaw::LongProof {
            proof.push(B256::ZERO);
        }
        let mover = self.player(*of, game.turn);
        let other = self.player(*of, game.turn.other());
        Move {
            gameId: self.ids[*seat],
            claim: claim_key(self.key.segment, self.key.index),
            opponent: if self.who(*by) == other { mover } else { other },
            history: b256(moment.records[*of].history),
            segment: U256::from(*piece),
            startRoot: b256(standing[0].0),
            left: b256(standing[opened].0),
            right: b256(standing[opened + 1].0),
            proof,
            roots: words(&self.posted(game, *piece, roots)),
        }
    }

    fn proof(&self, state: &State, moment: &Moment, attempt: &Attempt) -> Proof {
        let Attempt::Prove {
            seat, piece, shown, ..
        } = attempt
        else {
            unreachable!("called for proofs")
        };
        let game = state.games[*seat].as_ref().expect("a game to prove");
        let (standing, opened) = (
            self.standing(game),
            (*piece).min(game.pieces() - 1) as usize,
        );
        let index = game.start + opened as u64 * game.stride;
        let witness = match shown {
            Root::True => self.run.witnesses[index as usize].clone(),
            Root::Lie(side) => {
                let code = lie(*side, self.rules.claim_is_true);
                Header::terminal(Status::Halted(code)).encode().to_vec()
            }
        };
        Proof {
            history: b256(moment.records[*seat].history),
            segment: U256::from(*piece),
            startRoot: b256(standing[0].0),
            left: b256(standing[opened].0),
            right: b256(standing[opened + 1].0),
            proof: piece_proof(&standing[1..], opened),
            witness: witness.into(),
        }
    }

    /// The bytes that a refusal begins with: all of them where the model knows every argument.
    fn error(&self, attempt: &Attempt, why: Refusal) -> Vec<u8> {
        use DisputeGame as G;
        let seat = match attempt {
            Attempt::Open { seat, .. }
            | Attempt::Dissect { seat, .. }
            | Attempt::Replay { seat }
            | Attempt::Prove { seat, .. }
            | Attempt::TimeOut { seat, .. }
            | Attempt::SettleVoid { seat, .. } => *seat,
            Attempt::Finalize { .. } => 0,
        };
        let (game_id, request) = (self.ids[seat], self.contexts[0].requestId);
        let at = |seconds: u64| U256::from(self.posted_at + seconds);
        match why {
            Refusal::WrongBond => {
                let expected = big(self.rules.challenger_bond);
                let given = expected - U256::from(1);
                G::WrongBond { expected, given }.abi_encode()
            }
            Refusal::NotTheClaim => Rollup::NotTheClaim { requestId: request }.abi_encode(),
            Refusal::WindowClosed { at: closed } => {
                let closed = at(closed);
                G::WindowClosed { closedAt: closed }.abi_encode()
            }
            Refusal::GameExists => G::GameExists { gameId: game_id }.abi_encode(),
            Refusal::ClaimAlreadyLost => G::ClaimAlreadyLost {}.abi_encode(),
            Refusal::ClaimNotLost => G::ClaimNotLost {}.abi_encode(),
            Refusal::GameNotRunning => G::GameNotRunning { gameId: game_id }.abi_encode(),
            Refusal::ClockRanOut => G::ClockRanOut {}.abi_encode(),
            Refusal::ClockRunning { until } => G::ClockRunning { endsAt: at(until) }.abi_encode(),
            Refusal::MustProve => G::MustProve {}.abi_encode(),
            Refusal::TooLongToProve => G::TooLongToProve {}.abi_encode(),
            Refusal::WrongRootCount { expected, given } => {
                let (expected, given) = (U256::from(expected), U256::from(given));
                G::WrongRootCount { expected, given }.abi_encode()
            }
            Refusal::NothingContested => G::NothingContested {}.abi_encode(),
            Refusal::NoSuchPiece { piece, pieces } => {
                let (segment, pieces) = (U256::from(piece), U256::from(pieces));
                G::NoSuchSegment { segment, pieces }.abi_encode()
            }
            Refusal::WrongProofLength => G::WrongProofLength {}.abi_encode(),
            Refusal::Stale => G::StaleMove::SELECTOR.to_vec(),
            Refusal::WrongBefore => G::WrongBefore::SELECTOR.to_vec(),
            Refusal::StepAgrees => G::StepAgrees {}.abi_encode(),
            Refusal::WindowOpen { until } => Rollup::WindowOpen { until: at(until) }.abi_encode(),
            Refusal::Disputed { open } => Rollup::Disputed {
                openGames: open,
                lost: false,
            }
            .abi_encode(),
            Refusal::AlreadyFinal => Inbox::WrongState {
                id: request,
                state: 3,
            }
            .abi_encode(),
        }
    }

    // ---- reading ----------------------------------------------------------------------------------------------------

    fn view<C: SolCall>(&mut self, to: Address, call: &C) -> C::Return {
        self.court.evm.view(to, call).decode::<C>()
    }

    /// Gwei of gas of challenger and executor of both games.
    fn tallies(&mut self) -> [[u64; 2]; 2] {
        self.ids.map(|id| {
            let game = self.court.addresses.game;
            let slot = self.view(game, &DisputeGame::gameCall { gameId: id });
            [slot.challengerGas.to(), slot.executorGas.to()]
        })
    }

    /// Staked and locked wei of the executor.
    fn stake(&mut self) -> (u128, u128) {
        let (staking, executor) = (self.court.addresses.staking, self.court.executor.address());
        let account = self.view(staking, &Staking::accountsCall { executor });
        (account.staked, account.locked)
    }

    /// All wei there are.
    fn everything(&mut self) -> U256 {
        let a = self.court.addresses;
        let named = ["deployer", "sequencer", "asker", "coinbase"].map(account);
        let others = [0, 1].map(|i| [self.who(Who::Challenger(i)), self.who(Who::Stranger(i))]);
        let contracts = [a.game, a.rollup, a.inbox, a.staking, a.registry, a.prover];
        let mut all = vec![self.court.executor.address(), Address::ZERO];
        all.extend(named.iter().chain(others.as_flattened()).chain(&contracts));
        all.into_iter().map(|who| self.court.evm.balance(who)).sum()
    }

    /// Everything that the contracts store about the claim must be what `state` says.
    pub fn compare(&mut self, state: &State, moment: &Moment) {
        self.at(state.now);
        let game = self.court.addresses.game;
        let claim = claim_key(self.key.segment, self.key.index);
        let games = self.view(game, &DisputeGame::claimGamesCall { claimKey: claim });
        assert_eq!(
            (games.open, games.lost, games.gas, games.pool),
            (
                state.open,
                state.claim == Claim::Lost,
                state.gas,
                state.pool
            ),
            "{state:#?}"
        );
        for seat in 0..2 {
            self.compare_game(state, moment, seat, claim);
        }
        self.compare_money(state);
    }

    fn compare_game(&mut self, state: &State, moment: &Moment, seat: usize, claim: U256) {
        let contract = self.court.addresses.game;
        let id = self.ids[seat];
        let slot = self.view(contract, &DisputeGame::gameCall { gameId: id });
        let stored = self.view(contract, &DisputeGame::commitmentCall { gameId: id });
        let Some(game) = &state.games[seat] else {
            assert_eq!((slot.status, stored), (0, B256::ZERO));
            return;
        };
        let status = match (game.phase, game.turn) {
            (Phase::Running, Side::Challenger) => 1,
            (Phase::Running, Side::Executor) => 2,
            (Phase::Won(Side::Challenger), _) => 3,
            (Phase::Won(Side::Executor), _) => 4,
            (Phase::Void, _) => 5,
        };
        assert_eq!(slot.status, status, "{state:#?}");
        let spent: [u64; 2] = [slot.challengerGas.to(), slot.executorGas.to()];
        assert_eq!(spent, game.spent, "{state:#?}");
        let board: [u64; 3] = [
            slot.start.to(),
            1u64 << slot.strideLog2.to::<u64>(),
            1u64 << slot.piecesLog2.to::<u64>(),
        ];
        assert_eq!(
            board,
            [game.start, game.stride, game.pieces()],
            "{state:#?}"
        );
        let standing = self.standing(game);
        let expected = commitment(
            b256(moment.records[seat].history),
            standing[0],
            &standing[1..],
            claim,
            self.player(seat, game.turn),
            self.player(seat, game.turn.other()),
        );
        assert_eq!(stored, expected, "{state:#?}");
        // A proof charges the winner's clock as well; nobody reads it any more.
        if game.phase == Phase::Running {
            let last_at = self.posted_at + game.last_at;
            let clocks: [u64; 3] = [
                slot.challengerUsed.to(),
                slot.executorUsed.to(),
                slot.lastAt.to(),
            ];
            assert_eq!(clocks, [game.used[0], game.used[1], last_at], "{state:#?}");
        }
    }

    fn compare_money(&mut self, state: &State) {
        let money = &state.money;
        let a = self.court.addresses;
        let is_final = state.claim == Claim::Final;
        let held = self.court.evm.balance(a.game);
        assert_eq!(held, big(money.held), "{state:#?}");
        let burned = self.court.evm.balance(Address::ZERO) - self.burned_before;
        let work = if is_final { self.work_burn } else { 0 };
        assert_eq!(burned, big(money.burned + work), "{state:#?}");
        let executor = self.court.executor.address();
        for (i, who) in [
            self.who(Who::Challenger(0)),
            self.who(Who::Challenger(1)),
            executor,
            self.who(Who::Stranger(0)),
            self.who(Who::Stranger(1)),
        ]
        .into_iter()
        .enumerate()
        {
            let expected = money.credit.get(i).copied().unwrap_or(0);
            let given = self.view(a.game, &DisputeGame::creditCall { account: who });
            assert_eq!(given, big(expected), "credit of {i} in {state:#?}");
        }
        let (staked, locked) = self.stake();
        assert_eq!(staked, self.staked - money.slashed, "{state:#?}");
        assert_eq!(
            locked,
            2 * self.bond_locked - money.slashed - money.unlocked,
            "the other claim's bond stays locked: {state:#?}"
        );
        assert_eq!(self.court.evm.balance(a.staking), big(staked));
        let id = self.contexts[0].requestId;
        let status = self.view(a.inbox, &Inbox::statusCall { id });
        let expected = match state.claim {
            Claim::Lost => 1,
            Claim::Standing => 2,
            Claim::Final => 3,
        };
        assert_eq!(status.state, expected, "{state:#?}");
        let paid = self.view(a.inbox, &Inbox::creditCall { account: executor });
        let fee = if is_final {
            self.fee - self.work_burn
        } else {
            0
        };
        assert_eq!(paid, big(fee), "{state:#?}");
        assert_eq!(
            self.everything(),
            self.total,
            "no wei comes or goes: {state:#?}"
        );
    }

    /// Everybody takes its credit; what stays in the game contract then, at the end of everything, is dust of the pool.
    pub fn pay_out(&mut self, state: &State) {
        let game = self.court.addresses.game;
        let executor = self.court.executor.address();
        let payees = [
            self.who(Who::Challenger(0)),
            self.who(Who::Challenger(1)),
            executor,
        ];
        for (who, credit) in payees.into_iter().zip(state.money.credit) {
            if credit == 0 {
                continue;
            }
            let before = self.court.evm.balance(who);
            let call = DisputeGame::withdrawCreditCall { to: who };
            let outcome = self.court.evm.call(who, game, &call, U256::ZERO);
            outcome.expect("a withdrawal");
            assert_eq!(self.court.evm.balance(who) - before, big(credit));
        }
        let dust = self.court.evm.balance(game);
        assert!(
            dust <= U256::from(2),
            "{dust} wei stay behind at {state:#?}"
        );
    }
}

//! The contracts at any state of the model: sends what the model's players try, and reads everything back.

mod reading;

use crate::games_support::toy_run::program;
use crate::games_support::{Court, account};
use crate::named::{Claiming, Named};
use crate::players::player;
use crate::rules::{Attempt, Flaw, GWEI, Game, Refusal, Root, Rules, Second, Side, State, Who};
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::{SolCall, SolError};
use assay_bindings::abi::{Move, Proof};
use assay_bindings::convert::{b256, roots as words};
use assay_bindings::deploy::Parameters;
use assay_bindings::game::{claim_key, piece_proof};
use assay_bindings::{DisputeGame, Inbox, Rollup};
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
    /// Of the games on each claim.
    records: [[Record; 2]; 2],
    /// Wei that the present claim burns when it is final.
    work_burn: u128,
}

/// A game's past: its history, and its last dissection with its sender.
#[derive(Clone)]
struct Record {
    history: Hash,
    last: Option<(Address, Bytes)>,
}

/// The contracts, one request, and what is needed to play for the claims on it.
pub struct Chain {
    court: Court,
    rules: Rules,
    prices: Prices,
    posted_at: u64,
    request: B256,
    /// The first claim and, where there may be one, the second.
    claims: Vec<Named>,
    claiming: Claiming,
    /// Who claims: the first claim's executor and another that makes the second, if there is one.
    executors: Vec<Address>,
    fee: u128,
    total: U256,
    /// Staked and locked by them in the beginning, beyond what the model says.
    stakes: Vec<(u128, u128)>,
    burned_before: U256,
    /// Least and most of what is counted less what the transaction cost, in gas.
    pub count_error: (i64, i64),
}

/// Seconds: every one of them is a state, so nothing is left out between two.
const ALLOWANCE: u64 = 2;
/// One more than a clock, and less than two.
const WINDOW: u64 = 3;
/// The least: one second in which the sequencer alone can claim.
const REOPEN: u64 = 1;

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
        Who::Executor => unreachable!("which one, the claim says"),
        Who::Challenger(seat) => account(["challenger a", "challenger b"][seat]),
        Who::Stranger(i) => account(["stranger x", "stranger y"][i]),
    }
}

fn big(wei: u128) -> U256 {
    U256::from(wei)
}

impl Chain {
    /// Deploys a rollup whose traces have `2^trace_log2` indices, with one claim that is true or not, as a second one will be.
    pub fn new(
        trace_log2: u32,
        arity_log2: u32,
        claim_is_true: bool,
        prices: Prices,
        second: Option<Second>,
    ) -> (Chain, Rules, Moment) {
        let length = 1u64 << trace_log2;
        let code = u64::from(!claim_is_true);
        let image = Arc::new(program(trace_log2 as u8, length, code));
        let model = Rom::new(b"a model that nobody reads");
        let mut parameters = Parameters::devnet(account("sequencer"));
        parameters.arity_log2 = arity_log2 as u8;
        (parameters.allowance, parameters.window) = (ALLOWANCE, WINDOW);
        parameters.reopen_period = REOPEN;
        parameters.tip_cap = u128::from(prices.gwei()) * GWEI;
        let claim_bond = parameters.claim_bond;
        let mut court = Court::with(&image, &model, parameters);
        court.evm.block().beneficiary = account("coinbase");

        // Another claim of the same executor, which nothing here may touch.
        let other = court.ask(&Payload::greedy("?", 3).encode());
        court.claim(other, &[0, 0, 0, 0, 0]);
        let id = court.ask(&Payload::greedy("?", 4).encode());
        let by_another = second == Some(Second::Other);
        let (key, claiming) = Claiming::begin(&mut court, id, by_another);
        let posted_at = court.evm.now();
        let players = [0, 1].map(|seat| address(Who::Challenger(seat)));
        let first = Named::standing(&mut court, key, players, (&image, &model));
        let mut executors = vec![first.executor];
        let mut claims = vec![first];
        if second.is_some() {
            let (executor, output) = (claiming.executor, &claiming.output);
            claims.push(claims[0].next(&court, executor, output, (&image, &model)));
        }
        if by_another {
            executors.push(claiming.executor);
        }
        let fee = court.asked(id).request.params.fee;
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
            reopen: REOPEN,
            second,
            claim_is_true,
            claim_bond,
            challenger_bond,
        };
        let mut chain = Chain {
            rules,
            prices,
            posted_at,
            request: id,
            claims,
            claiming,
            executors,
            fee,
            total: U256::ZERO,
            stakes: vec![],
            burned_before: U256::ZERO,
            count_error: (i64::MAX, i64::MIN),
            court,
        };
        let first = State::posted(&rules);
        chain.total = chain.everything();
        let stakes = (0..chain.executors.len()).map(|i| chain.stake(i));
        let locked = first.money.locked;
        chain.stakes = stakes
            .zip(locked)
            .map(|((staked, all), here)| (staked, all - here))
            .collect();
        chain.burned_before = chain.court.evm.balance(Address::ZERO);
        let mut records = [0, 1].map(|_| {
            [0, 1].map(|_| Record {
                history: Hash([0; 32]),
                last: None,
            })
        });
        for (records, claim) in records.iter_mut().zip(&chain.claims) {
            for (record, id) in records.iter_mut().zip(claim.ids) {
                record.history = Hash(id.0);
            }
        }
        let moment = Moment {
            chain: Rc::new(chain.court.evm.snapshot()),
            records,
            work_burn: status.burn.to(),
        };
        chain.compare(&first, &moment);
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
        let expected = self.error(state, attempt, why);
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
        let owner = state.tally(attempt);
        let owner = owner.map(|(seat, side)| 4 * state.round() + 2 * seat + side as usize);
        for (i, (after, before)) in after.iter().zip(before).enumerate() {
            let more = after - before;
            if owner == Some(i) {
                counted = more;
            } else {
                assert_eq!(more, 0, "{attempt:?} is not of tally {i}");
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
            let roots = self.posted(state.round(), game, *piece, roots);
            let record = &mut records[state.round()][*seat];
            record.history = next_history(&record.history, *piece as u32, &roots);
            record.last = Some((from, data));
        }
        let claims = matches!(attempt, Attempt::Post(_) | Attempt::ClaimDirect);
        let work_burn = if claims {
            self.status().burn.to()
        } else {
            moment.work_burn
        };
        let moment = Moment {
            chain: Rc::new(self.court.evm.snapshot()),
            records,
            work_burn,
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

    /// Of claim `round`.
    fn who(&self, round: usize, who: Who) -> Address {
        match who {
            Who::Executor => self.claims[round].executor,
            other => address(other),
        }
    }

    fn player(&self, round: usize, seat: usize, side: Side) -> Address {
        match side {
            Side::Executor => self.who(round, Who::Executor),
            Side::Challenger => address(Who::Challenger(seat)),
        }
    }

    fn root(&self, round: usize, root: Root, index: u64) -> StateRoot {
        match root {
            Root::True => self.claims[round].run.states[index as usize],
            Root::Lie(side) => halted_root(lie(side, self.rules.claim_is_true)),
        }
    }

    /// Roots of a game's standing dissection.
    fn standing(&self, round: usize, game: &Game) -> Vec<StateRoot> {
        let at = |(i, root): (usize, &Root)| {
            self.root(round, *root, game.start + i as u64 * game.stride)
        };
        game.roots.iter().enumerate().map(at).collect()
    }

    /// What `roots` in piece `piece` of `game` are, as bytes.
    fn posted(&self, round: usize, game: &Game, piece: u64, roots: &[Root]) -> Vec<StateRoot> {
        let start = game.start + piece.min(game.pieces() - 1) * game.stride;
        // Too many roots, or a piece of one step, are refused whatever the roots are.
        let step = (game.stride / roots.len() as u64).max(1);
        let at = |(i, root): (usize, &Root)| {
            let index = start + (i as u64 + 1) * step;
            self.root(round, *root, index.min(self.rules.length))
        };
        roots.iter().enumerate().map(at).collect()
    }

    fn transaction(&self, state: &State, moment: &Moment, attempt: &Attempt) -> Tx {
        let (from, value, data) = match attempt {
            Attempt::OnFirst(attempt) => self.call(0, state, moment, attempt),
            other => self.call(state.round(), state, moment, other),
        };
        let told = match attempt {
            Attempt::OnFirst(attempt) => attempt,
            other => other,
        };
        let to = match told {
            Attempt::Finalize { .. } | Attempt::Post(_) | Attempt::ClaimDirect => {
                self.court.addresses.rollup
            }
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

    /// Sender, value and calldata of an attempt about claim `round`.
    fn call(
        &self,
        round: usize,
        state: &State,
        moment: &Moment,
        attempt: &Attempt,
    ) -> (Address, u128, Bytes) {
        let claim = &self.claims[round];
        let context = |seat: usize| claim.contexts[seat].clone();
        match attempt {
            Attempt::Open { seat, short } => {
                let value = self.rules.challenger_bond - u128::from(*short);
                let from = address(Who::Challenger(*seat));
                (from, value, claim.opening.clone())
            }
            Attempt::Replay { seat } => {
                let (from, data) = moment.records[round][*seat]
                    .last
                    .clone()
                    .expect("there was a move");
                (from, 0, data)
            }
            Attempt::Dissect { by, .. } => {
                let m = self.dissection(round, state, moment, attempt);
                let call = DisputeGame::moveCall { m };
                (self.who(round, *by), 0, call.abi_encode().into())
            }
            Attempt::Prove { by, seat, .. } => {
                let p = self.proof(round, state, moment, attempt);
                let context = context(*seat);
                let call = DisputeGame::proveCall { context, p };
                (self.who(round, *by), 0, call.abi_encode().into())
            }
            Attempt::TimeOut { seat, by } => {
                let context = context(*seat);
                let call = DisputeGame::timeoutCall { context };
                (self.who(round, *by), 0, call.abi_encode().into())
            }
            Attempt::SettleVoid { seat, by } => {
                let context = context(*seat);
                let call = DisputeGame::settleVoidCall { context };
                (self.who(round, *by), 0, call.abi_encode().into())
            }
            Attempt::Finalize { by } => (self.who(round, *by), 0, claim.finalize.clone()),
            Attempt::Post(segment) => {
                let data = self.claiming.batches[*segment as usize].clone();
                (account("sequencer"), 0, data)
            }
            Attempt::ClaimDirect => (self.claiming.executor, 0, self.claiming.direct.clone()),
            Attempt::Stray { .. } => self.stray(state, moment, attempt),
            Attempt::OnFirst(_) => unreachable!("an attempt about the first claim is of one kind"),
        }
    }

    /// A move that is right but for the game and the claim that it names.
    fn stray(&self, state: &State, moment: &Moment, attempt: &Attempt) -> (Address, u128, Bytes) {
        let Attempt::Stray {
            seat,
            game,
            claim,
            board,
            roots,
        } = attempt
        else {
            unreachable!("called for strays")
        };
        let shown = state.games_of(*board)[*seat].as_ref().expect("a board");
        let by = player(*seat, shown.turn);
        let dissection = Attempt::Dissect {
            seat: *seat,
            of: *seat,
            by,
            piece: 0,
            roots: roots.clone(),
            flaw: Flaw::None,
        };
        let key = self.claims[*claim].key;
        let m = Move {
            gameId: self.claims[*game].ids[*seat],
            claim: claim_key(key.segment, key.index),
            ..self.dissection(*board, state, moment, &dissection)
        };
        let call = DisputeGame::moveCall { m };
        (self.who(*board, by), 0, call.abi_encode().into())
    }

    fn dissection(&self, round: usize, state: &State, moment: &Moment, attempt: &Attempt) -> Move {
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
        let game = state.games_of(round)[*of]
            .as_ref()
            .expect("a game to answer");
        let (standing, opened) = (
            self.standing(round, game),
            (*piece).min(game.pieces() - 1) as usize,
        );
        let mut proof = piece_proof(&standing[1..], opened);
        if *flaw == Flaw::LongProof {
            proof.push(B256::ZERO);
        }
        let mover = self.player(round, *of, game.turn);
        let other = self.player(round, *of, game.turn.other());
        let claim = &self.claims[round];
        Move {
            gameId: claim.ids[*seat],
            claim: claim_key(claim.key.segment, claim.key.index),
            opponent: if self.who(round, *by) == other {
                mover
            } else {
                other
            },
            history: b256(moment.records[round][*of].history),
            segment: U256::from(*piece),
            startRoot: b256(standing[0].0),
            left: b256(standing[opened].0),
            right: b256(standing[opened + 1].0),
            proof,
            roots: words(&self.posted(round, game, *piece, roots)),
        }
    }

    fn proof(&self, round: usize, state: &State, moment: &Moment, attempt: &Attempt) -> Proof {
        let Attempt::Prove {
            seat, piece, shown, ..
        } = attempt
        else {
            unreachable!("called for proofs")
        };
        let game = state.games_of(round)[*seat]
            .as_ref()
            .expect("a game to prove");
        let (standing, opened) = (
            self.standing(round, game),
            (*piece).min(game.pieces() - 1) as usize,
        );
        let index = game.start + opened as u64 * game.stride;
        let witness = match shown {
            Root::True => self.claims[round].run.witnesses[index as usize].clone(),
            Root::Lie(side) => {
                let code = lie(*side, self.rules.claim_is_true);
                Header::terminal(Status::Halted(code)).encode().to_vec()
            }
        };
        Proof {
            history: b256(moment.records[round][*seat].history),
            segment: U256::from(*piece),
            startRoot: b256(standing[0].0),
            left: b256(standing[opened].0),
            right: b256(standing[opened + 1].0),
            proof: piece_proof(&standing[1..], opened),
            witness: witness.into(),
        }
    }

    /// The bytes that a refusal begins with: all of them where the model knows every argument.
    fn error(&self, state: &State, attempt: &Attempt, why: Refusal) -> Vec<u8> {
        use DisputeGame as G;
        let (round, attempt) = match attempt {
            Attempt::OnFirst(attempt) => (0, &**attempt),
            Attempt::Stray { game, .. } => (*game, attempt),
            other => (state.round(), other),
        };
        let seat = match attempt {
            Attempt::Open { seat, .. }
            | Attempt::Dissect { seat, .. }
            | Attempt::Replay { seat }
            | Attempt::Prove { seat, .. }
            | Attempt::TimeOut { seat, .. }
            | Attempt::SettleVoid { seat, .. }
            | Attempt::Stray { seat, .. } => *seat,
            Attempt::Finalize { .. }
            | Attempt::Post(_)
            | Attempt::ClaimDirect
            | Attempt::OnFirst(_) => 0,
        };
        let (game_id, request) = (self.claims[round].ids[seat], self.request);
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
            Refusal::NotYetDirect { from } => Rollup::NotYetDirect { from: at(from) }.abi_encode(),
            // The first of the reasons of `ResultError`.
            Refusal::NotOpen => Rollup::ClaimRefused { reason: 1 }.abi_encode(),
        }
    }
}

//! Reads back everything that the contracts store about the claims, and the money.

use super::{Chain, Moment, address, big};
use crate::games_support::account;
use crate::rules::{Claim, Phase, Side, State, Who};
use alloy::primitives::{Address, B256, U256};
use alloy::sol_types::SolCall;
use assay_bindings::abi::RequestStatus;
use assay_bindings::convert::b256;
use assay_bindings::game::{claim_key, commitment};
use assay_bindings::{DisputeGame, Inbox, Staking};
use assay_dispute::ledger::ClaimKey;

impl Chain {
    fn view<C: SolCall>(&mut self, to: Address, call: &C) -> C::Return {
        self.court.evm.view(to, call).decode::<C>()
    }

    pub(super) fn status(&mut self) -> RequestStatus {
        let (inbox, id) = (self.court.addresses.inbox, self.request);
        self.view(inbox, &Inbox::statusCall { id })
    }

    /// Gwei of gas of challenger and executor of every game.
    pub(super) fn tallies(&mut self) -> Vec<u64> {
        let game = self.court.addresses.game;
        let ids: Vec<B256> = self.claims.iter().flat_map(|claim| claim.ids).collect();
        let tallies = |id| {
            let slot = self.view(game, &DisputeGame::gameCall { gameId: id });
            [slot.challengerGas.to(), slot.executorGas.to()]
        };
        ids.into_iter().flat_map(tallies).collect()
    }

    /// Staked and locked wei of an executor.
    pub(super) fn stake(&mut self, i: usize) -> (u128, u128) {
        let (staking, executor) = (self.court.addresses.staking, self.executors[i]);
        let account = self.view(staking, &Staking::accountsCall { executor });
        (account.staked, account.locked)
    }

    /// Who has credit, in the order of the model's money.
    fn payees(&self) -> Vec<Address> {
        let challengers = [0, 1].map(|i| address(Who::Challenger(i)));
        let executors = self.executors.iter().copied();
        challengers.into_iter().chain(executors).collect()
    }

    /// All wei there are.
    pub(super) fn everything(&mut self) -> U256 {
        let a = self.court.addresses;
        let named = ["deployer", "sequencer", "asker", "coinbase"].map(account);
        let strangers = [0, 1].map(|i| address(Who::Stranger(i)));
        let contracts = [a.game, a.rollup, a.inbox, a.staking, a.registry, a.prover];
        let mut all = self.payees();
        all.push(Address::ZERO);
        all.extend(named.iter().chain(&strangers).chain(&contracts));
        all.into_iter().map(|who| self.court.evm.balance(who)).sum()
    }

    /// Everything that the contracts store about the claims must be what `state` says.
    pub fn compare(&mut self, state: &State, moment: &Moment) {
        self.at(state.now);
        let present = (
            state.open,
            state.claim == Claim::Lost,
            state.gas,
            state.pool,
        );
        let first = state.before.as_ref().map(|b| (b.open, true, b.gas, b.pool));
        let mut tallies: Vec<_> = first.into_iter().chain([present]).collect();
        // Of a claim that was not made nothing is known.
        tallies.resize(self.claims.len(), (0, false, 0, 0));
        for (round, expected) in tallies.into_iter().enumerate() {
            let ClaimKey { segment, index } = self.claims[round].key;
            let claim = claim_key(segment, index);
            let game = self.court.addresses.game;
            let games = self.view(game, &DisputeGame::claimGamesCall { claimKey: claim });
            assert_eq!(
                (games.open, games.lost, games.gas, games.pool),
                expected,
                "claim {round} in {state:#?}"
            );
            for seat in 0..2 {
                self.compare_game(state, moment, (round, seat), claim);
            }
        }
        self.compare_request(state, moment);
        self.compare_money(state, moment);
    }

    fn compare_game(
        &mut self,
        state: &State,
        moment: &Moment,
        (round, seat): (usize, usize),
        claim: U256,
    ) {
        let contract = self.court.addresses.game;
        let id = self.claims[round].ids[seat];
        let slot = self.view(contract, &DisputeGame::gameCall { gameId: id });
        let stored = self.view(contract, &DisputeGame::commitmentCall { gameId: id });
        let made = round <= state.round();
        let game = state.games_of(round)[seat].as_ref().filter(|_| made);
        let Some(game) = game else {
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
        let standing = self.standing(round, game);
        let expected = commitment(
            b256(moment.records[round][seat].history),
            standing[0],
            &standing[1..],
            claim,
            self.player(round, seat, game.turn),
            self.player(round, seat, game.turn.other()),
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

    /// The request is what its present claim is, and names that one alone.
    fn compare_request(&mut self, state: &State, moment: &Moment) {
        let status = self.status();
        let key = self.claims[state.round()].key;
        let named = (status.segmentId, status.index, status.burn.to::<u128>());
        let claimed = (key.segment, key.index, moment.work_burn);
        let (expected, names) = match state.claim {
            Claim::Lost => (1, (0, 0, 0)),
            Claim::Standing => (2, claimed),
            Claim::Final => (3, claimed),
        };
        assert_eq!((status.state, named), (expected, names), "{state:#?}");
        assert_eq!(usize::from(status.claims), state.claims().len());
        if state.claim == Claim::Lost {
            let until = self.posted_at + state.direct_from(&self.rules) - 1;
            assert_eq!(status.deadline.to::<u64>(), until, "{state:#?}");
        }
    }

    fn compare_money(&mut self, state: &State, moment: &Moment) {
        let money = &state.money;
        let a = self.court.addresses;
        let is_final = state.claim == Claim::Final;
        let held = self.court.evm.balance(a.game);
        assert_eq!(held, big(money.held), "{state:#?}");
        let burned = self.court.evm.balance(Address::ZERO) - self.burned_before;
        let work = if is_final { moment.work_burn } else { 0 };
        assert_eq!(burned, big(money.burned + work), "{state:#?}");
        let mut accounts = self.payees();
        accounts.extend([0, 1].map(|i| address(Who::Stranger(i))));
        // Without another executor a stranger stands where its credit would be, and has none.
        for (i, who) in accounts.into_iter().enumerate() {
            let expected = money.credit.get(i).copied().unwrap_or(0);
            let given = self.view(a.game, &DisputeGame::creditCall { account: who });
            assert_eq!(given, big(expected), "credit of {i} in {state:#?}");
        }
        let mut all = 0;
        for i in 0..self.executors.len() {
            let (staked, locked) = self.stake(i);
            let (had, elsewhere) = self.stakes[i];
            assert_eq!(staked, had - money.slashed[i], "{state:#?}");
            assert_eq!(
                locked,
                elsewhere + money.locked[i],
                "another claim's bond stays locked: {state:#?}"
            );
            all += staked;
            let paid = is_final && i == state.account(&self.rules);
            let fee = if paid { self.fee - moment.work_burn } else { 0 };
            let account = self.executors[i];
            let given = self.view(a.inbox, &Inbox::creditCall { account });
            assert_eq!(given, big(fee), "{state:#?}");
        }
        assert_eq!(self.court.evm.balance(a.staking), big(all));
        assert_eq!(
            self.everything(),
            self.total,
            "no wei comes or goes: {state:#?}"
        );
    }

    /// Everybody takes its credit; what stays in the game contract then, at the end of everything, is dust of the pools.
    pub fn pay_out(&mut self, state: &State) {
        let game = self.court.addresses.game;
        for (who, credit) in self.payees().into_iter().zip(state.money.credit) {
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
        let lost = state.claims().iter().filter(|(_, lost)| *lost).count();
        assert!(
            dust <= U256::from(2 * lost),
            "{dust} wei stay behind at {state:#?}"
        );
    }
}

//! Runs each mutant until one call's answer differs.

use crate::calls::Call;
use crate::chain::Chain;
use crate::code::{Mutated, Site};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What became of a mutant so far.
#[derive(Clone, Debug, Default)]
pub struct Fate {
    /// A call was answered in another way.
    pub killed: bool,
    /// Calls that were asked of it, all of which reach its place.
    pub calls: u64,
    /// A contract with it was tried.
    pub tried: bool,
}

/// Everything that trials share.
pub struct Trials<'a> {
    /// All sites, in the order of their numbers.
    pub sites: &'a [Site],
    /// Calls with right answers.
    pub calls: &'a [Call],
    /// By contract: the calls that reach it.
    pub reaching: BTreeMap<String, Vec<u32>>,
    /// Most calls that are asked of a mutant in one contract.
    pub most: usize,
    /// By number.
    pub fates: Mutex<BTreeMap<u32, Fate>>,
}

impl<'a> Trials<'a> {
    /// Checks the calls against the committed contracts, and sorts them by the contract that answers.
    pub fn new(sites: &'a [Site], calls: &'a [Call], most: usize) -> Trials<'a> {
        let mut chain = Chain::new();
        let names = assay_bindings::deploy::families().map(|(name, _)| name);
        let by_address: BTreeMap<_, _> = names.map(|n| (chain.address(n), n)).into();
        let mut reaching: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for (i, call) in calls.iter().enumerate() {
            let mut reach = |name: &str| reaching.entry(name.into()).or_default().push(i as u32);
            reach(&call.contract);
            if call.contract == "OneStepProver" {
                let (answer, watch) = chain.watch(call);
                assert_eq!(
                    answer.as_ref(),
                    Some(&call.answer),
                    "the committed contract, call {i}"
                );
                let families = watch.called.iter().filter_map(|a| by_address.get(a));
                families.for_each(|name| reach(name));
            }
        }
        Trials {
            sites,
            calls,
            reaching,
            most,
            fates: Mutex::default(),
        }
    }

    /// Tries all contracts, a few at once.
    pub fn run(&self, contracts: &[Mutated], jobs: usize) {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| {
                    while let Some(mutated) = contracts.get(next.fetch_add(1, Ordering::Relaxed)) {
                        self.contract(mutated);
                    }
                });
            }
        });
    }

    fn contract(&self, mutated: &Mutated) {
        let mut chain = Chain::new();
        let place = |id: u32| mutated.sites.binary_search(&id).ok().map(|i| i as u32);
        chain.exchange(
            &mutated.contract,
            &mutated.creation,
            &mutated.runtime,
            place,
        );
        let no_calls = Vec::new();
        let calls = self.reaching.get(&mutated.contract).unwrap_or(&no_calls);
        let mut by_site = vec![Vec::new(); mutated.sites.len()];
        for &i in calls {
            let call = &self.calls[i as usize];
            let (answer, watch) = chain.watch(call);
            assert_eq!(
                answer.as_ref(),
                Some(&call.answer),
                "{} without a mutant, call {i}",
                mutated.contract
            );
            for &site in &watch.sites {
                by_site[site as usize].push(i);
            }
        }
        let mut killed = 0;
        for (&id, calls) in mutated.sites.iter().zip(&by_site) {
            let site = &self.sites[self
                .sites
                .binary_search_by_key(&id, |s| s.id)
                .expect("a site of this number")];
            for number in (id..).take(site.mutants.len()) {
                killed += u32::from(self.mutant(&mut chain, number, calls));
            }
        }
        println!(
            "{:16} {:5} calls, {:4} sites, {killed:4} killed",
            mutated.contract,
            calls.len(),
            mutated.sites.len()
        );
    }

    /// Whether one of `calls` kills the mutant, that none has killed yet.
    fn mutant(&self, chain: &mut Chain, number: u32, calls: &[u32]) -> bool {
        let fates = || self.fates.lock().expect("no trial panics with it");
        if fates().entry(number).or_default().killed {
            return false;
        }
        let mut asked = 0;
        let killed = calls.iter().take(self.most).any(|&i| {
            let call = &self.calls[i as usize];
            asked += 1;
            chain.ask(call, Some(number)).as_ref() != Some(&call.answer)
        });
        let mut fates = fates();
        let fate = fates.entry(number).or_default();
        fate.tried = true;
        fate.calls += asked;
        fate.killed |= killed;
        killed
    }
}

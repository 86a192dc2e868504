//! What executes operators in bulk, held against a reference.

use super::operator::Operator;
use super::{Pair, Reference};
use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Executes one operator, many times at once.
pub trait Engine {
    /// Its name in a failure.
    const NAME: &'static str;

    /// Most pairs at once.
    const BATCH: usize;

    /// The engine for `operator`.
    fn new(operator: Operator) -> Self;

    /// Results on numbers, `None` where the operator traps.
    fn numbers(&mut self, pairs: &[Pair]) -> Vec<Option<u64>>;

    /// Results on vectors.
    fn vectors(&mut self, pairs: &[(u128, u128)]) -> Vec<u128>;
}

/// Compares an engine's results on `pairs`, in lanes if the operator has them; panics at the first difference.
pub fn compare<E: Engine>(
    engine: &mut E,
    operator: Operator,
    reference: Reference,
    pairs: &[Pair],
) {
    if operator.is_vector() {
        let lanes = operator.lanes as usize;
        for batch in pairs.chunks(E::BATCH * lanes) {
            let operands: Vec<(u128, u128)> =
                batch.chunks(lanes).map(|p| operator.vectors(p)).collect();
            let results = engine.vectors(&operands);
            assert_eq!(results.len(), operands.len());
            for (pairs, got) in batch.chunks(lanes).zip(results) {
                let want = operator.on_lanes(reference, pairs);
                check::<E, _>(operator, pairs, got, want);
            }
        }
    } else {
        for batch in pairs.chunks(E::BATCH) {
            let results = engine.numbers(batch);
            assert_eq!(results.len(), batch.len());
            for (&(a, b), got) in batch.iter().zip(results) {
                check::<E, _>(operator, &[(a, b)], got, reference(a, b));
            }
        }
    }
}

fn check<E: Engine, T: PartialEq + Debug>(operator: Operator, pairs: &[Pair], got: T, want: T) {
    assert!(
        got == want,
        "{} of {pairs:x?}: {} {got:x?}, reference {want:x?}",
        operator.op.mnemonic(),
        E::NAME
    );
}

/// Does `work` for every item, on all cores.
pub fn on_all_cores<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(item);
                }
            });
        }
    });
}

/// The number in the environment variable `name`, or `default`.
pub fn count(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |v| {
        v.parse().unwrap_or_else(|_| panic!("{name} is a number"))
    })
}

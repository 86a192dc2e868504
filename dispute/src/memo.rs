//! Remembers roots: many games on one claim ask for the same ones, and a run backwards starts over.

use crate::trace::Trace;
use assay_types::StateRoot;
use std::collections::BTreeMap;

/// A trace with a memory.
pub struct Memo<T> {
    trace: T,
    known: BTreeMap<u64, StateRoot>,
}

impl<T: Trace> Memo<T> {
    /// Nothing is known yet.
    pub fn new(trace: T) -> Memo<T> {
        Memo {
            trace,
            known: BTreeMap::new(),
        }
    }
}

impl<T: Trace> Trace for Memo<T> {
    type Error = T::Error;

    fn roots(&mut self, indices: &[u64]) -> Result<Vec<StateRoot>, T::Error> {
        let missing: Vec<u64> = indices
            .iter()
            .copied()
            .filter(|i| !self.known.contains_key(i))
            .collect();
        if !missing.is_empty() {
            let roots = self.trace.roots(&missing)?;
            self.known.extend(missing.into_iter().zip(roots));
        }
        Ok(indices.iter().map(|i| self.known[i]).collect())
    }

    fn witness(&mut self, index: u64) -> Result<Vec<u8>, T::Error> {
        self.trace.witness(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_types::Hash;
    use std::convert::Infallible;

    struct Counting(Vec<Vec<u64>>);

    impl Trace for Counting {
        type Error = Infallible;

        fn roots(&mut self, indices: &[u64]) -> Result<Vec<StateRoot>, Infallible> {
            self.0.push(indices.to_vec());
            Ok(indices
                .iter()
                .map(|i| StateRoot(Hash([*i as u8; 32])))
                .collect())
        }

        fn witness(&mut self, _: u64) -> Result<Vec<u8>, Infallible> {
            Ok(Vec::new())
        }
    }

    #[test]
    fn each_root_is_asked_for_once() {
        let mut memo = Memo::new(Counting(Vec::new()));
        for indices in [vec![1, 3], vec![1, 2, 3], vec![2, 3]] {
            let Ok(roots) = memo.roots(&indices);
            assert!(
                roots
                    .iter()
                    .zip(&indices)
                    .all(|(r, i)| r.0.0[0] == *i as u8)
            );
        }
        assert_eq!(memo.trace.0, [vec![1, 3], vec![2]]);
    }
}

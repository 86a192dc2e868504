//! The journal stays as small as what is alive, however much passes through it.

use alloy::primitives::{Address, B256};
use assay_bindings::Request;
use assay_node::journal::Journal;
use assay_node::metrics::Metrics;
use assay_node::store::SledStore;
use assay_sequencer::core::{Core, Counts};
use assay_sequencer::entry::Entry;
use assay_sequencer::record::Record;
use assay_sequencer::segment::{Offer, Seal};
use std::sync::Arc;

#[test]
fn journal_does_not_grow_with_what_was_posted_or_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("accepted.journal");
    let store = Arc::new(SledStore::open(&dir.path().join("store")).expect("opens"));
    let (journal, old) = Journal::<Record>::open(&path).expect("opens");
    assert!(old.is_empty());
    let mut core = Core::new(journal, store, Counts::new(&Metrics::new("test")));
    let id = B256::repeat_byte(1);
    core.book
        .add(Entry::new(id, Request::default(), Default::default()));
    let executor = Address::repeat_byte(9);
    let offer = |number| Offer {
        executor,
        number,
        expiry: 1_000,
        results: vec![(id, vec![7; 60_000].into())],
        signature: vec![0; 65].into(),
        in_blob: false,
    };
    let (kept, mut largest) = (offer(0), 0);
    core.take(kept.clone(), Seal::default()).expect("taken");
    for number in 1..200 {
        core.take(offer(number), Seal::default()).expect("taken");
        core.refuse(executor, number, "test", 0);
        largest = largest.max(std::fs::metadata(&path).expect("there").len());
    }
    // 24 MB went through. Alive are two at any time, of 120 KB each.
    assert!(largest < 5_500_000, "{largest} bytes");
    drop(core);
    let (_, records) = Journal::<Record>::open(&path).expect("opens again");
    assert_eq!(records.first(), Some(&Record::Segment(kept)));
    assert!(records.len() < 50, "{} records", records.len());
}

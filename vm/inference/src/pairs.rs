//! The merges of a byte-level vocabulary: for two tokens the rank of merging them and the token that they become.
//!
//! `tokenizer.ggml.merges` is a list of texts "left right", the first rank 0. Both halves and what they make together must
//! be normal tokens; of equal pairs the first counts.

use crate::areas::{Area, place_merges, slots};
use crate::error::{Reject, What};
use crate::host::{Host, Rom};
use crate::keys::Key;
use crate::layout::*;
use crate::vocab::{Class, find};

/// What two tokens become.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Merge {
    /// Lower goes first.
    pub rank: u32,
    /// The token.
    pub into: u32,
}

/// Where a pair is in the table's index, or where it would go.
#[derive(Clone, Copy, Default)]
struct Place {
    merge: Option<Merge>,
    empty: Option<u32>,
    work: u32,
}

/// Makes room for the table. The vocabulary is indexed already.
pub fn begin<H: Host>(host: &mut H) {
    let mut arena = host.arena();
    let (count, at): (u32, u32) = (arena.get(Key::Merges.at()), arena.get(Key::Merges.at() + 4));
    arena.put(MERGES_AT, at);
    arena.put(PAIR_MASK, slots(count) - 1);
    let end = place_merges(&mut arena, count);
    host.grow(end);
}

/// Reads the next merge; returns the work done, none after the last.
pub fn read_next<H: Host>(host: &mut H) -> Result<Option<u32>, Reject> {
    let arena = host.arena();
    let (rank, at): (u32, u32) = (arena.get(MERGES_READ), arena.get(MERGES_AT));
    if rank == arena.get(Key::Merges.at()) {
        return Ok(None);
    }
    let refuse = Reject::new(What::Merge, rank);
    // The parser walked these strings: they lie in the header, below 2^32.
    let head = host.load(Rom::Model, u64::from(at), 8).data;
    let mut size = [0; 8];
    size.copy_from_slice(head);
    let size = u64::from_le_bytes(size);
    let len = u32::try_from(size).ok().filter(|len| *len <= LONGEST);
    let len = len.ok_or(refuse)?;
    let mut text = [0u8; LONGEST as usize];
    let text = &mut text[..len as usize];
    let mut loaded = host.load(Rom::Model, u64::from(at) + 8, len);
    text.copy_from_slice(loaded.data);
    loaded.arena.put(MERGES_READ, rank + 1);
    loaded.arena.put(MERGES_AT, at + 8 + len);
    let space = text.iter().position(|b| *b == b' ').ok_or(refuse)?;
    let (mut ids, mut work) = ([0; 2], 0);
    for (id, half) in ids.iter_mut().zip([&text[..space], &text[space + 1..]]) {
        let probe = find_short(host, half);
        *id = probe.0.ok_or(refuse)?;
        work += probe.1;
    }
    text.copy_within(space + 1.., space);
    let (into, more) = find_short(host, &text[..len as usize - 1]);
    let into = into.ok_or(refuse)?;
    let place = probe(host, ids);
    work += more + place.work;
    match place {
        Place { merge: Some(_), .. } => {}
        Place {
            empty: Some(slot), ..
        } => {
            let mut arena = host.arena();
            let (pairs, index) = (Area::Pairs.at(&arena), Area::PairIndex.at(&arena));
            arena
                .view_mut(pairs + 12 * rank, 3)
                .copy_from_slice(&[ids[0], ids[1], into]);
            arena.put(index + 4 * slot, rank + 1);
        }
        _ => return Err(refuse),
    }
    Ok(Some(work + 2000 + 20 * len))
}

/// Longest merge that is read.
const LONGEST: u32 = 2 * MAX_TOKEN_BYTES + 1;

/// The normal token of that text, and the work done.
fn find_short<H: Host>(host: &mut H, text: &[u8]) -> (Option<u32>, u32) {
    if text.is_empty() || text.len() > MAX_TOKEN_BYTES as usize {
        return (None, 0);
    }
    let probe = find(host, Class::Normal, text);
    (probe.id, probe.work + 10 * text.len() as u32)
}

fn hash(ids: [u32; 2]) -> u32 {
    let mix = |h: u32| (h ^ h >> 15).wrapping_mul(0x2c1b_3c6d);
    let h = mix(mix(ids[0].wrapping_mul(0x9e37_79b1)) ^ ids[1].wrapping_mul(0x85eb_ca77));
    h ^ h >> 13
}

fn probe<H: Host>(host: &mut H, ids: [u32; 2]) -> Place {
    let arena = host.arena();
    let (pairs, index) = (Area::Pairs.at(&arena), Area::PairIndex.at(&arena));
    let (mask, hash): (u32, u32) = (arena.get(PAIR_MASK), hash(ids));
    let mut place = Place {
        work: 150,
        ..Place::default()
    };
    // A table in which more would be in the way is refused, so a lookup never walks further either.
    for i in 0..MAX_PROBES {
        let slot = hash.wrapping_add(i) & mask;
        place.work += 60;
        let Some(rank) = arena.get::<u32>(index + 4 * slot).checked_sub(1) else {
            place.empty = Some(slot);
            return place;
        };
        let entry: &[u32] = arena.view(pairs + 12 * rank, 3);
        if entry[..2] == ids {
            place.merge = Some(Merge {
                rank,
                into: entry[2],
            });
            return place;
        }
    }
    place
}

/// What tokens `left` and `right` become, and the work done.
pub fn merge_of<H: Host>(host: &mut H, left: u32, right: u32) -> (Option<Merge>, u32) {
    let place = probe(host, [left, right]);
    (place.merge, place.work)
}

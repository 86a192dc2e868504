//! One claim, two challengers and strangers: every order of everything that they can do, the contracts held to a model. Then a
//! second claim on the same request, once the first is lost, beside the void games of the first.
//!
//! `make model` walks the larger families as well.

mod chain;
mod explore;
#[allow(
    dead_code,
    reason = "shared with the games' tests, which use other parts"
)]
#[path = "../games_support/mod.rs"]
mod games_support;
mod named;
mod players;
mod rules;
mod second;

use chain::Prices;
use explore::{Family, Tally, walk};
use players::Cast;
use rules::Second;

const TRUE_CLAIM: (Cast, bool) = (
    Cast {
        executor: true,
        challengers: [false, false],
    },
    true,
);
const FALSE_CLAIM: (Cast, bool) = (
    Cast {
        executor: false,
        challengers: [true, false],
    },
    false,
);

/// Walks the claims of `sizes` (log2 of N and of k) and demands that they showed something.
fn walk_all(sizes: &[(u32, u32)], casts: &[(Cast, bool)], prices: &[Prices], least: [u64; 2]) {
    let mut total = Tally::default();
    for &(trace_log2, arity_log2) in sizes {
        for &(cast, claim_is_true) in casts {
            for &prices in prices {
                total.add(&walk(&Family {
                    trace_log2,
                    arity_log2,
                    claim_is_true,
                    cast,
                    second: None,
                    prices,
                }));
            }
        }
    }
    println!("{total:?}");
    assert!(total.edges > least[0] && total.refused > least[1]);
    assert!(total.reasons.len() >= 18 && total.ends > 0);
}

#[test]
fn every_small_claim_with_honest_players_ends_by_the_rules() {
    let sizes = [(1, 1), (2, 1), (2, 2), (3, 3)];
    walk_all(
        &sizes,
        &[TRUE_CLAIM, FALSE_CLAIM],
        &[Prices::Ample],
        [20_000, 200_000],
    );
}

#[test]
fn the_smallest_claim_among_liars_alone_ends_by_the_rules() {
    let casts = [(Cast::HOSTILE, true), (Cast::HOSTILE, false)];
    let prices = [Prices::Ample, Prices::Short];
    walk_all(&[(1, 1), (1, 2)], &casts, &prices, [10_000, 100_000]);
}

/// Where the first claim, of a player that does not play by the truth, is lost, and what follows.
const SECOND_CLAIMS: [(bool, Cast, Second, Cast, Prices); 3] = [
    // The honest executor answers after a liar lost, to a liar or to a clock.
    (
        true,
        Cast::HOSTILE,
        Second::Other,
        TRUE_CLAIM.0,
        Prices::Ample,
    ),
    // The same lie again: the same challenger must beat it again.
    (
        false,
        FALSE_CLAIM.0,
        Second::Same,
        FALSE_CLAIM.0,
        Prices::Ample,
    ),
    // Nobody plays by the truth, and the pools are short.
    (
        true,
        Cast::HOSTILE,
        Second::Same,
        Cast::HOSTILE,
        Prices::Short,
    ),
];

/// Walks the second claims over traces of `2^trace_log2` indices.
fn walk_second(trace_log2: u32, arity_log2: u32) -> Tally {
    let mut total = Tally::default();
    for (claim_is_true, cast, by, then, prices) in SECOND_CLAIMS {
        let seen = walk(&Family {
            trace_log2,
            arity_log2,
            claim_is_true,
            cast,
            second: Some((by, then)),
            prices,
        });
        // Every end has a second claim, and of a lie that is told twice both are lost.
        assert!(seen.ends > 0 && seen.lost[1] > 0);
        total.add(&seen);
    }
    println!("{total:?}");
    total
}

/// [S] Every order of a second claim beside the void games of the first.
#[test]
fn a_second_claim_after_a_loss_ends_by_the_rules() {
    let total = walk_second(1, 1);
    for reason in [
        "NotYetDirect",
        "NotOpen",
        "ClaimAlreadyLost",
        "NotTheClaim",
        "Stale",
    ] {
        assert!(total.reasons.contains_key(reason), "{reason}");
    }
}

/// Some minutes: `make model`.
#[test]
#[ignore = "some minutes: make model"]
fn every_larger_claim_ends_by_the_rules() {
    let casts = [
        TRUE_CLAIM,
        FALSE_CLAIM,
        (Cast::HOSTILE, true),
        (Cast::HOSTILE, false),
    ];
    walk_all(
        &[(2, 1), (2, 2), (3, 3)],
        &casts,
        &[Prices::Short],
        [80_000, 800_000],
    );
    walk_second(1, 2);
    // Of each k the other player proves than in the sizes above.
    walk_all(
        &[(3, 1), (3, 2), (4, 3)],
        &[TRUE_CLAIM, FALSE_CLAIM],
        &[Prices::Ample],
        [60_000, 600_000],
    );
}

//! One claim, two challengers and strangers: every order of everything that they can do, the contracts held to a model.
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
mod players;
mod rules;

use chain::Prices;
use explore::{Family, Tally, walk};
use players::Cast;

#[test]
fn probe() {
    let honest_executor = Cast { executor: true, challengers: [false, false] };
    let honest_challenger = Cast { executor: false, challengers: [true, false] };
    let mut total = Tally::default();
    let sizes: Vec<(u32,u32)> = std::env::var("SIZES").unwrap_or("11".into()).split(',').map(|s| { let b = s.as_bytes(); ((b[0]-48) as u32, (b[1]-48) as u32) }).collect();
    for (trace_log2, arity_log2) in sizes {
        for (cast, claim_is_true) in [(honest_executor, true), (honest_challenger, false), (Cast::HOSTILE, true), (Cast::HOSTILE, false)] {
            let t = std::time::Instant::now();
            let tally = walk(&Family { trace_log2, arity_log2, claim_is_true, cast, prices: Prices::Ample });
            println!("   {:?} {:?}", t.elapsed(), tally);
            total.add(&tally);
        }
    }
    println!("{total:#?}");
}

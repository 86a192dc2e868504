//! False answers, for tests and demonstrations: false in the arithmetic alone, so that only re-running finds them out.

use assay_inference::native::{Answer, Engine, Prepared, Session};
use assay_inference::text::Taken;
use assay_node::dangerous::Cheat;
use assay_types::output::Output;

/// Candidates for a false token that are looked at.
const CANDIDATES: usize = 256;

/// A false output for a request ROM's data, made from the right one; `truth` itself where nothing can be falsified.
pub fn falsify(engine: &Engine, request: &[u8], truth: &Output, cheat: Cheat) -> Output {
    let Output::Answer { ids, .. } = truth else {
        // An answer where an error is due.
        return Output::Answer {
            ids: vec![0],
            text: Vec::new(),
        };
    };
    let (Ok(prepared), Some(last)) = (engine.prepare(request), ids.len().checked_sub(1)) else {
        return truth.clone();
    };
    match cheat {
        Cheat::Token(n) => {
            replace(engine, &prepared, ids, last.min(n as usize)).unwrap_or_else(|| truth.clone())
        }
        Cheat::Silent => replace(engine, &prepared, ids, 0).unwrap_or_else(|| truth.clone()),
        Cheat::Truncate => {
            let mut answer = prepared.answer();
            for id in &ids[..last] {
                answer.take(*id);
            }
            answer.finish()
        }
    }
}

/// The answer whose token `n` is the best-scored one that is not right; after it the model goes on as it would. Text and
/// end follow the rules, so that every check but the one of that token's score passes.
fn replace(engine: &Engine, prepared: &Prepared, ids: &[u32], n: usize) -> Option<Output> {
    let mut sequence = prepared.prompt();
    let mut answer = prepared.answer();
    for id in &ids[..n] {
        sequence.push(*id);
        answer.take(*id);
    }
    let (last, before) = sequence.split_last()?;
    let mut session = engine.session_for(prepared);
    session.feed(before, before.len()).1.ok()?;
    let scores = session.scores(*last).ok()?;
    let mut ranked: Vec<u32> = (0..)
        .take(scores.len())
        .filter(|id| *id != ids[n])
        .collect();
    ranked.sort_by(|a, b| scores[*b as usize].total_cmp(&scores[*a as usize]));
    ranked.truncate(CANDIDATES);
    // Best is a token that shows in the text and after which the answer goes on.
    let taken = |id: u32| {
        let mut answer = answer.clone();
        let taken = answer.take(id);
        (taken, answer.text().to_vec())
    };
    let shows = |id: &&u32| {
        let (taken, text) = taken(**id);
        taken == Taken::Open && text != answer.text()
    };
    let chosen = ranked
        .iter()
        .find(shows)
        .or(ranked.iter().find(|id| taken(**id).0 != Taken::Refused))?;
    go_on(session, answer, *chosen)
}

/// Takes `id`, then whatever the model picks until the answer is over.
fn go_on(mut session: Session, mut answer: Answer, mut id: u32) -> Option<Output> {
    while answer.take(id) == Taken::Open {
        let (picks, fed) = session.feed(&[id], 0);
        fed.ok()?;
        id = picks.first()?.id;
    }
    Some(answer.finish())
}

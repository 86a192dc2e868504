//! Has the randomness of later blocks recorded, and hands a question out once that of its block is.

use crate::core::Shared;
use alloy::primitives::Address;
use assay_node::seed::{Seeds, Standing};
use assay_node::tx::{TxError, TxManager};
use std::sync::Arc;
use std::time::Duration;

/// Time between two looks at blocks that questions wait for.
const EVERY: Duration = Duration::from_secs(1);

/// Records from `tx`'s account, in the turns of `sequencer`, until shutdown.
pub async fn run(shared: Arc<Shared>, tx: TxManager, sequencer: Address) {
    let shell = shared.shell.clone();
    let inbox = shared.view.contracts().inbox;
    let seeds = Seeds::new(shell.chain.clone(), inbox, shared.flags.seed_depth);
    while shell.shutdown.sleep(EVERY).await {
        let waiting = shared.core().book.unseeded();
        for number in waiting {
            if let Err(error) = shell.health.watch(
                "seeds",
                look(&shared, &seeds, (&tx, sequencer), number).await,
            ) {
                tracing::warn!(%error, block = number, "cannot record the randomness of a block");
            }
        }
    }
}

/// Looks after the questions that wait for block `number`.
async fn look(
    shared: &Shared,
    seeds: &Seeds,
    (tx, sequencer): (&TxManager, Address),
    number: u64,
) -> Result<(), TxError> {
    match seeds.standing(number).await? {
        Standing::Early => {}
        Standing::Recorded(_) => {
            shared.core().book.seeded(number);
            shared.settle();
        }
        Standing::Lost => {
            if shared.core().book.seed_lost(number) {
                tracing::warn!(
                    block = number,
                    "its randomness can't be proven any more: what it seeds can only be refunded"
                );
                shared.settle();
            }
        }
        Standing::Due => {
            // Anybody may record. Where several sequencers would, the one whose turn it is pays for it.
            let turns = shared.view.turns();
            if turns.wait(sequencer, shared.view.now()) == Some(0) {
                tx.send(seeds.recording(number).await?).await?;
                tracing::info!(block = number, "recorded the randomness of a block");
            }
        }
    }
    Ok(())
}

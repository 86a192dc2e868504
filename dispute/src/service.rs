//! What watchtower and defender share beside the player.

use crate::court::Court;
use crate::ledger::{ClaimStatus, Ledger};
use crate::library::{Library, Registered};
use crate::watcher::{WatchError, view};
use alloy::primitives::{Address, B256};
use anyhow::ensure;
use assay_bindings::ModelRegistry;
use assay_node::chain::Chain;
use assay_node::deployment::ModelEntry;
use assay_types::{Hash, ModelId, ProgramId};
use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

/// The wall clock, in unix seconds.
pub fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs())
}

/// Checks that the deployment file says of a model what the registry says: a verdict on other bytes would cost a bond.
///
/// # Errors
/// It does not, or the chain can't be asked.
pub async fn confirm_model(
    chain: &Chain,
    registry: Address,
    entry: &ModelEntry,
) -> anyhow::Result<()> {
    let (name, id) = (&entry.name, entry.id);
    let call = ModelRegistry::modelCall { modelId: id };
    let model = view(chain, registry, "model", call).await?;
    ensure!(
        !model.modelRoot.is_zero(),
        "the registry does not know model {name} ({id}): pass the --deployment file of this chain, or register the model"
    );
    ensure!(
        model.modelRoot == entry.root
            && model.length == entry.length
            && model.programId == entry.program_id,
        "the registry has another root, length or program for model {name} ({id}) than the --deployment file says: pass \
         the --deployment file of this chain, as it was written"
    );
    Ok(())
}

/// Looks up models of standing claims that the deployment file did not name: their bytes may be here all the same.
///
/// # Errors
/// The chain can't be reached.
pub async fn learn_models(
    chain: &Chain,
    registry: Address,
    ledger: &Ledger,
    library: &Library,
) -> Result<(), WatchError> {
    let standing = ledger
        .claims
        .values()
        .filter(|c| c.status == ClaimStatus::Standing);
    let named: BTreeSet<B256> = standing
        .filter_map(|c| Some(ledger.asks.get(&c.request_id)?.request.params.modelId))
        .collect();
    for id in named {
        let model = ModelId(Hash(id.0));
        if library.serves(model) || library.has_heard_of(model) {
            continue;
        }
        let found = view(
            chain,
            registry,
            "model",
            ModelRegistry::modelCall { modelId: id },
        )
        .await?;
        let registered = Registered {
            root: Hash(found.modelRoot.0),
            program: ProgramId(Hash(found.programId.0)),
        };
        library.learn(model, registered);
    }
    Ok(())
}

//! Defends an executor's claims: answers every game that is opened on them.
//!
//! Part of the `executor` binary, which hands over its shell, account and library.

use crate::game::Side;
use crate::library::Library;
use crate::lies::{Lie, script};
use crate::player::Player;
use crate::reader::{Journal, Needs};
use crate::record::GameRecords;
use crate::responder::Responder;
use crate::service::{learn_models, unix_now};
use crate::watcher::{WatchError, Watcher};
use assay_node::revert::ErrorBook;
use assay_node::shell::Shell;
use assay_node::store::Store;
use assay_node::tx::TxManager;
use std::sync::Arc;
use std::time::Duration;

/// Plays the executor's side of every game on its account's claims.
pub struct Defender {
    shell: Shell,
    watcher: Watcher,
    player: Player,
    library: Arc<Library>,
}

impl Defender {
    /// Sends from `tx`'s account. `store` caches the chain's events and can be deleted at any time. `journal` has what was answered
    /// before: no blob must be had for that. `lie` is for demonstrations; an honest executor passes `None`.
    ///
    /// # Errors
    /// The chain can't be reached, or the cache is damaged.
    pub async fn new(
        shell: &Shell,
        tx: Arc<TxManager>,
        store: Arc<dyn Store>,
        library: Arc<Library>,
        journal: Journal,
        lie: Option<Lie>,
    ) -> Result<Defender, WatchError> {
        let deployment = &shell.deployment;
        let watcher = Watcher::open(
            shell.chain.clone(),
            deployment,
            store,
            shell.args.confirmations,
            Needs::Own {
                executor: tx.address(),
                journal,
            },
        )
        .await?
        .beacon(shell.args.beacon_url.clone());
        let contracts = deployment.contracts.clone();
        let responder = Arc::new(Responder::new(
            shell.chain.clone(),
            tx,
            ErrorBook::assay(),
            contracts,
        ));
        let records = GameRecords::new(shell.status.clone(), &shell.metrics);
        let script = script(library.clone(), lie);
        let player = Player::new(
            shell.chain.id(),
            &[Side::Executor],
            responder,
            script,
            records,
        );
        Ok(Defender {
            shell: shell.clone(),
            watcher,
            player,
            library,
        })
    }

    /// Plays until the shell shuts down. Trouble with the chain is waited out.
    pub async fn run(mut self) {
        let shell = self.shell.clone();
        while !shell.shutdown.is_set() {
            shell.health.beat("defender", Duration::from_secs(120));
            match shell.health.watch("defender", self.tick().await) {
                Ok(()) => {}
                Err(error) => tracing::warn!(%error, "the defender waits for the chain"),
            }
            shell.shutdown.sleep(shell.args.poll()).await;
        }
        shell.health.retire("defender");
    }

    async fn tick(&mut self) -> Result<(), WatchError> {
        self.watcher.poll().await?;
        let read = self.watcher.blobs_read();
        let _ = self.shell.health.watch("blobs", read);
        let head = self.shell.chain.head().await?;
        let registry = self.shell.deployment.contracts.registry;
        learn_models(
            &self.shell.chain,
            registry,
            self.watcher.ledger(),
            &self.library,
        )
        .await?;
        self.player.tick(self.watcher.ledger(), head, unix_now());
        Ok(())
    }
}

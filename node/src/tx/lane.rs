//! An account's transactions that wait in a pool are all with blobs or all without.
//!
//! Nodes refuse one kind while the other waits (geth, reth: "address already reserved"; EIP-4844 asks pools for it). Whoever
//! changes the kind waits here until what was sent before is mined, and those behind wait for it, so that neither kind
//! keeps the other out.

use super::call::Kind;
use super::tend::LOOKS;
use super::{Call, TxError, TxManager};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::sync::Mutex;

/// Who may send what.
#[derive(Debug, Default)]
pub struct Lane {
    /// Fair: first come, first served.
    turn: Mutex<()>,
    /// Calls that may be sent and are not in the book yet, without and with blobs.
    under_way: [AtomicUsize; 2],
}

impl Lane {
    fn of(&self, kind: Kind) -> &AtomicUsize {
        match kind {
            Kind::Plain => &self.under_way[0],
            Kind::Blobs => &self.under_way[1],
        }
    }
}

/// Leave to send a call of one kind. It is given back when the call is in the book, or came to nothing.
pub struct Pass {
    lane: Arc<Lane>,
    kind: Kind,
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.lane.of(self.kind).fetch_sub(1, Ordering::SeqCst);
    }
}

impl TxManager {
    /// Mends what a reorganization dropped, and waits until nothing of the other kind than the call's waits.
    // INVARIANT: while a pass of one kind is out, nothing of the other is sent.
    pub(super) async fn enter(&self, call: &Call) -> Result<Pass, TxError> {
        let (start, kind) = (Instant::now(), call.kind());
        let _turn = self.lane.turn.lock().await;
        loop {
            self.mend().await?;
            // First the calls under way, then the book: they go from one to the other.
            let others = self.lane.of(kind.other()).load(Ordering::SeqCst) > 0;
            if !others && !self.waits(kind.other()).await {
                self.lane.of(kind).fetch_add(1, Ordering::SeqCst);
                let lane = self.lane.clone();
                return Ok(Pass { lane, kind });
            }
            if start.elapsed() > self.policy.give_up_after {
                return Err(TxError::Reserved {
                    label: call.label,
                    account: self.address(),
                });
            }
            tokio::time::sleep(self.policy.poll).await;
        }
    }

    /// Whether a call of this kind waits to be mined. Its sender may have given it up: it is looked after here, too.
    async fn waits(&self, kind: Kind) -> bool {
        let mut book = self.book.lock().await;
        if !book.waits(kind) {
            return false;
        }
        let due = self.policy.poll * LOOKS;
        if book.tended.is_none_or(|at| at.elapsed() > due)
            && let Err(error) = self.tend(&mut book).await
        {
            tracing::warn!(%error, "cannot look after what was sent");
        }
        book.waits(kind)
    }
}

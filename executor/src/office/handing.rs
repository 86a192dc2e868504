//! What becomes of an answer once it is found: it may wait for others, is signed with them, and is offered.

use super::{Account, Office, OfficeError, lock};
use crate::link;
use crate::pack::{Handed, ids};
use crate::segment::{Answered, Signatory, SignedSegment};
use assay_proto::v1::Welcome;
use std::time::{Duration, Instant};

/// What is known of an answer that is to be signed.
pub(super) struct Handing {
    pub(super) account: Option<Account>,
    pub(super) welcome: Welcome,
}

/// How long outputs are in calldata once the sequencer would not pay for a blob.
const BLOB_PAUSE: Duration = Duration::from_secs(300);

/// Seconds that a segment lives: as wanted here, within what the sequencer takes.
fn life(wanted: u64, welcome: &Welcome) -> u64 {
    let most = match welcome.max_segment_life {
        0 => u64::MAX,
        most => most.into(),
    };
    wanted
        .max(2 * u64::from(welcome.min_segment_life))
        .min(most)
}

impl Office {
    /// Whether outputs go into blobs now where they may.
    pub(super) fn blobs_now(&self) -> bool {
        let paused = lock(&self.no_blobs).is_some_and(|until| Instant::now() < until);
        self.signatory.in_blobs && !paused
    }

    /// Signs and offers an answer, if it may wait so long together with others.
    pub(super) async fn hand_in(&self, answered: Answered, handing: Handing, patience: Duration) {
        if patience.is_zero() {
            return self.offer(vec![(answered, handing)]).await;
        }
        let until = Instant::now() + patience;
        let handed = lock(&self.pack).hand_in(answered, handing, until);
        match handed {
            Handed::Now(all) => self.offer(all).await,
            Handed::Later(due, before) => {
                self.offer(before).await;
                tokio::time::sleep_until(due.into()).await;
                // Whoever wakes first takes them all.
                let all = lock(&self.pack).take_due(Instant::now());
                self.offer(all).await;
            }
        }
    }

    /// Signs `answers` in one segment and offers it; each by itself where they can't be together.
    async fn offer(&self, answers: Vec<(Answered, Handing)>) {
        let (answers, withdrawn): (Vec<_>, Vec<_>) = {
            let at_work = lock(&self.at_work);
            answers
                .into_iter()
                .partition(|(a, _)| at_work.contains(&a.request_id))
        };
        for (answered, _) in withdrawn {
            self.turn_down(answered.request_id, &OfficeError::Withdrawn)
                .await;
        }
        let in_blobs = self.blobs_now();
        // In calldata they share nothing.
        let together = if in_blobs { answers.len().max(1) } else { 1 };
        let mut rest = answers.into_iter().peekable();
        while rest.peek().is_some() {
            let some: Vec<_> = rest.by_ref().take(together).collect();
            let Err(error) = self.sign_and_send(&some, in_blobs).await else {
                continue;
            };
            if let [(answered, _)] = &some[..] {
                self.turn_down(answered.request_id, &error).await;
                continue;
            }
            tracing::warn!(%error, requests = ?ids(&some), "not signed together: each by itself");
            for one in some {
                let id = one.0.request_id;
                if let Err(error) = self.sign_and_send(&[one], in_blobs).await {
                    self.turn_down(id, &error).await;
                }
            }
        }
    }

    async fn sign_and_send(
        &self,
        answers: &[(Answered, Handing)],
        in_blobs: bool,
    ) -> Result<(), OfficeError> {
        let lives = answers
            .iter()
            .map(|(_, h)| life(self.segment_life, &h.welcome));
        let shortest = lives.min().unwrap_or_default();
        let expiry = self.shell.chain.head().await?.timestamp + shortest;
        let results: Vec<Answered> = answers.iter().map(|(a, _)| a.clone()).collect();
        let segment = self.sign(results, expiry, in_blobs).await?;
        let ids = ids(answers);
        tracing::info!(requests = ?ids, number = segment.number, expiry, in_blob = segment.in_blob, "signed");
        for (answered, handing) in answers {
            if let Some(account) = &handing.account {
                self.publish(answered.request_id, account);
            }
        }
        self.put_away(&ids);
        self.send(link::offer(&segment)).await;
        Ok(())
    }

    /// The sequencer would not pay for the blob of segment `number`: its outputs are offered in calldata, and so are others for
    /// a while.
    pub async fn offer_in_calldata(&self, number: u64, welcome: Welcome) {
        *lock(&self.no_blobs) = Some(Instant::now() + BLOB_PAUSE);
        let segment = lock(&self.book)
            .open_segments()
            .find(|s| s.number == number)
            .cloned();
        let Some(segment) = segment.filter(|segment| segment.in_blob) else {
            return;
        };
        if let Err(error) = self.close(number, "its blob is too dear for the sequencer") {
            // It stays open and is offered again with the next connection.
            tracing::error!(%error, number, "cannot write the verdict down");
            return;
        }
        tracing::info!(number, "its outputs are offered in calldata");
        for answered in segment.results {
            let id = answered.request_id;
            let one = Handing {
                account: None,
                welcome,
            };
            if let Err(error) = self.sign_and_send(&[(answered, one)], false).await {
                self.turn_down(id, &error).await;
            }
        }
    }

    async fn sign(
        &self,
        results: Vec<Answered>,
        expiry: u64,
        in_blobs: bool,
    ) -> Result<SignedSegment, OfficeError> {
        let signatory = Signatory {
            in_blobs,
            ..self.signatory.clone()
        };
        // The book is locked after the blob is made.
        let laying = tokio::task::spawn_blocking(move || {
            let laid = signatory.laid_out(&results);
            (signatory, results, laid)
        });
        let (signatory, results, laid) = laying.await?;
        let sign = |number, results| signatory.sign_laid(number, expiry, results, laid);
        let segment = lock(&self.book).sign(results, sign)?;
        self.meters.signed.inc();
        Ok(segment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_live_as_wanted_within_what_the_sequencer_takes() {
        let welcome = |min_segment_life, max_segment_life| Welcome {
            work_timeout: 60,
            min_segment_life,
            max_segment_life,
        };
        assert_eq!(life(3_600, &welcome(30, 14_400)), 3_600);
        assert_eq!(life(3_600, &welcome(30, 600)), 600);
        assert_eq!(life(40, &welcome(30, 600)), 60, "offered twice at least");
        assert_eq!(life(3_600, &welcome(30, 0)), 3_600, "nothing was said");
    }
}

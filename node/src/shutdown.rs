//! One signal that ends every task of a process in order.

use tokio::sync::watch;

/// A latch that is set once. Clones are the same latch.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Sender<bool>);

impl Shutdown {
    /// A latch that only [`Shutdown::trigger`] sets.
    pub fn manual() -> Shutdown {
        Shutdown(watch::channel(false).0)
    }

    /// A latch that Ctrl-C and SIGTERM set too.
    pub fn on_signals() -> std::io::Result<Shutdown> {
        use tokio::signal::unix::{SignalKind, signal};
        let latch = Shutdown::manual();
        let (mut interrupt, mut terminate) = (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        );
        let setter = latch.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => tracing::info!("interrupted"),
                _ = terminate.recv() => tracing::info!("asked to terminate"),
            }
            setter.trigger();
        });
        Ok(latch)
    }

    /// Sets the latch.
    pub fn trigger(&self) {
        self.0.send_replace(true);
    }

    /// Whether the latch is set.
    pub fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns once the latch is set.
    pub async fn wait(&self) {
        // The sender is alive as long as `self` is, so this only ends with the latch set.
        let _ = self.0.subscribe().wait_for(|set| *set).await;
    }

    /// Sleeps; `false` if the latch was set meanwhile.
    pub async fn sleep(&self, time: std::time::Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(time) => true,
            () = self.wait() => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn sleep_ends_early_when_triggered() {
        let latch = Shutdown::manual();
        assert!(latch.sleep(Duration::from_millis(1)).await);
        let other = latch.clone();
        let sleeper = tokio::spawn(async move { other.sleep(Duration::from_secs(3600)).await });
        latch.trigger();
        assert!(!sleeper.await.expect("ends"));
        assert!(latch.is_set());
        latch.wait().await;
    }
}

//! The HTTP server for operators: /metrics, /livez, /readyz (with reasons) and /status.

use crate::health::Health;
use crate::metrics::Metrics;
use crate::shutdown::Shutdown;
use crate::status::StatusBoard;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// What the server shows.
#[derive(Clone, Debug)]
pub struct Admin {
    /// For /livez and /readyz.
    pub health: Health,
    /// For /metrics.
    pub metrics: Metrics,
    /// For /status.
    pub status: StatusBoard,
}

/// The server can't listen.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen on {addr}: {source}; is another process there? pass another {flag} (port 0 takes a free one)"
)]
pub struct ListenError {
    /// Where.
    pub addr: SocketAddr,
    /// The flag that says where.
    pub flag: &'static str,
    /// Why not.
    pub source: std::io::Error,
}

/// Listens on `addr`, with an error that names the flag to change.
pub async fn listen(addr: SocketAddr, flag: &'static str) -> Result<TcpListener, ListenError> {
    TcpListener::bind(addr)
        .await
        .map_err(|source| ListenError { addr, flag, source })
}

impl Admin {
    /// Serves on `addr` until `shutdown`; returns the address taken.
    pub async fn serve(
        self,
        addr: SocketAddr,
        shutdown: Shutdown,
    ) -> Result<SocketAddr, ListenError> {
        let listener = listen(addr, "--metrics-addr").await?;
        let taken = listener.local_addr().map_err(|source| ListenError {
            addr,
            flag: "--metrics-addr",
            source,
        })?;
        let server = axum::serve(listener, self.router())
            .with_graceful_shutdown(async move { shutdown.wait().await });
        tokio::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the metrics server ended");
            }
        });
        Ok(taken)
    }

    fn router(self) -> Router {
        let Admin {
            health,
            metrics,
            status,
        } = self;
        let ready = health.clone();
        Router::new()
            .route("/metrics", get(move || async move { render(&metrics) }))
            .route("/livez", get(move || async move { live(&health) }))
            .route("/readyz", get(move || async move { readiness(&ready) }))
            .route("/status", get(move || async move { json(&status) }))
    }
}

fn render(metrics: &Metrics) -> impl IntoResponse + use<> {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], metrics.render())
}

fn json(status: &StatusBoard) -> impl IntoResponse + use<> {
    (
        [(header::CONTENT_TYPE, "application/json")],
        status.snapshot().to_string(),
    )
}

fn live(health: &Health) -> (StatusCode, String) {
    let stuck = health.stuck();
    match stuck.is_empty() {
        true => (StatusCode::OK, "ok\n".to_owned()),
        false => (
            StatusCode::SERVICE_UNAVAILABLE,
            format!("stuck: {}\n", stuck.join(", ")),
        ),
    }
}

fn readiness(health: &Health) -> (StatusCode, String) {
    let reasons = health.not_ready();
    if reasons.is_empty() {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    let lines: String = reasons
        .iter()
        .map(|(name, why)| format!("{name}: {why}\n"))
        .collect();
    (StatusCode::SERVICE_UNAVAILABLE, lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn fetch(addr: SocketAddr, path: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(addr)
            .await
            .expect("connects");
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("read");
        answer
    }

    #[tokio::test]
    async fn endpoints_tell_state_and_reasons() {
        let (health, metrics) = (Health::default(), Metrics::new("test"));
        metrics.counter("things", "Things").inc();
        let status = StatusBoard::default();
        status.set("answer", 42);
        let shutdown = Shutdown::manual();
        let admin = Admin {
            health: health.clone(),
            metrics,
            status,
        };
        let addr = admin
            .serve("127.0.0.1:0".parse().expect("an address"), shutdown.clone())
            .await
            .expect("listens");

        assert!(
            fetch(addr, "/metrics")
                .await
                .contains("assay_test_things_total 1")
        );
        assert!(fetch(addr, "/status").await.contains("{\"answer\":42}"));
        assert!(fetch(addr, "/readyz").await.starts_with("HTTP/1.1 200"));
        health.fail("chain", "no route to host");
        let answer = fetch(addr, "/readyz").await;
        assert!(
            answer.starts_with("HTTP/1.1 503") && answer.contains("chain: no route to host"),
            "{answer}"
        );
        assert!(fetch(addr, "/livez").await.starts_with("HTTP/1.1 200"));
        shutdown.trigger();
    }

    #[tokio::test]
    async fn taken_port_names_the_flag() {
        let first = listen("127.0.0.1:0".parse().expect("an address"), "--metrics-addr")
            .await
            .expect("free");
        let addr = first.local_addr().expect("bound");
        let error = listen(addr, "--metrics-addr")
            .await
            .expect_err("taken")
            .to_string();
        assert!(
            error.contains("--metrics-addr") && error.contains(&addr.to_string()),
            "{error}"
        );
    }
}

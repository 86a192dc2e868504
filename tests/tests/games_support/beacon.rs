//! A beacon node that has what the chain's has, when it is told to.

use super::network::Network;
use super::proxy::read_message;
use alloy::primitives::B256;
use std::io;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A running stand-in. It ends with the runtime.
pub struct Stand {
    /// Where it listens.
    pub url: String,
    status: Arc<AtomicU16>,
    bad: Arc<Mutex<Option<String>>>,
}

impl Stand {
    /// Listens in front of the chain of `net`, and answers every question with `status` until told otherwise.
    pub async fn start(net: &Network, status: u16) -> Stand {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let chain = net.chain.url().to_string();
        let chain = chain
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .to_owned();
        let status = Arc::new(AtomicU16::new(status));
        let bad = Arc::new(Mutex::new(None::<String>));
        let (now, refused) = (status.clone(), bad.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (chain, status) = (chain.clone(), now.load(Ordering::Relaxed));
                let bad = refused.lock().expect("nobody panics").clone();
                tokio::spawn(async move { drop(serve(stream, &chain, status, bad).await) });
            }
        });
        Stand { url, status, bad }
    }

    /// From now on it answers with `status`; with 200, as the chain does.
    pub fn set(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// Refuses questions for this blob, whatever else it does.
    pub fn refuse(&self, blob: B256) {
        *self.bad.lock().expect("nobody panics") = Some(blob.to_string());
    }
}

/// One question a connection.
async fn serve(
    mut stream: TcpStream,
    chain: &str,
    mut status: u16,
    bad: Option<String>,
) -> io::Result<()> {
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut asked).await? == 0 {
            return Ok(());
        }
    }
    let asks_bad = |bad: String| String::from_utf8_lossy(&asked).contains(&bad);
    if bad.is_some_and(asks_bad) {
        status = 500;
    }
    let body = match status {
        200 => {
            let line = String::from_utf8_lossy(&asked);
            let line = line.lines().next().unwrap_or_default().to_owned();
            let mut upstream = TcpStream::connect(chain).await?;
            let ask = format!("{line}\r\nHost: {chain}\r\nConnection: close\r\n\r\n");
            upstream.write_all(ask.as_bytes()).await?;
            read_message(&mut upstream).await?
        }
        _ => Vec::new(),
    };
    let head = format!(
        "HTTP/1.1 {status} as told\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&body).await?;
    stream.shutdown().await
}

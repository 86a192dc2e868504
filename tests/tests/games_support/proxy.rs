//! A JSON-RPC endpoint between a service and its chain that is as bad as it is told to be.

use assay_node::url::RpcUrl;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How it misbehaves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Not at all.
    None,
    /// Drops every third request, answers others with errors or late.
    Flaky,
    /// Flaky, and tells of the head and of logs what it told before.
    Stale,
    /// Replaces one text by another in logs.
    Lie(String, String),
}

/// A running proxy. It ends with the runtime.
pub struct Proxy {
    /// Where it listens.
    pub url: RpcUrl,
    inner: Arc<Inner>,
}

struct Inner {
    chain: String,
    fault: Mutex<Fault>,
    count: AtomicU64,
    faults: AtomicU64,
    told: Mutex<BTreeMap<String, Value>>,
}

impl Proxy {
    /// Listens, faultless at first, in front of `chain`.
    pub async fn start(chain: &RpcUrl) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let chain = chain.to_string();
        let chain = chain.trim_start_matches("http://").trim_end_matches('/');
        let inner = Arc::new(Inner {
            chain: chain.to_owned(),
            fault: Mutex::new(Fault::None),
            count: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            told: Mutex::default(),
        });
        let serving = inner.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let inner = serving.clone();
                // A connection that is dropped is an answer, too.
                tokio::spawn(async move { drop(inner.serve(stream).await) });
            }
        });
        let url = url.parse().expect("a URL");
        Proxy { url, inner }
    }

    /// From now on it does this.
    pub fn set(&self, fault: Fault) {
        *lock(&self.inner.fault) = fault;
    }

    /// Answers that were dropped, errors, late, stale or lies.
    pub fn faults(&self) -> u64 {
        self.inner.faults.load(Ordering::Relaxed)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    /// One request a connection.
    async fn serve(&self, mut stream: TcpStream) -> io::Result<()> {
        let body = read_message(&mut stream).await?;
        let asked: Value = serde_json::from_slice(&body)?;
        let Some(answer) = self.answer(&asked).await? else {
            return Ok(());
        };
        let body = serde_json::to_vec(&answer)?;
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&body).await?;
        stream.shutdown().await
    }

    /// `None` drops the connection.
    async fn answer(&self, asked: &Value) -> io::Result<Option<Value>> {
        let fault = lock(&self.fault).clone();
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let fault_done = || self.faults.fetch_add(1, Ordering::Relaxed);
        if matches!(fault, Fault::Flaky | Fault::Stale) {
            if count.is_multiple_of(3) {
                fault_done();
                return Ok(None);
            }
            if count.is_multiple_of(5) {
                fault_done();
                let error = json!({ "code": -32000, "message": "try again later" });
                let answer = json!({ "jsonrpc": "2.0", "id": asked["id"], "error": error });
                return Ok(Some(answer));
            }
            if count.is_multiple_of(7) {
                fault_done();
                tokio::time::sleep(Duration::from_millis(400)).await;
            }
        }
        let method = asked["method"].as_str().unwrap_or_default();
        let ages = ["eth_blockNumber", "eth_getLogs"].contains(&method)
            || (method == "eth_getBlockByNumber" && asked["params"][0] == "latest");
        let key = format!("{method} {}", asked["params"]);
        if ages && fault == Fault::Stale {
            let old = lock(&self.told).get(&key).cloned();
            if let Some(mut old) = old {
                fault_done();
                old["id"] = asked["id"].clone();
                return Ok(Some(old));
            }
        }
        let mut answer = self.forward(asked).await?;
        if let (Fault::Lie(truth, lie), "eth_getLogs") = (&fault, method) {
            let text = answer.to_string();
            if text.contains(truth) {
                fault_done();
                answer = serde_json::from_str(&text.replace(truth, lie))?;
            }
        }
        if ages {
            lock(&self.told).insert(key, answer.clone());
        }
        Ok(Some(answer))
    }

    async fn forward(&self, asked: &Value) -> io::Result<Value> {
        let mut chain = TcpStream::connect(&self.chain).await?;
        let body = serde_json::to_vec(asked)?;
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.chain,
            body.len()
        );
        chain.write_all(head.as_bytes()).await?;
        chain.write_all(&body).await?;
        Ok(serde_json::from_slice(&read_message(&mut chain).await?)?)
    }
}

/// The body of one HTTP message with a length.
pub async fn read_message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head.split("content-length:").nth(1);
            let length = length.and_then(|l| l.split_whitespace().next());
            let length: usize = length
                .and_then(|l| l.parse().ok())
                .ok_or(io::ErrorKind::InvalidData)?;
            if bytes.len() >= end + 4 + length {
                return Ok(bytes[end + 4..end + 4 + length].to_vec());
            }
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

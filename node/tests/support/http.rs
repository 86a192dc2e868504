//! An endpoint in front of another one, for tests: what it answers is a function of what is asked.
#![allow(dead_code)]

use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One request or one answer.
#[derive(Clone, Debug)]
pub struct Message {
    /// First line, for example `GET /path HTTP/1.1`.
    pub line: String,
    /// What follows the headers.
    pub body: Vec<u8>,
}

impl Message {
    /// An answer.
    pub fn answer(status: &str, body: Vec<u8>) -> Message {
        let line = format!("HTTP/1.1 {status}");
        Message { line, body }
    }

    /// An answer of JSON.
    pub fn json(value: &serde_json::Value) -> Message {
        Message::answer("200 OK", value.to_string().into_bytes())
    }

    /// The path that is asked for.
    pub fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }

    async fn write(&self, stream: &mut TcpStream, host: &str) -> io::Result<()> {
        let head = format!(
            "{}\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.line,
            self.body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&self.body).await?;
        stream.flush().await
    }

    async fn read(stream: &mut TcpStream) -> io::Result<Message> {
        let mut bytes = Vec::new();
        loop {
            if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
                let line = head.lines().next().unwrap_or_default().to_owned();
                let head = head.to_lowercase();
                let length = head.split("content-length:").nth(1);
                let length = length.and_then(|l| l.split_whitespace().next()?.parse().ok());
                let length: usize = length.unwrap_or(0);
                if bytes.len() >= end + 4 + length {
                    let body = bytes[end + 4..end + 4 + length].to_vec();
                    return Ok(Message { line, body });
                }
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// Serves on a free port until the runtime ends; returns `127.0.0.1:port`. An error drops the connection.
pub async fn serve<F, Fut>(answer: F) -> String
where
    F: Fn(Message) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = io::Result<Message>> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = listener.local_addr().expect("an address").to_string();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let asked = Message::read(&mut stream).await?;
                let said = answer(asked).await?;
                said.write(&mut stream, "").await?;
                stream.shutdown().await
            });
        }
    });
    at
}

/// What `to` (`host:port`) answers.
pub async fn forward(to: &str, asked: &Message) -> io::Result<Message> {
    let mut stream = TcpStream::connect(to).await?;
    asked.write(&mut stream, to).await?;
    Message::read(&mut stream).await
}

//! What an endpoint's URL holds beside host and port is in no log line, whatever the operator asks to see.

use assay_node::args::LogFormat;
use assay_node::chain::Chain;
use assay_node::logs::subscriber;
use assay_node::url::RpcUrl;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Write::write(&mut *self.0.lock().expect("nobody panics"), bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Answers every request on one connection after the other, as a chain with id 1 whose balances are all 7.
async fn serve(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(1..) = stream.read(&mut buffer).await {
            let body = r#"{"jsonrpc":"2.0","id":0,"result":"0x1"}"#;
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
            let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            if stream.write_all(answer.as_bytes()).await.is_err() {
                break;
            }
        }
    }
}

/// What is logged while a provider connects to a chain that answers, and to one that does not.
async fn logged(format: LogFormat, filter: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let dead = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        listener.local_addr().expect("bound").port()
    };
    let url = |port: u16| -> RpcUrl {
        format!("http://user:hunter2@127.0.0.1:{port}/v3/hunter2?apikey=hunter2,hunter2")
            .parse()
            .expect("a URL")
    };
    let kept = Kept::default();
    let writer = kept.clone();
    let lines = subscriber(format, filter, move || writer.clone()).expect("a filter");
    // The runtime has one thread, so that this thread's writer sees the connection's tasks too.
    let here = tracing::subscriber::set_default(lines);
    let server = tokio::spawn(serve(listener));
    let chain = Chain::connect(&url(port), Some(1))
        .await
        .expect("it answers");
    chain.balance(Default::default()).await.expect("it answers");
    let error = Chain::connect(&url(dead), None)
        .await
        .expect_err("nobody listens");
    tracing::info!(%error, ?error, ?chain, url = ?chain.url(), "what we log ourselves");
    server.abort();
    drop(here);
    let bytes = kept.0.lock().expect("nobody panics").clone();
    String::from_utf8(bytes).expect("UTF-8")
}

/// `hunter2`, and `user:hunter2` as HTTP sends it.
const SECRETS: [&str; 2] = ["hunter2", "dXNlcjpodW50ZXIy"];

#[tokio::test]
async fn no_log_line_holds_the_endpoints_credentials() {
    for format in [LogFormat::Text, LogFormat::Json] {
        for filter in [
            "trace",
            "debug",
            "trace,alloy_transport_http=trace",
            "trace,alloy_transport_http::reqwest_transport=trace",
            "trace,alloy_transport_http[ReqwestTransport]=trace",
            "trace,[ReqwestTransport{url}]=trace",
        ] {
            let text = logged(format, filter).await;
            for secret in SECRETS {
                assert!(!text.contains(secret), "{filter}: {secret} in\n{text}");
            }
            // Libraries and we ourselves are heard all the same.
            assert!(text.contains("what we log ourselves"), "{filter}: {text}");
            assert!(text.contains("alloy_rpc_client"), "{filter}: {text}");
            assert!(text.contains("hyper_util"), "{filter}: {text}");
        }
    }
}

#[tokio::test]
async fn operators_filter_still_decides_over_the_rest() {
    let text = logged(LogFormat::Text, "warn").await;
    assert_eq!(text, "");
    let text = logged(LogFormat::Text, "off,secrets=info").await;
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(subscriber(LogFormat::Text, "a=b=c", io::sink).is_err());
}

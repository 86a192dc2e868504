//! What is wrong at start-up is said, with what to do, and ends with a non-zero code.

use crate::support::World;
use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

fn fails(mut command: Command) -> String {
    let output = command.output().expect("the binary is built");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{text}");
    assert!(!text.contains("panicked"), "{text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_starts_say_what_is_wrong_and_what_to_do() {
    let world = World::new().await;
    let text = fails(world.command(&["--chain-id", "1"]));
    assert!(
        text.contains("chain id 31337, expected 1") && text.contains("--rpc-url"),
        "{text}"
    );

    let mut other = world.command(&[]);
    let dead = format!(
        "http://user:secret@127.0.0.1:{}/key",
        crate::support::free_port()
    );
    other.args(["--rpc-url", &dead]);
    let mut args: Vec<_> = other.get_args().map(ToOwned::to_owned).collect();
    // The first --rpc-url goes: flags may be given once.
    args.drain(0..2);
    let mut other = Command::new(env!("CARGO_BIN_EXE_sequencer"));
    other.args(args);
    let text = fails(other);
    assert!(
        text.contains("does not answer") && !text.contains("secret"),
        "{text}"
    );

    let stranger = world.dir.path().join("stranger.key");
    assay_node::key::write_key_file(&stranger, crate::support::KEYS[3]).expect("written");
    let text = fails(world.command(&["--key-file", &stranger.display().to_string()]));
    assert!(text.contains("takes batches from"), "{text}");

    let own = world.dir.path().join("own.key");
    let key = crate::support::KEYS[crate::support::SEQUENCER];
    assay_node::key::write_key_file(&own, key).expect("written");
    let text = fails(world.command(&["--seed-key-file", &own.display().to_string()]));
    assert!(text.contains("the sequencer's own key"), "{text}");

    let held = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = held.local_addr().expect("bound").to_string();
    let text = fails(world.command(&["--grpc-addr", &taken]));
    assert!(
        text.contains("--grpc-addr") && text.contains(&taken),
        "{text}"
    );

    let sequencer = crate::support::signer(crate::support::SEQUENCER).address();
    world
        .raw("anvil_setBalance", serde_json::json!([sequencer, "0x1"]))
        .await;
    let text = fails(world.command(&[]));
    assert!(
        text.contains("send it ETH") && text.contains(&sequencer.to_string()),
        "{text}"
    );
    world
        .raw(
            "anvil_setBalance",
            serde_json::json!([sequencer, "0x8ac7230489e80000"]),
        )
        .await;

    let journal = world.dir.path().join("data/accepted.journal");
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(&journal)
        .expect("made by the start before");
    file.write_all(&[0xff; 40]).expect("written");
    drop(file);
    let (running, _client) = world.sequencer(&[]).await;
    drop(running);
    assert!(
        world.log().contains("torn by a crash"),
        "a torn tail is cut and said"
    );
    std::fs::write(&journal, b"not a journal at all").expect("written");
    let text = fails(world.command(&[]));
    assert!(
        text.contains("accepted.journal") && text.contains("backup"),
        "{text}"
    );
    std::fs::remove_file(&journal).expect("removed");

    let (running, _client) = world.sequencer(&[]).await;
    let text = fails(world.command(&[]));
    assert!(text.contains("in use by another process"), "{text}");
    drop(running);

    // A chain that was begun anew under the same addresses.
    let path = world.dir.path().join("deployment.json");
    let text = std::fs::read_to_string(&path).expect("read");
    let mut value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    value["block_hash"] = serde_json::json!(format!("0x{}", "11".repeat(32)));
    std::fs::write(&path, value.to_string()).expect("written");
    let text = fails(world.command(&[]));
    assert!(text.contains("was reset"), "{text}");
}

/// What a running sequencer's page says, with its status.
async fn page(world: &World, path: &str) -> String {
    let text = std::fs::read(world.dir.path().join("data/endpoints.json")).expect("it listens");
    let endpoints: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    let address = endpoints["metrics"].as_str().expect("an address");
    let url = format!("http://{address}/{path}");
    let answer = alloy::transports::http::reqwest::get(url).await;
    let answer = answer.expect("it answers");
    format!(
        "{} {}",
        answer.status(),
        answer.text().await.expect("a body")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_credentials_are_told_nowhere_while_it_runs_and_when_the_chain_is_gone() {
    let mut world = World::new().await;
    let port = world.anvil.port();
    world.rpc = format!("http://user:hunter2@127.0.0.1:{port}/?apikey=hunter2");
    let (running, _client) = world.sequencer(&["--log-level", "trace"]).await;
    let id = world.ask("a question").await;
    let started = Instant::now();
    let mut told = String::new();
    // It has seen the request, then it has noticed that the chain is gone.
    for (path, word) in [("status", "queued\":1"), ("readyz", "does not answer")] {
        loop {
            let text = page(&world, path).await;
            told.push_str(&text);
            if text.contains(word) {
                break;
            }
            assert!(started.elapsed() < Duration::from_secs(60), "{told}");
        }
        told.push_str(&page(&world, "metrics").await);
        world.anvil.stop();
    }
    drop(running);
    let log = world.log();
    assert!(log.contains("TRACE") && log.contains("does not answer"));
    assert!(log.contains(&id.to_string()), "what it does is logged");
    for secret in ["hunter2", "dXNlcjpodW50ZXIy"] {
        assert!(!told.contains(secret), "{told}");
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

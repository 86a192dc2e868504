//! Bad input and bad luck, met by the real binaries: each says what is wrong and what to do, ends with a code (or answers
//! with a status) and not in a panic, and loses nothing that it had accepted.
//!
//! Needs the binaries (`cargo build --release --workspace`, which `make test` does) and anvil; a missing one fails.
//!
//! | | sequencer | executor | watchtower | devnet `run` | devnet `ask` |
//! |---|---|---|---|---|---|
//! | malformed, truncated GGUF | | start | start | start | |
//! | wrong model hash | | start | start | | |
//! | oversized prompt | gRPC (`ask`) | error output (`ask`) | | | yes |
//! | invalid UTF-8 | start, gRPC (`flow`) | start | start | | yes |
//! | unknown model id | gRPC (`ask`) | start, `assignment` | start | | yes |
//! | fee too low | gRPC (`ask`, `flow`) | | | | yes |
//! | RPC down | start, running | start, running | start, running | running | yes |
//! | port taken | start, `start` | start | start | start | |
//! | anvil missing | | | | start | |
//! | wrong chain id | start | start | start | | yes |
//! | unfunded key | `start` | start | start | | yes |
//! | corrupted data folder | start, journal, cache | start, journal, cache | start, cache | start | start |
//!
//! Names in backquotes are other tests: `flow` and `start` of the sequencer, `assignment` of the executor.

mod bad_input_support;
#[allow(
    dead_code,
    reason = "shared with the games in revm, which use other parts"
)]
mod games_support;

use assay_bindings::Rollup;
use assay_node::deployment::Deployment;
use assay_node::key::write_key_file;
use assay_tests::artifacts::root;
use assay_tests::binaries::{Running, refused};
use bad_input_support::wire::Wire;
use bad_input_support::{Flags, Rig, model, ready};
use serde_json::json;
use std::ffi::OsStr;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const SERVICES: [&str; 3] = ["sequencer", "executor", "watchtower"];

/// A URL at which nobody listens, with credentials that no message may show.
fn dead_url() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    format!("http://user:hunter2@127.0.0.1:{port}/key")
}

/// Every service: the chain, the deployment, the key, the ports, the folder, the configuration.
fn wrong_surroundings(rig: &Rig, name: &'static str) {
    let fails = |case: &str, change: &dyn Fn(Flags) -> Flags, words: &[&str]| {
        let flags = change(rig.service(name, &format!("{name}.start")));
        refused(&format!("{name}, {case}"), &mut flags.command(), words)
    };
    let dead = dead_url();
    let said = fails(
        "RPC down",
        &|f| f.with("--rpc-url", &dead),
        &["does not answer", "start it", "--rpc-url"],
    );
    assert!(
        !said.contains("hunter2") && !said.contains("/key"),
        "{said}"
    );
    fails(
        "wrong chain id",
        &|f| f.with("--chain-id", "1"),
        &["chain id 31337, expected 1", "--rpc-url", "--deployment"],
    );

    let edited = |change: &dyn Fn(&mut Deployment)| {
        let mut deployment = rig.net.deployment.clone();
        change(&mut deployment);
        let path = rig.net.file("edited.json");
        deployment.save(&path).expect("saved");
        path
    };
    fails(
        "deployment of another chain",
        &|f| f.with("--deployment", edited(&|d| d.chain_id = 5)),
        &["chain id 31337, expected 5", "--deployment"],
    );
    fails(
        "chain that was reset",
        &|f| f.with("--deployment", edited(&|d| d.block_hash.0[0] ^= 1)),
        &["was reset", "--deployment"],
    );
    fails(
        "no contract there",
        &|f| f.with("--deployment", edited(&|d| d.contracts.game.0[3] ^= 1)),
        &["no contract at", "DisputeGame", "--deployment"],
    );
    let text = std::fs::read(rig.net.file("deployment.json")).expect("the deployment");
    std::fs::write(rig.net.file("cut.json"), &text[..text.len() / 2]).expect("written");
    let cut = rig.net.file("cut.json");
    fails(
        "truncated deployment",
        &|f| f.with("--deployment", &cut),
        &["cut.json", "is not valid", "--deployment"],
    );
    fails(
        "no deployment",
        &|f| f.with("--deployment", "/nonexistent.json"),
        &["/nonexistent.json", "--deployment"],
    );

    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken
        .local_addr()
        .map(|a| (taken, a.to_string()))
        .expect("bound");
    fails(
        "port taken",
        &|f| f.with("--metrics-addr", &taken.1),
        &["cannot listen on", &taken.1, "--metrics-addr"],
    );

    fails(
        "no key",
        &|f| f.without("--key-file"),
        &["no private key", "--key-file"],
    );
    let key = |file: &str, hex: &str, mode: u32| {
        let path = rig.net.file(file);
        if !path.exists() {
            write_key_file(&path, hex).expect("written");
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&path, mode).expect("set");
        }
        path
    };
    fails(
        "key that is none",
        &|f| f.with("--key-file", key("odd.key", "0x1234", 0o600)),
        &["odd.key", "64 hex digits"],
    );
    fails(
        "key that others can read",
        &|f| f.with("--key-file", key("open.key", &"7".repeat(64), 0o644)),
        &["open.key", "chmod 600"],
    );

    fails(
        "folder that can't be made",
        &|f| f.with("--data-dir", cut.join("data")),
        &["cut.json", "--data-dir"],
    );
    let strangers = rig.net.file("strangers");
    std::fs::create_dir_all(&strangers).expect("made");
    std::fs::write(strangers.join("claims.journal"), "x").expect("written");
    fails(
        "folder without its marker",
        &|f| f.with("--data-dir", &strangers),
        &["corrupted", "no VERSION", "backup"],
    );

    std::fs::write(rig.net.file("odd.toml"), "rpc-ulr = \"x\"\n").expect("written");
    fails(
        "unknown key in the configuration",
        &|f| f.with("--config", rig.net.file("odd.toml")),
        &["unknown key `rpc-ulr`", "rpc-url"],
    );
    std::fs::write(rig.net.file("latin.toml"), b"rpc-url = \"\xfc\"\n").expect("written");
    fails(
        "configuration that is not UTF-8",
        &|f| f.with("--config", rig.net.file("latin.toml")),
        &["latin.toml", "UTF-8"],
    );
    fails(
        "variable that is not UTF-8",
        &|f| f.variable("ASSAY_LOG_LEVEL", OsStr::from_bytes(b"\xff")),
        &["UTF-8"],
    );
}

/// Executor and watchtower: program, models, money.
fn wrong_model_or_purse(rig: &Rig, name: &'static str) {
    let fails = |case: &str, change: &dyn Fn(Flags) -> Flags, words: &[&str]| {
        let flags = change(rig.service(name, &format!("{name}.model")));
        refused(&format!("{name}, {case}"), &mut flags.command(), words)
    };
    let registered = rig.net.deployment.models[0].root.to_string();
    fails(
        "no model",
        &|f| f.with("--model", "/nonexistent.gguf"),
        &["/nonexistent.gguf", "--model"],
    );
    let mut bytes = std::fs::read(model()).expect("the model");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    for (case, file, bytes) in [
        ("wrong model hash", "flipped.gguf", &bytes[..]),
        ("truncated model", "cut.gguf", &bytes[..last]),
        ("malformed model", "odd.gguf", b"no model at all"),
    ] {
        let path = rig.net.file(file);
        std::fs::write(&path, bytes).expect("written");
        fails(
            case,
            &|f| f.with("--model", &path),
            &[file, &registered, "damaged or is another model", "--model"],
        );
    }
    let wasm = std::fs::read(root().join("vm/guest/guest.wasm")).expect("the program");
    let cut = rig.net.file("cut.wasm");
    std::fs::write(&cut, &wasm[..wasm.len() / 2]).expect("written");
    fails(
        "truncated program",
        &|f| f.with("--guest", &cut),
        &["cut.wasm", "is not a program", "--guest"],
    );
    fails(
        "another program",
        &|f| f.with("--guest", rig.net.file("program.wasm")),
        &["program.wasm", "has program id", "--guest"],
    );
    let mut deployment = rig.net.deployment.clone();
    deployment.models[0].length += 1;
    let path = rig.net.file("length.json");
    deployment.save(&path).expect("saved");
    fails(
        "registry that knows the model otherwise",
        &|f| f.with("--deployment", &path),
        &[
            "the registry has another",
            "assay-stories.gguf",
            "--deployment",
        ],
    );
    deployment.models[0].length -= 1;
    deployment.models[0].id.0[0] ^= 1;
    deployment.save(&path).expect("saved");
    fails(
        "model id that the registry does not know",
        &|f| f.with("--deployment", &path),
        &["does not know model", "assay-stories.gguf", "--deployment"],
    );
    let poor = rig.net.file("poor.key");
    if !poor.exists() {
        write_key_file(&poor, &"7".repeat(64)).expect("written");
    }
    fails(
        "unfunded key",
        &|f| f.with("--key-file", &poor),
        &["has 0 wei", "send it ETH"],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_do_not_start_on_bad_input() {
    let rig = Rig::start().await;
    SERVICES
        .iter()
        .for_each(|name| wrong_surroundings(&rig, name));
    wrong_model_or_purse(&rig, "executor");
    wrong_model_or_purse(&rig, "watchtower");
    // A registered file that is no model: its requests are due an error, which nobody pays an executor for by accident.
    let half = |name| {
        rig.service(name, &format!("{name}.half"))
            .with("--model", rig.net.file("half.gguf"))
    };
    refused(
        "executor, registered but malformed",
        &mut half("executor").command(),
        &[
            "half.gguf",
            "unsupported",
            "the file ends before",
            "--answer-bad-model",
        ],
    );
    let mut watchtower = rig.run(&half("watchtower"), "half.log");
    assert!(
        watchtower
            .said()
            .contains("the only right answer is bad_model")
    );
    watchtower.must_live();
    // In use by that one.
    refused(
        "watchtower, folder in use",
        &mut half("watchtower").command(),
        &["in use by another process", "--data-dir"],
    );
    refused(
        "executor, another service's folder",
        &mut rig.service("executor", "watchtower.start").command(),
        &["was made for `watchtower", "--data-dir"],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_are_refused_with_what_to_do() {
    let rig = Rig::start().await;
    let review = "Review: The kettle is loud but it boils fast and I love it.\\nSentiment:";
    let sequencer = rig
        .service("sequencer", "sequencer")
        .with("--min-fee-wei", "10");
    let _sequencer = rig.run(&sequencer, "sequencer.log");
    let fails = |case: &str, change: &dyn Fn(Flags) -> Flags, words: &[&str]| {
        let flags = change(rig.ask("sequencer", review));
        refused(case, &mut flags.command(), words)
    };
    // Before anything is deposited.
    let user = "0x976EA74026E726554dB657fA54763abd0C3a0aa9";
    rig.net.rpc("anvil_setBalance", json!([user, "0x0"])).await;
    fails("unfunded key", &|f| f, &["has 0 wei", "send it ETH", user]);
    let rich = json!([user, "0x8ac7230489e80000"]);
    rig.net.rpc("anvil_setBalance", rich).await;

    let dead = dead_url();
    fails(
        "RPC down",
        &|f| f.with("--rpc-url", &dead),
        &["make devnet", "does not answer", "--rpc-url"],
    );
    fails(
        "sequencer down",
        &|f| f.with("--grpc", &dead),
        &["no sequencer at", "make devnet", "--grpc"],
    );
    let mut deployment = rig.net.deployment.clone();
    deployment.chain_id = 5;
    let other = rig.net.file("other.json");
    deployment.save(&other).expect("saved");
    fails(
        "wrong chain id",
        &|f| f.with("--deployment", &other),
        &["chain id 31337, expected 5", "--deployment"],
    );
    std::fs::write(&other, "{ \"chain_id\": 31337, ").expect("written");
    fails(
        "truncated deployment",
        &|f| f.with("--deployment", &other),
        &["other.json", "is not valid", "--deployment"],
    );
    fails(
        "no deployment",
        &|f| f.with("--deployment", "/none.json"),
        &["make devnet", "/none.json"],
    );
    deployment.chain_id = 31_337;
    deployment.models.clear();
    deployment.save(&other).expect("saved");
    fails(
        "no model",
        &|f| f.with("--deployment", &other),
        &["names no model", "--model-id"],
    );

    let unknown = format!("0x{}", "11".repeat(32));
    fails(
        "unknown model id",
        &|f| f.with("--model-id", &unknown),
        &["InvalidArgument", &unknown, "not registered", "register it"],
    );
    fails(
        "fee too low",
        &|f| f.with("--fee-wei", "9"),
        &[
            "FailedPrecondition",
            "the fee is 9 wei",
            "from 10 wei on",
            "offer that much",
        ],
    );
    fails(
        "too many tokens",
        &|f| f.with("--max-tokens", "5000"),
        &["5000", "--max-tokens", "1..=4096"],
    );
    let ask = |prompt: &[u8]| rig.ask("sequencer", OsStr::from_bytes(prompt)).command();
    refused(
        "prompt that is not UTF-8",
        &mut ask(b"Gr\xfc\xdfe"),
        &["UTF-8"],
    );
    let long = |bytes: usize| b"a long prompt ".repeat(bytes / 14 + 1);
    // A fee of one's own is not reckoned first, so the question gets as far as the sequencer.
    let paid = |prompt: &[u8]| {
        let asked = rig.ask("sequencer", OsStr::from_bytes(prompt));
        asked.with("--fee-wei", "1000000000000000").command()
    };
    refused(
        "oversized for a price",
        &mut ask(&long(20_000)),
        &["units of work", "shorten the prompt"],
    );
    refused(
        "oversized for the sequencer",
        &mut paid(&long(40_000)),
        &[
            "InvalidArgument",
            "this sequencer takes 32768",
            "shorten the prompt",
        ],
    );
    refused(
        "oversized for the chain",
        &mut paid(&long(20_000)),
        &["InvalidArgument", "units of work", "shorten the prompt"],
    );

    // The rest needs an answer, and shows that a question that is right gets one.
    let executor = rig
        .service("executor", "executor")
        .with("--sequencer-url", grpc(&rig, "sequencer"));
    let _executor = rig.run(&executor, "executor.log");
    refused(
        "oversized for the model",
        &mut ask(&long(4_000)),
        &[
            "error PromptTooLong",
            "more tokens than the model's context",
            "shorten it",
        ],
    );
    let asked = Running::start(
        &mut rig.ask("sequencer", review).command(),
        &rig.net.file("ask.log"),
    );
    let (status, said) = asked.ended();
    assert!(
        status.success() && said.contains("answer  \" positive\""),
        "{said}"
    );
}

fn grpc(rig: &Rig, folder: &str) -> String {
    rig.ask(folder, "").path("--grpc").display().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chain_that_goes_away_is_waited_for() {
    let mut rig = Rig::start().await;
    let chain = rig.rpc.trim_start_matches("http://").trim_end_matches('/');
    let wire = Wire::new(chain.parse().expect("an address"));
    rig.rpc = wire.url();
    let mut sequencer = rig.run(&rig.service("sequencer", "sequencer"), "sequencer.log");
    // Accepted before any executor is there.
    let ask = |prompt: &str| rig.ask("sequencer", prompt).with("--max-tokens", "8");
    let mut first = Running::start(
        &mut ask("Story: A fox").command(),
        &rig.net.file("first.log"),
    );
    first.until_said("queued");

    wire.cut();
    let words = [
        "Unavailable",
        "cannot reach its chain",
        "nothing was accepted",
        "try again",
    ];
    refused(
        "RPC down, question",
        &mut ask("Story: A hen").command(),
        &words,
    );
    sequencer.must_live();
    wire.mend();
    let executor = rig
        .service("executor", "executor")
        .with("--sequencer-url", grpc(&rig, "sequencer"));
    let mut executor = rig.run(&executor, "executor.log");
    let mut watchtower = rig.run(&rig.service("watchtower", "watchtower"), "watchtower.log");
    let (status, said) = first.ended();
    assert!(status.success() && said.contains("answer"), "{said}");

    wire.cut();
    for name in SERVICES {
        let data = rig.net.file(name);
        let (mut why, mut looks) = (ready(&data), 0);
        while !why.contains("does not answer") {
            assert!(
                looks < 200,
                "{name} does not say that the chain is gone: {why}"
            );
            std::thread::sleep(Duration::from_millis(50));
            (why, looks) = (ready(&data), looks + 1);
        }
        assert!(why.contains("503"), "{why}");
    }
    std::thread::sleep(Duration::from_secs(2));
    wire.mend();
    let last = Running::start(
        &mut ask("Story: An owl").command(),
        &rig.net.file("last.log"),
    );
    let (status, said) = last.ended();
    assert!(status.success() && said.contains("answer"), "{said}");
    for service in [&mut sequencer, &mut executor, &mut watchtower] {
        service.must_live();
    }
}

/// Puts bytes into a file while `check` runs, which must leave them as they are.
fn damaged(path: &Path, bytes: &[u8], check: impl FnOnce()) {
    let whole = std::fs::read(path).expect("a file to damage");
    std::fs::write(path, bytes).expect("written");
    check();
    assert_eq!(
        std::fs::read(path).expect("still there"),
        bytes,
        "{} is left as found",
        path.display()
    );
    std::fs::write(path, whole).expect("restored");
}

/// The service refuses to run while a byte of the journal's first record is another one.
fn refuses_damaged_journal(service: &Flags, journal: &str) {
    let path = service.path("--data-dir").join(journal);
    let mut bytes = std::fs::read(&path).expect("a journal");
    bytes[40] ^= 1;
    damaged(&path, &bytes, || {
        let words = [
            journal,
            "corrupted at byte 8 (record 0)",
            "restore it from a backup",
        ];
        refused(journal, &mut service.command(), &words);
    });
    damaged(&path, b"no journal", || {
        let words = [journal, "not a journal", "backup"];
        refused(journal, &mut service.command(), &words);
    });
}

/// The service refuses to run while its cache is damaged, says what to delete, and runs once that is done.
fn refuses_damaged_cache(rig: &Rig, service: &Flags, cache: &str) {
    let folder = service.path("--data-dir").join(cache);
    let conf = folder.join("conf");
    assert!(conf.exists(), "{} is what sled reads first", conf.display());
    std::fs::write(conf, [0xff; 64]).expect("damaged");
    refused(
        cache,
        &mut service.command(),
        &[cache, "delete that folder", "rebuilt from the chain"],
    );
    std::fs::remove_dir_all(&folder).expect("deleted");
    rig.run(service, "again.log").must_live();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_data_folder_loses_nothing_that_was_accepted() {
    let rig = Rig::start().await;
    let service = rig.service("sequencer", "sequencer");
    let sequencer = rig.run(&service, "first-life.log");
    // Two requests are accepted, nobody is there to answer them, and the sequencer is killed.
    for (prompt, log) in [("Story: A fox", "fox.log"), ("Story: A hen", "hen.log")] {
        let mut asked = Running::start(
            &mut rig.ask("sequencer", prompt).command(),
            &rig.net.file(log),
        );
        asked.until_said("queued");
    }
    sequencer.kill();
    refuses_damaged_journal(&service, "accepted.journal");
    refuses_damaged_cache(&rig, &service, "requests.sled");

    let sequencer = rig.run(&service, "second-life.log");
    assert!(
        sequencer
            .said()
            .contains("restored from the journal requests=2"),
        "{}",
        sequencer.said()
    );
    let service = rig
        .service("executor", "executor")
        .with("--sequencer-url", grpc(&rig, "sequencer"));
    let executor = rig.run(&service, "executor.log");
    rig.net
        .wait_for::<Rollup::ResultClaimed>(2, Duration::from_secs(60))
        .await;
    executor.kill();
    refuses_damaged_journal(&service, "claims.journal");
    refuses_damaged_cache(&rig, &service, "defender.sled");

    let service = rig.service("watchtower", "watchtower");
    let watchtower = rig.run(&service, "watchtower.log");
    watchtower.kill();
    refuses_damaged_cache(&rig, &service, "watchtower.sled");
    assert_eq!(
        rig.net.game_events::<Rollup::ResultClaimed>().await.len(),
        2,
        "nothing is answered twice"
    );
}

#[test]
fn devnet_does_not_start_on_bad_input() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name);
    let fails = |case: &str, change: &dyn Fn(Flags) -> Flags, words: &[&str]| {
        let run = Flags::new("assay-devnet").word("run").word("--once");
        let run = change(run.with("--data", file("data")));
        refused(case, &mut run.command(), words)
    };
    fails(
        "no model",
        &|f| f.with("--model", "/nonexistent.gguf"),
        &["/nonexistent.gguf", "--model"],
    );
    let whole = std::fs::read(model()).expect("the model");
    for (case, name, bytes, word) in [
        (
            "malformed model",
            "odd.gguf",
            &b"no model at all"[..],
            "not a GGUF file",
        ),
        (
            "truncated header",
            "header.gguf",
            &whole[..1000],
            "truncated",
        ),
        (
            "truncated model",
            "half.gguf",
            &whole[..whole.len() / 2],
            "the file ends before",
        ),
    ] {
        std::fs::write(file(name), bytes).expect("written");
        fails(
            case,
            &|f| f.with("--model", file(name)),
            &[name, word, "--model"],
        );
    }
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("bound").port().to_string();
    for flag in ["--port", "--grpc-port"] {
        fails(
            "port taken",
            &|f| f.with(flag, &port),
            &["taken", &port, flag],
        );
    }
    fails(
        "folder that can't be made",
        &|f| f.with("--data", file("odd.gguf").join("data")),
        &["odd.gguf", "--data"],
    );
    std::fs::create_dir_all(file("used")).expect("made");
    std::fs::write(file("used/deployment.json"), "{}").expect("written");
    fails(
        "folder of an earlier devnet",
        &|f| f.with("--data", file("used")),
        &["earlier devnet", "--data", "delete it"],
    );
    fails(
        "report without a folder",
        &|f| f.with("--json", file("none/report.json")),
        &["none", "--json"],
    );
    fails(
        "cheat that is none",
        &|f| f.with("--cheat", "loudly"),
        &["loudly", "token:N, truncate or silent"],
    );
    fails(
        "place that is none",
        &|f| f.with("--flip", "33554432,0"),
        &["33554432,0", "YIELD,MICRO"],
    );
    // A repository in which nobody has run `npm ci`, and nothing on PATH.
    let bare = file("bare");
    for (kept, from) in [
        ("vm/guest/guest.wasm", root().join("vm/guest/guest.wasm")),
        ("devnet/model/assay-stories.gguf", model()),
    ] {
        let to = bare.join(kept);
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("made");
        std::fs::copy(from, to).expect("copied");
    }
    fails(
        "anvil missing",
        &|f| f.inside(&bare).variable("PATH", &bare),
        &["anvil is missing", "npm ci"],
    );
    fails(
        "no game to kill a watchtower in",
        &|f| f.with("--disrupt", "watchtower"),
        &["needs a game", "--cheat"],
    );
}

/// Processes whose command line has all of `words`.
fn processes(words: &[&str]) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").expect("Linux").flatten();
    let names = entries.filter_map(|e| e.file_name().into_string().ok());
    let runs = |id: &String| {
        let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        id.parse::<u32>().is_ok() && words.iter().all(|word| line.contains(word))
    };
    names.filter(runs).collect()
}

#[test]
fn devnet_whose_chain_dies_says_so_and_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr());
    let port = port.expect("a port").port().to_string();
    let data = folder.path().join("data");
    let run = Flags::new("assay-devnet").word("run").word("--once");
    let run = run.with("--port", &port).with("--data", &data);
    let mut devnet = Running::start(&mut run.command(), &folder.path().join("log"));
    devnet.until_said("starting executor");
    for id in processes(&["anvil", "--port", &port]) {
        let killed = Command::new("kill").args(["-9", &id]).status();
        assert!(killed.expect("kill runs").success() || !processes(&[&port]).contains(&id));
    }
    let (status, said) = devnet.ended();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(
        said.contains("anvil ended") && !said.contains("panicked at"),
        "{said}"
    );
    let left = processes(&[&data.display().to_string()]);
    assert!(left.is_empty(), "left behind: {left:?}");
}

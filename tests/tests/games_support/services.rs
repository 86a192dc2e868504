//! Services as their binaries start them, on the chain of a test.

use super::network::{MODEL, Network, Who};
use super::program::{PROGRAM, right_output};
use alloy::primitives::{B256, Bytes};
use assay_bindings::Request;
use assay_dispute::defender::Defender;
use assay_dispute::inputs::Inputs;
use assay_dispute::ledger::{Ask, Claim, ClaimKey, ClaimStatus};
use assay_dispute::library::{Library, Replay};
use assay_dispute::lies::Lie;
use assay_dispute::reader::{Journal, Needs};
use assay_dispute::watcher::Watcher;
use assay_dispute::watchtower::{WatchtowerArgs, run};
use assay_machine::lower::lower;
use assay_machine::machine::Machine;
use assay_machine::rom::Rom;
use assay_machine::trace::{Interpreter, ProgramTrace};
use assay_node::config;
use assay_node::shell::Shell;
use assay_node::store::SledStore;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::Instant;
use tokio::task::JoinHandle;

/// The output that the program accepts for a request.
pub fn truth(net: &Network, id: B256, request: &Request, payload: &[u8]) -> Vec<u8> {
    let ask = Ask::open(request.clone(), payload.to_vec().into(), Bytes::new());
    let claim = Claim {
        key: ClaimKey {
            segment: 0,
            index: 0,
        },
        request_id: id,
        executor: net.address(Who::Executor),
        output: Some(Bytes::new()),
        output_hash: B256::ZERO,
        in_blob: None,
        posted_at: 0,
        status: ClaimStatus::Standing,
    };
    let inputs = Inputs::of(net.chain.id(), net.deployment.contracts.inbox, &ask, &claim);
    right_output(&inputs.expect("its seed is known").request)
}

/// What the chain says now, read by nobody's service.
pub async fn look(net: &Network) -> Watcher {
    let name = format!("look-{:?}.sled", Instant::now());
    let store = Arc::new(SledStore::open(&net.file(&name)).expect("opens"));
    let needs = Needs::Everything;
    let watcher = Watcher::open(net.chain.clone(), &net.deployment, store, 0, needs).await;
    let mut watcher = watcher.expect("opens");
    watcher.poll().await.expect("follows");
    watcher
}

/// The true run of a claim's check.
pub fn run_of(net: &Network, ask: &Ask, claim: &Claim) -> ProgramTrace<Interpreter> {
    let wasm = wat::parse_str(PROGRAM).expect("it parses");
    let image = lower(&wasm).expect("it lowers").image;
    let inputs = Inputs::of(net.chain.id(), net.deployment.contracts.inbox, ask, claim)
        .expect("its seed is known");
    let roms = [&inputs.request[..], &inputs.output, MODEL].map(Rom::new);
    ProgramTrace::new(Interpreter::new(Machine::new(image, roms)))
}

/// The flags of a watchtower of `who`, and `more`.
pub fn arguments(net: &Network, who: Who, more: &[&str]) -> WatchtowerArgs {
    let path = |name: &str| net.file(name).display().to_string();
    let mut out: Vec<String> = ["watchtower", "--poll-ms", "100", "--rpc-url"]
        .map(str::to_owned)
        .into();
    out.push(format!("{}", net.chain.url()));
    for (flag, value) in [
        ("--deployment", path("deployment.json")),
        ("--data-dir", path(&format!("{who:?}"))),
        ("--key-file", net.key_file(who).display().to_string()),
        ("--model", path("model.gguf")),
        ("--guest", path("program.wasm")),
    ] {
        out.extend([flag.to_owned(), value]);
    }
    out.extend(more.iter().map(|s| (*s).to_owned()));
    let argv = out.into_iter().map(OsString::from);
    config::load::<WatchtowerArgs>(argv, &|_| None)
        .expect("the flags parse")
        .args
}

/// Starts a watchtower as its binary does. Aborting the task is its kill: nothing is told, nothing is flushed.
pub fn watchtower(net: &Network, who: Who, more: &[&str]) -> JoinHandle<()> {
    watchtower_of(arguments(net, who, more))
}

/// Starts a watchtower with flags of one's own.
pub fn watchtower_of(args: WatchtowerArgs) -> JoinHandle<()> {
    tokio::spawn(async move {
        let shell = Shell::start("watchtower", args.node.clone())
            .await
            .expect("the shell starts");
        run(shell, args).await.expect("the watchtower runs");
    })
}

/// Starts an executor's defender, which remembers nothing: what it answered is on the chain.
pub fn defender(net: &Network, lie: Option<Lie>) -> JoinHandle<()> {
    defender_of(net, lie, &[], Arc::new(|_| None))
}

/// Starts an executor's defender with more flags, and with what its journal says.
pub fn defender_of(
    net: &Network,
    lie: Option<Lie>,
    more: &[&str],
    journal: Journal,
) -> JoinHandle<()> {
    let args = arguments(net, Who::Executor, more);
    let models = net.deployment.models.clone();
    tokio::spawn(async move {
        let shell = Shell::start("executor", args.node.clone())
            .await
            .expect("the shell starts");
        let library = Library::load(
            &args.model.guest,
            &args.model.models,
            &models,
            Replay::Wasmtime,
        );
        let library = Arc::new(library.expect("program and model are there"));
        let tx = Arc::new(shell.tx_manager(shell.key().expect("a key")));
        let store = shell.store("defender").expect("a store");
        let defender = Defender::new(&shell, tx, store, library, journal, lie)
            .await
            .expect("it starts");
        defender.run().await;
    })
}

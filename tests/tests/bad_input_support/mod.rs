//! Services and questions on one chain, each with the flags that a case wants to be wrong.

pub mod wire;

use crate::games_support::network::{Network, Who};
use alloy::primitives::B256;
use assay_bindings::ModelRegistry;
use assay_machine::rom::Rom;
use assay_node::deployment::ModelEntry;
use assay_tests::artifacts::root;
use assay_tests::binaries::{Running, binary};
use assay_twin::guest;
use assay_types::{Program, Tolerance};
use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The committed model, which the executor and the watchtower serve.
pub fn model() -> PathBuf {
    root().join("devnet/model/assay-stories.gguf")
}

/// A chain whose registry knows the committed model, and the first half of it, for the real program.
pub struct Rig {
    pub net: Network,
    /// Where the services reach the chain.
    pub rpc: String,
}

impl Rig {
    pub async fn start() -> Rig {
        let mut net = Network::start(20, 60).await;
        let rpc = net.chain.url().to_string();
        let whole = std::fs::read(model()).expect("the model is committed");
        let program = guest().image.program;
        let registry = net.deployment.contracts.registry;
        let call = ModelRegistry::registerProgramCall {
            p: (&program).into(),
        };
        net.send(Who::Deployer, registry, call, 0).await;
        net.deployment.models.clear();
        register(&mut net, "assay-stories.gguf", &whole, &program).await;
        let half = &whole[..whole.len() / 2];
        register(&mut net, "half.gguf", half, &program).await;
        std::fs::write(net.file("half.gguf"), half).expect("written");
        let deployment = net.file("deployment.json");
        net.deployment.save(&deployment).expect("saved");
        Rig { net, rpc }
    }

    /// The command line of a service that would run, with its data in `folder`.
    pub fn service(&self, name: &'static str, folder: &str) -> Flags {
        let who = match name {
            "sequencer" => Who::Sequencer,
            "executor" => Who::Executor,
            _ => Who::Watchtower,
        };
        let flags = Flags::new(name)
            .with("--rpc-url", &self.rpc)
            .with("--deployment", self.net.file("deployment.json"))
            .with("--data-dir", self.net.file(folder))
            .with("--key-file", self.net.key_file(who))
            .with("--poll-ms", "100");
        match name {
            "sequencer" => flags
                .with("--grpc-addr", "127.0.0.1:0")
                .with("--batch-interval-ms", "100"),
            _ => flags
                .with("--model", model())
                .with("--guest", root().join("vm/guest/guest.wasm")),
        }
    }

    /// The command line of a question to the sequencer whose data is in `folder`.
    pub fn ask(&self, folder: &str, prompt: impl AsRef<OsStr>) -> Flags {
        let flags = Flags::new("assay-devnet")
            .word("ask")
            .word(prompt)
            .with("--rpc-url", self.net.chain.url().to_string())
            .with("--deployment", self.net.file("deployment.json"));
        match endpoint(&self.net.file(folder), "grpc") {
            Some(grpc) => flags.with("--grpc", format!("http://{grpc}")),
            None => flags,
        }
    }

    /// Starts a service and waits until it serves.
    pub fn run(&self, flags: &Flags, log: &str) -> Running {
        let data = flags.path("--data-dir");
        // What an earlier process wrote says nothing about this one.
        let _ = std::fs::remove_file(data.join("endpoints.json"));
        let mut running = Running::start(&mut flags.command(), &self.net.file(log));
        let started = Instant::now();
        while !ready(&data).is_empty() {
            running.must_live();
            let late = started.elapsed() > Duration::from_secs(60);
            assert!(!late, "{}\n{}", ready(&data), running.said());
            std::thread::sleep(Duration::from_millis(50));
        }
        running
    }
}

/// Why the service with this data folder is not ready; empty if it is.
pub fn ready(data: &Path) -> String {
    let Some(addr) = endpoint(data, "metrics") else {
        return "nobody listens".to_owned();
    };
    let answer = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(addr)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    match answer() {
        Ok(text) if text.starts_with("HTTP/1.1 200") => String::new(),
        Ok(text) => text,
        Err(error) => error.to_string(),
    }
}

fn endpoint(data: &Path, name: &str) -> Option<SocketAddr> {
    let text = std::fs::read(data.join("endpoints.json")).ok()?;
    let map: serde_json::Value = serde_json::from_slice(&text).ok()?;
    map[name].as_str()?.parse().ok()
}

async fn register(net: &mut Network, name: &str, file: &[u8], program: &Program) {
    let rom = Rom::new(file);
    let siblings: Vec<B256> = rom.siblings(0).iter().map(|h| B256::new(h.0)).collect();
    let call = ModelRegistry::registerModelCall {
        modelRoot: B256::new(rom.root().0),
        length: rom.data_len(),
        programId: B256::new(program.id().0.0),
        maxGap: 0,
        maxFlips: 0,
        leaf: rom.leaf(0).to_vec().into(),
        siblings: siblings.try_into().expect("a ROM's tree has depth 33"),
        uri: name.to_owned(),
    };
    let registry = net.deployment.contracts.registry;
    net.send(Who::Deployer, registry, call, 0).await;
    let id = assay_types::program::model_id(
        rom.root(),
        rom.data_len(),
        program.id(),
        Tolerance::default(),
    );
    net.deployment.models.push(ModelEntry {
        id: B256::new(id.0.0),
        name: name.to_owned(),
        program_id: B256::new(program.id().0.0),
        root: B256::new(rom.root().0),
        length: rom.data_len(),
        max_gap: 0,
        max_flips: 0,
    });
}

/// A command line.
#[derive(Clone)]
pub struct Flags {
    program: PathBuf,
    words: Vec<OsString>,
    flags: Vec<(&'static str, OsString)>,
    variables: Vec<(&'static str, OsString)>,
    folder: Option<PathBuf>,
}

impl Flags {
    /// `name` without arguments.
    pub fn new(name: &str) -> Flags {
        Flags {
            program: binary(name),
            words: Vec::new(),
            flags: Vec::new(),
            variables: Vec::new(),
            folder: None,
        }
    }

    /// One more word before the flags.
    pub fn word(mut self, word: impl AsRef<OsStr>) -> Flags {
        self.words.push(word.as_ref().to_owned());
        self
    }

    /// This value of the flag, instead of any other.
    pub fn with(self, flag: &'static str, value: impl AsRef<OsStr>) -> Flags {
        let mut out = self.without(flag);
        out.flags.push((flag, value.as_ref().to_owned()));
        out
    }

    /// Without the flag.
    pub fn without(mut self, flag: &'static str) -> Flags {
        self.flags.retain(|(name, _)| *name != flag);
        self
    }

    /// With a variable in the environment.
    pub fn variable(mut self, name: &'static str, value: impl AsRef<OsStr>) -> Flags {
        self.variables.push((name, value.as_ref().to_owned()));
        self
    }

    /// Started in `folder`.
    pub fn inside(mut self, folder: &Path) -> Flags {
        self.folder = Some(folder.to_owned());
        self
    }

    /// The value of a flag as a path.
    pub fn path(&self, flag: &str) -> PathBuf {
        let found = self.flags.iter().find(|(name, _)| *name == flag);
        PathBuf::from(&found.expect(flag).1)
    }

    /// Ready to start.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.words);
        for (flag, value) in &self.flags {
            command.arg(flag).arg(value);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command
    }
}

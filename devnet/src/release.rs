//! Deploys the contracts on a chain of one's own, with the parameters of `docs/parameters.json`.

use crate::deploy::{contracts, entry, eth, model_call, program_call};
use alloy::primitives::{Address, U256};
use alloy::providers::Provider;
use alloy::sol_types::SolCall;
use anyhow::{Context, bail, ensure};
use assay_bindings::ModelRegistry;
use assay_bindings::deploy::{Addresses, Creation, LEAST_UNITS, Parameters, plan};
use assay_bindings::presets::Preset;
use assay_inference::native::{bytes, inspect};
use assay_machine::rom::Rom;
use assay_node::chain::Chain;
use assay_node::deployment::{Deployment, ModelEntry};
use assay_node::key::Key;
use assay_node::revert::ErrorBook;
use assay_node::tx::{Call, TxManager, TxPolicy};
use assay_node::url::RpcUrl;
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Flags of `deploy`.
#[derive(Args, Clone, Debug)]
pub struct Release {
    /// JSON-RPC endpoint of the chain.
    #[arg(long, value_name = "URL")]
    rpc_url: RpcUrl,
    /// File that holds the deployer's private key. It pays, and has no power afterwards.
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    /// Column of docs/parameters.md: devnet, l2 or l1.
    #[arg(long, value_name = "KIND")]
    parameters: Preset,
    /// Account that posts batches; repeated, they take turns in this order. None can be added or removed later.
    #[arg(long = "sequencer", value_name = "ADDRESS", required = true)]
    sequencers: Vec<Address>,
    /// GGUF file of a model to register; may be repeated. Anybody can register more at any time.
    #[arg(long = "register", value_name = "FILE")]
    models: Vec<PathBuf>,
    /// Where to write the deployment file, which services take as --deployment.
    #[arg(long, value_name = "FILE", default_value = "deployment.json")]
    out: PathBuf,
    /// Say what would be deployed and where, and send nothing.
    #[arg(long)]
    dry_run: bool,
}

impl Release {
    fn parameters(&self, arity_log2: Option<u8>, blobs: bool) -> Parameters {
        let preset = Parameters::of(self.parameters, self.sequencers.clone());
        Parameters {
            arity_log2: arity_log2.unwrap_or(if blobs { 12 } else { preset.arity_log2 }),
            blobs,
            ..preset
        }
    }
}

/// Deploys, registers and writes the deployment file. `arity_log2` and `blobs` are the games'.
///
/// # Errors
/// What can't be right is said before anything is sent; a transaction that fails ends it.
pub async fn deploy(flags: &Release, arity_log2: Option<u8>, blobs: bool) -> anyhow::Result<()> {
    ensure!(
        !flags.out.exists() || flags.dry_run,
        "{} is there already: pass another --out, or move it away",
        flags.out.display()
    );
    let parameters = flags.parameters(arity_log2, blobs);
    let models = flags.models.iter().map(|path| read(path, &parameters));
    let models = models.collect::<anyhow::Result<Vec<_>>>()?;
    let key = Key::from_file(&flags.key_file)?;
    let chain = Chain::connect(&flags.rpc_url, None).await?;
    let tx = TxManager::new(chain.clone(), key, ErrorBook::assay(), TxPolicy::default());
    let count = chain.provider().get_transaction_count(tx.address()).await;
    let nonce = count.context("cannot ask for the deployer's nonce")?;
    let head = chain.head().await?;
    let (to, creations) = plan(tx.address(), nonce, &parameters);
    announce(
        &flags.rpc_url,
        chain.id(),
        tx.address(),
        &creations,
        &parameters,
    );
    if flags.dry_run {
        return Ok(());
    }
    for creation in &creations {
        create(&tx, creation).await?;
    }
    let program = program_call().abi_encode();
    tx.send(Call::new("registerProgram", to.registry, program))
        .await?;
    let mut entries = Vec::new();
    for (path, model) in flags.models.iter().zip(&models) {
        entries.push(register(&tx, &to, path, model).await?);
    }
    let first = chain.block(head.number + 1).await?;
    let first = first.context(
        "the chain has lost the first block of the deployment: it was reorganized; deploy again",
    )?;
    let deployment = Deployment {
        chain_id: chain.id(),
        block: first.number,
        block_hash: first.hash,
        contracts: contracts(&to, None),
        models: entries,
    };
    deployment.save(&flags.out)?;
    println!("written: {}", flags.out.display());
    Ok(())
}

/// A model that the program takes and that can be asked something.
fn read(path: &PathBuf, parameters: &Parameters) -> anyhow::Result<Vec<u8>> {
    let shown = path.display();
    let model = std::fs::read(path)
        .with_context(|| format!("model {shown}: pass the right --register FILE"))?;
    if let Err(unsupported) = inspect(bytes(model.clone())) {
        bail!("model {shown} can't be served: {unsupported}");
    }
    let (length, most) = (model.len() as u128, parameters.max_work);
    ensure!(
        length * u128::from(LEAST_UNITS) <= most,
        "model {shown} is too large to be asked much under these parameters: {length} bytes, and a question's work (model \
         bytes x bytes and tokens) is {most} at most"
    );
    Ok(model)
}

async fn create(tx: &TxManager, creation: &Creation) -> anyhow::Result<()> {
    let receipt = tx
        .send(Call::create(creation.name, creation.init_code.clone()))
        .await?;
    if receipt.contract_address != Some(creation.address) {
        // The account was used meanwhile: every address after this one would be another.
        bail!(
            "{} is not where it was planned: the deployer's account sent something in between; deploy again with an account \
             that nothing else uses",
            creation.name
        );
    }
    println!("   {:<20}{}", creation.name, creation.address);
    Ok(())
}

async fn register(
    tx: &TxManager,
    to: &Addresses,
    path: &Path,
    model: &[u8],
) -> anyhow::Result<ModelEntry> {
    let rom = Rom::new(model);
    let entry = entry(path, &rom);
    let call = model_call(&entry, &rom)?;
    let data = ModelRegistry::registerModelCall::abi_encode(&call);
    tx.send(Call::new("registerModel", to.registry, data))
        .await?;
    println!("   {:<20}{} ({})", "model", entry.id, entry.name);
    Ok(entry)
}

fn announce(
    url: &RpcUrl,
    chain_id: u64,
    deployer: Address,
    creations: &[Creation],
    p: &Parameters,
) {
    println!("chain {chain_id} at {url}, deployer {deployer}");
    println!(
        "   window {}, clock {}, unbonding {}; a claim locks {}",
        long(p.window),
        long(p.allowance),
        long(p.unbonding_delay),
        eth(U256::from(p.claim_bond)),
    );
    println!(
        "   games of {} pieces{}",
        1 << p.arity_log2,
        if p.blobs { " in blobs" } else { "" }
    );
    let list: Vec<String> = p.sequencers.iter().map(Address::to_string).collect();
    println!(
        "   sequencers {}, {} each",
        list.join(", "),
        long(p.turn_length)
    );
    println!("{} contracts, as planned:", creations.len());
    for creation in creations {
        println!("   {:<20}{}", creation.name, creation.address);
    }
}

/// Seconds, for people.
fn long(seconds: u64) -> String {
    let time = Duration::from_secs(seconds);
    match seconds {
        0..600 => format!("{seconds} s"),
        600..172_800 => format!("{:.1} h", time.as_secs_f64() / 3_600.0),
        _ => format!("{:.1} days", time.as_secs_f64() / 86_400.0),
    }
}

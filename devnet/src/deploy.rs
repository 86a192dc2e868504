//! Puts the contracts on the chain and registers program and model.

use crate::accounts::Role;
use crate::anvil::CHAIN_ID;
use alloy::network::{EthereumWallet, TransactionBuilder};
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolConstructor;
use anyhow::{Context, ensure};
use assay_bindings::convert::b256;
use assay_bindings::deploy::{Addresses, Parameters, plan};
use assay_bindings::{ModelRegistry, ReviewJudge};
use assay_machine::rom::Rom;
use assay_node::deployment::{Contracts, Deployment, Market, ModelEntry};
use assay_twin::guest;
use assay_types::Tolerance;
use assay_types::program::model_id;
use std::path::Path;

/// Wei that the sample dApp sets aside for its callbacks.
pub const CALLBACK_FEE: u128 = 2_000_000_000_000_000;
/// Seconds that the sample dApp gives the sequencer.
const PATIENCE: u64 = 120;

/// A provider that signs as `role`.
pub async fn provider(rpc: &str, role: Role) -> anyhow::Result<DynProvider> {
    let wallet = EthereumWallet::from(role.signer()?);
    let provider = ProviderBuilder::new().wallet(wallet).connect(rpc).await?;
    provider
        .client()
        .set_poll_interval(std::time::Duration::from_millis(100));
    Ok(provider.erased())
}

/// Gas that creating a contract may take: its bytes, their storage, and a constructor of a few slots.
fn creation_gas(init_code: &Bytes) -> u64 {
    600_000 + 240 * init_code.len() as u64
}

/// Deploys everything; the model's file name is shown to people.
pub async fn deploy(
    rpc: &str,
    model: &[u8],
    model_path: &Path,
    parameters: &Parameters,
) -> anyhow::Result<Deployment> {
    let provider = provider(rpc, Role::Deployer).await?;
    let deployer = Role::Deployer.address()?;
    let first_block = provider.get_block_number().await?;
    let nonce = provider.get_transaction_count(deployer).await?;
    let (to, creations) = plan(deployer, nonce, parameters);
    let mut pending = Vec::new();
    for (creation, nonce) in creations.iter().zip(nonce..) {
        let request = TransactionRequest::default()
            .with_nonce(nonce)
            .with_gas_limit(creation_gas(&creation.init_code))
            .with_deploy_code(creation.init_code.clone());
        pending.push((creation, provider.send_transaction(request).await?));
    }
    for (creation, transaction) in pending {
        let receipt = transaction.get_receipt().await?;
        ensure!(receipt.status(), "deploying {} failed", creation.name);
        ensure!(
            receipt.contract_address == Some(creation.address),
            "{} is not where it was planned",
            creation.name
        );
    }

    let registry = ModelRegistry::new(to.registry, &provider);
    let call = registry.call_builder(&program_call());
    let receipt = call.send().await?.get_receipt().await?;
    ensure!(receipt.status(), "registering the program failed");
    let rom = Rom::new(model);
    let entry = entry(model_path, &rom);
    let call = registry.call_builder(&model_call(&entry, &rom)?);
    let receipt = call.send().await?.get_receipt().await?;
    ensure!(receipt.status(), "registering the model failed");

    let review_judge = deploy_judge(&provider, to.inbox, entry.id).await?;
    let block = provider
        .get_block_by_number(first_block.into())
        .await?
        .context("the chain lost its first block")?;
    Ok(Deployment {
        chain_id: CHAIN_ID,
        block: first_block,
        block_hash: block.header.hash,
        contracts: contracts(&to, Some(review_judge)),
        models: vec![entry],
    })
}

/// The addresses as the deployment file has them.
pub fn contracts(to: &Addresses, review_judge: Option<Address>) -> Contracts {
    Contracts {
        inbox: to.inbox,
        rollup: to.rollup,
        game: to.game,
        staking: to.staking,
        registry: to.registry,
        prover: to.prover,
        liveness: Some(to.liveness),
        review_judge,
        market: Some(Market {
            hub: to.market.hub,
            asks: to.market.asks,
            catalog: to.market.catalog,
            subscriptions: to.market.subscriptions,
        }),
    }
}

/// Registers the program.
pub fn program_call() -> ModelRegistry::registerProgramCall {
    let p = (&guest().image.program).into();
    ModelRegistry::registerProgramCall { p }
}

/// The model in `rom`, from the file `path`, as it will be registered: without a tolerance.
pub fn entry(path: &Path, rom: &Rom) -> ModelEntry {
    let (root, program) = (rom.root(), guest().image.program.id());
    let name = path.file_name();
    ModelEntry {
        id: b256(model_id(root, rom.data_len(), program, Tolerance::default()).0),
        name: name.map_or_else(|| "model".to_owned(), |n| n.to_string_lossy().into_owned()),
        program_id: b256(program.0),
        root: b256(root),
        length: rom.data_len(),
        max_gap: 0,
        max_flips: 0,
    }
}

/// Registers `entry`, the model in `rom`.
///
/// # Errors
/// Never: a ROM's tree is 33 deep.
pub fn model_call(
    entry: &ModelEntry,
    rom: &Rom,
) -> anyhow::Result<ModelRegistry::registerModelCall> {
    let siblings: Vec<B256> = rom.siblings(0).into_iter().map(b256).collect();
    Ok(ModelRegistry::registerModelCall {
        modelRoot: entry.root,
        length: entry.length,
        programId: entry.program_id,
        maxGap: entry.max_gap,
        maxFlips: entry.max_flips,
        leaf: rom.leaf(0).to_vec().into(),
        siblings: siblings.try_into().ok().context("a ROM tree is 33 deep")?,
        uri: entry.name.clone(),
    })
}

async fn deploy_judge(
    provider: &DynProvider,
    inbox: Address,
    model: B256,
) -> anyhow::Result<Address> {
    let arguments = ReviewJudge::constructorCall {
        inbox_: inbox,
        modelId_: model,
        callbackFee_: CALLBACK_FEE,
        patience_: PATIENCE,
    };
    let code: Bytes = [&ReviewJudge::BYTECODE[..], &arguments.abi_encode()[..]]
        .concat()
        .into();
    let request = TransactionRequest::default()
        .with_gas_limit(creation_gas(&code))
        .with_deploy_code(code);
    let receipt = provider
        .send_transaction(request)
        .await?
        .get_receipt()
        .await?;
    ensure!(receipt.status(), "deploying ReviewJudge failed");
    receipt
        .contract_address
        .context("ReviewJudge has no address")
}

/// Wei as ETH, for people.
pub fn eth(wei: U256) -> String {
    let wei = wei.saturating_to::<u128>();
    format!("{:.4} ETH", wei as f64 / 1e18)
}

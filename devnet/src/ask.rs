//! The gRPC client: a signed question, paid from a deposit, and its answer.

use crate::accounts::Role;
use crate::deploy::provider;
use crate::price::fee_for;
use alloy::primitives::{B256, U256};
use alloy::providers::Provider;
use alloy::signers::SignerSync;
use anyhow::{Context, bail, ensure};
use assay_bindings::{Inbox, RequestParams, SignedRequest, sign};
use assay_node::deployment::Deployment;
use assay_proto::v1::sequencer_client::SequencerClient;
use assay_proto::v1::{self, GetRequestRequest, RequestStage};
use assay_types::output::Output;
use assay_types::request::Payload;

/// Wei that are deposited when the deposit runs short.
const DEPOSIT: u128 = 100_000_000_000_000_000;
/// Seconds that the sequencer has.
const PATIENCE: u64 = 120;

/// Asks `prompt` for at most `max_tokens` tokens and prints the stages up to `final_` or the first answer.
pub async fn ask(
    rpc: &str,
    grpc: &str,
    deployment: &Deployment,
    prompt: &str,
    max_tokens: u32,
    wait_final: bool,
) -> anyhow::Result<()> {
    let model = deployment
        .models
        .first()
        .context("the deployment file names no model")?;
    let provider = provider(rpc, Role::User)
        .await
        .context("is the devnet running? start it with `make devnet`")?;
    let inbox = Inbox::new(deployment.contracts.inbox, &provider);
    let payer = Role::User.address()?;
    let payload = Payload::greedy(prompt, max_tokens).encode();
    let fee = fee_for(&provider, deployment, model, payload.len(), max_tokens).await?;
    let deposit = inbox.deposits(payer).call().await?;
    if U256::from(deposit.balance) < U256::from(fee) {
        let receipt = inbox
            .deposit(payer)
            .value(U256::from(DEPOSIT.max(fee)))
            .send()
            .await?
            .get_receipt()
            .await?;
        ensure!(receipt.status(), "the deposit failed");
    }
    let now = provider
        .get_block_by_number(Default::default())
        .await?
        .context("no block")?
        .header
        .timestamp;
    let mut request = SignedRequest {
        payer,
        nonce: rand::random(),
        entropy: B256::new(rand::random()),
        params: RequestParams {
            modelId: model.id,
            callback: Default::default(),
            callbackGas: 0,
            delivery: 0,
            tolerant: false,
            minBond: 0,
            fee,
            callbackFee: 0,
            refundTo: payer,
            inclusionDeadline: now + PATIENCE,
        },
        payload: payload.into(),
        userData: Default::default(),
        signature: Default::default(),
    };
    let digest = sign::request_digest(deployment.chain_id, deployment.contracts.inbox, &request);
    request.signature = Role::User
        .signer()?
        .sign_hash_sync(&digest)?
        .as_bytes()
        .to_vec()
        .into();

    let mut client = SequencerClient::connect(grpc.to_owned())
        .await
        .with_context(|| {
            format!("no sequencer at {grpc}: is the devnet running? pass the right --grpc URL")
        })?;
    let receipt = client
        .submit_request(to_proto(&request))
        .await
        .map_err(refused)?
        .into_inner();
    println!(
        "request {}",
        B256::try_from(&receipt.request_id[..]).unwrap_or_default()
    );
    let mut stages = client
        .watch_request(GetRequestRequest {
            request_id: receipt.request_id,
        })
        .await
        .map_err(refused)?
        .into_inner();
    while let Some(status) = stages.message().await.map_err(refused)? {
        match status.stage() {
            RequestStage::Claimed if !status.output.is_empty() => {
                println!(
                    "answer  {} (can be challenged for a while)",
                    text(&status.output)
                );
                if !wait_final {
                    return Ok(());
                }
            }
            RequestStage::Final => {
                println!("final   {}", text(&status.output));
                return Ok(());
            }
            RequestStage::Dropped | RequestStage::Refunded => {
                bail!("the request ended without an answer: {}", status.message)
            }
            stage => println!(
                "        {}",
                stage
                    .as_str_name()
                    .trim_start_matches("REQUEST_STAGE_")
                    .to_lowercase()
            ),
        }
    }
    bail!("the sequencer ended the stream before the request was final")
}

fn refused(status: tonic::Status) -> anyhow::Error {
    anyhow::anyhow!(
        "the sequencer refused ({}): {}",
        status.code(),
        status.message()
    )
}

fn text(output: &[u8]) -> String {
    match Output::decode(output) {
        Some(Output::Answer { text, .. }) => format!("{:?}", String::from_utf8_lossy(&text)),
        Some(Output::Error { code, .. }) => format!("error {code:?}"),
        None => "malformed".to_owned(),
    }
}

fn to_proto(request: &SignedRequest) -> v1::SignedRequest {
    let p = &request.params;
    v1::SignedRequest {
        payer: request.payer.to_vec(),
        nonce: request.nonce,
        entropy: request.entropy.to_vec(),
        params: Some(v1::RequestParams {
            model_id: p.modelId.to_vec(),
            callback: Vec::new(),
            callback_gas: p.callbackGas,
            delivery: u32::from(p.delivery),
            tolerant: p.tolerant,
            min_bond_wei: p.minBond.to_string(),
            fee_wei: p.fee.to_string(),
            callback_fee_wei: p.callbackFee.to_string(),
            refund_to: p.refundTo.to_vec(),
            inclusion_deadline: p.inclusionDeadline,
        }),
        payload: request.payload.to_vec(),
        user_data: request.userData.to_vec(),
        signature: request.signature.to_vec(),
    }
}

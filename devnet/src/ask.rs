//! The gRPC client: a signed question, paid from a deposit, and its answer.

use crate::accounts::Role;
use crate::deploy::eth;
use crate::price::{LEAST, fee_for};
use crate::sampling::SamplingFlags;
use alloy::primitives::{B256, U256};
use alloy::signers::SignerSync;
use alloy::sol_types::SolCall;
use anyhow::{Context, anyhow, bail};
use assay_bindings::{Inbox, RequestParams, SignedRequest, sign};
use assay_node::chain::Chain;
use assay_node::deployment::Deployment;
use assay_node::key::Key;
use assay_node::revert::ErrorBook;
use assay_node::tx::{Call, TxManager, TxPolicy};
use assay_node::url::RpcUrl;
use assay_proto::v1::sequencer_client::SequencerClient;
use assay_proto::v1::{self, GetRequestRequest, RequestStage};
use assay_types::output::{ErrorCode, Output};
use assay_types::params::MAX_TOKENS;
use assay_types::request::Payload;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Wei that are deposited when the deposit runs short.
const DEPOSIT: u128 = 100_000_000_000_000_000;
/// Wei that the account should keep for gas.
const GAS: u128 = 10_000_000_000_000_000;
/// Seconds that the sequencer has.
const PATIENCE: u64 = 120;
/// How long bytes that the sequencer has not read are waited for once the answer is final.
const READ_WITHIN: Duration = Duration::from_secs(30);
/// What a newcomer forgets.
const RUNNING: &str = "is the devnet running? `make devnet` starts it";

/// A question.
#[derive(Args, Clone, Debug)]
pub struct Question {
    /// The prompt; `\n` stands for a new line.
    prompt: String,
    /// Most tokens of the answer.
    #[arg(long, env = "ASSAY_MAX_TOKENS", value_name = "N", default_value_t = 48, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_TOKENS)))]
    max_tokens: u32,
    #[command(flatten)]
    sampling: SamplingFlags,
    /// Wait until the answer is final.
    #[arg(long = "final", env = "ASSAY_FINAL")]
    wait_final: bool,
    /// Wei to pay for the answer; what the work costs now, with room for a rise, if left out.
    #[arg(long, env = "ASSAY_FEE_WEI", value_name = "WEI")]
    fee_wei: Option<u128>,
    /// The model asked; the deployment file's first one if left out.
    #[arg(long, env = "ASSAY_MODEL_ID", value_name = "ID")]
    model_id: Option<B256>,
    /// JSON-RPC endpoint of the chain.
    #[arg(
        long,
        alias = "rpc",
        env = "ASSAY_RPC_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:8545"
    )]
    rpc_url: RpcUrl,
    /// gRPC endpoint of the sequencer.
    #[arg(
        long,
        env = "ASSAY_GRPC",
        value_name = "URL",
        default_value = "http://127.0.0.1:7400"
    )]
    grpc: RpcUrl,
    /// Addresses of the contracts, as the devnet wrote them.
    #[arg(
        long,
        env = "ASSAY_DEPLOYMENT",
        value_name = "FILE",
        default_value = "target/devnet/deployment.json"
    )]
    deployment: PathBuf,
}

/// Asks and prints the stages up to the first answer, or up to the final one.
pub async fn ask(question: &Question) -> anyhow::Result<()> {
    // Libraries put whole URLs into their errors.
    let scrub = |e: anyhow::Error| {
        let text = question.rpc_url.scrub(&format!("{e:#}"));
        anyhow!("{}", question.grpc.scrub(&text))
    };
    stages(question).await.map_err(scrub)
}

async fn stages(question: &Question) -> anyhow::Result<()> {
    // What can't be asked is said before anything is looked for.
    payload(question)?;
    let deployment = Deployment::load(&question.deployment).context(RUNNING)?;
    let chain = Chain::connect(&question.rpc_url, Some(deployment.chain_id)).await;
    let chain = chain.context(RUNNING)?;
    chain
        .require_block(deployment.block, deployment.block_hash)
        .await?;
    chain.require_contracts(&deployment.contracts.all()).await?;
    let url = question.grpc.secret().to_string();
    let client = SequencerClient::connect(url).await;
    let mut client = client.with_context(|| {
        let url = &question.grpc;
        format!("no sequencer at {url}: {RUNNING}, or pass the right --grpc URL")
    })?;
    let fee = fee(question, &chain, &deployment).await?;
    fund(fee, &chain, &deployment).await?;
    let request = signed(question, fee, &chain, &deployment).await?;
    let receipt = client
        .submit_request(to_proto(&request))
        .await
        .map_err(refused)?
        .into_inner();
    let request_id = receipt.request_id;
    let id = B256::try_from(&request_id[..]).unwrap_or_default();
    println!("request {id}");
    let lost = |status: tonic::Status| {
        anyhow::anyhow!(
            "the connection to the sequencer broke ({}); it has accepted request {id} and keeps it: the answer comes on \
             chain once the sequencer is back",
            status.message()
        )
    };
    let watching = client.watch_request(GetRequestRequest { request_id });
    let mut stages = watching.await.map_err(lost)?.into_inner();
    let next = async || stages.message().await.map_err(lost);
    let output = until_answered(next, question.wait_final).await?;
    answered(&output)
}

/// Prints the stages up to the first answer, or up to the final one; returns that answer.
async fn until_answered(
    mut next: impl AsyncFnMut() -> anyhow::Result<Option<v1::RequestStatus>>,
    wait_final: bool,
) -> anyhow::Result<Vec<u8>> {
    // The final answer, without its bytes.
    let mut unread: Option<(v1::RequestStatus, Instant)> = None;
    loop {
        let status = match &unread {
            None => next().await?,
            Some((_, until)) => timeout_at(*until, next()).await.unwrap_or(Ok(None))?,
        };
        let Some(status) = status else { break };
        match status.stage() {
            RequestStage::Claimed if !status.output.is_empty() => {
                println!(
                    "answer  {} (can be challenged for a while)",
                    text(&status.output)
                );
                if !wait_final {
                    return Ok(status.output);
                }
            }
            RequestStage::Final if status.output.is_empty() => {
                println!("final   (its bytes are in a blob that the sequencer has not read yet)");
                let until = unread.map_or_else(|| Instant::now() + READ_WITHIN, |(_, until)| until);
                unread = Some((status, until));
            }
            RequestStage::Final => {
                println!("final   {}", text(&status.output));
                return Ok(status.output);
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
    let Some((status, _)) = unread else {
        bail!("the sequencer ended the stream before the request was final");
    };
    bail!(
        "the answer is final, but its bytes are missing: they are in a blob of transaction {}, and the sequencer could not \
         read it ({}). It goes on trying for as long as nodes keep blobs: see that its --beacon-url is a beacon node that \
         serves all columns, and ask it again for the request",
        B256::try_from(&status.transaction[..]).unwrap_or_default(),
        status.message
    )
}

fn model(question: &Question, deployment: &Deployment) -> anyhow::Result<B256> {
    let first = || deployment.models.first().map(|m| m.id);
    question.model_id.or_else(first).with_context(|| {
        let file = question.deployment.display();
        format!("{file} names no model: pass the --model-id of a registered one")
    })
}

fn payload(question: &Question) -> anyhow::Result<Vec<u8>> {
    let prompt = question.prompt.replace("\\n", "\n");
    let payload = Payload {
        sampling: question.sampling.sampling()?,
        ..Payload::greedy(&prompt, question.max_tokens)
    };
    Ok(payload.encode())
}

/// Wei that the question offers.
async fn fee(question: &Question, chain: &Chain, deployment: &Deployment) -> anyhow::Result<u128> {
    if let Some(fee) = question.fee_wei {
        return Ok(fee);
    }
    let id = model(question, deployment)?;
    match deployment.models.iter().find(|m| m.id == id) {
        Some(entry) => {
            let length = payload(question)?.len();
            fee_for(
                chain.provider(),
                deployment,
                entry,
                length,
                question.max_tokens,
            )
            .await
        }
        // A model that the file does not name: its size, and so its price, is not known here.
        None => Ok(LEAST),
    }
}

/// Fills the user's deposit in the inbox where it can't pay for the question.
async fn fund(fee: u128, chain: &Chain, deployment: &Deployment) -> anyhow::Result<()> {
    let (payer, to) = (Role::User.address()?, deployment.contracts.inbox);
    let inbox = Inbox::new(to, chain.provider());
    let deposit = inbox.deposits(payer).call().await.map_err(|e| match e {
        // In words that hold no credentials.
        alloy::contract::Error::TransportError(e) => chain.error("the deposit", e).into(),
        e => anyhow::Error::from(e),
    })?;
    let (balance, fee) = (U256::from(deposit.balance), U256::from(fee));
    if balance >= fee {
        return Ok(());
    }
    let amount = (fee - balance).max(U256::from(DEPOSIT));
    let why = || format!("depositing {} for the fee", eth(amount));
    chain
        .require_balance(payer, amount + U256::from(GAS))
        .await
        .with_context(why)?;
    let key = Key::parse(&hex::encode(Role::User.signer()?.to_bytes()), "the devnet")?;
    let policy = TxPolicy {
        poll: Duration::from_millis(100),
        ..TxPolicy::default()
    };
    let tx = TxManager::new(chain.clone(), key, ErrorBook::assay(), policy);
    let data = Inbox::depositCall { payer }.abi_encode();
    let sent = tx.send(Call::new("deposit", to, data).value(amount)).await;
    sent.with_context(why)?;
    Ok(())
}

async fn signed(
    question: &Question,
    fee: u128,
    chain: &Chain,
    deployment: &Deployment,
) -> anyhow::Result<SignedRequest> {
    let payer = Role::User.address()?;
    let model = model(question, deployment)?;
    let mut request = SignedRequest {
        payer,
        nonce: rand::random(),
        entropy: B256::new(rand::random()),
        params: RequestParams {
            modelId: model,
            callback: Default::default(),
            callbackGas: 0,
            delivery: 0,
            tolerant: false,
            minBond: 0,
            fee,
            callbackFee: 0,
            refundTo: payer,
            inclusionDeadline: chain.head().await?.timestamp + PATIENCE,
        },
        payload: payload(question)?.into(),
        userData: Default::default(),
        signature: Default::default(),
    };
    let digest = sign::request_digest(deployment.chain_id, deployment.contracts.inbox, &request);
    let signature = Role::User.signer()?.sign_hash_sync(&digest)?;
    request.signature = signature.as_bytes().to_vec().into();
    Ok(request)
}

fn refused(status: tonic::Status) -> anyhow::Error {
    anyhow::anyhow!(
        "the sequencer says {:?}: {}",
        status.code(),
        status.message()
    )
}

/// An error unless there is an answer: the program's own errors are failures to who asked.
fn answered(output: &[u8]) -> anyhow::Result<()> {
    let Some(Output::Error { code, .. }) = Output::decode(output) else {
        return Ok(());
    };
    bail!(match code {
        ErrorCode::BadModel => "the program does not support this model: ask another one",
        ErrorCode::BadRequest => "the request is malformed: see docs/encoding.md, section 7",
        ErrorCode::NotUtf8 => "the prompt is not UTF-8 text",
        ErrorCode::PromptTooLong =>
            "the prompt, or a choice after it, has more tokens than the model's context or --max-tokens: shorten it",
        ErrorCode::PlanTooLong =>
            "checking the answer takes more than the program has: shorten the prompt or lower --max-tokens",
        ErrorCode::NonFinite =>
            "the model's arithmetic overflows on this prompt: ask something else, or another model",
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    fn status(stage: RequestStage, output: &[u8], message: &str) -> v1::RequestStatus {
        v1::RequestStatus {
            stage: stage.into(),
            output: output.to_vec(),
            message: message.to_owned(),
            ..Default::default()
        }
    }

    async fn heard(
        said: impl IntoIterator<Item = v1::RequestStatus>,
        wait_final: bool,
    ) -> anyhow::Result<Vec<u8>> {
        let mut said: VecDeque<_> = said.into_iter().collect();
        until_answered(async || Ok(said.pop_front()), wait_final).await
    }

    #[tokio::test]
    async fn answer_without_its_bytes_is_an_error_that_says_what_is_missing() {
        let unread = status(RequestStage::Final, b"", "the beacon node does not answer");
        for wait_final in [false, true] {
            let error = heard([unread.clone()], wait_final).await;
            let error = error.expect_err("no bytes").to_string();
            assert!(
                error.contains("does not answer") && error.contains("--beacon-url"),
                "{error}"
            );
        }
    }

    #[tokio::test]
    async fn bytes_that_are_read_late_are_the_answer() {
        let claimed = |output| status(RequestStage::Claimed, output, "");
        let last = |output| status(RequestStage::Final, output, "");
        let early = [claimed(b""), claimed(b"bytes")];
        assert_eq!(heard(early, false).await.expect("read"), b"bytes");
        let late = [claimed(b""), last(b""), last(b"bytes")];
        assert_eq!(heard(late.clone(), false).await.expect("read"), b"bytes");
        assert_eq!(heard(late, true).await.expect("read"), b"bytes");
    }
}

//! What this executor asks for its answers (docs/market.md): posted on chain at start-up, or signed and left with the sequencer.

use alloy::primitives::aliases::{U40, U96};
use alloy::primitives::{Address, B256, U256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolCall;
use anyhow::{Context, bail};
use assay_bindings::abi::SignedAsk;
use assay_bindings::abi::inference_market::InferenceMarket::{self, AskTerms, Checkpoint};
use assay_bindings::ask::Prices;
use assay_bindings::sign::ask_digest;
use assay_dispute::watcher::view;
use assay_node::deployment::Market;
use assay_node::shell::Shell;
use assay_node::tx::{Call, TxManager};
use assay_proto::v1::{self, from_executor};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bits of a price.
const PRICE_BITS: u32 = 96;
/// Seconds for which a signed ask holds.
const SIGNED_LIFE: u64 = 24 * 3_600;
/// Time after which asks are signed anew: whoever is handed one has half of its life to order with it.
pub const SIGN_EVERY: Duration = Duration::from_secs(SIGNED_LIFE / 2);

/// The executor's prices.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct AskArgs {
    /// Ask this much for 1,000 bytes of a request's payload, in wei or the smallest unit of --ask-token. The ask is posted on
    /// chain at start-up for each model that is served, unless it stands already; without prices, what stands is left as it is.
    #[arg(long, value_name = "UNITS", value_parser = price)]
    pub ask_prompt_price: Option<u128>,

    /// Ask this much for a token of answer.
    #[arg(long, value_name = "UNITS", value_parser = price)]
    pub ask_token_price: Option<u128>,

    /// ERC-20 token that is asked for; ether where it is left out.
    #[arg(long, value_name = "ADDRESS")]
    pub ask_token: Option<Address>,

    /// What this executor says it runs. Nothing checks it. Where it is left out, an ask that is posted keeps what stands.
    #[arg(long, value_enum)]
    pub ask_hardware: Option<Hardware>,

    /// Tokens a second that this executor says it makes, over all requests; likewise.
    #[arg(long, value_name = "N")]
    pub ask_capacity: Option<u32>,

    /// Sign the ask and leave it with the sequencer, for orders to carry, instead of posting it: that costs no gas.
    #[arg(long)]
    pub ask_signed: bool,
}

/// Hardware class of an ask, as `AskTerms` numbers it.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hardware {
    /// CPU.
    Cpu = 1,
    /// One consumer GPU.
    ConsumerGpu,
    /// One data-centre GPU.
    DatacenterGpu,
    /// Several GPUs.
    Gpus,
    /// Other.
    Other,
}

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ask {
    /// Hardware class, if it is said.
    pub hardware: Option<u8>,
    /// Tokens a second, if they are said.
    pub capacity: Option<u32>,
    /// The token; zero for ether.
    pub token: Address,
    /// Its amounts.
    pub prices: Prices,
}

fn price(text: &str) -> Result<u128, String> {
    match text.parse::<u128>() {
        Ok(price) if price >> PRICE_BITS == 0 => Ok(price),
        _ => Err(format!("must be a whole number below 2^{PRICE_BITS}")),
    }
}

impl AskArgs {
    /// What is asked, if anything is.
    ///
    /// # Errors
    /// Only a part of an ask is there.
    pub fn ask(&self) -> anyhow::Result<Option<Ask>> {
        match (self.ask_prompt_price, self.ask_token_price) {
            (Some(prompt), Some(token)) => Ok(Some(Ask {
                hardware: self.ask_hardware.map(|class| class as u8),
                capacity: self.ask_capacity,
                token: self.ask_token.unwrap_or_default(),
                prices: Prices { prompt, token },
            })),
            (None, None) if !self.says_more() => Ok(None),
            (None, None) => bail!(
                "--ask-token, --ask-hardware, --ask-capacity and --ask-signed say nothing without prices: pass \
                 --ask-prompt-price and --ask-token-price too"
            ),
            _ => bail!(
                "an ask has two prices: pass both --ask-prompt-price and --ask-token-price (0 for nothing)"
            ),
        }
    }

    /// Whether anything but prices is there.
    fn says_more(&self) -> bool {
        let said = self.ask_hardware.is_some() || self.ask_capacity.is_some();
        said || self.ask_token.is_some() || self.ask_signed
    }
}

/// The deployment's market.
///
/// # Errors
/// It has none.
pub fn market(shell: &Shell) -> anyhow::Result<&Market> {
    let market = shell.deployment.contracts.market.as_ref();
    market.context(
        "this deployment has no market to ask at: leave --ask-prompt-price and --ask-token-price out, or pass the \
         --deployment FILE of one that names it",
    )
}

/// Posts `ask` for each of `models` where it does not stand yet.
///
/// # Errors
/// There is no market, or the chain does not take it.
pub async fn post(shell: &Shell, tx: &TxManager, models: &[B256], ask: Ask) -> anyhow::Result<()> {
    let market = market(shell)?.asks;
    for model in models {
        let last = last(shell, market, tx.address(), *model).await?;
        if stands(&last, ask) {
            tracing::info!(%model, token = %ask.token, prompt = ask.prices.prompt, per_token = ask.prices.token, "the ask stands already");
            continue;
        }
        let call = InferenceMarket::postCall {
            modelId: *model,
            terms: terms(&last, ask),
        };
        let receipt = tx.send(Call::new("post", market, call.abi_encode())).await;
        let receipt = receipt.with_context(|| format!("cannot post the ask for model {model}"))?;
        let posted = receipt.decoded_log::<InferenceMarket::AskPosted>();
        let from = posted.map_or(0, |event| event.data.ask.from.to::<u64>());
        tracing::info!(%model, token = %ask.token, prompt = ask.prices.prompt, per_token = ask.prices.token, from, "posted the ask");
    }
    Ok(())
}

/// The last checkpoint: what holds, or will hold after its notice. Zero without one.
async fn last(
    shell: &Shell,
    market: Address,
    executor: Address,
    model: B256,
) -> anyhow::Result<Checkpoint> {
    let count = InferenceMarket::checkpointCountCall {
        executor,
        modelId: model,
    };
    let count = view(&shell.chain, market, "checkpointCount", count).await?;
    if count.is_zero() {
        return Ok(Checkpoint::default());
    }
    let last = InferenceMarket::checkpointCall {
        executor,
        modelId: model,
        index: count - U256::ONE,
    };
    Ok(view(&shell.chain, market, "checkpoint", last).await?)
}

/// Whether `last` is `ask`, without an end. One that was withdrawn ends at 0.
fn stands(last: &Checkpoint, ask: Ask) -> bool {
    let endless = last.validUntil == U40::MAX;
    let same = terms(last, ask);
    let described = (same.hardware, same.capacity) == (last.hardware, last.capacity);
    endless && described && last.token == ask.token && Prices::from(last) == ask.prices
}

/// What an executor said of its hardware before stays, where it says nothing now.
fn terms(last: &Checkpoint, ask: Ask) -> AskTerms {
    AskTerms {
        token: ask.token,
        hardware: ask.hardware.unwrap_or(last.hardware),
        capacity: ask.capacity.unwrap_or(last.capacity),
        promptPrice: U96::from(ask.prices.prompt),
        tokenPrice: U96::from(ask.prices.token),
        validUntil: U40::MAX,
    }
}

/// Signs an ask for each model that is served, as often as is needed.
#[derive(Clone, Debug)]
pub struct Signed {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// `InferenceMarket`.
    pub market: Address,
    /// The executor's key.
    pub signer: PrivateKeySigner,
    /// Models that it serves.
    pub models: Vec<B256>,
    /// What it asks.
    pub ask: Ask,
}

impl Signed {
    /// The asks from now on, for the sequencer. Their nonce is the time at which they end: cancelling it ends these and no others.
    ///
    /// # Errors
    /// The key does not sign.
    pub fn message(&self) -> anyhow::Result<from_executor::Message> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let until = now
            .context("this machine's clock is before 1970: set it")?
            .as_secs()
            + SIGNED_LIFE;
        let asks: anyhow::Result<Vec<v1::SignedAsk>> = self
            .models
            .iter()
            .map(|model| self.sign(*model, until))
            .collect();
        Ok(from_executor::Message::SignedAsks(v1::SignedAsks {
            asks: asks?,
        }))
    }

    fn sign(&self, model: B256, until: u64) -> anyhow::Result<v1::SignedAsk> {
        let Prices { prompt, token } = self.ask.prices;
        let ask = SignedAsk {
            executor: self.signer.address(),
            modelId: model,
            token: self.ask.token,
            hardware: self.ask.hardware.unwrap_or_default(),
            capacity: self.ask.capacity.unwrap_or_default(),
            promptPrice: U96::from(prompt),
            tokenPrice: U96::from(token),
            nonce: until,
            validUntil: U40::from(until),
            signature: Default::default(),
        };
        let digest = ask_digest(self.chain_id, self.market, &ask);
        let signature = self.signer.sign_hash_sync(&digest)?;
        Ok(v1::SignedAsk {
            executor: ask.executor.to_vec(),
            model_id: model.to_vec(),
            token: ask.token.to_vec(),
            prompt_price: prompt.to_string(),
            token_price: token.to_string(),
            nonce: until,
            valid_until: until,
            signature: signature.as_bytes().to_vec(),
            hardware: ask.hardware.into(),
            capacity: ask.capacity,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(prompt: Option<u128>, token: Option<u128>) -> AskArgs {
        AskArgs {
            ask_prompt_price: prompt,
            ask_token_price: token,
            ..AskArgs::default()
        }
    }

    #[test]
    fn ask_has_two_prices_or_is_none() {
        assert_eq!(args(None, None).ask().expect("none"), None);
        let ask = args(Some(0), Some(7)).ask().expect("both").expect("one");
        assert_eq!((ask.token, ask.prices.token), (Address::ZERO, 7));
        for half in [args(Some(1), None), args(None, Some(1))] {
            let error = half.ask().expect_err("half of one").to_string();
            assert!(error.contains("--ask-prompt-price"), "{error}");
        }
        let more = |f: fn(&mut AskArgs)| {
            let mut args = AskArgs::default();
            f(&mut args);
            args.ask()
        };
        assert!(more(|args| args.ask_signed = true).is_err());
        assert!(more(|args| args.ask_hardware = Some(Hardware::Cpu)).is_err());
        assert!(more(|args| args.ask_capacity = Some(0)).is_err());
        assert_eq!(price(&((1u128 << 96) - 1).to_string()), Ok((1 << 96) - 1));
        assert!(price(&(1u128 << 96).to_string()).is_err() && price("-1").is_err());
    }

    #[test]
    fn only_the_same_ask_without_an_end_stands() {
        let ask = args(Some(5), Some(7)).ask().expect("both").expect("one");
        let checkpoint = |terms: AskTerms| Checkpoint {
            from: U40::from(9),
            validUntil: terms.validUntil,
            token: terms.token,
            hardware: terms.hardware,
            promptPrice: terms.promptPrice,
            tokenPrice: terms.tokenPrice,
            capacity: terms.capacity,
        };
        let posted = checkpoint(terms(&Checkpoint::default(), ask));
        assert!(stands(&posted, ask));
        assert!(!stands(&Checkpoint::default(), ask), "never posted");
        let withdrawn = Checkpoint {
            validUntil: U40::ZERO,
            ..posted.clone()
        };
        assert!(!stands(&withdrawn, ask));
        let free = args(Some(0), Some(0)).ask().expect("both").expect("one");
        assert!(!stands(&withdrawn, free) && !stands(&posted, free));
        let other = Ask {
            token: Address::repeat_byte(1),
            ..ask
        };
        assert!(!stands(&posted, other));
        let on_a_gpu = Checkpoint {
            hardware: 2,
            capacity: 50,
            ..posted
        };
        let kept = terms(&on_a_gpu, free);
        assert_eq!((kept.hardware, kept.capacity), (2, 50));
        let says = |hardware, capacity| Ask {
            hardware,
            capacity,
            ..ask
        };
        assert!(stands(&on_a_gpu, ask) && stands(&on_a_gpu, says(Some(2), Some(50))));
        for other in [says(Some(3), None), says(None, Some(51))] {
            assert!(!stands(&on_a_gpu, other));
            let said = terms(&on_a_gpu, other);
            assert_ne!((said.hardware, said.capacity), (2, 50));
        }
    }

    #[test]
    fn signed_ask_says_what_the_executor_runs() {
        let mut args = args(Some(5), Some(7));
        (args.ask_hardware, args.ask_capacity) = (Some(Hardware::Gpus), Some(900));
        let signer = PrivateKeySigner::random();
        let signed = Signed {
            chain_id: 1,
            market: Address::repeat_byte(2),
            signer: signer.clone(),
            models: Vec::new(),
            ask: args.ask().expect("both").expect("one"),
        };
        let message = signed.sign(B256::repeat_byte(3), 99).expect("signs");
        assert_eq!((message.hardware, message.capacity), (4, 900));
        let ask = |hardware| SignedAsk {
            executor: signer.address(),
            modelId: B256::repeat_byte(3),
            token: Address::ZERO,
            hardware,
            capacity: 900,
            promptPrice: U96::from(5),
            tokenPrice: U96::from(7),
            nonce: 99,
            validUntil: U40::from(99),
            signature: Default::default(),
        };
        let signature = alloy::primitives::Signature::try_from(&message.signature[..]);
        let signature = signature.expect("65 bytes");
        let by = |ask| signature.recover_address_from_prehash(&ask_digest(1, signed.market, &ask));
        assert_eq!(by(ask(4)).ok(), Some(signer.address()));
        assert_ne!(by(ask(3)).ok(), Some(signer.address()), "it is signed too");
    }
}

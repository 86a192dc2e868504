//! The chain over JSON-RPC, checked once at start-up. No message holds the endpoint's credentials.

use crate::retry::RetryLayer;
use crate::url::RpcUrl;
use alloy::consensus::BlockHeader as _;
use alloy::eips::BlockNumberOrTag;
use alloy::network::Ethereum;
use alloy::primitives::{Address, B256, U256};
use alloy::providers::{DynProvider, Provider, RootProvider};
use alloy::rpc::client::ClientBuilder;
use alloy::transports::http::reqwest::Client;
use alloy::transports::{RpcError, TransportError};
use std::time::Duration;

/// Longest wait for one answer of the endpoint.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Why the chain can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// No answer.
    #[error("the chain at {url} does not answer ({reason}): start it, or pass the right --rpc-url")]
    Unreachable {
        /// Endpoint without credentials.
        url: String,
        /// Why.
        reason: String,
    },
    /// An answer that says no.
    #[error("the chain at {url} refused {what}: {reason}")]
    Refused {
        /// Endpoint without credentials.
        url: String,
        /// What was asked.
        what: &'static str,
        /// Its answer.
        reason: String,
    },
    /// Another chain.
    #[error(
        "the chain at {url} has chain id {found}, expected {expected}: pass the --rpc-url of the right chain, or the \
         --deployment file of this one"
    )]
    WrongChain {
        /// Endpoint without credentials.
        url: String,
        /// Its id.
        found: u64,
        /// The id wanted.
        expected: u64,
    },
    /// Nothing is deployed at an address of the deployment file.
    #[error(
        "no contract at {address} ({name}) on the chain at {url}: the --deployment file is of another chain, or this \
         chain was reset"
    )]
    NoContract {
        /// Endpoint without credentials.
        url: String,
        /// Where.
        address: Address,
        /// Which contract.
        name: String,
    },
    /// Another chain with the same id, or the same chain begun anew.
    #[error(
        "block {number} of the chain at {url} is not the one that the contracts were deployed in: the chain was reset \
         (deploy again), or the --deployment file is of another one"
    )]
    WrongBlock {
        /// Endpoint without credentials.
        url: String,
        /// The block.
        number: u64,
    },
    /// The account has too little.
    #[error("account {address} has {balance} wei, at least {needed} are needed: send it ETH")]
    Unfunded {
        /// The account.
        address: Address,
        /// What it has, in wei.
        balance: U256,
        /// What it needs, in wei.
        needed: U256,
    },
}

/// Number, hash and time of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct BlockRef {
    /// Height.
    pub number: u64,
    /// Hash.
    pub hash: B256,
    /// Unix seconds.
    pub timestamp: u64,
}

/// A connection. Clones share it.
#[derive(Clone, Debug)]
pub struct Chain {
    provider: DynProvider,
    url: RpcUrl,
    id: u64,
}

impl Chain {
    /// Connects; `expected` is the chain id that it must have.
    pub async fn connect(url: &RpcUrl, expected: Option<u64>) -> Result<Chain, ChainError> {
        let unreachable = |reason: String| ChainError::Unreachable {
            url: url.to_string(),
            reason,
        };
        let mut client = Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(Duration::from_secs(5));
        if url.is_loopback() {
            client = client.no_proxy();
        }
        let client = client
            .build()
            .map_err(|e| unreachable(url.scrub(&describe(&e))))?;
        let client = ClientBuilder::default()
            .layer(RetryLayer)
            .http_with_client(client, url.secret().clone());
        let provider = RootProvider::<Ethereum>::new(client).erased();
        let chain = Chain {
            provider,
            url: url.clone(),
            id: 0,
        };
        let id = chain
            .provider
            .get_chain_id()
            .await
            .map_err(|e| chain.error("eth_chainId", e))?;
        match expected {
            Some(expected) if expected != id => Err(ChainError::WrongChain {
                url: url.to_string(),
                found: id,
                expected,
            }),
            _ => Ok(Chain { id, ..chain }),
        }
    }

    /// The provider, without fillers: transactions go through [`crate::tx::TxManager`].
    pub fn provider(&self) -> &DynProvider {
        &self.provider
    }

    /// The chain id.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The endpoint (prints without credentials).
    pub fn url(&self) -> &RpcUrl {
        &self.url
    }

    /// Turns a transport error into one that names the endpoint and what was asked.
    pub fn error(&self, what: &'static str, error: TransportError) -> ChainError {
        let reason = match &error {
            RpcError::Transport(e) => {
                return ChainError::Unreachable {
                    url: self.url.to_string(),
                    reason: self.url.scrub(&describe(e)),
                };
            }
            RpcError::ErrorResp(payload) => format!("{} (code {})", payload.message, payload.code),
            RpcError::NullResp => "no such thing".to_owned(),
            RpcError::DeserError { err, .. } => format!("its answer is not JSON-RPC: {err}"),
            other => other.to_string(),
        };
        ChainError::Refused {
            url: self.url.to_string(),
            what,
            // Nodes may repeat the key that they were given.
            reason: self.url.scrub(&reason),
        }
    }

    /// The newest block's number.
    pub async fn block_number(&self) -> Result<u64, ChainError> {
        self.provider
            .get_block_number()
            .await
            .map_err(|e| self.error("eth_blockNumber", e))
    }

    /// A block by number; `None` if the chain is shorter.
    pub async fn block(&self, number: u64) -> Result<Option<BlockRef>, ChainError> {
        self.block_by(BlockNumberOrTag::Number(number)).await
    }

    /// The newest block.
    pub async fn head(&self) -> Result<BlockRef, ChainError> {
        self.block_by(BlockNumberOrTag::Latest)
            .await?
            .ok_or_else(|| self.error("the latest block", RpcError::NullResp))
    }

    async fn block_by(&self, tag: BlockNumberOrTag) -> Result<Option<BlockRef>, ChainError> {
        let block = self
            .provider
            .get_block_by_number(tag)
            .await
            .map_err(|e| self.error("eth_getBlockByNumber", e))?;
        Ok(block.map(|b| BlockRef {
            number: b.header.number(),
            hash: b.header.hash,
            timestamp: b.header.timestamp(),
        }))
    }

    /// The balance of `address` in wei.
    pub async fn balance(&self, address: Address) -> Result<U256, ChainError> {
        self.provider
            .get_balance(address)
            .await
            .map_err(|e| self.error("eth_getBalance", e))
    }

    /// An error unless `address` has `needed` wei.
    pub async fn require_balance(&self, address: Address, needed: U256) -> Result<(), ChainError> {
        let balance = self.balance(address).await?;
        if balance < needed {
            Err(ChainError::Unfunded {
                address,
                balance,
                needed,
            })
        } else {
            Ok(())
        }
    }

    /// An error unless block `number` has this hash.
    pub async fn require_block(&self, number: u64, hash: B256) -> Result<(), ChainError> {
        match self.block(number).await? {
            Some(block) if block.hash == hash => Ok(()),
            _ => Err(ChainError::WrongBlock {
                url: self.url.to_string(),
                number,
            }),
        }
    }

    /// An error unless there is code at each of these addresses.
    pub async fn require_contracts(
        &self,
        contracts: &[(String, Address)],
    ) -> Result<(), ChainError> {
        for (name, address) in contracts {
            let code = self
                .provider
                .get_code_at(*address)
                .await
                .map_err(|e| self.error("eth_getCode", e))?;
            if code.is_empty() {
                let url = self.url.to_string();
                return Err(ChainError::NoContract {
                    url,
                    address: *address,
                    name: name.clone(),
                });
            }
        }
        Ok(())
    }
}

/// An error with its causes, without repeating itself.
fn describe(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !out.contains(&text) {
            out.push_str(": ");
            out.push_str(&text);
        }
        next = cause.source();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn dead_endpoint_is_named_without_credentials() {
        // A port that was free a moment ago.
        let port = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
            listener.local_addr().expect("bound").port()
        };
        let url: RpcUrl = format!("http://me:hunter2@127.0.0.1:{port}/v3/secretkey")
            .parse()
            .expect("a URL");
        let error = Chain::connect(&url, None)
            .await
            .expect_err("nobody listens")
            .to_string();
        assert!(
            error.contains("--rpc-url") && error.contains(&port.to_string()),
            "{error}"
        );
        assert!(
            !error.contains("hunter2") && !error.contains("secretkey"),
            "{error}"
        );
    }
}

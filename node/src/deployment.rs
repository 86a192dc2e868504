//! The deployment file: where the contracts are and which models they know. `assay-devnet` writes it, services read it.

use crate::data_dir::write_durably;
use alloy::primitives::{Address, B256};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A deployment file that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DeploymentError {
    /// It can't be read or written.
    #[error(
        "deployment file {path}: {source}; pass the right --deployment FILE (assay-devnet writes one)"
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not a deployment file.
    #[error(
        "deployment file {path} is not valid: {reason}; pass the right --deployment FILE, as assay-devnet wrote it"
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
}

/// One deployment of the contracts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// First block that any of the contracts is in; nothing earlier needs to be read.
    pub block: u64,
    /// Hash of that block: a chain that was reset has another one there.
    pub block_hash: B256,
    /// The contracts.
    pub contracts: Contracts,
    /// The registered models that the deployer knows of (others may be registered later).
    pub models: Vec<ModelEntry>,
}

/// Addresses.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contracts {
    /// `Inbox`.
    pub inbox: Address,
    /// `Rollup`.
    pub rollup: Address,
    /// `DisputeGame`.
    pub game: Address,
    /// `Staking`.
    pub staking: Address,
    /// `ModelRegistry`.
    pub registry: Address,
    /// `OneStepProver`, the dispatcher.
    pub prover: Address,
    /// `LivenessPenalty`, if deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness: Option<Address>,
    /// The sample consumer, if deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_judge: Option<Address>,
    /// The market, if deployed; services do without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub market: Option<Market>,
}

/// Addresses of the contracts above the rollup (docs/market.md).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Market {
    /// `InferenceHub`.
    pub hub: Address,
    /// `InferenceMarket`, what executors ask.
    pub asks: Address,
    /// `ModelCatalog`.
    pub catalog: Address,
    /// `Subscriptions`.
    pub subscriptions: Address,
}

impl Contracts {
    /// Name and address of each.
    pub fn all(&self) -> Vec<(String, Address)> {
        let fixed = [
            ("Inbox", self.inbox),
            ("Rollup", self.rollup),
            ("DisputeGame", self.game),
            ("Staking", self.staking),
            ("ModelRegistry", self.registry),
            ("OneStepProver", self.prover),
        ];
        let others = [
            ("LivenessPenalty", self.liveness),
            ("ReviewJudge", self.review_judge),
        ];
        let others = others
            .into_iter()
            .filter_map(|(name, address)| Some((name, address?)));
        let market = self.market.iter().flat_map(|m| {
            [
                ("InferenceHub", m.hub),
                ("InferenceMarket", m.asks),
                ("ModelCatalog", m.catalog),
                ("Subscriptions", m.subscriptions),
            ]
        });
        fixed
            .into_iter()
            .chain(market)
            .chain(others)
            .map(|(name, address)| (name.to_owned(), address))
            .collect()
    }
}

/// A registered model.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelEntry {
    /// `modelId`.
    pub id: B256,
    /// The file's name, for people.
    pub name: String,
    /// The program that checks its answers.
    pub program_id: B256,
    /// Root of the model's ROM.
    pub root: B256,
    /// Bytes of the model file.
    pub length: u64,
    /// Tolerance ceiling, thousandths of a logit.
    pub max_gap: u32,
    /// Tolerance ceiling, positions.
    pub max_flips: u32,
}

impl Deployment {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Deployment, DeploymentError> {
        let text = std::fs::read_to_string(path).map_err(|source| DeploymentError::Io {
            path: path.to_owned(),
            source,
        })?;
        serde_json::from_str(&text).map_err(|e| DeploymentError::Malformed {
            path: path.to_owned(),
            reason: e.to_string(),
        })
    }

    /// Writes a file.
    pub fn save(&self, path: &Path) -> Result<(), DeploymentError> {
        let text = serde_json::to_string_pretty(self).map_err(|e| DeploymentError::Malformed {
            path: path.to_owned(),
            reason: e.to_string(),
        })?;
        write_durably(path, (text + "\n").as_bytes()).map_err(|source| DeploymentError::Io {
            path: path.to_owned(),
            source,
        })
    }

    /// A line that tells deployments apart, for data folders.
    pub fn label(&self) -> String {
        format!(
            "chain {} rollup {} from block {}",
            self.chain_id, self.contracts.rollup, self.block_hash
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Deployment {
        let at = |n: u8| Address::repeat_byte(n);
        let contracts = Contracts {
            inbox: at(1),
            rollup: at(2),
            game: at(3),
            staking: at(4),
            registry: at(5),
            prover: at(6),
            liveness: None,
            review_judge: None,
            market: None,
        };
        let model = ModelEntry {
            id: B256::repeat_byte(7),
            name: "m.gguf".to_owned(),
            program_id: B256::repeat_byte(8),
            root: B256::repeat_byte(9),
            length: 10,
            max_gap: 0,
            max_flips: 0,
        };
        Deployment {
            chain_id: 31337,
            block: 1,
            block_hash: B256::repeat_byte(6),
            contracts,
            models: vec![model],
        }
    }

    #[test]
    fn file_reads_back() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("deployment.json");
        sample().save(&path).expect("saved");
        assert_eq!(Deployment::load(&path).expect("loaded"), sample());
        assert_eq!(sample().contracts.all().len(), 6);
    }

    #[test]
    fn file_with_a_market_reads_back_and_names_its_contracts() {
        let mut with = sample();
        with.contracts.market = Some(Market {
            hub: Address::repeat_byte(10),
            asks: Address::repeat_byte(11),
            catalog: Address::repeat_byte(12),
            subscriptions: Address::repeat_byte(13),
        });
        let text = serde_json::to_string(&with).expect("JSON");
        assert_eq!(
            serde_json::from_str::<Deployment>(&text).expect("JSON"),
            with
        );
        let all = with.contracts.all();
        assert_eq!(all.len(), 10);
        assert!(all.contains(&("InferenceHub".to_owned(), Address::repeat_byte(10))));
    }

    #[test]
    fn bad_files_say_which_file_and_why() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("deployment.json");
        let error = Deployment::load(&path).expect_err("absent").to_string();
        assert!(
            error.contains("deployment.json") && error.contains("--deployment"),
            "{error}"
        );
        std::fs::write(&path, "{\"chain_id\": 1}").expect("written");
        let error = Deployment::load(&path).expect_err("incomplete").to_string();
        assert!(error.contains("block"), "{error}");
    }
}

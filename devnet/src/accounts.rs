//! Who is who on the devnet: keys that anvil derives from its well-known mnemonic. Worthless anywhere else.

use alloy::primitives::Address;
use alloy::signers::local::{MnemonicBuilder, PrivateKeySigner};
use anyhow::Context;

/// anvil's default mnemonic.
pub const MNEMONIC: &str = "test test test test test test test test test test test junk";

/// A role on the devnet; the number is its account's index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Role {
    /// Deploys the contracts.
    Deployer = 0,
    /// Posts batches.
    Sequencer = 1,
    /// Answers truly.
    Executor = 2,
    /// Answers falsely, where a scenario asks for it.
    Liar = 3,
    /// Re-checks every claim.
    Watchtower = 4,
    /// Challenges true claims, where a scenario asks for it.
    LyingChallenger = 5,
    /// Asks questions.
    User = 6,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 7] = [
        Role::Deployer,
        Role::Sequencer,
        Role::Executor,
        Role::Liar,
        Role::Watchtower,
        Role::LyingChallenger,
        Role::User,
    ];

    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Deployer => "deployer",
            Role::Sequencer => "sequencer",
            Role::Executor => "executor",
            Role::Liar => "liar",
            Role::Watchtower => "watchtower",
            Role::LyingChallenger => "lying-challenger",
            Role::User => "user",
        }
    }

    /// Its key.
    pub fn signer(self) -> anyhow::Result<PrivateKeySigner> {
        let builder = MnemonicBuilder::from_phrase(MNEMONIC).index(self as u32);
        builder.and_then(|b| b.build()).context("deriving a devnet account")
    }

    /// Its address.
    pub fn address(self) -> anyhow::Result<Address> {
        Ok(self.signer()?.address())
    }
}

/// The role of an address, or the address shortened.
pub fn name_of(address: Address) -> String {
    let role = Role::ALL.into_iter().find(|r| r.address().is_ok_and(|a| a == address));
    role.map_or_else(|| format!("{}…", &address.to_string()[..8]), |r| r.name().to_owned())
}

//! Who is who on the devnet: keys that anvil derives from its well-known mnemonic. Worthless anywhere else.

use alloy::primitives::Address;
use alloy::signers::local::PrivateKeySigner;
use anyhow::Context;

/// anvil's default mnemonic.
pub const MNEMONIC: &str = "test test test test test test test test test test test junk";

/// Private keys of its first accounts, published in anvil's banner.
const KEYS: [&str; 7] = [
    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
    "8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
    "92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e",
];

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
        KEYS[self as usize].parse().context("a devnet key")
    }

    /// Its address.
    pub fn address(self) -> anyhow::Result<Address> {
        Ok(self.signer()?.address())
    }
}

/// The role of an address, or the address shortened.
pub fn name_of(address: Address) -> String {
    let role = Role::ALL
        .into_iter()
        .find(|r| r.address().is_ok_and(|a| a == address));
    role.map_or_else(
        || format!("{}…", &address.to_string()[..8]),
        |r| r.name().to_owned(),
    )
}

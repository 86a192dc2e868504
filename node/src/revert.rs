//! Contract errors as text: `NotOpen(requestId: 0x01)` instead of bytes.

use alloy::dyn_abi::{DynSolValue, ErrorExt};
use alloy::json_abi::{Error, JsonAbi};
use alloy::primitives::{Bytes, Selector, U256};
use alloy::sol_types::{Panic, Revert, SolError};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Each contract's committed artifact.
const ABIS: [(&str, &str); 15] = [
    (
        "ModelRegistry",
        include_str!("../../contracts/abi/ModelRegistry.json"),
    ),
    ("Staking", include_str!("../../contracts/abi/Staking.json")),
    (
        "AssetStaking",
        include_str!("../../contracts/abi/AssetStaking.json"),
    ),
    (
        "Erc20Asset",
        include_str!("../../contracts/abi/Erc20Asset.json"),
    ),
    (
        "LivenessPenalty",
        include_str!("../../contracts/abi/LivenessPenalty.json"),
    ),
    ("Inbox", include_str!("../../contracts/abi/Inbox.json")),
    ("Rollup", include_str!("../../contracts/abi/Rollup.json")),
    (
        "BlobDisputeGame",
        include_str!("../../contracts/abi/BlobDisputeGame.json"),
    ),
    (
        "DisputeGame",
        include_str!("../../contracts/abi/DisputeGame.json"),
    ),
    (
        "OneStepProver",
        include_str!("../../contracts/abi/OneStepProver.json"),
    ),
    (
        "InferenceHub",
        include_str!("../../contracts/abi/InferenceHub.json"),
    ),
    (
        "InferenceMarket",
        include_str!("../../contracts/abi/InferenceMarket.json"),
    ),
    (
        "ModelCatalog",
        include_str!("../../contracts/abi/ModelCatalog.json"),
    ),
    (
        "Subscriptions",
        include_str!("../../contracts/abi/Subscriptions.json"),
    ),
    (
        "ReviewJudge",
        include_str!("../../contracts/abi/ReviewJudge.json"),
    ),
];

fn parse(artifact: &str) -> Option<JsonAbi> {
    let artifact: serde_json::Value = serde_json::from_str(artifact).ok()?;
    serde_json::from_value(artifact.get("abi")?.clone()).ok()
}

/// Why a call reverted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RevertReason {
    /// The error's name: a custom error's, `Error`, `Panic`, or empty if unknown.
    pub name: String,
    /// The name with its arguments, for people.
    pub text: String,
    /// The revert data.
    pub data: Bytes,
}

impl fmt::Display for RevertReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Every custom error that the deployed contracts can raise. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct ErrorBook(Arc<BTreeMap<Selector, Error>>);

impl ErrorBook {
    /// The errors of these ABIs.
    pub fn new<'a>(abis: impl IntoIterator<Item = &'a JsonAbi>) -> ErrorBook {
        let errors = abis.into_iter().flat_map(|abi| abi.errors());
        ErrorBook(Arc::new(
            errors.map(|e| (e.selector(), e.clone())).collect(),
        ))
    }

    /// The errors of the contracts of Assay, from their committed ABIs.
    pub fn assay() -> ErrorBook {
        // The files are compiled in and a test reads every one, so none is left out here.
        let abis: Vec<JsonAbi> = ABIS.iter().filter_map(|(_, text)| parse(text)).collect();
        ErrorBook::new(&abis)
    }

    /// Reads revert data.
    pub fn decode(&self, data: &Bytes) -> RevertReason {
        let of = |name: &str, text: String| RevertReason {
            name: name.to_owned(),
            text,
            data: data.clone(),
        };
        let Some(selector) = data.first_chunk::<4>() else {
            return of("", "reverted without a reason".to_owned());
        };
        if let Some(error) = self.0.get(&Selector::from(*selector)) {
            let text = match error.decode_error(data) {
                Ok(decoded) => render(error, &decoded.body),
                Err(_) => format!("{} with arguments that do not decode: {data}", error.name),
            };
            return of(&error.name, text);
        }
        if let Ok(revert) = Revert::abi_decode(data) {
            return of("Error", revert.reason().to_owned());
        }
        if let Ok(panic) = Panic::abi_decode(data) {
            return of("Panic", format!("panic {}: {panic}", panic.code));
        }
        of("", format!("reverted with unknown data {data}"))
    }
}

fn render(error: &Error, values: &[DynSolValue]) -> String {
    let args: Vec<String> = error
        .inputs
        .iter()
        .zip(values)
        .map(|(input, value)| match input.name.as_str() {
            "" => plain(value),
            name => format!("{name}: {}", plain(value)),
        })
        .collect();
    format!("{}({})", error.name, args.join(", "))
}

fn plain(value: &DynSolValue) -> String {
    match value {
        DynSolValue::Bool(b) => b.to_string(),
        DynSolValue::Int(i, _) => i.to_string(),
        DynSolValue::Uint(u, _) => {
            if *u > U256::from(u64::MAX) {
                format!("{u:#x}")
            } else {
                u.to_string()
            }
        }
        DynSolValue::FixedBytes(word, size) => alloy::hex::encode_prefixed(&word[..*size]),
        DynSolValue::Address(a) => a.to_string(),
        DynSolValue::String(s) => format!("{s:?}"),
        DynSolValue::Bytes(b) => alloy::hex::encode_prefixed(b),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::b256;

    fn book() -> ErrorBook {
        let abi = JsonAbi::parse([
            "error NotOpen(bytes32 id, uint8 status)",
            "error FeeTooLow(uint256, uint256 needed)",
            "error Plain()",
        ]);
        ErrorBook::new([&abi.expect("an ABI")])
    }

    fn data(signature: &str, words: &[[u8; 32]]) -> Bytes {
        let mut out = alloy::primitives::keccak256(signature)[..4].to_vec();
        words.iter().for_each(|w| out.extend_from_slice(w));
        out.into()
    }

    #[test]
    fn custom_errors_show_names_and_arguments() {
        let id = b256!("0x00000000000000000000000000000000000000000000000000000000000000ab");
        let reason = book().decode(&data(
            "NotOpen(bytes32,uint8)",
            &[id.0, U256::from(3).to_be_bytes()],
        ));
        assert_eq!(reason.name, "NotOpen");
        assert_eq!(reason.text, format!("NotOpen(id: {id}, status: 3)"));
        let words = [U256::from(1).to_be_bytes(), U256::from(2).to_be_bytes()];
        assert_eq!(
            book()
                .decode(&data("FeeTooLow(uint256,uint256)", &words))
                .text,
            "FeeTooLow(1, needed: 2)"
        );
        assert_eq!(book().decode(&data("Plain()", &[])).text, "Plain()");
    }

    #[test]
    fn every_committed_abi_is_read() {
        for (name, text) in ABIS {
            assert!(parse(text).is_some(), "{name}");
        }
        let book = ErrorBook::assay();
        for (signature, name) in [
            ("NotSequencer(address,address)", "NotSequencer"),
            ("ClaimNotLost()", "ClaimNotLost"),
            ("EndsTooSoon(uint256,uint256)", "EndsTooSoon"),
        ] {
            assert_eq!(book.decode(&data(signature, &[[0; 32]; 2])).name, name);
        }
    }

    #[test]
    fn builtin_unknown_and_empty_data_are_said_plainly() {
        let revert = Revert::from("too late").abi_encode();
        assert_eq!(book().decode(&revert.into()).text, "too late");
        let panic = Panic::from(0x11).abi_encode();
        assert!(book().decode(&panic.into()).text.contains("overflow"));
        assert_eq!(
            book().decode(&Bytes::new()).text,
            "reverted without a reason"
        );
        assert!(
            book()
                .decode(&data("Other()", &[]))
                .text
                .contains("unknown data 0x")
        );
        assert!(
            book()
                .decode(&data("NotOpen(bytes32,uint8)", &[]))
                .text
                .contains("do not decode")
        );
    }
}

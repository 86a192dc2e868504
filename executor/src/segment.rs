//! A segment: one executor's answers under one signature (`docs/encoding.md`, section 9).

use alloy::primitives::{Address, B256, Bytes, keccak256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use assay_bindings::{results, sign};
use serde::{Deserialize, Serialize};

/// One answer, with all that is needed to claim it again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Answered {
    /// The request's id.
    pub request_id: B256,
    /// `abi.encode(Request)`.
    pub request: Bytes,
    /// What was asked (`docs/encoding.md`, section 7).
    pub payload: Bytes,
    /// The canonical output.
    pub output: Bytes,
    /// What its seed was made of; earlier versions did not write it down.
    #[serde(default)]
    pub entropy: Option<B256>,
}

/// A signed segment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SignedSegment {
    /// Number, used once per executor.
    pub number: u64,
    /// Unix seconds after which the signature is void.
    pub expiry: u64,
    /// The answers, in the order of the tree's leaves.
    pub results: Vec<Answered>,
    /// 65 bytes r, s, v.
    pub signature: Bytes,
}

/// Who signs, and for which rollup.
#[derive(Clone, Debug)]
pub struct Signatory {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The rollup that verifies the signature.
    pub rollup: Address,
    /// The executor's key.
    pub signer: PrivateKeySigner,
}

impl Signatory {
    /// Signs `results` (at least one).
    ///
    /// # Errors
    /// The signer's.
    pub fn sign(
        &self,
        number: u64,
        expiry: u64,
        results: Vec<Answered>,
    ) -> Result<SignedSegment, alloy::signers::Error> {
        let digest =
            sign::segment_digest(self.chain_id, self.rollup, number, expiry, root(&results));
        let signature = self.signer.sign_hash_sync(&digest)?;
        Ok(SignedSegment {
            number,
            expiry,
            results,
            signature: Bytes::copy_from_slice(&signature.as_bytes()),
        })
    }
}

/// Root over the results' leaves.
pub fn root(answers: &[Answered]) -> B256 {
    let leaves: Vec<B256> = answers
        .iter()
        .map(|a| results::leaf(a.request_id, keccak256(&a.output)))
        .collect();
    results::root(&leaves)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::Signature;

    #[test]
    fn signature_covers_number_expiry_and_every_output() {
        let answered = |n: u8| Answered {
            request_id: B256::repeat_byte(n),
            request: Bytes::new(),
            payload: Bytes::new(),
            output: Bytes::from(vec![n; 3]),
            entropy: None,
        };
        let signatory = Signatory {
            chain_id: 31337,
            rollup: Address::repeat_byte(9),
            signer: PrivateKeySigner::random(),
        };
        let segment = signatory
            .sign(4, 99, vec![answered(1), answered(2)])
            .expect("signed");
        assert!(
            matches!(segment.signature[64], 27 | 28),
            "as ecrecover takes it"
        );
        let signature = Signature::from_raw(&segment.signature).expect("65 bytes");
        let signer_of = |number, expiry, answers: &[Answered]| {
            let digest = sign::segment_digest(
                31337,
                Address::repeat_byte(9),
                number,
                expiry,
                root(answers),
            );
            signature.recover_address_from_prehash(&digest).ok()
        };
        let me = Some(signatory.signer.address());
        assert_eq!(signer_of(4, 99, &segment.results), me);
        assert_ne!(signer_of(5, 99, &segment.results), me);
        assert_ne!(signer_of(4, 98, &segment.results), me);
        assert_ne!(signer_of(4, 99, &[answered(2), answered(1)]), me);
        let mut other = segment.results.clone();
        other[1].output = Bytes::from_static(b"other");
        assert_ne!(signer_of(4, 99, &other), me);
    }
}

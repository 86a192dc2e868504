//! A segment: one executor's answers under one signature (`docs/encoding.md`, section 9).

use alloy::primitives::{Address, B256, Bytes, keccak256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolValue;
use assay_bindings::blob_refs::fits;
use assay_bindings::{Request, results, sign};
use assay_node::outputs::LaidOut;
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
    /// The outputs go into one blob, and the signature is over references to them.
    #[serde(default)]
    pub in_blob: bool,
}

impl Answered {
    /// Whether its output may be in a blob: it has the size, and no consumer needs it on the chain.
    pub fn fits_blob(&self) -> bool {
        let request = Request::abi_decode(&self.request);
        let no_consumer = request.is_ok_and(|r| r.params.callback.is_zero());
        no_consumer && fits(self.output.len())
    }
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
    /// Outputs go into blobs where they may.
    pub in_blobs: bool,
}

impl Signatory {
    /// Signs `results` (at least one); their outputs go into a blob if all of them may and fit.
    ///
    /// # Errors
    /// The signer's.
    pub fn sign(
        &self,
        number: u64,
        expiry: u64,
        results: Vec<Answered>,
    ) -> Result<SignedSegment, alloy::signers::Error> {
        let laid = self.laid_out(&results);
        self.sign_laid(number, expiry, results, laid)
    }

    /// The outputs of `results` in their blob, if they are to be in one and all of them may and fit. Takes tens of milliseconds.
    pub fn laid_out(&self, results: &[Answered]) -> Option<LaidOut> {
        let wanted = self.in_blobs && results.iter().all(Answered::fits_blob);
        wanted.then(|| laid_out(results)).flatten()
    }

    /// Signs `results`, whose outputs are in calldata unless they are `laid` out in a blob.
    ///
    /// # Errors
    /// The signer's.
    pub fn sign_laid(
        &self,
        number: u64,
        expiry: u64,
        results: Vec<Answered>,
        laid: Option<LaidOut>,
    ) -> Result<SignedSegment, alloy::signers::Error> {
        let root = match &laid {
            Some(laid) => laid.root(results.iter().map(|a| a.request_id)),
            None => root(&results),
        };
        let digest = sign::segment_digest(self.chain_id, self.rollup, number, expiry, root);
        let signature = self.signer.sign_hash_sync(&digest)?;
        Ok(SignedSegment {
            number,
            expiry,
            results,
            signature: Bytes::copy_from_slice(&signature.as_bytes()),
            in_blob: laid.is_some(),
        })
    }
}

fn laid_out(answers: &[Answered]) -> Option<LaidOut> {
    let outputs: Vec<&Bytes> = answers.iter().map(|a| &a.output).collect();
    LaidOut::of(&outputs)
}

/// Root over the results' leaves where the outputs are in calldata.
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
    use std::slice::from_ref;

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
            in_blobs: false,
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

    #[test]
    fn only_outputs_that_nobody_needs_on_chain_go_into_a_blob() {
        let answered = |callback: u8, length: usize| {
            let mut request = Request::default();
            request.params.callback = Address::repeat_byte(callback);
            Answered {
                request_id: B256::repeat_byte(1),
                request: request.abi_encode().into(),
                payload: Bytes::new(),
                output: vec![3; length].into(),
                entropy: None,
            }
        };
        let signatory = |in_blobs| Signatory {
            chain_id: 31337,
            rollup: Address::repeat_byte(9),
            signer: PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).expect("a key"),
            in_blobs,
        };
        let sign = |in_blobs, answers: &[Answered]| {
            let signed = signatory(in_blobs).sign(1, 99, answers.to_vec());
            signed.expect("signed")
        };
        let good = answered(0, 4101);
        assert!(sign(true, from_ref(&good)).in_blob);
        for bad in [answered(1, 100), answered(0, 5), answered(0, 4102)] {
            assert!(!sign(true, from_ref(&bad)).in_blob);
            assert!(!sign(true, &[good.clone(), bad]).in_blob);
        }
        // 31 of them are 4123 elements.
        assert!(!sign(true, &vec![good.clone(); 31]).in_blob);
        let (calldata, blob) = (sign(false, from_ref(&good)), sign(true, from_ref(&good)));
        assert!(!calldata.in_blob);
        assert_ne!(calldata.signature, blob.signature);
        let laid = laid_out(&[good]).expect("it fits");
        let root = laid.root([B256::repeat_byte(1)]);
        let digest = sign::segment_digest(31337, Address::repeat_byte(9), 1, 99, root);
        let signature = Signature::from_raw(&blob.signature).expect("65 bytes");
        let signer = signature.recover_address_from_prehash(&digest).ok();
        assert_eq!(signer, Some(signatory(true).signer.address()));
    }
}

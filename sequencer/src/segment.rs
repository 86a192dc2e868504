//! Signed segments on their way to the chain, and what can be checked of one by itself.

use alloy::primitives::{Address, B256, Bytes, Signature, U256, keccak256};
use assay_bindings::{blob_refs, results, sign};
use assay_node::outputs::LaidOut;
use assay_types::params::MAX_REQUEST_OUTPUT_BYTES;
use serde::{Deserialize, Serialize};

/// Results that one segment may hold.
pub const MAX_RESULTS: usize = 64;

/// Half of secp256k1's order: a larger `s` is refused, as the contracts do.
const HALF_ORDER: U256 = U256::from_be_bytes(alloy::hex!(
    "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0"
));

/// An executor's signed answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Offer {
    /// Who signed.
    pub executor: Address,
    /// The executor's number, used once.
    pub number: u64,
    /// Unix seconds after which the signature is void.
    pub expiry: u64,
    /// Request and canonical output.
    pub results: Vec<(B256, Bytes)>,
    /// 65 bytes r, s, v.
    pub signature: Bytes,
    /// The outputs go into one blob; what is signed is a root over references to them.
    #[serde(default)]
    pub in_blob: bool,
}

/// What the chain calls a segment and its blob.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Seal {
    /// Merkle root that the executor signed.
    pub root: B256,
    /// Versioned hash of the blob, if its outputs are in one.
    pub blob: Option<B256>,
}

/// How far a segment is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Waits for a batch.
    Pending,
    /// In a batch that was or is being sent.
    Submitted,
    /// On chain.
    Posted {
        /// Block of the batch.
        block: u64,
        /// Global segment number.
        segment_id: u64,
    },
}

/// An accepted segment.
#[derive(Clone, Debug)]
pub struct Held {
    /// What was signed.
    pub offer: Offer,
    /// What the chain calls it: to commit to a blob takes too long to do it again.
    pub seal: Seal,
    /// How far it is.
    pub progress: Progress,
    /// Order of arrival among all.
    pub arrival: u64,
    /// The chain refused a batch that it was in: it goes alone from then on.
    pub suspect: bool,
    /// Times that the chain refused it alone.
    pub strikes: u32,
    /// Unix milliseconds before which it isn't tried again.
    pub not_before_ms: u64,
}

/// What an offer may be at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Seconds that it must live.
    pub least_life: u64,
    /// Seconds that it may live: what can't be posted must end.
    pub most_life: u64,
    /// Bytes that it may take in a batch.
    pub bytes: usize,
    /// Whether the rollup takes outputs in blobs.
    pub blobs: bool,
}

/// What is wrong with an offer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadOffer {
    /// No results, or too many.
    #[error("a segment holds 1 to {MAX_RESULTS} results, this one {0}")]
    Count(usize),
    /// An output is too large to be posted.
    #[error("the output for request {0} is larger than a batch can carry")]
    Oversized(B256),
    /// A rollup that takes calldata alone.
    #[error("this rollup takes no outputs in blobs: start the executor without --outputs-in-blobs")]
    NoBlobs,
    /// No blob can hold it.
    #[error("its outputs are too short, too long or too many for one blob")]
    NotForBlob,
    /// Two results for one request.
    #[error("two results for request {0}")]
    Twice(B256),
    /// Not the executor's signature.
    #[error("the signature is not {0}'s")]
    Signature(Address),
    /// Too short a life to be posted.
    #[error("it expires at {expiry}, the chain's time is {now}: at least {least} s are needed")]
    Expires {
        /// Its expiry.
        expiry: u64,
        /// Chain time.
        now: u64,
        /// Seconds needed.
        least: u64,
    },
    /// Too long a life.
    #[error("it expires at {expiry}, the chain's time is {now}: at most {most} s are taken")]
    LivesTooLong {
        /// Its expiry.
        expiry: u64,
        /// Chain time.
        now: u64,
        /// Seconds taken.
        most: u64,
    },
    /// No batch could carry it.
    #[error("it takes {bytes} bytes in a batch, at most {limit} are taken")]
    TooLarge {
        /// Its bytes.
        bytes: usize,
        /// Bytes taken.
        limit: usize,
    },
}

impl Offer {
    /// Its outputs in their blob; `None` if they are not to be in one, or can't.
    pub fn laid_out(&self) -> Option<LaidOut> {
        let outputs: Vec<&Bytes> = self.results.iter().map(|(_, output)| output).collect();
        self.in_blob.then(|| LaidOut::of(&outputs)).flatten()
    }

    /// What the chain calls it; `None` if there can't be its blob. Takes tens of milliseconds where there is one.
    pub fn seal(&self) -> Option<Seal> {
        if self.in_blob {
            let ids = self.results.iter().map(|(id, _)| *id);
            let laid = self.laid_out()?;
            return Some(Seal {
                root: laid.root(ids),
                blob: Some(laid.blob.versioned_hash()),
            });
        }
        let leaves: Vec<B256> = self
            .results
            .iter()
            .map(|(id, out)| results::leaf(*id, keccak256(out)))
            .collect();
        let root = results::root(&leaves);
        Some(Seal { root, blob: None })
    }

    /// Bytes that it takes in a batch, requests counted as large as they are encoded at most.
    pub fn bytes(&self) -> usize {
        let results = self.results.iter();
        512 + results
            .map(|(_, output)| match self.in_blob {
                true => 1_024 + blob_refs::SIZE,
                false => 1_024 + output.len(),
            })
            .sum::<usize>()
    }

    /// Checks whatever of the offer alone costs nothing to check: all but that the executor signed it.
    pub fn check(&self, now: u64, limits: &Limits) -> Result<(), BadOffer> {
        if self.results.is_empty() || self.results.len() > MAX_RESULTS {
            return Err(BadOffer::Count(self.results.len()));
        }
        for (i, (id, output)) in self.results.iter().enumerate() {
            if output.len() > MAX_REQUEST_OUTPUT_BYTES as usize {
                return Err(BadOffer::Oversized(*id));
            }
            if self.results[..i].iter().any(|(other, _)| other == id) {
                return Err(BadOffer::Twice(*id));
            }
        }
        if self.in_blob && !limits.blobs {
            return Err(BadOffer::NoBlobs);
        }
        let (bytes, limit) = (self.bytes(), limits.bytes);
        if bytes > limit {
            return Err(BadOffer::TooLarge { bytes, limit });
        }
        let (expiry, least, most) = (self.expiry, limits.least_life, limits.most_life);
        if expiry < now + least {
            return Err(BadOffer::Expires { expiry, now, least });
        }
        if expiry > now + most {
            return Err(BadOffer::LivesTooLong { expiry, now, most });
        }
        match well_formed(&self.signature) {
            Some(_) => Ok(()),
            None => Err(BadOffer::Signature(self.executor)),
        }
    }

    /// Its seal, if the executor signed that. What is signed is over the blob, so the blob is committed to first: this is the
    /// last check of an offer.
    pub fn sealed(&self, chain_id: u64, rollup: Address) -> Result<Seal, BadOffer> {
        let seal = self.seal().ok_or(BadOffer::NotForBlob)?;
        let digest = sign::segment_digest(chain_id, rollup, self.number, self.expiry, seal.root);
        match recover(&self.signature, digest) {
            Some(signer) if signer == self.executor => Ok(seal),
            _ => Err(BadOffer::Signature(self.executor)),
        }
    }
}

/// A 65-byte signature of a form that the contracts would accept.
fn well_formed(signature: &[u8]) -> Option<Signature> {
    // The contracts hand v to ecrecover as it is.
    if signature.len() != 65 || !matches!(signature[64], 27 | 28) {
        return None;
    }
    let signature = Signature::from_raw(signature).ok()?;
    (signature.s() <= HALF_ORDER).then_some(signature)
}

/// Signer of a 65-byte signature that the contracts would accept.
pub fn recover(signature: &[u8], digest: B256) -> Option<Address> {
    well_formed(signature)?
        .recover_address_from_prehash(&digest)
        .ok()
        .filter(|a| !a.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::signers::SignerSync;
    use alloy::signers::local::PrivateKeySigner;

    fn offer(signer: &PrivateKeySigner) -> Offer {
        let results = vec![
            (B256::repeat_byte(1), vec![0; 9].into()),
            (B256::repeat_byte(2), vec![1; 5].into()),
        ];
        let mut offer = Offer {
            executor: signer.address(),
            number: 3,
            expiry: 1_000,
            results,
            signature: Bytes::new(),
            in_blob: false,
        };
        sign_it(&mut offer, signer);
        offer
    }

    fn sign_it(offer: &mut Offer, signer: &PrivateKeySigner) {
        let root = offer.seal().expect("it has one").root;
        let digest = sign::segment_digest(1, Address::repeat_byte(9), 3, 1_000, root);
        let signature = signer.sign_hash_sync(&digest).expect("signs");
        offer.signature = signature.as_bytes().to_vec().into();
    }

    #[test]
    fn offer_in_a_blob_is_signed_over_the_blob_and_taken_where_there_are_blobs() {
        let signer = PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).expect("a key");
        let mut good = offer(&signer);
        good.results[1].1 = vec![1; 300].into();
        good.in_blob = true;
        sign_it(&mut good, &signer);
        assert_eq!(check(&good), Ok(()));
        let calldata = Offer {
            in_blob: false,
            ..good.clone()
        };
        assert!(
            good.bytes() + 200 < calldata.bytes(),
            "a reference is posted"
        );
        let signature = Err(BadOffer::Signature(signer.address()));
        assert_eq!(check(&calldata), signature, "another root");
        let mut swapped = good.clone();
        swapped.results.reverse();
        assert_eq!(check(&swapped), signature, "another blob");
        let nowhere = Limits {
            blobs: false,
            ..LIMITS
        };
        let refused = good.check(900, &nowhere);
        assert_eq!(refused, Err(BadOffer::NoBlobs));
        for length in [5, 4102] {
            let mut bad = good.clone();
            bad.results[0].1 = vec![0; length].into();
            assert_eq!(check(&bad), Err(BadOffer::NotForBlob), "{length}");
        }
    }

    const LIMITS: Limits = Limits {
        least_life: 60,
        most_life: 110,
        bytes: 3_000,
        blobs: true,
    };

    fn check_at(offer: &Offer, chain: u64, rollup: u8, now: u64) -> Result<(), BadOffer> {
        offer.check(now, &LIMITS)?;
        offer.sealed(chain, Address::repeat_byte(rollup)).map(drop)
    }

    fn check(offer: &Offer) -> Result<(), BadOffer> {
        check_at(offer, 1, 9, 900)
    }

    /// Nothing is committed to for a signature that no contract takes, whatever it is over.
    #[test]
    fn signature_without_form_is_refused_before_its_blob_is_made() {
        let signer = PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).expect("a key");
        let mut bad = offer(&signer);
        bad.in_blob = true;
        bad.results[0].1 = vec![0; 5].into();
        assert_eq!(check(&bad), Err(BadOffer::NotForBlob));
        bad.signature = vec![0; 64].into();
        let refused = bad.check(900, &LIMITS);
        assert_eq!(refused, Err(BadOffer::Signature(signer.address())));
    }

    #[test]
    fn honest_offer_passes_and_each_changed_part_does_not() {
        let signer = PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).expect("a key");
        let good = offer(&signer);
        assert_eq!(check(&good), Ok(()));
        let signature = Err(BadOffer::Signature(signer.address()));
        assert_eq!(
            check(&Offer {
                number: 4,
                ..good.clone()
            }),
            signature
        );
        assert_eq!(
            check(&Offer {
                expiry: 1_001,
                ..good.clone()
            }),
            signature
        );
        let mut other = good.clone();
        other.results[1].1 = vec![2; 5].into();
        assert_eq!(check(&other), signature);
        let at = |chain, rollup, now| check_at(&good, chain, rollup, now);
        assert_eq!(at(2, 9, 900), signature);
        assert_eq!(at(1, 8, 900), signature);
        assert_eq!(
            check(&Offer {
                executor: Address::repeat_byte(1),
                ..good.clone()
            }),
            Err(BadOffer::Signature(Address::repeat_byte(1)))
        );
        assert!(matches!(at(1, 9, 950), Err(BadOffer::Expires { .. })));
        assert!(matches!(at(1, 9, 889), Err(BadOffer::LivesTooLong { .. })));
        let least = Limits {
            bytes: good.bytes() - 1,
            ..LIMITS
        };
        assert!(matches!(
            good.check(900, &least),
            Err(BadOffer::TooLarge { .. })
        ));
        assert_eq!(
            check(&Offer {
                results: vec![],
                ..good.clone()
            }),
            Err(BadOffer::Count(0))
        );
        let mut twice = good.clone();
        twice.results[1].0 = twice.results[0].0;
        assert_eq!(check(&twice), Err(BadOffer::Twice(B256::repeat_byte(1))));
    }

    #[test]
    fn malleable_and_odd_signatures_are_refused() {
        let signer = PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).expect("a key");
        let digest = B256::repeat_byte(5);
        let good = signer.sign_hash_sync(&digest).expect("signs");
        assert_eq!(recover(&good.as_bytes(), digest), Some(signer.address()));
        let order = U256::from_be_bytes(alloy::hex!(
            "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
        ));
        let twin = Signature::new(good.r(), order - good.s(), !good.v());
        assert_eq!(recover(&twin.as_bytes(), digest), None);
        let mut raw = good.as_bytes();
        raw[64] -= 27;
        assert_eq!(
            recover(&raw, digest),
            None,
            "the contracts take v = 27 or 28 alone"
        );
        assert_eq!(recover(&good.as_bytes()[..64], digest), None);
    }
}

//! Blobs of EIP-4844: what a blob holds, its commitment, and proofs that open one element.

use alloy::consensus::{BlobTransactionSidecarEip7594, BlobTransactionSidecarVariant};
use alloy::primitives::{B256, Bytes, FixedBytes};
use c_kzg::KzgSettings;
use std::sync::{Arc, OnceLock};

/// Elements of a blob.
pub const ELEMENTS: usize = 4096;
/// Bytes of a blob.
pub const BLOB_BYTES: usize = 32 * ELEMENTS;
/// A compressed point: a commitment or a proof.
pub type Point = FixedBytes<48>;

/// Why bytes are no blob, or not the blob that was meant.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// Not 131,072 bytes.
    #[error("a blob has {BLOB_BYTES} bytes, not {0}")]
    Length(usize),
    /// An element is not below the field's order, or the library fails.
    #[error("no blob: {0}")]
    Kzg(String),
    /// The bytes are those of another blob.
    #[error("the blob's versioned hash is {found}, not {expected}")]
    Other {
        /// Of the bytes.
        found: B256,
        /// The one that was meant.
        expected: B256,
    },
}

/// A blob with its commitment, and the proofs of its cells once they were asked for.
#[derive(Clone)]
pub struct Blob {
    bytes: Box<[u8; BLOB_BYTES]>,
    commitment: Point,
    cell_proofs: OnceLock<Result<Vec<Point>, String>>,
}

impl PartialEq for Blob {
    fn eq(&self, other: &Blob) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Blob {}

impl std::fmt::Debug for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Blob({})", self.versioned_hash())
    }
}

/// An element, shown to be the blob's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opening {
    /// The element.
    pub value: B256,
    /// The proof.
    pub proof: Point,
}

impl Blob {
    /// The blob that begins with `elements`, each below the field's order; the others are zero.
    ///
    /// # Errors
    /// There are more than 4096, or one is too large.
    pub fn of_elements(elements: &[B256]) -> Result<Blob, BlobError> {
        let mut bytes = vec![0; BLOB_BYTES];
        if elements.len() > ELEMENTS {
            return Err(BlobError::Length(32 * elements.len()));
        }
        for (slot, element) in bytes.chunks_exact_mut(32).zip(elements) {
            slot.copy_from_slice(&element.0);
        }
        Blob::from_bytes(bytes)
    }

    /// As [`Blob::of_elements`], from bare words.
    ///
    /// # Errors
    /// As there.
    pub fn of_words(words: impl IntoIterator<Item = [u8; 32]>) -> Result<Blob, BlobError> {
        let elements: Vec<B256> = words.into_iter().map(B256::new).collect();
        Blob::of_elements(&elements)
    }

    /// The blob with these bytes.
    ///
    /// # Errors
    /// They are not 131,072, or an element is too large.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Blob, BlobError> {
        let length = bytes.len();
        let bytes: Box<[u8; BLOB_BYTES]> = bytes
            .into_boxed_slice()
            .try_into()
            .map_err(|_| BlobError::Length(length))?;
        let commitment = settings().blob_to_kzg_commitment(&c_kzg::Blob::new(*bytes));
        let commitment = Point::new(commitment.map_err(kzg)?.to_bytes().into_inner());
        Ok(Blob {
            bytes,
            commitment,
            cell_proofs: OnceLock::new(),
        })
    }

    /// As [`Blob::from_bytes`], if it is the blob `expected`. So whoever hands blobs out is not trusted.
    ///
    /// # Errors
    /// The bytes are no blob, or another one.
    pub fn expect(bytes: Vec<u8>, expected: B256) -> Result<Blob, BlobError> {
        let blob = Blob::from_bytes(bytes)?;
        let found = blob.versioned_hash();
        if found != expected {
            return Err(BlobError::Other { found, expected });
        }
        Ok(blob)
    }

    /// All bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..]
    }

    /// Element `index`, below 4096.
    pub fn element(&self, index: usize) -> B256 {
        B256::from_slice(&self.bytes[32 * index..32 * index + 32])
    }

    /// The commitment.
    pub fn commitment(&self) -> Point {
        self.commitment
    }

    /// What transactions and contracts call the blob.
    pub fn versioned_hash(&self) -> B256 {
        alloy::eips::eip4844::kzg_to_versioned_hash(&self.commitment[..])
    }

    /// Shows element `index`, below 4096.
    ///
    /// # Errors
    /// The library fails.
    pub fn open(&self, index: usize) -> Result<Opening, BlobError> {
        let blob = c_kzg::Blob::new(*self.bytes);
        let (proof, value) = settings()
            .compute_kzg_proof(&blob, &c_kzg::Bytes32::new(point(index)))
            .map_err(kzg)?;
        let value = B256::new(*value);
        debug_assert_eq!(value, self.element(index));
        Ok(Opening {
            value,
            proof: Point::new(proof.to_bytes().into_inner()),
        })
    }

    /// The proof of each cell (EIP-7594). The first call takes long, a tenth of a second or more: not where others wait for it.
    ///
    /// # Errors
    /// The library fails.
    pub fn cell_proofs(&self) -> Result<&[Point], BlobError> {
        let prove = || {
            let blob = c_kzg::Blob::new(*self.bytes);
            let cells = settings().compute_cells_and_kzg_proofs(&blob);
            let (_, proofs) = cells.map_err(|e| format!("{e:?}"))?;
            let point = |p: &c_kzg::KzgProof| Point::new(p.to_bytes().into_inner());
            Ok(proofs.iter().map(point).collect())
        };
        let proven = self.cell_proofs.get_or_init(prove).as_ref();
        proven
            .map(Vec::as_slice)
            .map_err(|e| BlobError::Kzg(e.clone()))
    }

    /// All bytes, to be stored.
    pub fn to_bytes(&self) -> Bytes {
        self.bytes().to_vec().into()
    }
}

/// What travels beside a transaction that carries `blobs`, in the form of EIP-7594, with the proof of every cell, which each blob
/// keeps.
///
/// # Errors
/// The library fails.
pub fn sidecar(blobs: &[Arc<Blob>]) -> Result<BlobTransactionSidecarVariant, BlobError> {
    let mut cell_proofs = Vec::new();
    for blob in blobs {
        cell_proofs.extend(blob.cell_proofs()?);
    }
    let raw = |blob: &Arc<Blob>| alloy::eips::eip4844::Blob::from_slice(blob.bytes());
    Ok(BlobTransactionSidecarVariant::Eip7594(
        BlobTransactionSidecarEip7594::new(
            blobs.iter().map(raw).collect(),
            blobs.iter().map(|b| b.commitment()).collect(),
            cell_proofs,
        ),
    ))
}

fn kzg(error: c_kzg::Error) -> BlobError {
    BlobError::Kzg(format!("{error:?}"))
}

/// The ceremony's setup, which the library carries.
fn settings() -> &'static KzgSettings {
    c_kzg::ethereum_kzg_settings(0)
}

/// Where the blob's polynomial takes the value of element `index`, big-endian: powers of a root of unity of order 4096, in
/// the order of reversed bits.
fn point(index: usize) -> [u8; 32] {
    static POINTS: OnceLock<Vec<[u8; 32]>> = OnceLock::new();
    POINTS.get_or_init(points)[index]
}

/// The order of the scalar field of BLS12-381, and `7^((order - 1) / 4096)`.
const ORDER: [u64; 4] = [
    0xffff_ffff_0000_0001,
    0x53bd_a402_fffe_5bfe,
    0x3339_d808_09a1_d805,
    0x73ed_a753_299d_7d48,
];
const ROOT: [u64; 4] = [
    0xe206_da11_a5d3_6306,
    0x0ad1_347b_378f_bf96,
    0xfc3e_8acf_e0f8_245f,
    0x564c_0a11_a0f7_04f4,
];

fn points() -> Vec<[u8; 32]> {
    use alloy::primitives::U256;
    let (order, root) = (U256::from_limbs(ORDER), U256::from_limbs(ROOT));
    let mut power = U256::from(1);
    let mut out = vec![[0; 32]; ELEMENTS];
    for exponent in 0..ELEMENTS as u32 {
        let index = exponent.reverse_bits() >> (32 - ELEMENTS.ilog2());
        out[index as usize] = power.to_be_bytes();
        power = power.mul_mod(root, order);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::keccak256;

    fn small(i: usize) -> B256 {
        let mut hash = keccak256(i.to_be_bytes());
        hash[0] = 0;
        hash
    }

    #[test]
    fn every_kind_of_element_opens_to_itself_and_to_nothing_else() {
        let elements: Vec<B256> = (0..4000).map(small).collect();
        let blob = Blob::of_elements(&elements).expect("below the order");
        assert_eq!(blob.versioned_hash()[0], 1);
        for index in [0, 1, 2, 777, 2048, 3999, 4000, 4095] {
            let opening = blob.open(index).expect("opens");
            assert_eq!(
                opening.value,
                elements.get(index).copied().unwrap_or_default()
            );
            let verify = |value: B256| {
                settings().verify_kzg_proof(
                    &c_kzg::Bytes48::new(blob.commitment().0),
                    &c_kzg::Bytes32::new(point(index)),
                    &c_kzg::Bytes32::new(value.0),
                    &c_kzg::Bytes48::new(opening.proof.0),
                )
            };
            assert!(verify(opening.value).expect("a proof"));
            assert!(!verify(small(index + 9000)).expect("a proof"));
        }
    }

    /// Sending again and for more must not prove again.
    #[test]
    fn cells_are_proven_once_and_travel_with_every_transaction() {
        let blob = Arc::new(Blob::of_elements(&[small(1)]).expect("a blob"));
        let first = blob.cell_proofs().expect("proven").as_ptr();
        let sent = sidecar(std::slice::from_ref(&blob)).expect("made");
        assert_eq!(blob.cell_proofs().expect("kept").as_ptr(), first);
        let BlobTransactionSidecarVariant::Eip7594(sent) = sent else {
            panic!("the form of EIP-7594");
        };
        assert_eq!(sent.cell_proofs, blob.cell_proofs().expect("kept"));
        assert_eq!(sent.cell_proofs.len(), 128);
        assert_eq!(*blob, Blob::of_elements(&[small(1)]).expect("a blob"));
    }

    #[test]
    fn other_blobs_and_other_bytes_are_refused() {
        let blob = Blob::of_elements(&[small(1)]).expect("a blob");
        let other = Blob::of_elements(&[small(2)]).expect("a blob");
        let hash = blob.versioned_hash();
        assert_eq!(Blob::expect(blob.bytes().to_vec(), hash).expect("it"), blob);
        let wrong = Blob::expect(other.bytes().to_vec(), hash);
        assert!(matches!(wrong, Err(BlobError::Other { .. })));
        assert!(matches!(
            Blob::from_bytes(vec![0; 7]),
            Err(BlobError::Length(7))
        ));
        let too_large = Blob::of_elements(&[B256::repeat_byte(0xff)]);
        assert!(matches!(too_large, Err(BlobError::Kzg(_))));
        assert!(Blob::of_elements(&vec![B256::ZERO; 4097]).is_err());
    }
}

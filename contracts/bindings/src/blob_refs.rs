//! References to outputs whose bytes are in blobs; mirrors `contracts/src/rollup/BlobRefs.sol`.
//!
//! | bytes | field |
//! |---|---|
//! | 0-1 | first element, big-endian |
//! | 2-3 | bytes in the blob, big-endian |
//! | 4-8 | head: the output's first five bytes, its kind and count |

use alloy::primitives::{B256, Bytes, FixedBytes, keccak256};

/// Bytes of a reference.
pub const SIZE: usize = 9;
/// Bytes of an output that stand in the reference itself.
pub const HEAD: usize = 5;
/// Bytes of an output in an element: the low 248 bits.
pub const PER_ELEMENT: usize = 31;
/// Most bytes of an output in a blob.
pub const MOST: usize = 4096;
/// Elements of a blob.
const ELEMENTS: usize = 4096;

/// Where the bytes of an output are in a blob, and those that are not.
// INVARIANT: it is within a blob: 1 to `MOST` bytes, in elements below 4096.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlobRef {
    first: u16,
    length: u16,
    head: [u8; HEAD],
}

impl BlobRef {
    /// The reference in `packed`, if the contract takes it for one.
    pub fn unpack(packed: &[u8]) -> Option<BlobRef> {
        let packed: &[u8; SIZE] = packed.try_into().ok()?;
        let [f0, f1, l0, l1, head @ ..] = *packed;
        let (first, length) = (u16::from_be_bytes([f0, f1]), u16::from_be_bytes([l0, l1]));
        BlobRef::new(first, length, head)
    }

    fn new(first: u16, length: u16, head: [u8; HEAD]) -> Option<BlobRef> {
        let new = BlobRef {
            first,
            length,
            head,
        };
        let fits = (1..=MOST).contains(&usize::from(length));
        (fits && usize::from(first) + new.count() <= ELEMENTS).then_some(new)
    }

    /// As it stands in a batch and in the event.
    pub fn pack(&self) -> FixedBytes<SIZE> {
        let mut out = [0; SIZE];
        out[..2].copy_from_slice(&self.first.to_be_bytes());
        out[2..4].copy_from_slice(&self.length.to_be_bytes());
        out[SIZE - HEAD..].copy_from_slice(&self.head);
        out.into()
    }

    /// The first of its elements.
    pub fn first(&self) -> u16 {
        self.first
    }

    /// The indices of its elements.
    pub fn elements(&self) -> std::ops::Range<usize> {
        let first = usize::from(self.first);
        first..first + self.count()
    }

    /// What a leaf holds of the output, which is in blob `versioned_hash`.
    // Turned, so that no output in calldata has it.
    pub fn leaf_hash(&self, versioned_hash: B256) -> B256 {
        !keccak256([&versioned_hash[..], &self.pack()[..]].concat())
    }

    /// The whole output; `element` reads the blob.
    pub fn output(&self, element: impl Fn(usize) -> B256) -> Bytes {
        let mut out = self.head.to_vec();
        self.elements().for_each(|i| out.extend(&element(i)[1..]));
        out.truncate(HEAD + usize::from(self.length));
        out.into()
    }

    /// What its elements hold besides the output, as an opening shows it: the first byte of each, then what stands behind
    /// the output's end in the last.
    pub fn rest(&self, element: impl Fn(usize) -> B256) -> Bytes {
        let mut out: Vec<u8> = self.elements().map(|i| element(i)[0]).collect();
        let in_last = usize::from(self.length) - PER_ELEMENT * (self.count() - 1);
        if let Some(last) = self.elements().last() {
            out.extend(&element(last)[1 + in_last..]);
        }
        out.into()
    }

    fn count(&self) -> usize {
        usize::from(self.length).div_ceil(PER_ELEMENT)
    }
}

/// Whether an output has so many bytes that it can be in a blob.
pub fn fits(length: usize) -> bool {
    length > HEAD && length <= HEAD + MOST
}

/// `outputs` one behind the other in one blob, each from an element of its own on: their references, and the blob's elements
/// from its first on. `None` if one does not fit, or all don't.
// INVARIANT: it follows from the outputs alone, so whoever knows them knows the blob.
pub fn lay_out<'a>(
    outputs: impl IntoIterator<Item = &'a [u8]>,
) -> Option<(Vec<BlobRef>, Vec<B256>)> {
    let (mut refs, mut elements) = (Vec::new(), Vec::new());
    for output in outputs.into_iter() {
        if !fits(output.len()) {
            return None;
        }
        let (head, body) = output.split_first_chunk()?;
        let first = elements.len().try_into().ok()?;
        refs.push(BlobRef::new(first, body.len().try_into().ok()?, *head)?);
        elements.extend(body.chunks(PER_ELEMENT).map(element));
    }
    Some((refs, elements))
}

/// At most 31 bytes as an element: below the field's order, since its first byte is zero.
fn element(bytes: &[u8]) -> B256 {
    let mut out = B256::ZERO;
    out[1..1 + bytes.len()].copy_from_slice(bytes);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(length: usize) -> Vec<u8> {
        (0..length).map(|i| (i * 7 + length) as u8).collect()
    }

    fn laid(lengths: &[usize]) -> Option<(Vec<BlobRef>, Vec<B256>)> {
        let outputs: Vec<Vec<u8>> = lengths.iter().map(|n| output(*n)).collect();
        lay_out(outputs.iter().map(|o| &o[..]))
    }

    #[test]
    fn what_is_laid_out_is_read_back_whatever_stands_around_it() {
        let lengths = [6, 35, 36, 37, 66, 67, 68, 4100, 4101];
        let (refs, elements) = laid(&lengths).expect("it fits");
        let count: usize = lengths.iter().map(|n| (n - HEAD).div_ceil(31)).sum();
        assert_eq!(elements.len(), count);
        for (r, n) in refs.iter().zip(lengths) {
            assert_eq!(r.output(|i| elements[i]), output(n));
            assert_eq!(BlobRef::unpack(&r.pack()[..]), Some(*r));
            // The high byte of an element is no part of any output.
            let marked = |i: usize| {
                let mut element = elements[i];
                element[0] = 0x5a;
                element
            };
            assert_eq!(r.output(marked), output(n));
            // Rest and body together are the elements.
            let (rest, k) = (r.rest(marked), r.elements().len());
            assert_eq!(rest.len() + n - HEAD, 32 * k);
            assert!(rest[..k].iter().all(|b| *b == 0x5a) && rest[k..].iter().all(|b| *b == 0));
        }
        let starts: Vec<usize> = refs.iter().map(|r| r.elements().start).collect();
        let ends = std::iter::once(0).chain(refs.iter().map(|r| r.elements().end));
        assert_eq!(starts, ends.take(refs.len()).collect::<Vec<_>>());
    }

    #[test]
    fn bytes_behind_the_end_are_the_rest_and_not_the_output() {
        let reference = BlobRef::unpack(&[0, 3, 0, 33, 0, 1, 0, 0, 0]).expect("it fits");
        assert_eq!(reference.elements(), 3..5);
        let element = |i: usize| B256::new(std::array::from_fn(|j| (32 * i + j) as u8));
        let whole: Vec<u8> = [3, 4]
            .iter()
            .flat_map(|i| element(*i)[1..].to_vec())
            .collect();
        let got = reference.output(element);
        assert_eq!(got[HEAD..], whole[..33]);
        let rest = reference.rest(element);
        assert_eq!(rest[..2], [96, 128]);
        assert_eq!(rest[2..], whole[33..]);
    }

    #[test]
    fn references_outside_a_blob_are_none() {
        let packed = |first: u16, length: u16| {
            let (f, l) = (first.to_be_bytes(), length.to_be_bytes());
            [&f[..], &l[..], &[0; HEAD]].concat()
        };
        let is_one = |first, length| BlobRef::unpack(&packed(first, length)).is_some();
        assert!(is_one(0, 1) && is_one(0, 4096) && is_one(4095, 31) && is_one(3963, 4096));
        assert!(!is_one(0, 0) && !is_one(0, 4097) && !is_one(4095, 32) && !is_one(3964, 4096));
        assert!(!is_one(4096, 1));
        assert_eq!(BlobRef::unpack(&[1; SIZE + 1]), None);
        assert_eq!(BlobRef::unpack(&[]), None);
    }

    #[test]
    fn outputs_that_do_not_fit_are_not_laid_out() {
        assert!(laid(&[5]).is_none() && laid(&[4102]).is_none());
        // 30 outputs of 133 elements leave 106.
        let mut lengths = vec![4101; 30];
        lengths.push(HEAD + 106 * 31);
        assert_eq!(laid(&lengths).expect("all of it").1.len(), 4096);
        lengths.push(6);
        assert!(laid(&lengths).is_none());
    }
}

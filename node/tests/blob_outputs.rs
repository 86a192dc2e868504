//! Outputs in blobs as Solidity's tests open them (`contracts/test/blobs/outputs.json`): real commitments and proofs, made anew
//! and compared. `ASSAY_BLESS=1` writes the file.

use alloy::primitives::{B256, hex};
use assay_node::blob::{Blob, ELEMENTS};
use std::fmt::Write;

/// Bytes of an output in an element.
const PER_ELEMENT: usize = 31;
/// An answer of two ids.
const ANSWER: [u8; 5] = [0, 2, 0, 0, 0];
const IDS: [u8; 8] = [7, 0, 0, 0, 9, 0, 0, 0];

/// One output: where it begins, its kind and count, and the bytes that are in the blob.
struct Output {
    name: &'static str,
    first: usize,
    head: [u8; 5],
    bytes: Vec<u8>,
}

impl Output {
    fn new(name: &'static str, first: usize, head: [u8; 5], bytes: Vec<u8>) -> Output {
        Output {
            name,
            first,
            head,
            bytes,
        }
    }

    /// An answer with a text of `length` letters.
    fn answer(name: &'static str, first: usize, length: usize) -> Output {
        let text = (0..length).map(|i| b'a' + ((i * 7 + length + i / 26) % 26) as u8);
        Output::new(name, first, ANSWER, IDS.into_iter().chain(text).collect())
    }

    fn small() -> Output {
        Output::new("small", 0, ANSWER, [&IDS[..], b"ok"].concat())
    }

    fn place(&self, elements: &mut [B256]) {
        for (i, held) in self.bytes.chunks(PER_ELEMENT).enumerate() {
            elements[self.first + i][1..=held.len()].copy_from_slice(held);
        }
    }

    /// The object that the tests read.
    fn shown(&self, blob: &Blob) -> String {
        let count = self.bytes.len().div_ceil(PER_ELEMENT);
        let elements: Vec<B256> = (0..count).map(|i| blob.element(self.first + i)).collect();
        let held: Vec<u8> = elements.iter().flat_map(|e| e[1..].to_vec()).collect();
        assert_eq!(held[..self.bytes.len()], self.bytes, "{}", self.name);
        let mut rest: Vec<u8> = elements.iter().map(|e| e[0]).collect();
        rest.extend(&held[self.bytes.len()..]);
        let mut openings = blob.commitment().to_vec();
        for i in 0..count {
            openings.extend(blob.open(self.first + i).expect("opens").proof);
        }
        let mut object = String::new();
        writeln!(object, "    \"{}\": {{", self.name).expect("a string");
        writeln!(object, "      \"blob\": \"{}\",", blob.versioned_hash()).expect("a string");
        writeln!(object, "      \"first\": {},", self.first).expect("a string");
        let bytes = [
            ("output", [&self.head[..], &self.bytes].concat(), ","),
            ("rest", rest, ","),
            ("openings", openings, ""),
        ];
        for (name, value, comma) in bytes {
            let value = hex::encode_prefixed(value);
            writeln!(object, "      \"{name}\": \"{value}\"{comma}").expect("a string");
        }
        object + "    }"
    }
}

fn file() -> String {
    let mut elements = vec![B256::ZERO; ELEMENTS];
    let mut outputs = vec![
        Output::small(),
        Output::new("oneByte", 1, [255, 0, 0, 0, 0], vec![0x2a]),
        Output::answer("fullElement", 2, 23),
        Output::answer("oneMore", 3, 24),
        Output::answer("dirty", 5, 40),
        Output::answer("largest", ELEMENTS - 133, 4088),
    ];
    for output in &outputs {
        output.place(&mut elements);
    }
    // The elements of "dirty" are no 248-bit values: a high byte as high as the field has, and bytes behind the end.
    elements[5][0] = 0x73;
    elements[6][0] = 0x42;
    elements[6][18..].fill(0xee);
    outputs.push(Output::new(
        "lastElement",
        ELEMENTS - 1,
        ANSWER,
        elements[ELEMENTS - 1][1..].to_vec(),
    ));
    let blob = Blob::of_elements(&elements).expect("below the order");
    let mut objects: Vec<String> = outputs.iter().map(|o| o.shown(&blob)).collect();

    // The same bytes in another blob.
    let same = Output {
        name: "otherBlob",
        ..Output::small()
    };
    let other = Blob::of_elements(&[elements[0], elements[2]]).expect("below the order");
    objects.push(same.shown(&other));
    format!("{{\n  \"outputs\": {{\n{}\n  }}\n}}\n", objects.join(",\n"))
}

#[test]
fn the_outputs_that_contracts_open_are_those_of_their_blobs() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../contracts/test/blobs/outputs.json"
    );
    let made = file();
    if std::env::var("ASSAY_BLESS").is_ok() {
        std::fs::write(path, &made).expect("writes");
    }
    let kept = std::fs::read_to_string(path).expect("reads");
    assert!(kept == made, "{path} is another one");
}

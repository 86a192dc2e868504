//! Changes of a model's file: of its keys and tensors before it is written, of its numbers, names and bytes afterwards.

use crate::choices::Choices;
use crate::file::{Field, File, write};
use crate::model::{self, Model, shuffle};
use assay_inference::keys::KEYS;
use assay_inference::testing::{Gguf, Value};

/// A file that was changed up to four times, or not at all.
pub fn random(c: &mut Choices) -> Vec<u8> {
    let mut model = model::random(c, false);
    // What is small is parsed as what is large.
    let (mut fields, mut bytes) = (c.below(3), 0);
    match c.below(6) {
        0 => {}
        1..4 => (0..=c.below(3)).for_each(|_| structure(c, &mut model)),
        4 => bytes = 1 + c.below(3),
        _ => fields += 1,
    }
    if c.below(3) == 0 {
        fields = 0;
    }
    let mut file = write(&model);
    (0..fields).for_each(|_| field(c, &mut file));
    for _ in 0..bytes {
        // Most of a file is weights; what comes before is looked at.
        let end = if c.below(8) == 7 { 0 } else { 40_000 };
        let from = file.bytes.len().saturating_sub(end) * usize::from(end == 0);
        crate::ask::spoil(c, &mut file.bytes, from);
    }
    if c.chance(8) {
        let cut = c.number(3) as usize % file.bytes.len().max(1);
        file.bytes.truncate(cut);
    }
    file.bytes
}

/// Another number or other text in one field.
fn field(c: &mut Choices, file: &mut File) {
    // A third of the fields are the vocabulary's; heads and tails are chosen more often.
    let n = file.fields.len();
    let i = match c.below(3) {
        0 => c.below(n.min(120)),
        1 => n - 1 - c.below(n.min(120)),
        _ => c.below(n),
    };
    let Field { at, width } = file.fields[i];
    let len = file.bytes.len() as u64;
    let Some(place) = file.bytes.get_mut(at..at + width) else {
        return;
    };
    match width {
        1 | 4 | 8 => {
            let mut old = [0; 8];
            old[..width].copy_from_slice(place);
            let new = number(c, u64::from_le_bytes(old), width, len);
            place.copy_from_slice(&new.to_le_bytes()[..width]);
        }
        0 => {}
        _ => {
            let i = c.below(width);
            place[i] = c.pick(&[0xff, 0xc0, 0, b' ', b'.', b'0', 0x80, 0xed]);
        }
    }
}

/// A number near `old` or near a limit: of 32 or 64 bits, of a sign, of the file.
fn number(c: &mut Choices, old: u64, width: usize, len: u64) -> u64 {
    let small = c.number(1);
    let near = |n: u64| n.wrapping_add(small % 17).wrapping_sub(8);
    match c.below(14) {
        0 => small % 14,
        1 => old.wrapping_add(1),
        2 => old.wrapping_sub(1),
        3 => near(old),
        4 => old.wrapping_mul(2),
        5 => near(1 << 31),
        6 => near(1 << 32),
        // The same in its lower half.
        7 => old | (1 + small % 5) << 32,
        8 => old | 1 << 63,
        9 => near(1 << 63),
        10 => near(0),
        11 => near(len),
        12 => old ^ 1 << (small as usize % (8 * width)),
        _ => c.number(8),
    }
}

fn value(c: &mut Choices) -> Value {
    let n = c.number(4) as u32;
    match c.below(12) {
        0 => Value::U32(c.pick(&[0, 1, 2, 31, 64, 512, 513, 1 << 20, u32::MAX, 1 << 31])),
        1 => Value::U32(n),
        2 => Value::F32(c.pick(&[0.0, 1.0, -1.0, f32::NAN, f32::INFINITY, 1e-45, 4096.0, 1e12])),
        3 => Value::Bool(n % 2 == 1),
        4 => Value::String(
            c.pick(&[&b""[..], b"llama", b"gpt2", b"qwen2", b"\xff\xfe", b"yarn"])
                .to_vec(),
        ),
        5 => Value::String(vec![b'x'; c.pick(&[1, 256, 1024, 1025, 4096])]),
        6 => Value::Strings(vec![b"ab".to_vec(); n as usize % 5]),
        7 => Value::Floats(vec![f32::from_bits(n); n as usize % 400]),
        8 => Value::Ints(vec![n as i32 % 9; n as usize % 400]),
        // An array of arrays; an array of a type that nobody knows; a number of any type.
        9 => Value::Raw(
            9,
            [9u32, 1, 0, 4, 1, 0, 7]
                .iter()
                .flat_map(|n| n.to_le_bytes())
                .collect(),
        ),
        10 => Value::Raw(
            9,
            [n % 14, n >> 8 & 3, 0, 7, 7, 7]
                .iter()
                .flat_map(|n| n.to_le_bytes())
                .collect(),
        ),
        _ => Value::Raw(
            n % 15,
            n.to_le_bytes().repeat(2)[..[1, 2, 4, 8][n as usize >> 8 & 3]].to_vec(),
        ),
    }
}

/// A well-formed number, or array of numbers, of any type that GGUF has.
fn harmless(c: &mut Choices) -> Value {
    let (kind, size) = c.pick(&[
        (12u32, 8usize),
        (0, 1),
        (1, 1),
        (2, 2),
        (3, 2),
        (5, 4),
        (10, 8),
        (11, 8),
    ]);
    let count = c.below(40);
    let data = |n: usize| (0..n).map(|i| (7 * i) as u8).collect::<Vec<u8>>();
    if c.below(2) == 0 {
        return Value::Raw(kind, data(size));
    }
    let head = [kind.to_le_bytes(), (count as u32).to_le_bytes(), [0; 4]].concat();
    Value::Raw(9, [head, data(size * count)].concat())
}

/// A known key's name under one of the architectures, or a name of another kind.
fn name(c: &mut Choices) -> String {
    let known = KEYS[c.below(KEYS.len())].0;
    let architecture = c.pick(&model::ARCHITECTURES);
    match c.below(6) {
        0..3 => known.replace('*', architecture),
        3 => format!("{}x", known.replace('*', architecture)),
        4 => "general.note".into(),
        _ => "k".repeat(c.pick(&[0, 1, 1023, 1024, 1025, 5000])),
    }
}

/// A change of keys or tensors.
fn structure(c: &mut Choices, model: &mut Model) {
    let gguf = &mut model.gguf;
    if gguf.keys.is_empty() || gguf.tensors.is_empty() {
        return;
    }
    let (key, tensor) = (c.below(gguf.keys.len()), c.below(gguf.tensors.len()));
    match c.below(18) {
        0 if c.below(2) == 0 => gguf.keys.push(("general.note".into(), harmless(c))),
        0 => gguf.keys.push((name(c), value(c))),
        1 => {
            gguf.keys.remove(key);
        }
        2 => {
            let to = c.below(gguf.keys.len());
            gguf.keys.swap(key, to);
        }
        3 => {
            let twice = gguf.keys[key].clone();
            gguf.keys.push(twice);
        }
        4 => gguf.keys[key].0 = name(c),
        5 | 6 => gguf.keys[key].1 = value(c),
        7..10 => within(c, &mut gguf.keys[key].1),
        10 => {
            gguf.tensors.remove(tensor);
        }
        11 => {
            let twice = gguf.tensors[tensor].clone();
            gguf.tensors.push(twice);
        }
        12 => {
            let other = gguf.tensors[c.below(gguf.tensors.len())].name.clone();
            gguf.tensors[tensor].name =
                c.pick(&[other, "blk.7.attn_q.weight".into(), String::new()]);
        }
        13 => gguf.tensors[tensor].kind = c.pick(&[0, 1, 2, 8, 12, 14, 30, 10, 39, u32::MAX]),
        14 => {
            let edges = [
                0,
                1,
                33,
                1 << 31,
                1 << 32,
                (1 << 32) + 64,
                1 << 63,
                u64::MAX,
            ];
            let dims = &mut gguf.tensors[tensor].dims;
            match c.below(4) {
                0 => dims.push(c.pick(&edges)),
                1 => dims.truncate(dims.len().saturating_sub(1)),
                2 => dims.reverse(),
                _ => dims[0] = c.pick(&edges),
            }
        }
        15 => {
            let len = gguf.tensors[tensor].data.len();
            let cut = 1 + c.number(2) as usize % len.max(1);
            gguf.tensors[tensor].data.truncate(len.saturating_sub(cut));
        }
        16 => dimension(c, gguf),
        _ => {
            shuffle(&mut c.random(), &mut gguf.keys[1..]);
        }
    }
}

/// Another dimension in the metadata, which the tensors may not have.
fn dimension(c: &mut Choices, gguf: &mut Gguf) {
    let numbers: Vec<usize> = (0..gguf.keys.len())
        .filter(|i| matches!(gguf.keys[*i].1, Value::U32(_)))
        .collect();
    if numbers.is_empty() {
        return;
    }
    let Value::U32(n) = &mut gguf.keys[numbers[c.below(numbers.len())]].1 else {
        return;
    };
    *n = match c.below(5) {
        0 => n.wrapping_add(1),
        1 => n.wrapping_mul(2),
        2 => n.wrapping_sub(1),
        3 => c.pick(&[0, 7, 48, 128, 129, 512, 513, 16_384, 16_385, 32_768, 65_536]),
        _ => c.pick(&[1 << 20, (1 << 20) + 1, 1 << 31, u32::MAX, 1 << 16, 262_144]),
    };
}

/// A change within a value.
fn within(c: &mut Choices, value: &mut Value) {
    let at = c.number(2) as usize;
    match value {
        Value::U32(n) => *n = number(c, u64::from(*n), 4, 1 << 16) as u32,
        Value::F32(x) => *x = f32::from_bits(number(c, u64::from(x.to_bits()), 4, 1 << 16) as u32),
        Value::Bool(b) => *b = !*b,
        Value::String(text) => text.push(c.pick(&[b'x', 0xff, 0])),
        Value::Strings(all) if !all.is_empty() => {
            let i = at % all.len();
            match c.below(6) {
                0 => {
                    all[i] = c
                        .pick(&[
                            &b"<0x00>"[..],
                            b"",
                            b"<0xGG>",
                            b" ",
                            b"a b",
                            b"\xff",
                            b"a a b",
                        ])
                        .to_vec()
                }
                1 => all[i] = vec![b'y'; c.pick(&[255, 256, 257, 1 << 14, 1 << 15])],
                2 => all[i] = all[at / 7 % all.len()].clone(),
                3 => {
                    all.remove(i);
                }
                4 => all.push(b"more".to_vec()),
                _ => all.clear(),
            }
        }
        Value::Floats(all) if !all.is_empty() => {
            let i = at % all.len();
            all[i] = c.pick(&[f32::NAN, f32::INFINITY, -0.0, 1e30, f32::NEG_INFINITY, 0.5]);
        }
        Value::Ints(all) if !all.is_empty() => {
            let i = at % all.len();
            all[i] = c.pick(&[0, 1, 2, 3, 4, 5, 6, 7, -1, i32::MIN]);
        }
        other => *other = Value::Ints(Vec::new()),
    }
}

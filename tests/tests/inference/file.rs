//! Writes a GGUF file and remembers where each of its numbers and names is, so that one of them can be changed.

use crate::model::Model;
use assay_inference::testing::Value;

/// A number, or a text where `width` is none of 1, 4 and 8.
#[derive(Clone, Copy)]
pub struct Field {
    pub at: usize,
    pub width: usize,
}

/// A written file.
#[derive(Default)]
pub struct File {
    pub bytes: Vec<u8>,
    pub fields: Vec<Field>,
}

impl File {
    fn raw(&mut self, bytes: &[u8]) {
        self.fields.push(Field {
            at: self.bytes.len(),
            width: bytes.len(),
        });
        self.bytes.extend(bytes);
    }

    fn u32(&mut self, n: u32) {
        self.raw(&n.to_le_bytes());
    }

    fn u64(&mut self, n: u64) {
        self.raw(&n.to_le_bytes());
    }

    fn text(&mut self, text: &[u8]) {
        self.u64(text.len() as u64);
        self.raw(text);
    }

    fn array<T>(&mut self, kind: u32, items: &[T], mut one: impl FnMut(&mut File, &T)) {
        self.u32(9);
        self.u32(kind);
        self.u64(items.len() as u64);
        items.iter().for_each(|item| one(self, item));
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::U32(n) => {
                self.u32(4);
                self.u32(*n);
            }
            Value::F32(x) => {
                self.u32(6);
                self.u32(x.to_bits());
            }
            Value::Bool(b) => {
                self.u32(7);
                self.raw(&[u8::from(*b)]);
            }
            Value::String(text) => {
                self.u32(8);
                self.text(text);
            }
            Value::Strings(all) => self.array(8, all, |file, text| file.text(text)),
            Value::Floats(all) => self.array(6, all, |file, x| file.u32(x.to_bits())),
            Value::Ints(all) => self.array(5, all, |file, n| file.u32(*n as u32)),
            Value::Raw(kind, bytes) => {
                self.u32(*kind);
                self.raw(bytes);
            }
        }
    }
}

/// The file of a model.
pub fn write(model: &Model) -> File {
    let mut file = File::default();
    file.raw(b"GGUF");
    file.u32(3);
    file.u64(model.gguf.tensors.len() as u64);
    file.u64(model.gguf.keys.len() as u64);
    for (key, value) in &model.gguf.keys {
        file.text(key.as_bytes());
        file.value(value);
    }
    let alignment = model.alignment as usize;
    let mut offset = 0;
    for tensor in &model.gguf.tensors {
        file.text(tensor.name.as_bytes());
        file.u32(tensor.dims.len() as u32);
        tensor.dims.iter().for_each(|n| file.u64(*n));
        file.u32(tensor.kind);
        file.u64(offset as u64);
        offset += tensor.data.len().next_multiple_of(alignment);
    }
    for tensor in &model.gguf.tensors {
        let start = file.bytes.len().next_multiple_of(alignment);
        file.bytes.resize(start, 0);
        file.bytes.extend(&tensor.data);
    }
    file
}

//! Arguments of a script's actions, and the results that it expects.

use wast::core::{AbstractHeapType, HeapType, NanPattern, V128Pattern, WastArgCore, WastRetCore};
use wast::token::{F32, F64};
use wast::{WastArg, WastRet};

/// An argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value {
    /// An i32.
    I32(u32),
    /// An i64.
    I64(u64),
    /// Bits of an f32.
    F32(u32),
    /// Bits of an f64.
    F64(u64),
    /// A vector, lane 0 lowest.
    V128(u128),
    /// A null funcref.
    NullFunc,
    /// A null externref.
    NullExtern,
    /// The externref that the script calls by this number.
    Extern(u32),
}

/// What a result has to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Expected {
    /// A number or a vector: parts of it, each a width in bits and what its bits have to be, lowest first.
    Parts(Vec<(u32, Part)>),
    /// A null reference.
    Null,
    /// The externref that the script calls by this number, or any.
    Extern(Option<u32>),
    /// A reference to some function.
    Func,
    /// One of these.
    Either(Vec<Expected>),
}

/// What the bits of a number have to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// These.
    Bits(u64),
    /// A NaN with the canonical payload, of either sign.
    Canonical,
    /// A NaN whose payload's top bit is set.
    Arithmetic,
}

impl Part {
    /// Whether `bits`, `width` of them, are so.
    pub fn holds(self, width: u32, bits: u64) -> bool {
        let mantissa = if width == 32 { 23 } else { 52 };
        let positive = bits & (u64::MAX >> (65 - width));
        let canonical = (u64::MAX >> (65 - width)) & !((1 << (mantissa - 1)) - 1);
        match self {
            Part::Bits(wanted) => bits == wanted,
            Part::Canonical => positive == canonical,
            Part::Arithmetic => positive & canonical == canonical,
        }
    }
}

impl Expected {
    /// Whether a result, as its cell or its two cells, is what is expected.
    pub fn holds(&self, bits: u128) -> bool {
        match self {
            Expected::Parts(parts) => {
                let mut rest = bits;
                let mut all = true;
                for &(width, part) in parts {
                    let mask = u64::MAX >> (64 - width);
                    all &= part.holds(width, rest as u64 & mask);
                    rest >>= width;
                }
                all && rest == 0
            }
            Expected::Null => bits == 0,
            Expected::Extern(None) | Expected::Func => bits != 0,
            Expected::Extern(Some(n)) => bits == u128::from(extern_cell(*n)),
            Expected::Either(cases) => cases.iter().any(|c| c.holds(bits)),
        }
    }
}

/// The cell of the externref that a script calls by number `n`.
pub fn extern_cell(n: u32) -> u64 {
    u64::from(n) + 1
}

/// An argument of a script; `None` if it is of a feature that the machine lacks.
pub fn argument(arg: &WastArg<'_>) -> Option<Value> {
    let WastArg::Core(arg) = arg else {
        return None;
    };
    Some(match arg {
        WastArgCore::I32(v) => Value::I32(*v as u32),
        WastArgCore::I64(v) => Value::I64(*v as u64),
        WastArgCore::F32(v) => Value::F32(v.bits),
        WastArgCore::F64(v) => Value::F64(v.bits),
        WastArgCore::V128(v) => Value::V128(u128::from_le_bytes(v.to_le_bytes())),
        WastArgCore::RefNull(ty) => match ty {
            HeapType::Abstract {
                ty: AbstractHeapType::Func,
                ..
            } => Value::NullFunc,
            HeapType::Abstract {
                ty: AbstractHeapType::Extern,
                ..
            } => Value::NullExtern,
            _ => return None,
        },
        WastArgCore::RefExtern(n) => Value::Extern(*n),
        _ => return None,
    })
}

/// A result of a script; `None` if it is of a feature that the machine lacks.
pub fn expected(ret: &WastRet<'_>) -> Option<Expected> {
    let WastRet::Core(ret) = ret else {
        return None;
    };
    core(ret)
}

fn core(ret: &WastRetCore<'_>) -> Option<Expected> {
    let whole = |width, part| Expected::Parts(vec![(width, part)]);
    Some(match ret {
        WastRetCore::I32(v) => whole(32, Part::Bits(u64::from(*v as u32))),
        WastRetCore::I64(v) => whole(64, Part::Bits(*v as u64)),
        WastRetCore::F32(v) => whole(32, f32(v)),
        WastRetCore::F64(v) => whole(64, f64(v)),
        WastRetCore::V128(v) => Expected::Parts(lanes(v)),
        WastRetCore::RefNull(_) => Expected::Null,
        WastRetCore::RefExtern(n) => Expected::Extern(*n),
        WastRetCore::RefFunc(None) => Expected::Func,
        WastRetCore::Either(cases) => {
            Expected::Either(cases.iter().map(core).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

fn f32(v: &NanPattern<F32>) -> Part {
    match v {
        NanPattern::CanonicalNan => Part::Canonical,
        NanPattern::ArithmeticNan => Part::Arithmetic,
        NanPattern::Value(v) => Part::Bits(u64::from(v.bits)),
    }
}

fn f64(v: &NanPattern<F64>) -> Part {
    match v {
        NanPattern::CanonicalNan => Part::Canonical,
        NanPattern::ArithmeticNan => Part::Arithmetic,
        NanPattern::Value(v) => Part::Bits(v.bits),
    }
}

fn lanes(v: &V128Pattern) -> Vec<(u32, Part)> {
    let bits = |width, v: u64| (width, Part::Bits(v));
    match v {
        V128Pattern::I8x16(v) => v.map(|v| bits(8, u64::from(v as u8))).to_vec(),
        V128Pattern::I16x8(v) => v.map(|v| bits(16, u64::from(v as u16))).to_vec(),
        V128Pattern::I32x4(v) => v.map(|v| bits(32, u64::from(v as u32))).to_vec(),
        V128Pattern::I64x2(v) => v.map(|v| bits(64, v as u64)).to_vec(),
        V128Pattern::F32x4(v) => v.iter().map(|v| (32, f32(v))).collect(),
        V128Pattern::F64x2(v) => v.iter().map(|v| (64, f64(v))).collect(),
    }
}

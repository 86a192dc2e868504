//! Pairs of arms that compilers' code has often, each pair with one handler: it saves a jump, and where the second arm
//! takes what the first gives, the way through the frame.

use super::Handler;
use super::handlers::pair;
use crate::isa::{Instr, Op};
use crate::step::Arm;
use crate::step::arms::*;

/// What an arm takes from the one before: nothing that is known, operand `a`, operand `b`, the third.
pub(super) const NOTHING: u8 = 0;
pub(super) const A: u8 = 1;
pub(super) const B: u8 = 2;
pub(super) const C: u8 = 3;
/// Both `a` and `b`.
pub(super) const BOTH: u8 = 4;

/// Whether an arm is in its immediate form.
macro_rules! form {
    (slot) => {
        false
    };
    (imm) => {
        true
    };
}

pub(super) use form;

macro_rules! pairs {
    ($($first:ident $form:ident, $second:ident $second_form:ident: $taken:ident;)*) => {
        /// The handlers of two instructions in a row by what the first has at hand, if they are one of the pairs.
        pub(super) fn handlers(first: &Instr, second: &Instr) -> Option<[Handler; 4]> {
            match (first.opcode()?, second.opcode()?) {
                $(
                    ((Op::$first, form!($form)), (Op::$second, form!($second_form))) => {
                        Some(choose::<$first, { form!($form) }, $second, { form!($second_form) }, $taken>(first, second))
                    }
                )*
                _ => None,
            }
        }
    };
}

fn choose<F: Arm, const IMM: bool, G: Arm, const IMM2: bool, const TAKEN: u8>(
    first: &Instr,
    second: &Instr,
) -> [Handler; 4] {
    if takes(first, second, TAKEN) {
        by_hand::<F, IMM, G, IMM2, TAKEN>()
    } else {
        by_hand::<F, IMM, G, IMM2, NOTHING>()
    }
}

fn by_hand<F: Arm, const IMM: bool, G: Arm, const IMM2: bool, const TAKEN: u8>() -> [Handler; 4] {
    [
        pair::<F, IMM, G, IMM2, TAKEN, NOTHING>,
        pair::<F, IMM, G, IMM2, TAKEN, A>,
        pair::<F, IMM, G, IMM2, TAKEN, B>,
        pair::<F, IMM, G, IMM2, TAKEN, C>,
    ]
}

/// Whether `second` takes from `first` what a pair is to take.
pub(super) fn takes(first: &Instr, second: &Instr, taken: u8) -> bool {
    match taken {
        A => second.a == first.d,
        B => second.b == first.d,
        C => second.imm as u16 == first.d,
        BOTH => second.a == first.d && second.b == first.d,
        _ => true,
    }
}

pairs! {
    // Addresses and what is there.
    I32Add imm, Load8U slot: A;
    I32Add imm, Load16S32 slot: A;
    I32Add imm, Load32U slot: A;
    I32Add imm, Load64 slot: A;
    I32Add slot, Load8U slot: A;
    I32Add slot, Load32U slot: A;
    I32Add slot, V128Load slot: A;
    Const slot, Load64 slot: A;
    Const slot, Store64 slot: A;
    Move slot, Load32U slot: A;
    Select slot, Load32U slot: A;
    Store32 slot, Load32U slot: NOTHING;
    Store64 slot, Load64 slot: NOTHING;
    Store32 slot, Move slot: NOTHING;
    Store8 slot, I32Add imm: NOTHING;
    Store32 slot, I32Add imm: NOTHING;
    Store64 slot, I32Add imm: NOTHING;
    Load32U slot, Store32 slot: B;
    Load32U slot, Load32U slot: NOTHING;
    Load64 slot, Load64 slot: NOTHING;
    Load16S32 slot, Load16S32 slot: NOTHING;
    // Integers.
    Load16S32 slot, I32Mul slot: A;
    Load16S32 slot, I32Eq slot: B;
    Load16S32 slot, I32GtS slot: B;
    Load32U slot, I32Add slot: B;
    Load32U slot, I32Add imm: A;
    Load32U slot, I32Rotl imm: A;
    I32Mul slot, I32Add slot: B;
    I32Mul imm, I32Add imm: A;
    I32Add imm, I32Mul imm: A;
    I32Add slot, I32Add slot: B;
    I32Add slot, I32Add imm: A;
    I32Add imm, I32Add imm: A;
    I32Add imm, I32Shl imm: A;
    I32Add imm, I32ShrU imm: A;
    I32Add slot, I32And slot: A;
    I32Add slot, I32Xor imm: A;
    I32Add slot, Move slot: A;
    I32Add imm, Move slot: A;
    I32Shl imm, I32Add slot: B;
    I32Shl imm, I32Xor slot: A;
    I32ShrU imm, I32And imm: A;
    I32ShrU imm, I32Xor slot: B;
    I32ShrU imm, Store8 slot: B;
    I32Xor slot, I32Shl imm: A;
    I32Xor slot, I32ShrU imm: A;
    I32Xor slot, I32Rotl imm: A;
    I32Xor slot, I32Add slot: B;
    I32Xor slot, Move slot: A;
    I32Xor imm, I32And imm: A;
    I32Xor imm, I32And slot: B;
    I32And imm, I32Xor imm: A;
    I32And imm, Select slot: C;
    I32GtS slot, Select slot: C;
    I32And slot, I32Add slot: B;
    I32And slot, I32And slot: B;
    I32And slot, I32Xor slot: B;
    I32Rotl imm, I32Rotl imm: A;
    I32Rotl imm, I32Xor slot: B;
    Select slot, I32ShrU imm: A;
    Move slot, I32And slot: B;
    Move slot, I32Xor slot: B;
    Move slot, I32Rotl imm: A;
    Move slot, Move slot: A;
    // Floats.
    Load32U slot, F32Add slot: B;
    Load32U slot, F32Mul slot: B;
    F32Mul slot, F32Add slot: B;
    F32Add slot, Store32 slot: B;
    Load64 slot, F64Add slot: B;
    Load64 slot, F64Sub slot: B;
    Load64 slot, F64Mul slot: B;
    Load64 slot, F64Mul imm: A;
    Load64 slot, I32Add imm: NOTHING;
    I32Add imm, F64Mul slot: NOTHING;
    F64Mul slot, F64Mul slot: A;
    F64Mul slot, F64Add slot: B;
    F64Mul slot, F64Sub slot: B;
    F64Mul slot, Load64 slot: NOTHING;
    F64Mul slot, I32Add imm: NOTHING;
    F64Mul imm, Const slot: NOTHING;
    F64Add slot, F64Add slot: B;
    F64Add slot, F64Sqrt slot: A;
    F64Add slot, Store64 slot: B;
    F64Add slot, Const slot: NOTHING;
    F64Sub slot, F64Mul slot: A;
    F64Sub slot, Store64 slot: B;
    F64Div slot, F64Mul slot: B;
    F64Sqrt slot, F64Mul slot: B;
    // Lanes.
    V128Load slot, I16x8ExtendLowI8x16S slot: A;
    I16x8ExtendHighI8x16S slot, I16x8ExtendHighI8x16S slot: NOTHING;
    I16x8ExtendHighI8x16S slot, I32x4DotI16x8S slot: B;
    I16x8ExtendLowI8x16S slot, I32x4DotI16x8S slot: B;
    I32x4DotI16x8S slot, I32x4Add slot: A;
    I32x4Add slot, I32x4Add slot: B;
}

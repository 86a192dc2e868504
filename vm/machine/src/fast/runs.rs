//! Three or four arms in a row with one handler, and pairs with the branch after them: what compilers make of the commoner
//! inner loops. As [`super::pairs`], and what one arm takes from the one before never leaves the registers.

use super::handlers::{apply, jump, leave, next};
use super::pairs::{A, B, BOTH, C, NOTHING, form, takes};
use super::{Acc, Cx, Exit, Handler, Ins};
use crate::isa::{Instr, Op};
use crate::stack::Frame;
use crate::step::Arm;
use crate::step::arms::*;

/// Does an arm that takes from the one before, `first`, what it is known to take.
#[inline(always)]
pub(super) fn after<G: Arm, const IMM: bool, const TAKEN: u8>(
    first: &Ins,
    ins: &Ins,
    frame: &mut Frame,
    cx: &mut Cx<'_>,
    acc: Acc,
) -> Option<Acc> {
    let mut same = *ins;
    match TAKEN {
        A => same.a = first.d,
        B => same.b = first.d,
        C => same.imm = same.imm & !0xffff | u64::from(first.d),
        BOTH => (same.a, same.b) = (first.d, first.d),
        _ => {}
    }
    apply::<G, IMM, NOTHING>(&same, frame, cx, acc)
}

/// A handler of arms in a row, the first with an operand at hand.
macro_rules! row {
    ($name:ident, $len:literal: $($arm:ident $imm:ident $taken:ident $index:literal),*) => {
        fn $name<'c, F: Arm, const IMM: bool, $($arm: Arm, const $imm: bool, const $taken: u8,)* const FROM: u8>(
            ip: &'c [Ins],
            frame: &mut Frame,
            cx: &mut Cx<'c>,
            acc: Acc,
        ) -> Exit {
            let Some((row, [_, ..])) = ip.split_first_chunk::<$len>() else {
                return leave(ip, cx, Exit::Reference);
            };
            let Some(acc) = apply::<F, IMM, FROM>(&row[0], frame, cx, acc) else {
                return leave(ip, cx, Exit::Reference);
            };
            $(
                let (first, ins) = (&row[$index - 1], &row[$index]);
                let Some(acc) = after::<$arm, $imm, $taken>(first, ins, frame, cx, acc) else {
                    return leave(&ip[$index..], cx, Exit::Reference);
                };
            )*
            next(&ip[$len..], frame, cx, acc)
        }
    };
}
row!(three, 3: G IMM2 TAKEN2 1, H IMM3 TAKEN3 2);
row!(four, 4: G IMM2 TAKEN2 1, H IMM3 TAKEN3 2, I IMM4 TAKEN4 3);

/// Two arms and a branch: `br_if` if `IF`, else `br_unless`.
fn branching<
    'c,
    F: Arm,
    const IMM: bool,
    G: Arm,
    const IMM2: bool,
    const TAKEN: u8,
    const IF: bool,
    const FROM: u8,
>(
    ip: &'c [Ins],
    frame: &mut Frame,
    cx: &mut Cx<'c>,
    acc: Acc,
) -> Exit {
    let [first, second, branch, _, ..] = ip else {
        return leave(ip, cx, Exit::Reference);
    };
    let Some(acc) = apply::<F, IMM, FROM>(first, frame, cx, acc) else {
        return leave(ip, cx, Exit::Reference);
    };
    let Some(acc) = after::<G, IMM2, TAKEN>(first, second, frame, cx, acc) else {
        return leave(&ip[1..], cx, Exit::Reference);
    };
    let cell = u64::from_le_bytes(frame[usize::from(branch.a)]) as u32;
    if (cell != 0) != IF {
        return next(&ip[3..], frame, cx, acc);
    }
    match cx.from(branch.imm as u32) {
        Some(to) => jump(&ip[2..], to, frame, cx, acc),
        None => leave(&ip[2..], cx, Exit::Reference),
    }
}

macro_rules! runs {
    ($($handler:ident $len:literal: $first:ident $form:ident $(, $next:ident $next_form:ident $taken:ident)*;)*) => {
        /// The handlers of the instructions that `code` starts with, by what the first has at hand, if they are one of the
        /// runs; `most` of them may be passed over.
        pub(super) fn handlers(code: &[Instr], most: usize) -> Option<[Handler; 4]> {
            $(
                if $len <= most && matches(code, &[
                    (Op::$first, form!($form), NOTHING),
                    $((Op::$next, form!($next_form), $taken),)*
                ]) {
                    return Some([
                        $handler::<$first, { form!($form) }, $($next, { form!($next_form) }, $taken,)* NOTHING>,
                        $handler::<$first, { form!($form) }, $($next, { form!($next_form) }, $taken,)* A>,
                        $handler::<$first, { form!($form) }, $($next, { form!($next_form) }, $taken,)* B>,
                        $handler::<$first, { form!($form) }, $($next, { form!($next_form) }, $taken,)* NOTHING>,
                    ]);
                }
            )*
            None
        }

        /// All runs.
        #[cfg(test)]
        pub(super) const RUNS: &[&[(Op, bool, u8)]] = &[$(&[
            (Op::$first, form!($form), NOTHING),
            $((Op::$next, form!($next_form), $taken),)*
        ]),*];
    };
}

macro_rules! branches {
    ($($first:ident $form:ident, $second:ident $second_form:ident $taken:ident;)*) => {
        /// As [`handlers`], of two instructions and the `br_if` or `br_unless` after them.
        pub(super) fn branches(code: &[Instr]) -> Option<[Handler; 4]> {
            let unless = match code.get(2)?.opcode()?.0 {
                Op::BrIf => false,
                Op::BrUnless => true,
                _ => return None,
            };
            $(
                if matches(code, &[
                    (Op::$first, form!($form), NOTHING),
                    (Op::$second, form!($second_form), $taken),
                ]) {
                    return Some(if unless {
                        branches!(handlers false $first $form $second $second_form $taken)
                    } else {
                        branches!(handlers true $first $form $second $second_form $taken)
                    });
                }
            )*
            None
        }

        /// All pairs with a branch, with one of the branches.
        #[cfg(test)]
        pub(super) const BRANCHES: &[&[(Op, bool, u8)]] = &[$(
            &[
                (Op::$first, form!($form), NOTHING),
                (Op::$second, form!($second_form), $taken),
                (Op::BrIf, false, NOTHING),
            ],
            &[
                (Op::$first, form!($form), NOTHING),
                (Op::$second, form!($second_form), $taken),
                (Op::BrUnless, false, A),
            ],
        )*];
    };
    (handlers $if:literal $first:ident $form:ident $second:ident $second_form:ident $taken:ident) => {
        [
            branching::<$first, { form!($form) }, $second, { form!($second_form) }, $taken, $if, NOTHING>,
            branching::<$first, { form!($form) }, $second, { form!($second_form) }, $taken, $if, A>,
            branching::<$first, { form!($form) }, $second, { form!($second_form) }, $taken, $if, B>,
            branching::<$first, { form!($form) }, $second, { form!($second_form) }, $taken, $if, NOTHING>,
        ]
    };
}

/// Whether the code starts with these opcodes, in these forms, each taking that from the one before.
fn matches(code: &[Instr], run: &[(Op, bool, u8)]) -> bool {
    let Some(code) = code.get(..run.len()) else {
        return false;
    };
    let opcodes = code
        .iter()
        .zip(run)
        .all(|(i, (op, imm_form, _))| i.opcode() == Some((*op, *imm_form)));
    opcodes
        && code
            .windows(2)
            .zip(&run[1..])
            .all(|(two, (_, _, taken))| takes(&two[0], &two[1], *taken))
}

runs! {
    // Elements by index, products and sums.
    four 4: I32Add imm, Load16S32 slot A, I32Mul slot A, I32Add slot B;
    four 4: I32Add slot, I32Add imm A, I32Add imm NOTHING, Load32U slot A;
    four 4: I32Add slot, I32Add imm NOTHING, Load32U slot A, I32Add slot B;
    four 4: I32Add slot, Load32U slot A, I32Add imm NOTHING, Move slot NOTHING;
    // Lists.
    four 4: Move slot, Load32U slot A, Store32 slot NOTHING, Move slot NOTHING;
    four 4: Load16S32 slot, Load16S32 slot NOTHING, I32GtS slot B, Select slot C;
    four 4: Load32U slot, Store32 slot B, Load32U slot NOTHING, Store32 slot B;
    // Bits.
    four 4: I32Shl imm, I32Xor slot A, I32ShrU imm A, I32Xor slot A;
    four 4: I32Rotl imm, I32Rotl imm NOTHING, I32Xor slot B, I32Rotl imm NOTHING;
    four 4: I32Rotl imm, I32Rotl imm NOTHING, I32Xor slot B, I32ShrU imm NOTHING;
    four 4: I32And slot, I32Add slot B, I32Xor imm NOTHING, I32And slot B;
    four 4: Move slot, Move slot NOTHING, Move slot NOTHING, I32Xor slot B;
    four 4: Move slot, I32And slot B, I32And slot NOTHING, I32Xor slot B;
    // Floats.
    four 4: I32Add imm, Load64 slot A, F64Sub slot B, F64Mul slot BOTH;
    four 4: I32Add imm, Load64 slot A, F64Sub slot B, F64Mul slot B;
    four 4: I32Add imm, F64Mul slot NOTHING, F64Mul slot A, Load64 slot NOTHING;
    four 4: F64Mul slot, F64Add imm A, F64Add slot B, F64Add slot B;
    four 4: F64Div slot, F64Mul slot B, F64Sub slot B, Store64 slot B;
    three 3: I32Add slot, I32Add imm NOTHING, Load32U slot A;
    three 3: I32ShrU imm, I32And imm A, I32Xor imm A;
    three 3: F64Sqrt slot, F64Mul slot B, Const slot NOTHING;
    three 3: F64Mul slot, F64Sub slot B, Store64 slot B;
    three 3: Const slot, Load64 slot A, F64Mul imm A;
    three 3: Const slot, Load64 slot A, F64Add slot B;
}

branches! {
    Load16S32 slot, I32Eq slot B;
    I32Add imm, Load32U slot NOTHING;
    I32Add imm, I32Add imm NOTHING;
    Store32 slot, Move slot NOTHING;
    Load32U slot, Load32U slot NOTHING;
}

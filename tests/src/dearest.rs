//! For each opcode the state in which its step costs most, or nearly: operands and result in leaves of their own,
//! accesses across leaves, whole leaves moved, operands on which loops run longest.

use crate::handmade::{Handmade, imm_form, instr};
use assay_machine::isa::{Format, Op};

/// Slots in four leaves of the stack.
const A: u16 = 2;
const B: u16 = 18;
const C: u16 = 34;
const D: u16 = 52;
/// First cell of an operand block.
const BLOCK: u16 = 4;
/// Two tables whose globals cells are in different leaves.
const T: u16 = 0;
const U: u16 = 17;

/// A state about to execute `op`; it does not trap unless the opcode always does.
pub fn dearest(op: Op, imm: bool) -> Handmade {
    let (d, a, b, imm_bits) = fields(op);
    let ins = instr(op, d, a, b, imm_bits);
    let [x, y] = operands(op);
    let handmade = Handmade::new(vec![if imm { imm_form(ins) } else { ins }]);
    if let Some(block) = block(op) {
        return tables(handmade.block(BLOCK.into(), block));
    }
    let twice = |cell: u64| u128::from(cell) << 64 | u128::from(cell);
    tables(handmade)
        .vector(A.into(), twice(x))
        .vector(B.into(), twice(y))
        .vector(C.into(), 0x0f0e_0d0c_0b0a_0908_1f0e_1d0c_1b0a_1908)
        .with(|h| h.limits.volatile_log2 = 7)
}

/// Table 0 has elements 0 to 63 of the tree, table 17 those from 64 on; element 3 can be called.
fn tables(handmade: Handmade) -> Handmade {
    handmade
        .table(T.into(), 64, 0)
        .table(U.into(), 64, 64)
        .with(|h| h.table = (0..128).map(|i| 7 << 32 | i).collect())
}

/// `d`, `a`, `b` and the immediate.
fn fields(op: Op) -> (u16, u16, u16, u64) {
    match op.format() {
        Format::Unary | Format::VecUnary | Format::VecTest | Format::VecSplat => (D, A, 0, 0),
        Format::Binary | Format::VecBinary | Format::VecShift | Format::VecReplace => (D, A, B, 1),
        Format::VecTernary => (D, A, B, C.into()),
        Format::Const | Format::VecExtract | Format::Load | Format::VecLoad => (D, A, 0, 1),
        Format::Store | Format::VecStore => (0, A, B, 1),
        Format::Jump | Format::Branch => (0, A, 0, 9),
        Format::None => (0, 0, 0, 0),
        Format::Block | Format::Special => special_fields(op),
    }
}

fn special_fields(op: Op) -> (u16, u16, u16, u64) {
    match op {
        Op::Select | Op::V128Select => (D, A, B, C.into()),
        Op::CallIndirect => (D, A, T, 7),
        Op::TableSize | Op::TableGet => (D, A, 0, T.into()),
        Op::TableSet => (0, A, B, T.into()),
        Op::MemoryInit => (0, BLOCK, 0, 128 << 32),
        Op::TableInit => (0, BLOCK, T, 16 << 32),
        Op::TableGrow => (0, BLOCK, T, 100),
        Op::TableCopy => (T, BLOCK, U, 0),
        Op::TableFill | Op::MemoryFill | Op::MemoryCopy | Op::RomRead => (0, BLOCK, T, 0),
        Op::Halt => (0, 0, B, 9),
        _ => (D, A, 0, 9),
    }
}

/// Operand blocks: a whole leaf to move, from another leaf.
fn block(op: Op) -> Option<[u64; 4]> {
    Some(match op {
        Op::MemoryFill => [0, 7, 128, 0],
        Op::MemoryCopy => [0, 256, 128, 0],
        Op::MemoryInit => [0, 0, 128, 0],
        Op::RomRead => [1 << 32 | 2, 128, 0, 128],
        Op::TableGrow => [0, 7, 5, 0],
        Op::TableFill => [16, 7, 16, 0],
        Op::TableCopy => [16, 32, 16, 0],
        Op::TableInit => [0, 0, 16, 0],
        _ => return None,
    })
}

/// Cells `a` and `b`, each twice if they are vectors.
fn operands(op: Op) -> [u64; 2] {
    let twice = |x: u32| u64::from(x) << 32 | u64::from(x);
    let text = op.mnemonic();
    let has = |part: &str| text.contains(part);
    match op.format() {
        // With the immediate: at the last byte of a leaf.
        Format::Load | Format::Store | Format::VecLoad | Format::VecStore => {
            [126, 0x1122_3344_5566_7788]
        }
        _ if has("popcnt") => [u64::MAX, 0],
        _ if has("clz") => [1, 0],
        _ if has("i32.ctz") => [1 << 31, 0],
        _ if has("ctz") => [1 << 63, 0],
        _ if has("convert") => [u64::MAX >> 3, 0],
        _ if has("demote") || has("trunc_f64") || has("trunc_sat_f64") => {
            [1234.56789_f64.to_bits(), 0]
        }
        _ if has("f32") => [twice(1.732_050_8_f32.to_bits()), twice(1e-3_f32.to_bits())],
        _ if has("f64") => [3f64.sqrt().to_bits(), 1e-3_f64.to_bits()],
        _ if has("finish") => [0, 0],
        _ if has("memory_grow") => [1, 0],
        _ if has("call_indirect") || has("table_") => [3, 9],
        _ if has("swizzle") => [0x1122_3344_5566_7788, 0x0f0e_0d0c_0b0a_0908],
        _ => [0xfedc_ba98_7654_3210, 0x0123_4567_89ab_cdef],
    }
}

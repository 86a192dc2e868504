//! One instruction as text.
//!
//! `s4` is slot 4 of the present frame, `v4` the vector at slots 4 and 5, `g3` globals cell 3, `t1` table 1, `-> 12` a jump to
//! instruction 12. Blocks of four cells are `block s8`.

use assay_machine::isa::{Format, Instr, Op};

/// Where control may go besides the next instruction; for `br_table` the first of its targets is the next.
pub fn target(instr: &Instr) -> Option<u32> {
    match instr.opcode()?.0 {
        Op::Br | Op::BrIf | Op::BrUnless | Op::Call => Some(instr.imm as u32),
        _ => None,
    }
}

/// Mnemonic and operands.
pub fn text(instr: &Instr) -> String {
    let Some((op, imm_form)) = instr.opcode() else {
        return format!("unknown {:#06x}, traps", instr.op);
    };
    let operands = operands(op, imm_form, instr);
    if operands.is_empty() {
        return op.mnemonic().into();
    }
    format!("{:<20} {operands}", op.mnemonic())
}

/// Small numbers in decimal, others in hex.
fn number(n: u64) -> String {
    if n < 1 << 16 {
        n.to_string()
    } else {
        format!("{n:#x}")
    }
}

fn operands(op: Op, imm_form: bool, x: &Instr) -> String {
    let (d, a, imm) = (x.d, x.a, number(x.imm));
    let c = x.imm as u16;
    let b = if imm_form {
        imm.clone()
    } else {
        format!("s{}", x.b)
    };
    match op.format() {
        Format::None => String::new(),
        Format::Const => format!("s{d} = {imm}"),
        Format::Unary => format!("s{d} = s{a}"),
        Format::Binary => format!("s{d} = s{a}, {b}"),
        Format::Load => format!("s{d} = [s{a} + {imm}]"),
        Format::Store => format!("[s{a} + {imm}] = {b}"),
        Format::Jump => format!("-> {}", x.imm as u32),
        Format::Branch if op == Op::BrTable => format!("-> next + min(s{a}, {imm})"),
        Format::Branch => format!("s{a} -> {}", x.imm as u32),
        Format::Block => block(op, x),
        Format::VecUnary => format!("v{d} = v{a}"),
        Format::VecBinary => format!("v{d} = v{a}, v{}", x.b),
        Format::VecTernary => format!("v{d} = v{a}, v{}, v{c}", x.b),
        Format::VecShift => format!("v{d} = v{a}, {b}"),
        Format::VecSplat => format!("v{d} = s{a}"),
        Format::VecTest => format!("s{d} = v{a}"),
        Format::VecExtract => format!("s{d} = v{a} lane {imm}"),
        Format::VecReplace => format!("v{d} = v{a}, lane {imm} = {b}"),
        Format::VecLoad => format!("v{d} = [s{a} + {imm}]"),
        Format::VecStore => format!("[s{a} + {imm}] = v{}", x.b),
        Format::Special => special(op, x, &b),
    }
}

/// A block's operands; what else the instruction says, where it says more.
fn block(op: Op, x: &Instr) -> String {
    let (offset, length) = (x.imm as u32, x.imm >> 32);
    let more = match op {
        Op::MemoryInit => format!(", data {} = bytes {offset} + {length}", x.d),
        Op::TableInit => format!(", t{}, elements {} = byte {offset} + {length}", x.b, x.d),
        Op::TableCopy => format!(", t{} from t{}", x.d, x.b),
        Op::TableFill => format!(", t{}", x.b),
        Op::TableGrow => format!(", t{} up to {}", x.b, number(x.imm)),
        _ => String::new(),
    };
    format!("block s{}{more}", x.a)
}

fn special(op: Op, x: &Instr, b: &str) -> String {
    let (d, a, imm) = (x.d, x.a, number(x.imm));
    let c = x.imm as u16;
    match op {
        Op::Select => format!("s{d} = s{c} ? s{a} : s{}", x.b),
        Op::V128Select => format!("v{d} = s{c} ? v{a} : v{}", x.b),
        Op::Call => format!("-> {}, frame + {d}", x.imm as u32),
        Op::CallIndirect => format!("t{}[s{a}], type {}, frame + {d}", x.b, x.imm as u32),
        Op::Enter => format!("{imm} cells"),
        Op::GlobalGet => format!("s{d} = g{imm}"),
        Op::GlobalSet => format!("g{imm} = s{a}"),
        Op::Finish => format!("s{a}"),
        Op::Halt => b.into(),
        Op::MemorySize => format!("s{d}"),
        Op::DataDrop => format!("data {d}"),
        Op::ElemDrop => format!("elements {d}"),
        Op::TableGet => format!("s{d} = t{imm}[s{a}]"),
        Op::TableSet => format!("t{imm}[s{a}] = {b}"),
        Op::TableSize => format!("s{d} = t{imm}"),
        _ => format!("d {d}, a {a}, b {b}, imm {imm}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_machine::isa::IMM_FORM;

    fn instr(op: Op, d: u16, a: u16, b: u16, imm: u64) -> Instr {
        Instr {
            op: op as u16,
            d,
            a,
            b,
            imm,
        }
    }

    #[test]
    fn operands_are_named_by_what_they_are() {
        let imm = Instr {
            op: Op::I32Add as u16 | IMM_FORM,
            ..instr(Op::I32Add, 2, 3, 0, 7)
        };
        for (instr, want) in [
            (imm, "i32.add              s2 = s3, 7"),
            (
                instr(Op::I32Add, 2, 3, 4, 0),
                "i32.add              s2 = s3, s4",
            ),
            (
                instr(Op::Store64, 0, 5, 6, 8),
                "store64              [s5 + 8] = s6",
            ),
            (
                instr(Op::BrIf, 0, 5, 0, 99),
                "br_if                s5 -> 99",
            ),
            (
                instr(Op::Select, 2, 3, 4, 5),
                "select               s2 = s5 ? s3 : s4",
            ),
            (
                instr(Op::I8x16Shuffle, 2, 4, 6, 8),
                "i8x16.shuffle        v2 = v4, v6, v8",
            ),
            (
                instr(Op::MemoryInit, 1, 8, 0, 5 << 32 | 128),
                "memory_init          block s8, data 1 = bytes 128 + 5",
            ),
            (instr(Op::Return, 0, 0, 0, 0), "return"),
            (
                Instr {
                    op: 0x7abc,
                    ..Instr::default()
                },
                "unknown 0x7abc, traps",
            ),
        ] {
            assert_eq!(text(&instr), want);
        }
    }

    #[test]
    fn every_opcode_has_its_own_words() {
        for &op in Op::ALL {
            let shown = text(&instr(op, 2, 4, 6, 8));
            assert!(shown.starts_with(op.mnemonic()));
            assert!(
                !shown.contains("imm "),
                "{shown}: the generic form is for no opcode"
            );
        }
    }
}

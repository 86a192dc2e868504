//! The opcode table: enum, encoder, decoder, Solidity constants and `docs/opcodes.md` all come from it.
//!
//! A row is `number Name "mnemonic" Format flags`. Flags: `i` the opcode has an imm form (bit 15: operand
//! `b` is the immediate), `c` a NaN result is canonical, `-` neither. High byte = family.

mod table;

/// Operand format of an opcode: which of `d`, `a`, `b`, `imm` it uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// No operand.
    None,
    /// `d = imm`.
    Const,
    /// `d = f(a)`.
    Unary,
    /// `d = f(a, b)`.
    Binary,
    /// `d = [a + imm]`.
    Load,
    /// `[a + imm] = b`.
    Store,
    /// Jump to `imm`.
    Jump,
    /// Jump to `imm` depending on `a`.
    Branch,
    /// A block of four cells at `a`.
    Block,
    /// Vector `d = f(a)`. A vector operand is a pair of cells, the first at an even index.
    VecUnary,
    /// Vector `d = f(a, b)`.
    VecBinary,
    /// Vector `d = f(a, b, c)`; the third operand's slot is the low 16 bits of `imm`.
    VecTernary,
    /// Vector `d = f(vector a, cell b)`.
    VecShift,
    /// Vector `d = f(cell a)`.
    VecSplat,
    /// Cell `d = f(vector a)`.
    VecTest,
    /// Cell `d =` lane `imm` of vector `a`.
    VecExtract,
    /// Vector `d =` vector `a` with cell `b` in lane `imm`.
    VecReplace,
    /// Vector `d = [cell a + imm]`.
    VecLoad,
    /// `[cell a + imm] =` vector `b`.
    VecStore,
    /// As the opcode's own row in `docs/encoding.md` says.
    Special,
}

/// Bit 15 of the opcode word: operand `b` is the immediate.
pub const IMM_FORM: u16 = 0x8000;

macro_rules! flag_imm {
    (i) => {
        true
    };
    (ic) => {
        true
    };
    ($($other:tt)*) => {
        false
    };
}
macro_rules! flag_canon {
    (c) => {
        true
    };
    (ic) => {
        true
    };
    ($($other:tt)*) => {
        false
    };
}

macro_rules! define_opcodes {
    ($($number:literal $name:ident $mnemonic:literal $format:ident $flags:tt;)*) => {
        /// An opcode of the flat code.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum Op { $(#[doc = $mnemonic] $name = $number,)* }

        impl Op {
            /// Every opcode, in table order.
            pub const ALL: &'static [Op] = &[$(Op::$name,)*];

            /// The opcode of this number (bit 15 clear).
            pub const fn from_number(number: u16) -> Option<Op> {
                match number { $($number => Some(Op::$name),)* _ => None }
            }

            /// Its name in the disassembly.
            pub const fn mnemonic(self) -> &'static str {
                match self { $(Op::$name => $mnemonic,)* }
            }

            /// Its Rust name, from which Solidity's constant is made.
            pub const fn name(self) -> &'static str {
                match self { $(Op::$name => stringify!($name),)* }
            }

            /// Its operand format.
            pub const fn format(self) -> Format {
                match self { $(Op::$name => Format::$format,)* }
            }

            /// Whether operand `b` may be the immediate.
            pub const fn has_imm_form(self) -> bool {
                match self { $(Op::$name => flag_imm!($flags),)* }
            }

            /// Whether a NaN result is canonical.
            pub const fn canonical_nan(self) -> bool {
                match self { $(Op::$name => flag_canon!($flags),)* }
            }
        }
    };
}
crate::for_each_opcode!(define_opcodes);

/// One 16-byte instruction of the flat code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(C)]
pub struct Instr {
    /// Opcode number, bit 15 set for the imm form.
    pub op: u16,
    /// Destination slot.
    pub d: u16,
    /// First operand slot.
    pub a: u16,
    /// Second operand slot.
    pub b: u16,
    /// Immediate.
    pub imm: u64,
}

impl Instr {
    /// Its 16 bytes, little-endian.
    pub fn encode(&self) -> [u8; 16] {
        let mut out = [0; 16];
        out[0..2].copy_from_slice(&self.op.to_le_bytes());
        out[2..4].copy_from_slice(&self.d.to_le_bytes());
        out[4..6].copy_from_slice(&self.a.to_le_bytes());
        out[6..8].copy_from_slice(&self.b.to_le_bytes());
        out[8..16].copy_from_slice(&self.imm.to_le_bytes());
        out
    }

    /// Inverse of [`Instr::encode`].
    pub fn decode(bytes: &[u8; 16]) -> Instr {
        let half = |i: usize| u16::from_le_bytes([bytes[i], bytes[i + 1]]);
        let (_, imm) = bytes.split_at(8);
        let imm = u64::from_le_bytes(imm.try_into().expect("16 - 8 = 8 bytes"));
        Instr {
            op: half(0),
            d: half(2),
            a: half(4),
            b: half(6),
            imm,
        }
    }

    /// The opcode and whether `b` is the immediate; `None` if unknown or if it has no imm form.
    #[inline(always)]
    pub fn opcode(&self) -> Option<(Op, bool)> {
        let imm_form = self.op & IMM_FORM != 0;
        match BY_NUMBER.get(usize::from(self.op & !IMM_FORM)) {
            Some(&Some((op, has_imm_form))) if !imm_form || has_imm_form => Some((op, imm_form)),
            _ => None,
        }
    }
}

/// One more than the greatest opcode number.
const NUMBERS: usize = 1 + {
    let last = Op::ALL[Op::ALL.len() - 1];
    last as usize
};

/// Opcodes by their numbers, each with whether it has an imm form: every step looks one up.
static BY_NUMBER: [Option<(Op, bool)>; NUMBERS] = {
    let mut table = [None; NUMBERS];
    let mut i = 0;
    while i < Op::ALL.len() {
        let op = Op::ALL[i];
        table[op as usize] = Some((op, op.has_imm_form()));
        i += 1;
    }
    table
};

//! The opcode table: enum, encoder, decoder, Solidity constants and `docs/opcodes.md` all come from it.
//!
//! A row is `number Name "mnemonic" Format flags`. Flags: `i` the opcode has an imm form (bit 15: operand
//! `b` is the immediate), `c` a NaN result is canonical, `-` neither. High byte = family.

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
    /// As the opcode's own row in `docs/encoding.md` says.
    Special,
}

/// Calls `$macro!` with every row of the table.
#[macro_export]
macro_rules! for_each_opcode {
    ($mac:ident) => {
        $mac! {
            // 0: control
            0x0000 Trap "trap" None -;
            0x0001 Unreachable "unreachable" None -;
            0x0002 Move "move" Unary -;
            0x0003 Const "const" Const -;
            0x0004 Select "select" Special -;
            0x0005 Br "br" Jump -;
            0x0006 BrIf "br_if" Branch -;
            0x0007 BrUnless "br_unless" Branch -;
            0x0008 BrTable "br_table" Branch -;
            0x0009 Call "call" Special -;
            0x000a CallIndirect "call_indirect" Special -;
            0x000b Enter "enter" Special -;
            0x000c Return "return" None -;
            0x000d GlobalGet "global_get" Special -;
            0x000e GlobalSet "global_set" Special -;
            0x000f Finish "finish" Special -;
            0x0010 Halt "halt" Special i;
            // 1: memory
            0x0100 MemorySize "memory_size" Special -;
            0x0101 MemoryGrow "memory_grow" Unary -;
            0x0102 Load8U "load8_u" Load -;
            0x0103 Load16U "load16_u" Load -;
            0x0104 Load32U "load32_u" Load -;
            0x0105 Load64 "load64" Load -;
            0x0106 Load8S32 "load8_s32" Load -;
            0x0107 Load16S32 "load16_s32" Load -;
            0x0108 Load8S64 "load8_s64" Load -;
            0x0109 Load16S64 "load16_s64" Load -;
            0x010a Load32S64 "load32_s64" Load -;
            0x010b Store8 "store8" Store -;
            0x010c Store16 "store16" Store -;
            0x010d Store32 "store32" Store -;
            0x010e Store64 "store64" Store -;
            0x010f MemoryFill "memory_fill" Block -;
            0x0110 MemoryCopy "memory_copy" Block -;
            0x0111 MemoryInit "memory_init" Block -;
            0x0112 DataDrop "data_drop" Special -;
            0x0113 RomRead "rom_read" Block -;
            // 2: i32
            0x0200 I32Eqz "i32.eqz" Unary -;
            0x0201 I32Eq "i32.eq" Binary i;
            0x0202 I32Ne "i32.ne" Binary i;
            0x0203 I32LtS "i32.lt_s" Binary i;
            0x0204 I32LtU "i32.lt_u" Binary i;
            0x0205 I32GtS "i32.gt_s" Binary i;
            0x0206 I32GtU "i32.gt_u" Binary i;
            0x0207 I32LeS "i32.le_s" Binary i;
            0x0208 I32LeU "i32.le_u" Binary i;
            0x0209 I32GeS "i32.ge_s" Binary i;
            0x020a I32GeU "i32.ge_u" Binary i;
            0x020b I32Clz "i32.clz" Unary -;
            0x020c I32Ctz "i32.ctz" Unary -;
            0x020d I32Popcnt "i32.popcnt" Unary -;
            0x020e I32Add "i32.add" Binary i;
            0x020f I32Sub "i32.sub" Binary i;
            0x0210 I32Mul "i32.mul" Binary i;
            0x0211 I32DivS "i32.div_s" Binary i;
            0x0212 I32DivU "i32.div_u" Binary i;
            0x0213 I32RemS "i32.rem_s" Binary i;
            0x0214 I32RemU "i32.rem_u" Binary i;
            0x0215 I32And "i32.and" Binary i;
            0x0216 I32Or "i32.or" Binary i;
            0x0217 I32Xor "i32.xor" Binary i;
            0x0218 I32Shl "i32.shl" Binary i;
            0x0219 I32ShrS "i32.shr_s" Binary i;
            0x021a I32ShrU "i32.shr_u" Binary i;
            0x021b I32Rotl "i32.rotl" Binary i;
            0x021c I32Rotr "i32.rotr" Binary i;
            0x021d I32WrapI64 "i32.wrap_i64" Unary -;
            0x021e I32Extend8S "i32.extend8_s" Unary -;
            0x021f I32Extend16S "i32.extend16_s" Unary -;
            // 3: i64
            0x0300 I64Eqz "i64.eqz" Unary -;
            0x0301 I64Eq "i64.eq" Binary i;
            0x0302 I64Ne "i64.ne" Binary i;
            0x0303 I64LtS "i64.lt_s" Binary i;
            0x0304 I64LtU "i64.lt_u" Binary i;
            0x0305 I64GtS "i64.gt_s" Binary i;
            0x0306 I64GtU "i64.gt_u" Binary i;
            0x0307 I64LeS "i64.le_s" Binary i;
            0x0308 I64LeU "i64.le_u" Binary i;
            0x0309 I64GeS "i64.ge_s" Binary i;
            0x030a I64GeU "i64.ge_u" Binary i;
            0x030b I64Clz "i64.clz" Unary -;
            0x030c I64Ctz "i64.ctz" Unary -;
            0x030d I64Popcnt "i64.popcnt" Unary -;
            0x030e I64Add "i64.add" Binary i;
            0x030f I64Sub "i64.sub" Binary i;
            0x0310 I64Mul "i64.mul" Binary i;
            0x0311 I64DivS "i64.div_s" Binary i;
            0x0312 I64DivU "i64.div_u" Binary i;
            0x0313 I64RemS "i64.rem_s" Binary i;
            0x0314 I64RemU "i64.rem_u" Binary i;
            0x0315 I64And "i64.and" Binary i;
            0x0316 I64Or "i64.or" Binary i;
            0x0317 I64Xor "i64.xor" Binary i;
            0x0318 I64Shl "i64.shl" Binary i;
            0x0319 I64ShrS "i64.shr_s" Binary i;
            0x031a I64ShrU "i64.shr_u" Binary i;
            0x031b I64Rotl "i64.rotl" Binary i;
            0x031c I64Rotr "i64.rotr" Binary i;
            0x031d I64ExtendI32S "i64.extend_i32_s" Unary -;
            0x031e I64ExtendI32U "i64.extend_i32_u" Unary -;
            0x031f I64Extend8S "i64.extend8_s" Unary -;
            0x0320 I64Extend16S "i64.extend16_s" Unary -;
            0x0321 I64Extend32S "i64.extend32_s" Unary -;
            // 4: f32
            0x0400 F32Eq "f32.eq" Binary i;
            0x0401 F32Ne "f32.ne" Binary i;
            0x0402 F32Lt "f32.lt" Binary i;
            0x0403 F32Gt "f32.gt" Binary i;
            0x0404 F32Le "f32.le" Binary i;
            0x0405 F32Ge "f32.ge" Binary i;
            0x0406 F32Abs "f32.abs" Unary -;
            0x0407 F32Neg "f32.neg" Unary -;
            0x0408 F32Ceil "f32.ceil" Unary c;
            0x0409 F32Floor "f32.floor" Unary c;
            0x040a F32Trunc "f32.trunc" Unary c;
            0x040b F32Nearest "f32.nearest" Unary c;
            0x040c F32Sqrt "f32.sqrt" Unary c;
            0x040d F32Add "f32.add" Binary ic;
            0x040e F32Sub "f32.sub" Binary ic;
            0x040f F32Mul "f32.mul" Binary ic;
            0x0410 F32Div "f32.div" Binary ic;
            0x0411 F32Min "f32.min" Binary ic;
            0x0412 F32Max "f32.max" Binary ic;
            0x0413 F32Copysign "f32.copysign" Binary i;
            0x0414 I32TruncF32S "i32.trunc_f32_s" Unary -;
            0x0415 I32TruncF32U "i32.trunc_f32_u" Unary -;
            0x0416 I64TruncF32S "i64.trunc_f32_s" Unary -;
            0x0417 I64TruncF32U "i64.trunc_f32_u" Unary -;
            0x0418 I32TruncSatF32S "i32.trunc_sat_f32_s" Unary -;
            0x0419 I32TruncSatF32U "i32.trunc_sat_f32_u" Unary -;
            0x041a I64TruncSatF32S "i64.trunc_sat_f32_s" Unary -;
            0x041b I64TruncSatF32U "i64.trunc_sat_f32_u" Unary -;
            0x041c F32ConvertI32S "f32.convert_i32_s" Unary -;
            0x041d F32ConvertI32U "f32.convert_i32_u" Unary -;
            0x041e F32ConvertI64S "f32.convert_i64_s" Unary -;
            0x041f F32ConvertI64U "f32.convert_i64_u" Unary -;
        }
    };
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
for_each_opcode!(define_opcodes);

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
    pub const fn opcode(&self) -> Option<(Op, bool)> {
        let imm_form = self.op & IMM_FORM != 0;
        match Op::from_number(self.op & !IMM_FORM) {
            Some(op) if !imm_form || op.has_imm_form() => Some((op, imm_form)),
            _ => None,
        }
    }
}

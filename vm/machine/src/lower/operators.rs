//! Which opcode a plain numeric or memory operator becomes.

use crate::isa::Op;
use wasmparser::{MemArg, Operator};

/// An operator that needs no knowledge of control flow.
pub(super) enum Plain {
    /// One operand, one result.
    Unary(Op),
    /// Two operands, one result; whether they commute.
    Binary(Op, bool),
    /// Address to value.
    Load(Op, MemArg),
    /// Address and value.
    Store(Op, MemArg),
    /// The cell already holds the result.
    Retype,
}

macro_rules! plain {
    ($operator:expr; unary: $($u:ident)*; binary: $($b:ident)*; commutative: $($c:ident)*; load: $($l:ident => $lo:ident)*; store: $($s:ident => $so:ident)*;) => {
        match $operator {
            $(Operator::$u => Some(Plain::Unary(Op::$u)),)*
            $(Operator::$b => Some(Plain::Binary(Op::$b, false)),)*
            $(Operator::$c => Some(Plain::Binary(Op::$c, true)),)*
            $(Operator::$l { memarg } => Some(Plain::Load(Op::$lo, *memarg)),)*
            $(Operator::$s { memarg } => Some(Plain::Store(Op::$so, *memarg)),)*
            Operator::I32ReinterpretF32 | Operator::F32ReinterpretI32 => Some(Plain::Retype),
            _ => None,
        }
    };
}

/// The opcode of a plain operator; `None` for control, calls, variables and what is not supported.
pub(super) fn plain(operator: &Operator<'_>) -> Option<Plain> {
    plain! { operator;
        unary: I32Eqz I32Clz I32Ctz I32Popcnt I32WrapI64 I32Extend8S I32Extend16S
            I64Eqz I64Clz I64Ctz I64Popcnt I64ExtendI32S I64ExtendI32U I64Extend8S I64Extend16S I64Extend32S
            F32Abs F32Neg F32Ceil F32Floor F32Trunc F32Nearest F32Sqrt
            I32TruncF32S I32TruncF32U I64TruncF32S I64TruncF32U
            I32TruncSatF32S I32TruncSatF32U I64TruncSatF32S I64TruncSatF32U
            F32ConvertI32S F32ConvertI32U F32ConvertI64S F32ConvertI64U;
        binary: I32LtS I32LtU I32GtS I32GtU I32LeS I32LeU I32GeS I32GeU
            I32Sub I32DivS I32DivU I32RemS I32RemU I32Shl I32ShrS I32ShrU I32Rotl I32Rotr
            I64LtS I64LtU I64GtS I64GtU I64LeS I64LeU I64GeS I64GeU
            I64Sub I64DivS I64DivU I64RemS I64RemU I64Shl I64ShrS I64ShrU I64Rotl I64Rotr
            F32Lt F32Gt F32Le F32Ge F32Sub F32Div F32Copysign;
        commutative: I32Eq I32Ne I32Add I32Mul I32And I32Or I32Xor
            I64Eq I64Ne I64Add I64Mul I64And I64Or I64Xor
            F32Eq F32Ne F32Add F32Mul F32Min F32Max;
        load: I32Load => Load32U I64Load => Load64 F32Load => Load32U
            I32Load8S => Load8S32 I32Load8U => Load8U I32Load16S => Load16S32 I32Load16U => Load16U
            I64Load8S => Load8S64 I64Load8U => Load8U I64Load16S => Load16S64 I64Load16U => Load16U
            I64Load32S => Load32S64 I64Load32U => Load32U;
        store: I32Store => Store32 I64Store => Store64 F32Store => Store32
            I32Store8 => Store8 I32Store16 => Store16
            I64Store8 => Store8 I64Store16 => Store16 I64Store32 => Store32;
    }
}

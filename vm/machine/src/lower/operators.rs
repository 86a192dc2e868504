//! Which opcode an operator becomes, where it is one opcode or two and needs no knowledge of control flow.

use crate::isa::{Format, Op};
use wasmparser::{MemArg, Operator};

/// An operator that needs no knowledge of control flow.
pub(super) enum Plain {
    /// One operand, one result.
    Unary(Op),
    /// Two operands, one result; whether they commute.
    Binary(Op, bool),
    /// Vector to the cell that lane holds.
    Extract(Op, u8),
    /// Vector and cell to vector.
    Replace(Op, u8),
    /// Address to value.
    Load(Op, MemArg),
    /// Address and value.
    Store(Op, MemArg),
    /// The cell already holds the result.
    Retype,
}

macro_rules! plain {
    ($operator:expr; unary: $($u:ident)*; unary as: $($v:ident => $vo:ident)*; binary: $($b:ident)*; commutative: $($c:ident)*; extract: $($x:ident => $xo:ident)*; replace: $($r:ident => $ro:ident)*; load: $($l:ident => $lo:ident)*; store: $($s:ident => $so:ident)*; retype: $($t:ident)*;) => {
        match $operator {
            $(Operator::$u => Some(Plain::Unary(Op::$u)),)*
            $(Operator::$v => Some(Plain::Unary(Op::$vo)),)*
            $(Operator::$b => Some(Plain::Binary(Op::$b, false)),)*
            $(Operator::$c => Some(Plain::Binary(Op::$c, true)),)*
            $(Operator::$x { lane } => Some(Plain::Extract(Op::$xo, *lane)),)*
            $(Operator::$r { lane } => Some(Plain::Replace(Op::$ro, *lane)),)*
            $(Operator::$l { memarg } => Some(Plain::Load(Op::$lo, *memarg)),)*
            $(Operator::$s { memarg } => Some(Plain::Store(Op::$so, *memarg)),)*
            $(Operator::$t => Some(Plain::Retype),)*
            _ => None,
        }
    };
}

/// The opcode of a plain operator; `None` for control, calls, variables, tables and what is more than one opcode.
pub(super) fn plain(operator: &Operator<'_>) -> Option<Plain> {
    plain! { operator;
        unary: I32Eqz I32Clz I32Ctz I32Popcnt I32WrapI64 I32Extend8S I32Extend16S
            I64Eqz I64Clz I64Ctz I64Popcnt I64ExtendI32S I64ExtendI32U I64Extend8S I64Extend16S I64Extend32S
            F32Abs F32Neg F32Ceil F32Floor F32Trunc F32Nearest F32Sqrt
            I32TruncF32S I32TruncF32U I64TruncF32S I64TruncF32U
            I32TruncSatF32S I32TruncSatF32U I64TruncSatF32S I64TruncSatF32U
            F32ConvertI32S F32ConvertI32U F32ConvertI64S F32ConvertI64U
            F64Abs F64Neg F64Ceil F64Floor F64Trunc F64Nearest F64Sqrt
            I32TruncF64S I32TruncF64U I64TruncF64S I64TruncF64U
            I32TruncSatF64S I32TruncSatF64U I64TruncSatF64S I64TruncSatF64U
            F64ConvertI32S F64ConvertI32U F64ConvertI64S F64ConvertI64U F32DemoteF64 F64PromoteF32
            V128Not V128AnyTrue
            I8x16Abs I8x16Neg I8x16Popcnt I8x16AllTrue I8x16Bitmask I8x16Splat
            I16x8Abs I16x8Neg I16x8AllTrue I16x8Bitmask I16x8Splat
            I16x8ExtendLowI8x16S I16x8ExtendHighI8x16S I16x8ExtendLowI8x16U I16x8ExtendHighI8x16U
            I16x8ExtAddPairwiseI8x16S I16x8ExtAddPairwiseI8x16U
            I32x4Abs I32x4Neg I32x4AllTrue I32x4Bitmask I32x4Splat
            I32x4ExtendLowI16x8S I32x4ExtendHighI16x8S I32x4ExtendLowI16x8U I32x4ExtendHighI16x8U
            I32x4ExtAddPairwiseI16x8S I32x4ExtAddPairwiseI16x8U
            I64x2Abs I64x2Neg I64x2AllTrue I64x2Bitmask I64x2Splat
            I64x2ExtendLowI32x4S I64x2ExtendHighI32x4S I64x2ExtendLowI32x4U I64x2ExtendHighI32x4U
            F32x4Abs F32x4Neg F32x4Ceil F32x4Floor F32x4Trunc F32x4Nearest F32x4Sqrt
            F64x2Abs F64x2Neg F64x2Ceil F64x2Floor F64x2Trunc F64x2Nearest F64x2Sqrt
            I32x4TruncSatF32x4S I32x4TruncSatF32x4U F32x4ConvertI32x4S F32x4ConvertI32x4U
            I32x4TruncSatF64x2SZero I32x4TruncSatF64x2UZero F64x2ConvertLowI32x4S F64x2ConvertLowI32x4U
            F32x4DemoteF64x2Zero F64x2PromoteLowF32x4;
        unary as: F32x4Splat => I32x4Splat F64x2Splat => I64x2Splat RefIsNull => I64Eqz;
        binary: I32LtS I32LtU I32GtS I32GtU I32LeS I32LeU I32GeS I32GeU
            I32Sub I32DivS I32DivU I32RemS I32RemU I32Shl I32ShrS I32ShrU I32Rotl I32Rotr
            I64LtS I64LtU I64GtS I64GtU I64LeS I64LeU I64GeS I64GeU
            I64Sub I64DivS I64DivU I64RemS I64RemU I64Shl I64ShrS I64ShrU I64Rotl I64Rotr
            F32Lt F32Gt F32Le F32Ge F32Sub F32Div F32Copysign
            F64Lt F64Gt F64Le F64Ge F64Sub F64Div F64Copysign
            V128And V128AndNot V128Or V128Xor I8x16Swizzle
            I8x16Eq I8x16Ne I8x16LtS I8x16LtU I8x16GtS I8x16GtU I8x16LeS I8x16LeU I8x16GeS I8x16GeU
            I8x16Add I8x16Sub I8x16AddSatS I8x16AddSatU I8x16SubSatS I8x16SubSatU
            I8x16MinS I8x16MinU I8x16MaxS I8x16MaxU I8x16AvgrU I8x16Shl I8x16ShrS I8x16ShrU
            I8x16NarrowI16x8S I8x16NarrowI16x8U
            I16x8Eq I16x8Ne I16x8LtS I16x8LtU I16x8GtS I16x8GtU I16x8LeS I16x8LeU I16x8GeS I16x8GeU
            I16x8Add I16x8Sub I16x8Mul I16x8AddSatS I16x8AddSatU I16x8SubSatS I16x8SubSatU
            I16x8MinS I16x8MinU I16x8MaxS I16x8MaxU I16x8AvgrU I16x8Shl I16x8ShrS I16x8ShrU
            I16x8NarrowI32x4S I16x8NarrowI32x4U I16x8Q15MulrSatS
            I16x8ExtMulLowI8x16S I16x8ExtMulHighI8x16S I16x8ExtMulLowI8x16U I16x8ExtMulHighI8x16U
            I32x4Eq I32x4Ne I32x4LtS I32x4LtU I32x4GtS I32x4GtU I32x4LeS I32x4LeU I32x4GeS I32x4GeU
            I32x4Add I32x4Sub I32x4Mul I32x4MinS I32x4MinU I32x4MaxS I32x4MaxU
            I32x4Shl I32x4ShrS I32x4ShrU I32x4DotI16x8S
            I32x4ExtMulLowI16x8S I32x4ExtMulHighI16x8S I32x4ExtMulLowI16x8U I32x4ExtMulHighI16x8U
            I64x2Eq I64x2Ne I64x2LtS I64x2GtS I64x2LeS I64x2GeS
            I64x2Add I64x2Sub I64x2Mul I64x2Shl I64x2ShrS I64x2ShrU
            I64x2ExtMulLowI32x4S I64x2ExtMulHighI32x4S I64x2ExtMulLowI32x4U I64x2ExtMulHighI32x4U
            F32x4Eq F32x4Ne F32x4Lt F32x4Gt F32x4Le F32x4Ge
            F32x4Add F32x4Sub F32x4Mul F32x4Div F32x4Min F32x4Max F32x4PMin F32x4PMax
            F64x2Eq F64x2Ne F64x2Lt F64x2Gt F64x2Le F64x2Ge
            F64x2Add F64x2Sub F64x2Mul F64x2Div F64x2Min F64x2Max F64x2PMin F64x2PMax;
        commutative: I32Eq I32Ne I32Add I32Mul I32And I32Or I32Xor
            I64Eq I64Ne I64Add I64Mul I64And I64Or I64Xor
            F32Eq F32Ne F32Add F32Mul F32Min F32Max
            F64Eq F64Ne F64Add F64Mul F64Min F64Max;
        extract: I8x16ExtractLaneS => I8x16ExtractLaneS I8x16ExtractLaneU => I8x16ExtractLaneU
            I16x8ExtractLaneS => I16x8ExtractLaneS I16x8ExtractLaneU => I16x8ExtractLaneU
            I32x4ExtractLane => I32x4ExtractLane F32x4ExtractLane => I32x4ExtractLane
            I64x2ExtractLane => I64x2ExtractLane F64x2ExtractLane => I64x2ExtractLane;
        replace: I8x16ReplaceLane => I8x16ReplaceLane I16x8ReplaceLane => I16x8ReplaceLane
            I32x4ReplaceLane => I32x4ReplaceLane F32x4ReplaceLane => I32x4ReplaceLane
            I64x2ReplaceLane => I64x2ReplaceLane F64x2ReplaceLane => I64x2ReplaceLane;
        load: I32Load => Load32U I64Load => Load64 F32Load => Load32U F64Load => Load64 V128Load => V128Load
            I32Load8S => Load8S32 I32Load8U => Load8U I32Load16S => Load16S32 I32Load16U => Load16U
            I64Load8S => Load8S64 I64Load8U => Load8U I64Load16S => Load16S64 I64Load16U => Load16U
            I64Load32S => Load32S64 I64Load32U => Load32U;
        store: I32Store => Store32 I64Store => Store64 F32Store => Store32 F64Store => Store64 V128Store => V128Store
            I32Store8 => Store8 I32Store16 => Store16
            I64Store8 => Store8 I64Store16 => Store16 I64Store32 => Store32;
        retype: I32ReinterpretF32 F32ReinterpretI32 I64ReinterpretF64 F64ReinterpretI64;
    }
}

/// A vector access to memory that goes through a cell.
pub(super) enum CellAccess {
    /// A cell is loaded, then this opcode makes it a vector.
    Widen(Op, Op, MemArg),
    /// A cell is loaded into the low half; the high half is zero.
    Zero(Op, MemArg),
    /// A cell is loaded, then put into a lane.
    LoadLane(Op, Op, MemArg, u8),
    /// A lane is taken into a cell, then stored.
    StoreLane(Op, Op, MemArg, u8),
}

macro_rules! cell_access {
    ($operator:expr; widen: $($w:ident => $wl:ident $wo:ident)*; zero: $($z:ident => $zl:ident)*; load lane: $($l:ident => $ll:ident $lo:ident)*; store lane: $($s:ident => $so:ident $ss:ident)*;) => {
        match $operator {
            $(Operator::$w { memarg } => Some(CellAccess::Widen(Op::$wl, Op::$wo, *memarg)),)*
            $(Operator::$z { memarg } => Some(CellAccess::Zero(Op::$zl, *memarg)),)*
            $(Operator::$l { memarg, lane } => Some(CellAccess::LoadLane(Op::$ll, Op::$lo, *memarg, *lane)),)*
            $(Operator::$s { memarg, lane } => Some(CellAccess::StoreLane(Op::$so, Op::$ss, *memarg, *lane)),)*
            _ => None,
        }
    };
}

/// The opcodes of a vector's partial access to memory.
pub(super) fn cell_access(operator: &Operator<'_>) -> Option<CellAccess> {
    cell_access! { operator;
        widen: V128Load8x8S => Load64 I16x8ExtendLowI8x16S V128Load8x8U => Load64 I16x8ExtendLowI8x16U
            V128Load16x4S => Load64 I32x4ExtendLowI16x8S V128Load16x4U => Load64 I32x4ExtendLowI16x8U
            V128Load32x2S => Load64 I64x2ExtendLowI32x4S V128Load32x2U => Load64 I64x2ExtendLowI32x4U
            V128Load8Splat => Load8U I8x16Splat V128Load16Splat => Load16U I16x8Splat
            V128Load32Splat => Load32U I32x4Splat V128Load64Splat => Load64 I64x2Splat;
        zero: V128Load32Zero => Load32U V128Load64Zero => Load64;
        load lane: V128Load8Lane => Load8U I8x16ReplaceLane V128Load16Lane => Load16U I16x8ReplaceLane
            V128Load32Lane => Load32U I32x4ReplaceLane V128Load64Lane => Load64 I64x2ReplaceLane;
        store lane: V128Store8Lane => I8x16ExtractLaneU Store8 V128Store16Lane => I16x8ExtractLaneU Store16
            V128Store32Lane => I32x4ExtractLane Store32 V128Store64Lane => I64x2ExtractLane Store64;
    }
}

/// Cells of what `op` writes to its destination.
pub(super) fn result_width(op: Op) -> u32 {
    match op.format() {
        Format::VecUnary
        | Format::VecBinary
        | Format::VecTernary
        | Format::VecShift
        | Format::VecSplat
        | Format::VecReplace
        | Format::VecLoad => 2,
        Format::Special if op == Op::V128Select => 2,
        Format::None
        | Format::Const
        | Format::Unary
        | Format::Binary
        | Format::Load
        | Format::Store
        | Format::Jump
        | Format::Branch
        | Format::Block
        | Format::VecTest
        | Format::VecExtract
        | Format::VecStore
        | Format::Special => 1,
    }
}

macro_rules! define_proposal {
    ($( @$proposal:ident $op:ident $({ $($arg:ident: $ty:ty),* })? => $visit:ident ($($ann:tt)*) )*) => {
        /// The proposal that an operator came with, as the parser's table names it.
        pub(super) fn proposal(operator: &Operator<'_>) -> &'static str {
            match operator {
                $(Operator::$op { .. } => stringify!($proposal),)*
                // The parser's enum is open to later ones.
                _ => "unknown",
            }
        }
    };
}
wasmparser::for_each_operator!(define_proposal);

/// An operator's name without its operands.
pub(super) fn name(operator: &Operator<'_>) -> String {
    let debug = format!("{operator:?}");
    debug.split([' ', '{', '(']).next().unwrap_or("").to_owned()
}

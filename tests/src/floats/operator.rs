//! What an operator of the float families takes and gives.

use super::{Pair, Reference};
use assay_machine::isa::{Format as Operands, Op};

/// An operator and the lanes that it works on; a number is one lane.
#[derive(Clone, Copy, Debug)]
pub struct Operator {
    /// The opcode.
    pub op: Op,
    /// Lanes that it computes.
    pub lanes: u32,
    /// Bits of a lane of its operands.
    pub bits_in: u32,
    /// Bits of a lane of its result.
    pub bits_out: u32,
}

impl Operator {
    /// Every operator of families 4, 5, 8 and 9.
    pub fn all() -> Vec<Operator> {
        Op::ALL.iter().filter_map(|op| Operator::of(*op)).collect()
    }

    /// `op` if it is one of them.
    pub fn of(op: Op) -> Option<Operator> {
        let (lanes, bits_in, bits_out) = match (family(op), op) {
            // A cell, of which an operator takes the bits that it needs.
            (4 | 5, _) => (1, 64, 64),
            (8, _) => (4, 32, 32),
            (9, Op::I32x4TruncSatF64x2SZero)
            | (9, Op::I32x4TruncSatF64x2UZero)
            | (9, Op::F32x4DemoteF64x2Zero) => (2, 64, 32),
            (9, Op::F64x2ConvertLowI32x4S)
            | (9, Op::F64x2ConvertLowI32x4U)
            | (9, Op::F64x2PromoteLowF32x4) => (2, 32, 64),
            (9, _) => (2, 64, 64),
            _ => return None,
        };
        Some(Operator {
            op,
            lanes,
            bits_in,
            bits_out,
        })
    }

    /// Whether its operands are vectors.
    pub fn is_vector(self) -> bool {
        family(self.op) >= 8
    }

    /// Whether it takes one operand.
    pub fn is_unary(self) -> bool {
        matches!(self.op.format(), Operands::Unary | Operands::VecUnary)
    }

    /// The operator on numbers that says what one on lanes does; itself for numbers. `pmin` and `pmax` have none.
    pub fn number(self) -> Option<Op> {
        let name = self.op.mnemonic();
        let name = ["x4", "x2", "_zero", "_low"]
            .iter()
            .fold(name.to_owned(), |name, shape| name.replace(shape, ""));
        Op::ALL.iter().copied().find(|op| op.mnemonic() == name)
    }

    /// Whether a lane of the result is all ones or all zeros.
    fn is_lane_mask(self) -> bool {
        self.is_vector() && self.op as u16 & 0xff <= 5
    }

    /// The vectors whose lanes, low ones first, are these pairs, and zeros. An operator that takes the low half of a vector
    /// finds other bits above it.
    pub fn vectors(self, pairs: &[Pair]) -> (u128, u128) {
        let above = match self.lanes * self.bits_in {
            128 => 0,
            used => ABOVE << used,
        };
        let vector = |lane: fn(&Pair) -> u64| {
            (0..).zip(pairs).fold(above, |all, (i, pair)| {
                all | u128::from(self.lane(lane(pair))) << (i * self.bits_in)
            })
        };
        (vector(|pair| pair.0), vector(|pair| pair.1))
    }

    /// The result on those vectors, when `reference` says what it is on a lane.
    pub fn on_lanes(self, reference: Reference, pairs: &[Pair]) -> u128 {
        (0..self.lanes).fold(0, |all, i| {
            let (a, b) = pairs.get(i as usize).copied().unwrap_or_default();
            let result = reference(self.lane(a), self.lane(b)).expect("lanes never trap");
            let result = if self.is_lane_mask() {
                result.wrapping_neg() >> (64 - self.bits_out)
            } else {
                result
            };
            all | u128::from(result) << (i * self.bits_out)
        })
    }

    /// The bits of a number that a lane has.
    fn lane(self, number: u64) -> u64 {
        number & (u64::MAX >> (64 - self.bits_in))
    }
}

/// What lies above the lanes that an operator takes.
const ABOVE: u128 = 0xaaaa_aaaa_5555_5555;

/// Family of an opcode.
pub fn family(op: Op) -> u16 {
    op as u16 >> 8
}

/// The f32 operator that an f64 one is the twin of.
pub fn as_f32(op: Op) -> Option<Op> {
    let name = op.mnemonic().replace("f64", "f32");
    Op::ALL.iter().copied().find(|op| op.mnemonic() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contracts subtract the opcodes' numbers; here operators are found by name.
    #[test]
    fn families_are_in_one_order() {
        let mut pairs = 0;
        for operator in Operator::all() {
            let (op, low) = (operator.op, operator.op as u16 & 0xff);
            if family(op) == 5 && low < 0x20 {
                assert_eq!(as_f32(op).map(|op| op as u16), Some(0x0400 | low));
                pairs += 1;
            }
            if operator.is_vector() && low <= 0x12 {
                let number = operator.number().map(|op| op as u16);
                assert_eq!(number, Some((family(op) - 4) << 8 | low));
                pairs += 1;
            }
        }
        assert_eq!(pairs, 32 + 2 * 19);
    }

    #[test]
    fn every_operator_on_lanes_has_its_number_but_two() {
        let orphans: Vec<&str> = Operator::all()
            .into_iter()
            .filter(|o| o.number().is_none())
            .map(|o| o.op.mnemonic())
            .collect();
        assert_eq!(
            orphans,
            ["f32x4.pmin", "f32x4.pmax", "f64x2.pmin", "f64x2.pmax"]
        );
    }
}

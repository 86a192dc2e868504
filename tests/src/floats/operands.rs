//! The operands that an operator is tried on.

use super::format::{F32, F64, Format};
use super::operator::{Operator, as_f32, family};
use super::{Pair, directed, edges, hard};
use assay_machine::isa::Op;
use rand::SeedableRng;
use rand::rngs::SmallRng;

/// What an operator takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Float(Format),
    Integer,
}

fn kind(operator: Operator) -> Kind {
    let op = operator.number().unwrap_or(operator.op);
    match (op, as_f32(op)) {
        (Op::F64PromoteF32, _) => Kind::Float(F32),
        (Op::F32DemoteF64, _) => Kind::Float(F64),
        (
            _,
            Some(Op::F32ConvertI32S | Op::F32ConvertI32U | Op::F32ConvertI64S | Op::F32ConvertI64U),
        ) => Kind::Integer,
        // Families of f32 have even numbers.
        _ if family(op).is_multiple_of(2) => Kind::Float(F32),
        _ => Kind::Float(F64),
    }
}

/// A source of operands, seeded by the operator.
pub struct Source {
    operator: Operator,
    kind: Kind,
    rng: SmallRng,
}

impl Source {
    /// The source for `operator`.
    pub fn new(operator: Operator) -> Source {
        Source {
            operator,
            kind: kind(operator),
            rng: SmallRng::seed_from_u64(0xf32 ^ operator.op as u64),
        }
    }

    /// All pairs of edge values (all values of an operator of one operand), and what is hard for this one.
    pub fn fixed(&mut self) -> Vec<Pair> {
        let edges = match self.kind {
            Kind::Integer => edges::integers(),
            Kind::Float(format) => edges::numbers(format),
        };
        let mut out: Vec<Pair> = if self.operator.is_unary() {
            edges.iter().map(|&a| (a, 0)).collect()
        } else {
            let all = |&a: &u64| edges.iter().map(move |&b| (a, b));
            edges.iter().flat_map(all).collect()
        };
        out.extend(self.hard(3000));
        self.soil(&mut out);
        out
    }

    /// Some 6,000 operands whose exact results are nearest to a tie.
    fn hard(&mut self, n: usize) -> Vec<Pair> {
        let rng = &mut self.rng;
        let Kind::Float(format) = self.kind else {
            return hard::integers(2 * n, rng);
        };
        let op = self.operator.number().unwrap_or(self.operator.op);
        match (op, as_f32(op)) {
            (Op::F32DemoteF64, _) => hard::between_f32s(2 * n, rng),
            (_, Some(Op::F32Sqrt)) => hard::squares(format),
            (_, Some(Op::F32Add | Op::F32Sub)) => hard::sums(format, 2 * n, rng),
            (_, Some(Op::F32Mul)) => {
                let normal = hard::products(format, n, rng);
                [normal, hard::subnormal_products(format, n, rng)].concat()
            }
            (_, Some(Op::F32Div)) => {
                let normal = hard::quotients(format, n, rng);
                [normal, hard::subnormal_quotients(format, n, rng)].concat()
            }
            _ if self.operator.is_unary() => hard::halves(format, 2 * n, rng),
            _ => Vec::new(),
        }
    }

    /// Replaces `into` by `n` directed-random operands.
    pub fn directed(&mut self, n: usize, into: &mut Vec<Pair>) {
        into.clear();
        let rng = &mut self.rng;
        into.extend((0..n).map(|_| match self.kind {
            Kind::Integer => (directed::integer(rng), directed::integer(rng)),
            Kind::Float(format) => directed::numbers(format, rng),
        }));
        self.soil(into);
    }

    /// High halves of cells are not zero everywhere: operators of 32 bits take the low half.
    fn soil(&self, operands: &mut [Pair]) {
        if self.kind == Kind::Float(F32) && !self.operator.is_vector() {
            for (a, b) in operands {
                (*a, *b) = (*a | 0xdead_beef << 32, *b | 0x8bad_f00d << 32);
            }
        }
    }
}

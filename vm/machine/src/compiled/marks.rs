//! Which stores of a stretch of code without jumps are noted together: those at offsets from one local that are less
//! than a block of the map apart are all in the blocks of the least and the greatest offset.
//!
//! Noting may wait until the stretch ends, for nothing looks at the map before the macro step does, and where an
//! instruction traps no state comes of what was written.

use super::instrument::MAP_LOG2;
use wasmparser::{ContType, FrameKind, FuncType, ModuleArity, Operator, RefType, SubType};

/// What a store's address is counted from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Base {
    Zero,
    Local(u32),
}

/// Stores from one base: the least and the greatest of their offsets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Span {
    pub base: Base,
    pub low: u32,
    pub high: u32,
}

/// What is known at a place in a stretch.
#[derive(Default)]
pub(super) struct Marks {
    /// Where the topmost operands come from: from which base, how far.
    operands: Vec<Option<(Base, u32)>>,
    /// Stores that are not yet noted.
    spans: Vec<Span>,
}

impl Marks {
    /// The base and offset of the address of the store that comes next, if they are known.
    pub fn address(&self, offset: u64) -> Option<(Base, u32)> {
        let at = self.operands.len().checked_sub(2)?;
        let (base, known) = self.operands[at]?;
        // An address past 4 GiB is none that a store succeeds at.
        let sum = u32::try_from(u64::from(known) + offset).ok()?;
        Some((base, sum))
    }

    /// A store that has been done is to be noted.
    pub fn note(&mut self, base: Base, offset: u32) {
        for span in self.spans.iter_mut().filter(|span| span.base == base) {
            let (low, high) = (span.low.min(offset), span.high.max(offset));
            if high - low < 1 << MAP_LOG2 {
                (span.low, span.high) = (low, high);
                return;
            }
        }
        self.spans.push(Span {
            base,
            low: offset,
            high: offset,
        });
    }

    /// What must be noted before `operator`: all where it may jump or be jumped to, what counts from a local that it
    /// changes.
    pub fn due(&mut self, operator: &Operator<'_>) -> Vec<Span> {
        match operator {
            Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                let changed = Base::Local(*local_index);
                self.spans
                    .extract_if(.., |span| span.base == changed)
                    .collect()
            }
            _ if operator.operator_arity(&Straight).is_none() => self.spans.drain(..).collect(),
            _ => Vec::new(),
        }
    }

    /// Goes past `operator`.
    pub fn pass(&mut self, operator: &Operator<'_>) {
        let pushed = match operator {
            Operator::LocalGet { local_index } => Some((Base::Local(*local_index), 0)),
            Operator::I32Const { value } => Some((Base::Zero, *value as u32)),
            Operator::LocalSet { local_index } | Operator::LocalTee { local_index } => {
                // Operands that were read before keep the old value.
                let changed = Base::Local(*local_index);
                for operand in &mut self.operands {
                    operand.take_if(|(base, _)| *base == changed);
                }
                matches!(operator, Operator::LocalTee { .. }).then_some((changed, 0))
            }
            _ => None,
        };
        let Some((pops, pushes)) = operator.operator_arity(&Straight) else {
            self.operands.clear();
            return;
        };
        let left = self.operands.len().saturating_sub(pops as usize);
        self.operands.truncate(left);
        self.operands.extend((0..pushes).map(|_| pushed));
    }
}

/// A module of which nothing is known, so that only operators in straight code have an arity.
struct Straight;

impl ModuleArity for Straight {
    fn sub_type_at(&self, _: u32) -> Option<&SubType> {
        None
    }
    fn tag_type_arity(&self, _: u32) -> Option<(u32, u32)> {
        None
    }
    fn type_index_of_function(&self, _: u32) -> Option<u32> {
        None
    }
    fn func_type_of_cont_type(&self, _: &ContType) -> Option<&FuncType> {
        None
    }
    fn sub_type_of_ref_type(&self, _: &RefType) -> Option<&SubType> {
        None
    }
    fn control_stack_height(&self) -> u32 {
        0
    }
    fn label_block(&self, _: u32) -> Option<(wasmparser::BlockType, FrameKind)> {
        None
    }
    fn block_type_arity(&self, _: wasmparser::BlockType) -> Option<(u32, u32)> {
        None
    }
}

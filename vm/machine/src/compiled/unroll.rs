//! Loops that are unrolled: in a short one, counting each iteration's steps costs much of what the iteration does.

use super::instrument::unsupported;
use super::rewrite::Rewriter;
use crate::lower::LowerError;
use wasm_encoder::BlockType;
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasmparser::Operator;

/// Iterations that are counted together.
const COPIES: i64 = 4;
/// Most operators of a body that is copied.
const LONGEST: usize = 256;

/// Blocks that are open after `operator`, if there are `depth` before it.
fn nested(depth: u32, operator: &Operator<'_>) -> u32 {
    match operator {
        Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => depth + 1,
        Operator::End => depth - 1,
        _ => depth,
    }
}

/// The number of operators, `loop` and `end` included, of the loop that starts here, if it can be unrolled: there is no
/// loop or call in it, and wherever it is left, what was counted ahead can be taken back. `labels` says of the blocks
/// around it whether a branch to them takes no operands.
pub(super) fn unrollable(operators: &[Operator<'_>], labels: &[bool]) -> Option<usize> {
    let [Operator::Loop { blockty }, body @ ..] = operators else {
        return None;
    };
    if matches!(blockty, wasmparser::BlockType::FuncType(_)) {
        return None;
    }
    let (mut depth, mut again) = (0, false);
    for (at, operator) in body.iter().enumerate().take(LONGEST) {
        match operator {
            Operator::End if depth == 0 => return again.then_some(at + 2),
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => {
                match relative_depth.checked_sub(depth + 1) {
                    None => again |= *relative_depth == depth,
                    Some(outer) => {
                        let label = labels.iter().nth_back(outer as usize);
                        label.filter(|empty| **empty)?;
                    }
                }
            }
            Operator::BrTable { targets } => {
                for target in targets.targets().chain([Ok(targets.default())]) {
                    let target = target.ok().filter(|target| *target <= depth)?;
                    again |= target == depth;
                }
            }
            Operator::Loop { .. }
            | Operator::Return
            | Operator::Call { .. }
            | Operator::CallIndirect { .. } => return None,
            _ => depth = nested(depth, operator),
        }
    }
    None
}

impl Rewriter<'_> {
    /// A loop whose iterations are counted some at a time, each with a copy of its body. All but the last copy are blocks,
    /// so that what would go to the loop's start goes to the next copy; what leaves a copy leaves the loop, and takes
    /// back what was counted for the copies after it.
    pub fn unrolled(&mut self, operators: &[Operator<'_>]) -> Result<(), LowerError> {
        let [Operator::Loop { blockty }, body @ .., _] = operators else {
            return Ok(());
        };
        let ty = RoundtripReencoder
            .block_type(*blockty)
            .map_err(unsupported)?;
        self.flush();
        self.f.instructions().block(ty).loop_(ty);
        let weight = i64::from(self.weights.next().copied().unwrap_or(0));
        self.count(COPIES * weight);
        // The block and the loop, and in all copies but the last a block of their own.
        self.labels.extend([true; 3]);
        for after in (1..COPIES).rev() {
            self.f.instructions().block(BlockType::Empty);
            self.copy(body, 2, after * weight)?;
            self.take_back(after * weight);
            self.f.instructions().br(2).end();
        }
        self.labels.pop();
        self.copy(body, 1, 0)?;
        self.f.instructions().end().end();
        self.labels.truncate(self.labels.len() - 2);
        Ok(())
    }

    /// One copy of a loop's body, with `added` blocks more around it than the original has; what leaves it takes back
    /// `ahead` steps.
    fn copy(&mut self, body: &[Operator<'_>], added: u32, ahead: i64) -> Result<(), LowerError> {
        let mut depth = 0;
        for operator in body {
            match operator {
                Operator::Br { relative_depth } if *relative_depth > depth => {
                    self.flush();
                    self.take_back(ahead);
                    self.f.instructions().br(relative_depth + added);
                }
                Operator::BrIf { relative_depth } if *relative_depth > depth => {
                    self.flush();
                    self.f.instructions().if_(BlockType::Empty);
                    self.take_back(ahead);
                    self.f.instructions().br(relative_depth + added + 1).end();
                }
                _ => {
                    depth = nested(depth, operator);
                    self.operator(operator)?;
                }
            }
        }
        self.flush();
        Ok(())
    }

    /// Takes back steps that were counted ahead.
    fn take_back(&mut self, steps: i64) {
        if steps != 0 {
            self.f
                .instructions()
                .local_get(self.scratch.steps)
                .i64_const(steps)
                .i64_sub()
                .local_set(self.scratch.steps);
        }
    }
}

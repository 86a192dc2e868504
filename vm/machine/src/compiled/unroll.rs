//! Which loops are unrolled: in a short one, counting each iteration's steps costs much of what the iteration does.

use wasmparser::{BlockType, Operator};

/// Iterations that are counted together.
pub(super) const COPIES: i64 = 4;
/// Most operators of a body that is copied.
const LONGEST: usize = 256;

/// Blocks that are open after `operator`, if there are `depth` before it.
pub(super) fn nested(depth: u32, operator: &Operator<'_>) -> u32 {
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
    if matches!(blockty, BlockType::FuncType(_)) {
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

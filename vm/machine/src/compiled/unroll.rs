//! Which loops are unrolled: in a short one, counting each iteration's steps costs much of what the iteration does.

use wasmparser::{BlockType, Operator};

/// Iterations that are counted together.
pub(super) const COPIES: i64 = 4;
/// Most operators of a body that is copied.
const LONGEST: usize = 256;

/// The number of operators, `loop` and `end` included, of the loop that starts here, if it can be unrolled: there is no
/// loop or call in it, and its end is the only way out, so that what was counted too much can be taken back there.
pub(super) fn unrollable(operators: &[Operator<'_>]) -> Option<usize> {
    let [Operator::Loop { blockty }, body @ ..] = operators else {
        return None;
    };
    if matches!(blockty, BlockType::FuncType(_)) {
        return None;
    }
    let (mut depth, mut again) = (0, false);
    for (at, operator) in body.iter().enumerate().take(LONGEST) {
        match operator {
            Operator::Block { .. } | Operator::If { .. } => depth += 1,
            Operator::End if depth == 0 => return again.then_some(at + 2),
            Operator::End => depth -= 1,
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => {
                again |= *relative_depth == depth;
                if *relative_depth > depth {
                    return None;
                }
            }
            Operator::BrTable { targets } => {
                for target in targets.targets().chain([Ok(targets.default())]) {
                    let target = target.ok()?;
                    again |= target == depth;
                    if target > depth {
                        return None;
                    }
                }
            }
            Operator::Loop { .. }
            | Operator::Return
            | Operator::Call { .. }
            | Operator::CallIndirect { .. } => return None,
            _ => {}
        }
    }
    None
}

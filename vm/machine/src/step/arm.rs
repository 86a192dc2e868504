//! Arms of the step function, each a type: the reference matches on opcodes, `fast` compiles each by itself.

use super::{Ctx, Flow};
use crate::access::Access;

/// What one opcode does. One that has handlers in `fast` depends on nothing but what it reads through its operands, memory
/// and globals, changes nothing if it traps, and goes to the next instruction otherwise.
pub(crate) trait Arm {
    /// Whether operand `b` may be the immediate.
    const IMM_FORM: bool;
    /// Whether its operands are f64s.
    const TAKES_F64: bool = false;
    /// Whether the cell that it gives is an f64.
    const GIVES_F64: bool = false;
    fn run<A: Access>(x: &mut Ctx<'_, A>) -> Flow<A>;
}

/// A family's arms: those after `fast` have handlers, of which the ones of a `cell` may be joined with a branch on that
/// cell; those after `reference` have none. `rest` does the family's other opcodes and names their handlers.
macro_rules! arms {
    (
        |$x:ident, $op:ident|
        fast $form:ident { $($name:ident => $arm:expr,)* }
        reference { $($slow:ident => $slow_arm:expr,)* }
        rest ($rest:expr, $rest_forms:expr)
    ) => {
        $(
            pub(crate) enum $name {}
            impl $crate::step::arm::Arm for $name {
                const IMM_FORM: bool = Op::$name.has_imm_form();
                #[inline(always)]
                fn run<A: Access>($x: &mut Ctx<'_, A>) -> Flow<A> {
                    $arm
                }
            }
        )*

        #[inline(always)]
        pub(in crate::step) fn execute<A: Access>($op: Op, $x: &mut Ctx<'_, A>) -> Flow<A> {
            match $op {
                $(Op::$name => <$name as $crate::step::arm::Arm>::run($x),)*
                $(Op::$slow => $slow_arm,)*
                _ => $rest,
            }
        }

        /// The handlers of an opcode of this family.
        pub(in crate::step) fn forms($op: Op) -> Option<$crate::fast::Forms> {
            match $op {
                $(Op::$name => Some($crate::fast::Forms::$form::<$name>()),)*
                _ => $rest_forms,
            }
        }
    };
}
pub(super) use arms;

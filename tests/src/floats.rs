//! Operators of the float families, references for them, and operands at which implementations go wrong.

pub mod compare;
pub mod directed;
pub mod edges;
pub mod format;
pub mod hard;
pub mod hardware;
pub mod machine;
pub mod operands;
pub mod operator;
pub mod soft;
pub mod solidity;

/// An operator's result on two cells or on two lanes; `None` traps.
pub type Reference = fn(u64, u64) -> Option<u64>;

/// A pair of operands; an operator of one operand ignores the second.
pub type Pair = (u64, u64);

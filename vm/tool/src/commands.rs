//! One file a subcommand.

pub mod bench;
pub mod check;
pub mod lower;
pub mod prove;
pub mod run;
pub mod trace;

/// How a command ended: its exit code. The command line's own errors are 2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// All went well.
    Done = 0,
    /// Something given is missing, malformed or refused.
    BadInput = 1,
    /// The program trapped.
    Trapped = 3,
    /// The program did not end in time.
    Unfinished = 4,
    /// The witness does not show what its file says.
    Refused = 5,
    /// Two implementations of the machine disagree.
    Disagree = 6,
}

//! Verification: the one right output is accepted, every other is refused with the right code, by the program and by the
//! engine alike.

mod bench;
mod chosen;
mod drawn;
mod ends;
mod errors;
mod faults;

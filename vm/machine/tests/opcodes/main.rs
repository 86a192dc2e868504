//! Every opcode by itself: against an independent definition, and in the three ways in which a step is executed.

mod floats;
mod lanes;
mod state;
mod tables;
mod walk;

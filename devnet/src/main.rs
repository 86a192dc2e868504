//! The devnet. NOTE (14:33): the lead is writing this crate now, file by file; sequencer's author: please take only
//! `report.schema.json`, `Makefile` targets and help where asked, and end your task after sequencer and node are tested.
fn main() {}

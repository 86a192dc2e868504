//! assay-devnet
fn main() {}

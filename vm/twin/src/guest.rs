//! The committed guest, lowered once a process.

use assay_machine::lower::{Lowered, lower};
use std::sync::{Arc, LazyLock};

/// `vm/guest/guest.wasm`: the program that every devnet claim is about.
pub const GUEST_WASM: &[u8] = include_bytes!("../../guest/guest.wasm");

static GUEST: LazyLock<Arc<Lowered>> = LazyLock::new(|| {
    Arc::new(lower(GUEST_WASM).expect("the committed guest lowers: a test checks it"))
});

/// The lowered guest.
pub fn guest() -> Arc<Lowered> {
    GUEST.clone()
}

//! The digest that an executor signs to open a connection.

use assay_types::{Hash, keccak256};

/// `keccak256("assay executor hello" ‖ chain id u64 BE ‖ rollup ‖ nonce)`.
pub fn digest(chain_id: u64, rollup: &[u8; 20], nonce: &[u8; 32]) -> Hash {
    keccak256(&[
        b"assay executor hello",
        &chain_id.to_be_bytes(),
        rollup,
        nonce,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hello_binds_chain_rollup_and_nonce() {
        let base = digest(1, &[2; 20], &[3; 32]);
        for other in [
            digest(2, &[2; 20], &[3; 32]),
            digest(1, &[3; 20], &[3; 32]),
            digest(1, &[2; 20], &[4; 32]),
        ] {
            assert_ne!(base, other);
        }
    }
}

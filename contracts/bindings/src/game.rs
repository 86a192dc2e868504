//! Hashes and proofs of the game as its contract takes them; mirrors `contracts/src/dispute`.

use crate::abi::GameContext;
use alloy::primitives::{Address, B256, U256, keccak256};
use alloy::sol_types::SolValue;
use assay_types::game::dissection_root;
use assay_types::{StateRoot, node_hash};

/// Key of a claim: `segment id << 16 | index`.
pub fn claim_key(segment_id: u64, index: u16) -> U256 {
    U256::from(segment_id) << 16 | U256::from(index)
}

/// Id of a game, which is its first history: `H(abi.encode(chain id, game contract, context))`.
pub fn game_id(chain_id: u64, game: Address, context: &GameContext) -> B256 {
    keccak256((U256::from(chain_id), game, context.clone()).abi_encode())
}

/// What a move must match: the standing dissection, and who may answer whom.
pub fn commitment(
    history: B256,
    start: StateRoot,
    posted: &[StateRoot],
    claim: U256,
    mover: Address,
    opponent: Address,
) -> B256 {
    let (start, posted) = (B256::new(start.0.0), B256::new(dissection_root(posted).0));
    keccak256((history, start, posted, claim, mover, opponent).abi_encode())
}

/// The same where the inner roots are in the blob `versioned_hash` (zero for the opening).
pub fn blob_commitment(
    history: B256,
    start: StateRoot,
    versioned_hash: B256,
    end: StateRoot,
    claim: U256,
    mover: Address,
    opponent: Address,
) -> B256 {
    let (start, end) = (B256::new(start.0.0), B256::new(end.0.0));
    keccak256((history, start, versioned_hash, end, claim, mover, opponent).abi_encode())
}

/// Siblings that show the two ends of piece `segment` under the tree of `posted` roots, in the contract's order.
pub fn piece_proof(posted: &[StateRoot], segment: usize) -> Vec<B256> {
    let mut level: Vec<_> = posted.iter().map(|r| r.0).collect();
    let (mut a, mut b, mut out) = (segment.saturating_sub(1), segment, Vec::new());
    while level.len() > 1 {
        if a == b {
            out.push(level[a ^ 1]);
        } else if a & 1 == 1 {
            out.extend([level[a ^ 1], level[b ^ 1]]);
        }
        level = level.chunks(2).map(|p| node_hash(&p[0], &p[1])).collect();
        (a, b) = (a >> 1, b >> 1);
    }
    out.iter().map(|h| B256::new(h.0)).collect()
}

//! Shows both ends of a piece under the root of a dissection, as the contract wants them.
//!
//! Level by level from the leaves: nothing where the two nodes are siblings, one hash where one node is left, else the
//! left node's sibling and then the right one's (`Move.proof` in `contracts/src/interfaces/Types.sol`).

use assay_types::hash::node_hash;
use assay_types::{Hash, StateRoot};

/// Siblings that show the ends of `piece` under the Merkle root over `posted` (a power of two of roots). The start of
/// piece 0 is not posted, so there the end stands alone.
pub fn segment_proof(posted: &[StateRoot], piece: u32) -> Vec<Hash> {
    let mut level: Vec<Hash> = posted.iter().map(|r| r.0).collect();
    let right = piece as usize;
    let (mut left, mut right) = (right.saturating_sub(1), right);
    let mut out = Vec::new();
    while level.len() > 1 {
        if left == right {
            out.push(level[left ^ 1]);
        } else if left / 2 != right / 2 {
            out.extend([level[left ^ 1], level[right ^ 1]]);
        }
        level = level.chunks(2).map(|p| node_hash(&p[0], &p[1])).collect();
        (left, right) = (left / 2, right / 2);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_types::game::dissection_root;
    use assay_types::keccak256;

    /// Folds a proof as its description says, from the other end: what the verifier does.
    fn fold(piece: usize, width: usize, left: Hash, right: Hash, proof: &[Hash]) -> Option<Hash> {
        let mut proof = proof.iter();
        let mut nodes = vec![(piece, right)];
        if piece > 0 {
            nodes.insert(0, (piece - 1, left));
        }
        let mut width = width;
        while width > 1 {
            let mut above: Vec<(usize, Hash)> = Vec::new();
            let mut i = 0;
            while i < nodes.len() {
                let (at, hash) = nodes[i];
                let pair = if at % 2 == 0 && nodes.get(i + 1).map(|n| n.0) == Some(at + 1) {
                    i += 1;
                    (hash, nodes[i].1)
                } else if at % 2 == 0 {
                    (hash, *proof.next()?)
                } else {
                    (*proof.next()?, hash)
                };
                above.push((at / 2, node_hash(&pair.0, &pair.1)));
                i += 1;
            }
            nodes = above;
            width /= 2;
        }
        (proof.next().is_none() && nodes.len() == 1).then(|| nodes[0].1)
    }

    #[test]
    fn every_piece_folds_to_the_dissection_root() {
        for log2 in 0..=6 {
            let posted: Vec<StateRoot> = (0..1u32 << log2)
                .map(|i| StateRoot(keccak256(&[&i.to_be_bytes()])))
                .collect();
            let root = dissection_root(&posted);
            for piece in 0..posted.len() {
                let proof = segment_proof(&posted, piece as u32);
                let left = if piece == 0 {
                    Hash::ZERO
                } else {
                    posted[piece - 1].0
                };
                assert_eq!(
                    fold(piece, posted.len(), left, posted[piece].0, &proof),
                    Some(root),
                    "{piece} of 2^{log2}"
                );
            }
        }
    }
}

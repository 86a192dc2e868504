//! `ZeroRoots.sol`: roots known in advance, of all-zero trees and of the final states.

use assay_types::params::{MEMORY_DEPTH, STACK_DEPTH};
use assay_types::{Hash, hash, state};

/// Text of `ZeroRoots.sol`.
pub fn solidity() -> String {
    let roots = hash::zero_roots();
    let mut out = super::SOLIDITY_HEADER.to_string();
    let named = |doc: &str, name: &str, root: &Hash| {
        format!("\n// {doc}\nbytes32 constant {name} = {root};\n")
    };
    out.push_str(&named("Root of a leaf of zeros.", "ZERO_LEAF", &roots[0]));
    out.push_str(&named(
        "Root of an all-zero register stack.",
        "ZERO_STACK",
        &roots[STACK_DEPTH as usize],
    ));
    out.push_str(&named(
        "Root of an all-zero linear memory.",
        "ZERO_MEMORY",
        &roots[MEMORY_DEPTH as usize],
    ));
    out.push_str(&named(
        "The Trapped state.",
        "TRAPPED_ROOT",
        &state::trapped_root().0,
    ));
    out.push_str(&named(
        "The state Halted(0), which every claim says is reached.",
        "HALTED_0_ROOT",
        &state::halted_root(0).0,
    ));
    out.push_str(
        "\n// Roots of all-zero trees: bytes 32 * d .. 32 * d + 32 are the root of 2^d leaves.\n",
    );
    out.push_str("// forgefmt: disable-next-item\nbytes constant ZERO_ROOTS =");
    for root in &roots {
        out.push_str(&format!("\n    hex\"{}\"", hex::encode(root.0)));
    }
    out.push_str(";\n");
    out.push_str(&format!(
        "
/// @dev Root of an all-zero tree of `2^depth` leaves; `depth` is at most {}.
function zeroRoot(uint256 depth) pure returns (bytes32 root) {{
    bytes memory roots = ZERO_ROOTS;
    assert(depth < {});
    // Inside the table by the line above.
    assembly (\"memory-safe\") {{
        root := mload(add(add(roots, 32), shl(5, depth)))
    }}
}}
",
        roots.len() - 1,
        roots.len()
    ));
    out
}

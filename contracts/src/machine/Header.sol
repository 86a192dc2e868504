// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {HEADER_BYTES, TAG_STATE} from "../generated/Params.sol";

// The machine state's header and its root (docs/encoding.md, section 2).
// Mirrors proto/types/src/state.rs.

uint256 constant RUNNING = 1;
uint256 constant YIELDED = 2;
uint256 constant HALTED = 3;
uint256 constant TRAPPED = 4;

/// @notice The header is not the encoding of a state.
error BadHeader();

/// @dev Everything a state root commits to. `code` is 0 unless halted.
struct Header {
    uint256 status;
    uint256 code;
    uint256 pc;
    uint256 fp;
    uint256 pages;
    bytes32 memoryRoot;
    bytes32 stackRoot;
    bytes32 globalsRoot;
    bytes32 tableRoot;
}

using {root} for Header global;

/// @dev The header whose 145 bytes lie in calldata at `start`; reverts unless they are an encoding.
///
/// | bytes | field          |
/// |-------|----------------|
/// | 0     | status         |
/// | 1-4   | code           |
/// | 5-8   | pc             |
/// | 9-12  | frame base     |
/// | 13-16 | pages          |
/// | 17-   | roots, 32 each |
function decodeHeader(uint256 start) pure returns (Header memory header) {
    uint256 word = _word(start);
    header.status = word >> 248;
    header.code = uint32(word >> 216);
    header.pc = uint32(word >> 184);
    header.fp = uint32(word >> 152);
    header.pages = uint32(word >> 120);
    unchecked {
        header.memoryRoot = bytes32(_word(start + 17));
        header.stackRoot = bytes32(_word(start + 49));
        header.globalsRoot = bytes32(_word(start + 81));
        header.tableRoot = bytes32(_word(start + 113));
    }
    if (header.status < RUNNING || header.status > TRAPPED) revert BadHeader();
    if (header.status != HALTED && header.code != 0) revert BadHeader();
    if (header.status >= HALTED) {
        bytes32 roots = header.memoryRoot | header.stackRoot | header.globalsRoot | header.tableRoot;
        if (header.pc | header.fp | header.pages | uint256(roots) != 0) revert BadHeader();
    }
}

/// @dev Root of the state whose header lies in calldata at `start`.
function rootOfCalldata(uint256 start) pure returns (bytes32 hash) {
    // As leafHash: a tag before bytes of calldata, in scratch memory.
    assembly ("memory-safe") {
        let to := mload(0x40)
        mstore8(to, TAG_STATE)
        calldatacopy(add(to, 1), start, HEADER_BYTES)
        hash := keccak256(to, add(HEADER_BYTES, 1))
    }
}

/// @dev `keccak(0x02 ‖ header)`. A halted or trapped state keeps nothing but its status and code.
function root(Header memory h) pure returns (bytes32) {
    if (h.status >= HALTED) {
        return keccak256(abi.encodePacked(TAG_STATE, uint8(h.status), uint32(h.code), new bytes(140)));
    }
    return keccak256(
        abi.encodePacked(
            TAG_STATE,
            uint8(h.status),
            uint32(0),
            uint32(h.pc),
            uint32(h.fp),
            uint32(h.pages),
            h.memoryRoot,
            h.stackRoot,
            h.globalsRoot,
            h.tableRoot
        )
    );
}

function _word(uint256 start) pure returns (uint256 word) {
    assembly ("memory-safe") {
        word := calldataload(start)
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

// One 16-byte instruction of the flat code (docs/encoding.md, section 4), and little-endian words.
// Mirrors vm/machine/src/isa.rs.

/// @dev The fields of an instruction. `op` is without bit 15, which is `immForm`.
struct Instruction {
    uint256 op;
    uint256 d;
    uint256 a;
    uint256 b;
    uint256 imm;
    bool immForm;
}

/// @dev The instruction whose 16 bytes lie in calldata at `start`.
function decodeInstruction(uint256 start) pure returns (Instruction memory ins) {
    uint256 word;
    assembly ("memory-safe") {
        word := calldataload(start)
    }
    uint256 fields = le64(word >> 192);
    ins.op = fields & 0x7fff;
    ins.immForm = fields & 0x8000 != 0;
    ins.d = fields >> 16 & 0xffff;
    ins.a = fields >> 32 & 0xffff;
    ins.b = fields >> 48;
    ins.imm = le64(word >> 128 & type(uint64).max);
}

/// @dev The 8 low bytes of `x` in the opposite order; `x < 2^64`.
function le64(uint256 x) pure returns (uint256) {
    unchecked {
        x = (x & 0x00ff00ff00ff00ff) << 8 | x >> 8 & 0x00ff00ff00ff00ff;
        x = (x & 0x0000ffff0000ffff) << 16 | x >> 16 & 0x0000ffff0000ffff;
        return (x & 0xffffffff) << 32 | x >> 32;
    }
}

/// @dev The 16 low bytes of `x` in the opposite order; `x < 2^128`.
function le128(uint256 x) pure returns (uint256) {
    unchecked {
        return le64(x & type(uint64).max) << 64 | le64(x >> 64);
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

// The integer functions that floats of both formats round with.

/// @dev `x / 2^drop` to the nearest integer, ties to even; `0 < x < 2^255`, `drop > 0`. What is added carries into the
/// kept part where the dropped one is more than a half, and at a half where the kept part is odd. Shifts by 256 bits and
/// more give 0, here too.
function halfEven(uint256 x, uint256 drop) pure returns (uint256) {
    unchecked {
        return x + (1 << drop - 1) - 1 + (x >> drop & 1) >> drop;
    }
}

/// @dev Floor of the square root of `x`, `floorLog2(x) == 2 * top` or one more, `0 < top < 64`.
function floorSqrt(uint256 x, uint256 top) pure returns (uint256 root) {
    unchecked {
        // From half a root above it or a quarter below, five Newton steps bring the relative error below 2^-72. Rounded
        // down, none of them goes below the floor of the root.
        root = 3 << top - 1;
        root = root + x / root >> 1;
        root = root + x / root >> 1;
        root = root + x / root >> 1;
        root = root + x / root >> 1;
        root = root + x / root >> 1;
        if (root > x / root) --root;
    }
}

/// @dev Floor of the binary logarithm of `x`, `0 < x < 2^128`.
function floorLog2(uint256 x) pure returns (uint256 r) {
    // Branches cost three times as much, and every sum comes through here.
    assembly ("memory-safe") {
        r := shl(6, lt(0xffffffffffffffff, x))
        r := or(r, shl(5, lt(0xffffffff, shr(r, x))))
        r := or(r, shl(4, lt(0xffff, shr(r, x))))
        r := or(r, shl(3, lt(0xff, shr(r, x))))
        r := or(r, shl(2, lt(0xf, shr(r, x))))
        r := or(r, shl(1, lt(0x3, shr(r, x))))
        r := or(r, lt(0x1, shr(r, x)))
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Float32} from "./Float32.sol";
import {Float64} from "./Float64.sol";
import {halfEven} from "./FloatBits.sol";

/// @title Between binary32 and binary64
/// @notice NaN results are canonical: payloads are lost.
/// @dev Mirrors the conversions of vm/machine/src/step/float.rs.
library FloatWidth {
    uint256 private constant INFINITY32 = 0x7f800000;
    uint256 private constant INFINITY64 = 0x7ff0000000000000;
    uint256 private constant HIDDEN32 = 0x800000;
    uint256 private constant HIDDEN64 = 0x10000000000000;
    /// @dev In binary64: 2^-126, the least normal binary32, and 2^128, above all of them.
    uint256 private constant LEAST = 0x3810000000000000;
    uint256 private constant ABOVE = 0x47f0000000000000;
    /// @dev What the biased exponents differ by, 1023 - 127, in binary64's exponent field.
    uint256 private constant REBIAS = 0x3800000000000000;

    /// @dev The binary32 number nearest to a binary64 one.
    function demote(uint256 a) internal pure returns (uint256) {
        unchecked {
            uint256 sign = a >> 63 << 31;
            a &= 0x7fffffffffffffff;
            if (a > INFINITY64) return Float32.NAN;
            if (a >= ABOVE) return sign | INFINITY32;
            // 29 bits of fraction go. A carry goes to the exponent, as it should, and above the greatest to infinity.
            if (a >= LEAST) return sign | halfEven(a - REBIAS, 29);
            // A subnormal counts units of 2^-149, the significand units of 2^(exponent - 1075): 30 bits of it go or more.
            // All go where the hidden bit is missing, and at 2^-150, half of the least subnormal, the tie is even at 0.
            uint256 drop = 926 - (a >> 52);
            return sign | halfEven(a & (HIDDEN64 - 1) | HIDDEN64, drop);
        }
    }

    /// @dev A binary32 number as binary64, which has them all.
    function promote(uint256 a) internal pure returns (uint256) {
        unchecked {
            uint256 sign = a >> 31 << 63;
            a &= 0x7fffffff;
            if (a > INFINITY32) return Float64.NAN;
            if (a == INFINITY32) return sign | INFINITY64;
            if (a >= HIDDEN32) return sign | (a << 29) + REBIAS;
            // A subnormal is an integer times 2^-149, and normal in binary64.
            return a == 0 ? sign : sign | Float64.fromUnsigned(a) - 149 * HIDDEN64;
        }
    }
}

// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title IEEE-754 binary32 in integer arithmetic
/// @notice Round to nearest even, subnormals kept, arithmetic NaN results canonical. Operands and results are the
/// low 32 bits of a word; the other bits of an operand must be zero.
///
/// | bits  | field                                         |
/// |-------|-----------------------------------------------|
/// | 31    | sign                                          |
/// | 30-23 | biased exponent; 0 subnormal, 255 inf or NaN  |
/// | 22-0  | fraction                                      |
///
/// Inside, a finite magnitude is `significand * 2^(exponent - 150)` with the exponent at least 1.
/// @dev Mirrors the hardware operators of vm/machine/src/step/float32.rs.
library Float32 {
    /// @dev The canonical NaN.
    uint256 internal constant NAN = 0x7fc00000;
    uint256 private constant SIGN = 0x80000000;
    uint256 private constant MAGNITUDE = 0x7fffffff;
    uint256 private constant INFINITY = 0x7f800000;
    uint256 private constant FRACTION = 0x7fffff;
    uint256 private constant HIDDEN = 0x800000;
    uint256 private constant ONE = 0x3f800000;
    uint256 private constant HALF = 0x3f000000;
    /// @dev Added to the exponents that `_round` takes, so that they stay unsigned.
    uint256 private constant OFFSET = 512;

    function eq(uint256 a, uint256 b) internal pure returns (bool) {
        if (_unordered(a, b)) return false;
        return a == b || (a | b) & MAGNITUDE == 0;
    }

    function lt(uint256 a, uint256 b) internal pure returns (bool) {
        if (_unordered(a, b) || (a | b) & MAGNITUDE == 0) return false;
        return _key(a) < _key(b);
    }

    function le(uint256 a, uint256 b) internal pure returns (bool) {
        return lt(a, b) || eq(a, b);
    }

    function abs(uint256 a) internal pure returns (uint256) {
        return a & MAGNITUDE;
    }

    function neg(uint256 a) internal pure returns (uint256) {
        return a ^ SIGN;
    }

    function copysign(uint256 a, uint256 b) internal pure returns (uint256) {
        return a & MAGNITUDE | b & SIGN;
    }

    /// @dev NaN wins; -0 < +0.
    function min(uint256 a, uint256 b) internal pure returns (uint256) {
        if (_unordered(a, b)) return NAN;
        return _key(a) < _key(b) ? a : b;
    }

    /// @dev NaN wins; -0 < +0.
    function max(uint256 a, uint256 b) internal pure returns (uint256) {
        if (_unordered(a, b)) return NAN;
        return _key(a) > _key(b) ? a : b;
    }

    function add(uint256 a, uint256 b) internal pure returns (uint256) {
        unchecked {
            if (_unordered(a, b)) return NAN;
            // Exact cancellation and the sign of a sum of zeros both need the larger magnitude first.
            if (a & MAGNITUDE < b & MAGNITUDE) (a, b) = (b, a);
            bool differ = (a ^ b) & SIGN != 0;
            if (a & MAGNITUDE == INFINITY) return differ && b & MAGNITUDE == INFINITY ? NAN : a;
            (uint256 x, uint256 ex) = _split(a);
            (uint256 y, uint256 ey) = _split(b);
            // 60 bits below the larger's last bit hold the smaller exactly; a smaller one is below every rounding boundary.
            uint256 distance = ex - ey;
            if (distance > 60) return a;
            x <<= 60;
            y <<= 60 - distance;
            uint256 sum = differ ? x - y : x + y;
            if (sum == 0) return a & b & SIGN;
            return _round(a & SIGN, sum, ex + (OFFSET - 150 - 60));
        }
    }

    function sub(uint256 a, uint256 b) internal pure returns (uint256) {
        return add(a, b ^ SIGN);
    }

    function mul(uint256 a, uint256 b) internal pure returns (uint256) {
        unchecked {
            if (_unordered(a, b)) return NAN;
            uint256 sign = (a ^ b) & SIGN;
            a &= MAGNITUDE;
            b &= MAGNITUDE;
            if (a == INFINITY || b == INFINITY) return a == 0 || b == 0 ? NAN : sign | INFINITY;
            if (a == 0 || b == 0) return sign;
            (uint256 x, uint256 ex) = _split(a);
            (uint256 y, uint256 ey) = _split(b);
            return _round(sign, x * y, ex + ey + (OFFSET - 300));
        }
    }

    function div(uint256 a, uint256 b) internal pure returns (uint256) {
        unchecked {
            if (_unordered(a, b)) return NAN;
            uint256 sign = (a ^ b) & SIGN;
            a &= MAGNITUDE;
            b &= MAGNITUDE;
            if (a == INFINITY) return b == INFINITY ? NAN : sign | INFINITY;
            if (b == INFINITY) return sign;
            if (b == 0) return a == 0 ? NAN : sign | INFINITY;
            if (a == 0) return sign;
            (uint256 x, uint256 ex) = _split(a);
            (uint256 y, uint256 ey) = _split(b);
            // At least 41 bits of quotient; the lowest says whether anything lies below.
            x <<= 64;
            uint256 quotient = x / y;
            if (quotient * y != x) quotient |= 1;
            return _round(sign, quotient, ex + (OFFSET - 64) - ey);
        }
    }

    function sqrt(uint256 a) internal pure returns (uint256) {
        unchecked {
            if (_isNan(a)) return NAN;
            if (a & MAGNITUDE == 0) return a;
            if (a & SIGN != 0) return NAN;
            if (a == INFINITY) return a;
            (uint256 x, uint256 e) = _split(a);
            // 60 or 61 more bits, so that the exponent is even and the root has at least 30 bits.
            uint256 more = 60 + (e & 1);
            x <<= more;
            uint256 root = _integerSqrt(x);
            if (root * root != x) root |= 1;
            return _round(0, root, (e + 2 * OFFSET - 150 - more) >> 1);
        }
    }

    function ceil(uint256 a) internal pure returns (uint256) {
        return _integral(a, a & SIGN == 0);
    }

    function floor(uint256 a) internal pure returns (uint256) {
        return _integral(a, a & SIGN != 0);
    }

    function trunc(uint256 a) internal pure returns (uint256) {
        return _integral(a, false);
    }

    function nearest(uint256 a) internal pure returns (uint256) {
        unchecked {
            if (_isNan(a)) return NAN;
            uint256 e = a >> 23 & 0xff;
            if (e >= 150) return a;
            if (e < 127) return a & SIGN | (a & MAGNITUDE > HALF ? ONE : 0);
            // A carry out of the fraction goes to the exponent, as it should; bit 23 is odd at e = 127.
            uint256 below = 150 - e;
            uint256 odd = a >> below & 1;
            return (a + (1 << below - 1) - 1 + odd) >> below << below;
        }
    }

    /// @dev Truncation to a signed integer of `bits` bits; not ok where WebAssembly traps.
    function toSigned(uint256 a, uint256 bits) internal pure returns (bool ok, uint256 value) {
        unchecked {
            if (_isNan(a)) return (false, 0);
            uint256 magnitude = _truncate(a);
            uint256 limit = 1 << bits - 1;
            if (a & SIGN == 0) return (magnitude < limit, magnitude);
            return (magnitude <= limit, (0 - magnitude) & (2 * limit - 1));
        }
    }

    /// @dev Truncation to an unsigned integer of `bits` bits; not ok where WebAssembly traps.
    function toUnsigned(uint256 a, uint256 bits) internal pure returns (bool ok, uint256 value) {
        if (_isNan(a)) return (false, 0);
        value = _truncate(a);
        return (a & SIGN == 0 ? value < 1 << bits : value == 0, value);
    }

    /// @dev As `toSigned`, clamped; NaN gives 0.
    function toSignedSat(uint256 a, uint256 bits) internal pure returns (uint256) {
        unchecked {
            (bool ok, uint256 value) = toSigned(a, bits);
            if (ok) return value;
            if (_isNan(a)) return 0;
            return a & SIGN == 0 ? (1 << bits - 1) - 1 : 1 << bits - 1;
        }
    }

    /// @dev As `toUnsigned`, clamped; NaN gives 0.
    function toUnsignedSat(uint256 a, uint256 bits) internal pure returns (uint256) {
        unchecked {
            (bool ok, uint256 value) = toUnsigned(a, bits);
            if (ok) return value;
            return _isNan(a) || a & SIGN != 0 ? 0 : (1 << bits) - 1;
        }
    }

    /// @dev The nearest f32 of a signed integer of `bits` bits.
    function fromSigned(uint256 a, uint256 bits) internal pure returns (uint256) {
        unchecked {
            if (a >> bits - 1 == 0) return fromUnsigned(a);
            return _round(SIGN, (1 << bits) - a, OFFSET);
        }
    }

    /// @dev The nearest f32 of an unsigned integer below 2^64.
    function fromUnsigned(uint256 a) internal pure returns (uint256) {
        return a == 0 ? 0 : _round(0, a, OFFSET);
    }

    function _isNan(uint256 a) private pure returns (bool) {
        return a & MAGNITUDE > INFINITY;
    }

    function _unordered(uint256 a, uint256 b) private pure returns (bool) {
        return _isNan(a) || _isNan(b);
    }

    /// @dev Unsigned order of keys is the order of numbers, with -0 < +0.
    function _key(uint256 a) private pure returns (uint256) {
        return a & SIGN == 0 ? a | SIGN : a ^ 0xffffffff;
    }

    /// @dev Significand and exponent of a finite number.
    function _split(uint256 a) private pure returns (uint256 significand, uint256 exponent) {
        exponent = a >> 23 & 0xff;
        significand = a & FRACTION;
        if (exponent == 0) exponent = 1;
        else significand |= HIDDEN;
    }

    /// @dev The integer towards zero, or away from it with `away`.
    function _integral(uint256 a, bool away) private pure returns (uint256) {
        unchecked {
            if (_isNan(a)) return NAN;
            uint256 e = a >> 23 & 0xff;
            if (e >= 150) return a;
            if (e < 127) return a & SIGN | (away && a & MAGNITUDE != 0 ? ONE : 0);
            uint256 below = 150 - e;
            if (away) a += (1 << below) - 1;
            return a >> below << below;
        }
    }

    /// @dev Magnitude of the integer part; at least 2^128 for an infinity.
    function _truncate(uint256 a) private pure returns (uint256) {
        unchecked {
            (uint256 x, uint256 e) = _split(a);
            return e >= 150 ? x << e - 150 : x >> 150 - e;
        }
    }

    /// @dev The f32 nearest to `significand * 2^(exponent - OFFSET)`, ties to even. `0 < significand < 2^128`; a set
    /// lowest bit may stand for anything non-zero below it if the significand has 26 bits or more.
    function _round(uint256 sign, uint256 significand, uint256 exponent) private pure returns (uint256) {
        unchecked {
            uint256 biased = _log2(significand) + exponent + 127;
            biased = biased > OFFSET ? biased - OFFSET : 1;
            // Exponent, with the offset, of the last bit that is kept.
            uint256 unit = biased + (OFFSET - 150);
            if (unit <= exponent) {
                significand <<= exponent - unit;
            } else {
                uint256 drop = unit - exponent;
                uint256 rest = significand & ((1 << drop) - 1);
                uint256 half = 1 << drop - 1;
                significand >>= drop;
                if (rest > half || (rest == half && significand & 1 == 1)) ++significand;
            }
            // The hidden bit, or a carry of the rounding, adds one to the exponent.
            uint256 magnitude = (biased - 1 << 23) + significand;
            return sign | (magnitude < INFINITY ? magnitude : INFINITY);
        }
    }

    /// @dev Floor of the square root of `x`, `2^30 <= x < 2^128`.
    function _integerSqrt(uint256 x) private pure returns (uint256 root) {
        unchecked {
            // Within a factor sqrt(2) of the root: six Newton steps square the error below 2^-64.
            root = 1 << (_log2(x) + 1 >> 1);
            root = root + x / root >> 1;
            root = root + x / root >> 1;
            root = root + x / root >> 1;
            root = root + x / root >> 1;
            root = root + x / root >> 1;
            root = root + x / root >> 1;
            if (root > x / root) --root;
        }
    }

    /// @dev Floor of the binary logarithm of `x`, `0 < x < 2^128`.
    function _log2(uint256 x) private pure returns (uint256 r) {
        // Branches cost three times as much, and every rounding comes through here.
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
}

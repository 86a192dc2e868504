// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {floorLog2, floorSqrt, halfEven} from "./FloatBits.sol";

/// @title IEEE-754 binary64 in integer arithmetic
/// @notice Round to nearest even, subnormals kept, arithmetic NaN results canonical. Operands and results are the
/// low 64 bits of a word; the other bits of an operand must be zero.
///
/// | bits  | field                                         |
/// |-------|-----------------------------------------------|
/// | 63    | sign                                          |
/// | 62-52 | biased exponent; 0 subnormal, 2047 inf or NaN |
/// | 51-0  | fraction                                      |
///
/// Inside, a finite magnitude is `significand * 2^(exponent - UNIT)` with the exponent at least 1.
/// @dev Mirrors the hardware operators of vm/machine/src/step/float.rs. From the first function on, Float32.sol is the
/// same text, and tests/tests/tidy.rs holds it to that: a format that is no constant would double the gas.
library Float64 {
    // Literals all: a constant that is computed from another one is computed, with its overflow checks, at each use.
    uint256 private constant FRACTION_BITS = 52;
    uint256 private constant BIAS = 1023;
    /// @dev The biased exponent of numbers whose last bit is worth 1.
    uint256 private constant UNIT = 1075;
    uint256 private constant SIGN = 0x8000000000000000;
    uint256 private constant MAGNITUDE = 0x7fffffffffffffff;
    uint256 private constant INFINITY = 0x7ff0000000000000;
    uint256 private constant HIDDEN = 0x10000000000000;
    uint256 private constant FRACTION = 0xfffffffffffff;
    uint256 private constant ONE = 0x3ff0000000000000;
    uint256 private constant HALF = 0x3fe0000000000000;
    /// @dev The canonical NaN.
    uint256 internal constant NAN = 0x7ff8000000000000;

    /// @dev Added to the exponents that `_round` takes, so that they stay unsigned: those of products are the least.
    uint256 private constant OFFSET = 4096;

    function eq(uint256 a, uint256 b) internal pure returns (bool) {
        if (_unordered(a, b)) return false;
        return a == b || (a | b) & MAGNITUDE == 0;
    }

    function lt(uint256 a, uint256 b) internal pure returns (bool) {
        if (_unordered(a, b) || (a | b) & MAGNITUDE == 0) return false;
        return _key(a) < _key(b);
    }

    function le(uint256 a, uint256 b) internal pure returns (bool) {
        if (_unordered(a, b)) return false;
        return (a | b) & MAGNITUDE == 0 || _key(a) <= _key(b);
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
            // 60 bits below the larger's last bit hold the smaller exactly. One that they do not hold is less than 2^-8 of
            // that bit, and the nearest rounding boundary, below a power of two, is a quarter of it away.
            uint256 distance = ex - ey;
            if (distance > 60) return a;
            x <<= 60;
            y <<= 60 - distance;
            uint256 sum = differ ? x - y : x + y;
            if (sum == 0) return a & b & SIGN;
            // At least 2^59: with a distance of 0 or 1 all bits are multiples of it, else the larger one outweighs.
            return _round(a & SIGN, sum, ex + (OFFSET - UNIT - 60), floorLog2(sum));
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
            (uint256 x, uint256 ex) = _normalize(a);
            (uint256 y, uint256 ey) = _normalize(b);
            // Exact, and of twice the bits or one less.
            x *= y;
            uint256 top = 2 * FRACTION_BITS + (x >> 2 * FRACTION_BITS + 1);
            return _round(sign, x, ex + ey - (OFFSET + 2 * UNIT), top);
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
            (uint256 x, uint256 ex) = _normalize(a);
            (uint256 y, uint256 ey) = _normalize(b);
            // Between 2^63 and 2^65; the lowest bit of the quotient says whether anything lies below.
            x <<= 64;
            uint256 quotient = x / y;
            if (quotient * y != x) quotient |= 1;
            return _round(sign, quotient, ex - ey + (OFFSET - 64), 63 + (quotient >> 64));
        }
    }

    function sqrt(uint256 a) internal pure returns (uint256) {
        unchecked {
            if (_isNan(a)) return NAN;
            if (a & MAGNITUDE == 0) return a;
            if (a & SIGN != 0) return NAN;
            if (a == INFINITY) return a;
            (uint256 x, uint256 e) = _normalize(a);
            // 60 or 61 more bits, so that the exponent is even. The root has half of them all, at least three more than it
            // keeps.
            uint256 more = 60 + (e + UNIT & 1);
            x <<= more;
            uint256 top = FRACTION_BITS + more >> 1;
            uint256 root = floorSqrt(x, top);
            if (root * root != x) root |= 1;
            return _round(0, root, e + (OFFSET - UNIT) - more >> 1, top);
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
            uint256 e = (a & MAGNITUDE) >> FRACTION_BITS;
            if (e >= UNIT) return a;
            if (e < BIAS) return a & SIGN | (a & MAGNITUDE > HALF ? ONE : 0);
            // A carry out of the fraction goes to the exponent, as it should. The bit that decides a tie at e = BIAS is
            // the exponent's last, and BIAS is odd, as is the hidden bit.
            uint256 below = UNIT - e;
            return halfEven(a, below) << below;
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

    /// @dev The number nearest to a signed integer of `bits` bits, 64 at most.
    function fromSigned(uint256 a, uint256 bits) internal pure returns (uint256) {
        unchecked {
            if (a >> bits - 1 == 0) return fromUnsigned(a);
            return SIGN | fromUnsigned((1 << bits) - a);
        }
    }

    /// @dev The number nearest to an unsigned integer of 64 bits.
    function fromUnsigned(uint256 a) internal pure returns (uint256) {
        unchecked {
            if (a == 0) return 0;
            a <<= 64;
            return _round(0, a, OFFSET - 64, floorLog2(a));
        }
    }

    function _isNan(uint256 a) private pure returns (bool) {
        return a & MAGNITUDE > INFINITY;
    }

    function _unordered(uint256 a, uint256 b) private pure returns (bool) {
        return _isNan(a) || _isNan(b);
    }

    /// @dev Unsigned order of keys is the order of numbers, with -0 < +0.
    function _key(uint256 a) private pure returns (uint256) {
        return a & SIGN == 0 ? a | SIGN : a ^ (SIGN | MAGNITUDE);
    }

    /// @dev Significand and exponent of a finite number.
    function _split(uint256 a) private pure returns (uint256 significand, uint256 exponent) {
        exponent = (a & MAGNITUDE) >> FRACTION_BITS;
        significand = a & FRACTION;
        if (exponent == 0) exponent = 1;
        else significand |= HIDDEN;
    }

    /// @dev As `_split`, of a finite positive number, with OFFSET added to the exponent; the significand's top bit is
    /// HIDDEN, so that quotients and roots of subnormals have as many bits as others.
    function _normalize(uint256 a) private pure returns (uint256 significand, uint256 exponent) {
        unchecked {
            exponent = (a >> FRACTION_BITS) + OFFSET;
            if (exponent != OFFSET) return (a & FRACTION | HIDDEN, exponent);
            uint256 missing = FRACTION_BITS - floorLog2(a);
            return (a << missing, OFFSET + 1 - missing);
        }
    }

    /// @dev The integer towards zero, or away from it with `away`.
    function _integral(uint256 a, bool away) private pure returns (uint256) {
        unchecked {
            if (_isNan(a)) return NAN;
            uint256 e = (a & MAGNITUDE) >> FRACTION_BITS;
            if (e >= UNIT) return a;
            if (e < BIAS) return a & SIGN | (away && a & MAGNITUDE != 0 ? ONE : 0);
            uint256 below = UNIT - e;
            if (away) a += (1 << below) - 1;
            return a >> below << below;
        }
    }

    /// @dev Magnitude of the integer part, no NaN's; 2^64 if it is that or more.
    function _truncate(uint256 a) private pure returns (uint256) {
        unchecked {
            uint256 e = (a & MAGNITUDE) >> FRACTION_BITS;
            if (e >= BIAS + 64) return 1 << 64;
            // Below 1 no bit is left, so that a subnormal's missing hidden bit does not matter.
            a = a & FRACTION | HIDDEN;
            return e >= UNIT ? a << e - UNIT : a >> UNIT - e;
        }
    }

    /// @dev The number nearest to `significand * 2^(exponent - OFFSET)`, ties to even. `top` is the floor of the
    /// significand's binary logarithm, FRACTION_BITS + 2 to 127: at least two bits are dropped, so that the lowest may
    /// stand for anything non-zero below it.
    function _round(uint256 sign, uint256 significand, uint256 exponent, uint256 top) private pure returns (uint256) {
        unchecked {
            uint256 drop = top - FRACTION_BITS;
            uint256 biased = exponent + top + BIAS;
            if (biased > OFFSET) {
                biased -= OFFSET + 1;
            } else {
                // Subnormal: the exponent is 1, and more bits than the format's go. The only rounding is this one.
                drop += OFFSET + 1 - biased;
                biased = 0;
            }
            // The hidden bit, or a carry of the rounding, adds one to the exponent.
            uint256 magnitude = (biased << FRACTION_BITS) + halfEven(significand, drop);
            return sign | (magnitude < INFINITY ? magnitude : INFINITY);
        }
    }
}

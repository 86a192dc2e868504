// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Float64} from "../../src/step/Float64.sol";
import {TestBase} from "../base/TestBase.sol";

/// @notice Results worked out by hand, at the edges; tests/tests/floats.rs compares with hardware by the million.
contract Float64Test is TestBase {
    uint256 private constant NAN = 0x7ff8000000000000;
    uint256 private constant INF = 0x7ff0000000000000;
    uint256 private constant MAX = 0x7fefffffffffffff;
    uint256 private constant SIGN = 0x8000000000000000;
    uint256 private constant ONE = 0x3ff0000000000000;
    uint256 private constant LEAST_NORMAL = 0x0010000000000000;

    function _sum(uint256 a, uint256 b, uint256 sum, string memory what) private pure {
        assertEq(Float64.add(a, b), sum, what);
        assertEq(Float64.add(b, a), sum, what);
        assertEq(Float64.sub(a, b ^ SIGN), sum, what);
    }

    function test_add_ties_goToEven() external pure {
        _sum(ONE, 0x3ca0000000000000, ONE, "1 + 2^-53");
        _sum(ONE + 1, 0x3ca0000000000000, ONE + 2, "next to 1, + 2^-53");
        _sum(ONE, 0x3ca0000000000001, ONE + 1, "over the tie by an ulp of the smaller");
        _sum(ONE, 0x3c9fffffffffffff, ONE, "under the tie");
        _sum(ONE, 0xbc90000000000000, ONE, "1 - 2^-54: a quarter, below a power of two");
        _sum(ONE, 0xbc90000000000001, ONE - 1, "over a quarter");
        _sum(MAX, 0x7c90000000000000, INF, "greatest + half an ulp");
        _sum(MAX, 0x7c8fffffffffffff, MAX, "greatest + less");
    }

    function test_add_farApart_givesTheLarger() external pure {
        // 2^-61 to 2^-54, and full significands there.
        for (uint256 e = 0x3c2; e <= 0x3c9; ++e) {
            _sum(ONE, e << 52, ONE, "1 + less than a quarter");
            _sum(ONE + 1, SIGN | e << 52 | 0xfffffffffffff, ONE + 1, "less than half of an ulp from it");
        }
        _sum(MAX, 1, MAX, "greatest + least");
        _sum(MAX, SIGN | 1, MAX, "greatest - least");
    }

    function test_add_zerosAndSubnormals() external pure {
        _sum(0, SIGN, 0, "+0 + -0");
        _sum(SIGN, SIGN, SIGN, "-0 + -0");
        _sum(ONE, SIGN | ONE, 0, "1 - 1");
        _sum(1, 1, 2, "least + least");
        _sum(LEAST_NORMAL - 1, 1, LEAST_NORMAL, "greatest subnormal + least");
        _sum(LEAST_NORMAL, SIGN | 1, LEAST_NORMAL - 1, "least normal - least");
        _sum(0, SIGN | 1, SIGN | 1, "0 - least");
    }

    function test_add_infinitiesAndNans() external pure {
        _sum(INF, SIGN | INF, NAN, "inf - inf");
        _sum(INF, INF, INF, "inf + inf");
        _sum(SIGN | INF, MAX, SIGN | INF, "-inf + greatest");
        _sum(0xfff0000000000001, ONE, NAN, "a NaN's payload is lost");
        _sum(MAX, MAX, INF, "greatest twice");
    }

    function test_mul_roundsOnce() external pure {
        assertEq(Float64.mul(0x1e60000000000000, 0x1e60000000000000), 1, "2^-537 squared");
        assertEq(Float64.mul(0x1e50000000000000, 0x1e60000000000000), 0, "half of the least: even is 0");
        assertEq(Float64.mul(0x1e50000000000001, 0x9e60000000000000), SIGN | 1, "a little over half of it");
        assertEq(Float64.mul(LEAST_NORMAL | 1, ONE - (1 << 52)), 0x0008000000000000, "a tie below the least normal");
        assertEq(Float64.mul(LEAST_NORMAL | 3, ONE - (1 << 52)), 0x0008000000000002, "a tie that goes up");
        assertEq(Float64.mul(0x001fffffffffffff, ONE - (1 << 52)), LEAST_NORMAL, "a tie that becomes normal");
        assertEq(Float64.mul(1, 1), 0, "least squared: every bit is dropped");
        assertEq(Float64.mul(1, SIGN | 1), SIGN, "and the sign stays");
        assertEq(Float64.mul(ONE + 1, ONE + 1), ONE + 2, "(1 + u)^2");
        assertEq(Float64.mul(MAX, ONE + 1), INF, "over the greatest");
        assertEq(Float64.mul(1, 0x7fe0000000000000), 0x3cc0000000000000, "least times 2^1023 is 2^-51");
        assertEq(Float64.mul(0, INF), NAN, "0 * inf");
        assertEq(Float64.mul(SIGN | INF, SIGN | 1), INF, "-inf * -least");
    }

    function test_div_roundsOnce() external pure {
        assertEq(Float64.div(ONE, 0x4008000000000000), 0x3fd5555555555555, "1 / 3");
        assertEq(Float64.div(1, 0x000fffffffffffff), 0x3cb0000000000001, "subnormals have all their bits");
        assertEq(Float64.div(0x000fffffffffffff, 1), 0x432ffffffffffffe, "and so the other way");
        assertEq(Float64.div(1, 0x4000000000000000), 0, "half of the least: even is 0");
        assertEq(Float64.div(3, 0x4000000000000000), 2, "one and a half times the least: even is 2");
        assertEq(Float64.div(ONE, 0x0008000000000000), 0x7fe0000000000000, "1 / 2^-1023");
        assertEq(Float64.div(ONE, 0x0004000000000000), INF, "1 / 2^-1024");
        assertEq(Float64.div(1, MAX), 0, "least / greatest");
        assertEq(Float64.div(MAX, SIGN | 1), SIGN | INF, "greatest / -least");
        assertEq(Float64.div(0, SIGN), NAN, "0 / -0");
        assertEq(Float64.div(ONE, SIGN), SIGN | INF, "1 / -0");
        assertEq(Float64.div(INF, SIGN | INF), NAN, "inf / -inf");
        assertEq(Float64.div(MAX, SIGN | INF), SIGN, "greatest / -inf");
    }

    function test_sqrt_nearTies() external pure {
        assertEq(Float64.sqrt(0x4000000000000000), 0x3ff6a09e667f3bcd, "2");
        assertEq(Float64.sqrt(0x4010000000000000), 0x4000000000000000, "4");
        assertEq(Float64.sqrt(ONE - 1), ONE - 1, "just under a tie");
        assertEq(Float64.sqrt(ONE + 1), ONE, "just under a tie");
        assertEq(Float64.sqrt(ONE + 2), ONE + 1, "1 + 2u");
        assertEq(Float64.sqrt(1), 0x1e60000000000000, "the least subnormal");
        assertEq(Float64.sqrt(MAX), 0x5fefffffffffffff, "greatest");
        assertEq(Float64.sqrt(SIGN), SIGN, "-0");
        assertEq(Float64.sqrt(SIGN | 1), NAN, "negative");
        assertEq(Float64.sqrt(SIGN | INF), NAN, "-inf");
        assertEq(Float64.sqrt(INF), INF, "inf");
    }

    function test_rounding_toIntegers() external pure {
        assertEq(Float64.nearest(0x3fe0000000000000), 0, "0.5");
        assertEq(Float64.nearest(0xbfe0000000000001), SIGN | ONE, "over -0.5");
        assertEq(Float64.nearest(0x3fdfffffffffffff), 0, "under 0.5");
        assertEq(Float64.nearest(0x3ff8000000000000), 0x4000000000000000, "1.5");
        assertEq(Float64.nearest(0x4004000000000000), 0x4000000000000000, "2.5");
        assertEq(Float64.nearest(0x432fffffffffffff), 0x4330000000000000, "2^52 - 0.5");
        assertEq(Float64.nearest(0x4330000000000001), 0x4330000000000001, "an integer already");
        assertEq(Float64.ceil(1), ONE, "ceil of the least");
        assertEq(Float64.ceil(0xbfefffffffffffff), SIGN, "ceil of -1 + u");
        assertEq(Float64.ceil(0x432fffffffffffff), 0x4330000000000000, "ceil of 2^52 - 0.5");
        assertEq(Float64.floor(SIGN | 1), SIGN | ONE, "floor of -least");
        assertEq(Float64.floor(0xc32fffffffffffff), 0xc330000000000000, "floor of -2^52 + 0.5");
        assertEq(Float64.trunc(0xc32fffffffffffff), 0xc32ffffffffffffe, "trunc of -2^52 + 0.5");
        assertEq(Float64.floor(0x7ff4000000000000), NAN, "NaN");
        assertEq(Float64.floor(SIGN | INF), SIGN | INF, "-inf");
    }

    function _refused(bool ok, uint256) private pure returns (bool) {
        return !ok;
    }

    function _value(bool ok, uint256 value) private pure returns (uint256) {
        assertTrue(ok, "in range");
        return value;
    }

    function test_toIntegers_atTheLimits() external pure {
        (bool ok, uint256 value) = Float64.toSigned(0x41dfffffffffffff, 32);
        assertEq(_value(ok, value), 0x7fffffff, "2^31 - u");
        (ok, value) = Float64.toSigned(0xc1e00000001fffff, 32);
        assertEq(_value(ok, value), 0x80000000, "-2^31 - 1 + u");
        (ok, value) = Float64.toSigned(0x43dfffffffffffff, 64);
        assertEq(_value(ok, value), 0x7ffffffffffffc00, "the last below 2^63");
        (ok, value) = Float64.toSigned(0xc3e0000000000000, 64);
        assertEq(_value(ok, value), SIGN, "-2^63");
        (ok, value) = Float64.toUnsigned(0x43efffffffffffff, 64);
        assertEq(_value(ok, value), 0xfffffffffffff800, "the last below 2^64");
        (ok, value) = Float64.toUnsigned(0xbfefffffffffffff, 64);
        assertEq(_value(ok, value), 0, "-1 + u");
        (ok, value) = Float64.toUnsigned(0x41efffffffffffff, 32);
        assertEq(_value(ok, value), 0xffffffff, "2^32 - u");
    }

    function test_toIntegers_outOfRange_isRefusedOrClamped() external pure {
        uint256[7] memory out = [uint256(0x41e0000000000000), 0xc1e0000000200000, INF, SIGN | INF, NAN, MAX, SIGN | MAX];
        uint256[7] memory clamped = [uint256(0x7fffffff), 0x80000000, 0x7fffffff, 0x80000000, 0, 0x7fffffff, 0x80000000];
        for (uint256 i = 0; i < out.length; ++i) {
            (bool ok, uint256 value) = Float64.toSigned(out[i], 32);
            assertTrue(_refused(ok, value), "i32");
            assertEq(Float64.toSignedSat(out[i], 32), clamped[i], "i32, saturated");
        }
        uint256[5] memory beyond = [uint256(0x43f0000000000000), 0xbff0000000000000, INF, SIGN | INF, NAN];
        uint256[5] memory bound = [uint256(type(uint64).max), 0, type(uint64).max, 0, 0];
        for (uint256 i = 0; i < beyond.length; ++i) {
            (bool ok, uint256 value) = Float64.toUnsigned(beyond[i], 64);
            assertTrue(_refused(ok, value), "u64");
            assertEq(Float64.toUnsignedSat(beyond[i], 64), bound[i], "u64, saturated");
        }
        (bool fits,) = Float64.toSigned(0x43e0000000000000, 64);
        assertTrue(!fits, "2^63");
        (fits,) = Float64.toSigned(0xc3e0000000000001, 64);
        assertTrue(!fits, "the next below -2^63");
    }

    function test_fromIntegers_ties() external pure {
        assertEq(Float64.fromUnsigned((1 << 53) + 1), 0x4340000000000000, "2^53 + 1");
        assertEq(Float64.fromUnsigned((1 << 53) + 3), 0x4340000000000002, "2^53 + 3");
        assertEq(Float64.fromUnsigned(type(uint64).max), 0x43f0000000000000, "2^64 - 1");
        assertEq(Float64.fromUnsigned(0xfffffffffffffbff), 0x43efffffffffffff, "under the tie at 2^64 - 1024");
        assertEq(Float64.fromUnsigned(0xfffffffffffffc00), 0x43f0000000000000, "the tie");
        assertEq(Float64.fromSigned(type(uint64).max, 64), SIGN | ONE, "-1");
        assertEq(Float64.fromSigned(SIGN, 64), 0xc3e0000000000000, "-2^63");
        assertEq(Float64.fromSigned(0x80000000, 32), 0xc1e0000000000000, "-2^31");
        assertEq(Float64.fromSigned(0, 64), 0, "0");
    }

    function test_comparisons_zerosAndNans() external pure {
        assertTrue(Float64.eq(0, SIGN) && Float64.le(SIGN, 0) && Float64.le(0, SIGN), "zeros are equal");
        assertTrue(!Float64.lt(SIGN, 0), "and none is the lesser");
        assertTrue(!Float64.eq(NAN, NAN) && !Float64.le(NAN, NAN) && !Float64.lt(ONE, NAN), "NaN is like nothing");
        assertTrue(Float64.lt(SIGN | MAX, SIGN | ONE) && Float64.lt(SIGN | 1, 1), "negatives");
        assertEq(Float64.min(0, SIGN), SIGN, "min of zeros");
        assertEq(Float64.max(SIGN, 0), 0, "max of zeros");
        assertEq(Float64.min(0x7ff0000000000001, ONE), NAN, "min with NaN");
        assertEq(Float64.copysign(0xfff0000000000001, ONE), 0x7ff0000000000001, "copysign keeps a payload");
        assertEq(Float64.neg(NAN), SIGN | NAN, "neg of NaN is its bits");
    }
}

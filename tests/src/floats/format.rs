//! The two binary formats, by their fields.

/// A format in the low bits of a cell: sign, biased exponent, fraction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Format {
    /// Bits of the fraction.
    pub fraction_bits: u32,
    /// Bits of the exponent.
    pub exponent_bits: u32,
}

/// binary32.
pub const F32: Format = Format {
    fraction_bits: 23,
    exponent_bits: 8,
};

/// binary64.
pub const F64: Format = Format {
    fraction_bits: 52,
    exponent_bits: 11,
};

impl Format {
    /// The sign bit.
    pub fn sign(self) -> u64 {
        1 << (self.fraction_bits + self.exponent_bits)
    }

    /// The least normal number; as an integer, the bit that a normal significand has above its fraction.
    pub fn hidden(self) -> u64 {
        1 << self.fraction_bits
    }

    /// All exponents are below it.
    pub fn exponents(self) -> i32 {
        1 << self.exponent_bits
    }

    /// The biased exponent of 1.
    pub fn bias(self) -> i32 {
        self.exponents() / 2 - 1
    }

    /// Positive infinity; magnitudes above it are NaNs.
    pub fn infinity(self) -> u64 {
        self.sign() - self.hidden()
    }

    /// 2^power, a normal number.
    pub fn power(self, power: i32) -> u64 {
        self.exponent(power + self.bias())
    }

    /// An exponent field, clamped into the format.
    pub fn exponent(self, biased: i32) -> u64 {
        (biased.clamp(0, self.exponents() - 1) as u64) << self.fraction_bits
    }

    /// The biased exponent of a number.
    pub fn exponent_of(self, bits: u64) -> i32 {
        ((bits & (self.sign() - 1)) >> self.fraction_bits) as i32
    }

    /// Sign and fraction of a number with another exponent.
    pub fn with_exponent(self, bits: u64, biased: i32) -> u64 {
        bits & (self.sign() | (self.hidden() - 1)) | self.exponent(biased)
    }

    /// A normal number, `significand * 2^(biased - bias - fraction bits)`; the significand has its hidden bit.
    pub fn number(self, significand: u64, biased: i32) -> u64 {
        assert_eq!(significand >> self.fraction_bits, 1, "a whole significand");
        significand & (self.hidden() - 1) | self.exponent(biased)
    }

    /// All bits of the format.
    pub fn mask(self) -> u64 {
        self.sign() | (self.sign() - 1)
    }
}

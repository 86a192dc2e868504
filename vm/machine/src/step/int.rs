//! Integer lanes: what WebAssembly does to one of them.

/// A lane as an unsigned number.
pub(super) trait Int: Copy + Ord {
    /// The same bits as a signed number.
    type Signed: Ord;
    const BITS: u32;

    fn signed(self) -> Self::Signed;
    /// The low bits of a cell.
    fn of(cell: u64) -> Self;
    /// Zero-extended to a cell.
    fn cell(self) -> u64;
    /// Sign-extended to an i32, which is zero-extended to a cell.
    fn sign_extended(self) -> u64;
    /// All bits set, or none.
    fn mask(flag: bool) -> Self;
    fn abs(self) -> Self;
    fn neg(self) -> Self;
    fn popcnt(self) -> Self;
    fn add(self, b: Self) -> Self;
    fn sub(self, b: Self) -> Self;
    fn mul(self, b: Self) -> Self;
    fn add_sat_s(self, b: Self) -> Self;
    fn add_sat_u(self, b: Self) -> Self;
    fn sub_sat_s(self, b: Self) -> Self;
    fn sub_sat_u(self, b: Self) -> Self;
    fn min_s(self, b: Self) -> Self;
    fn max_s(self, b: Self) -> Self;
    /// The count is less than [`Int::BITS`]. So are the next two's.
    fn shl(self, count: u32) -> Self;
    fn shr_s(self, count: u32) -> Self;
    fn shr_u(self, count: u32) -> Self;
}

macro_rules! int {
    ($int:ident $signed:ident) => {
        impl Int for $int {
            type Signed = $signed;
            const BITS: u32 = $int::BITS;

            #[inline(always)]
            fn signed(self) -> $signed {
                self as $signed
            }
            #[inline(always)]
            fn of(cell: u64) -> $int {
                cell as $int
            }
            #[inline(always)]
            fn cell(self) -> u64 {
                u64::from(self)
            }
            #[inline(always)]
            fn sign_extended(self) -> u64 {
                u64::from(self as $signed as i32 as u32)
            }
            #[inline(always)]
            fn mask(flag: bool) -> $int {
                $int::from(flag).wrapping_neg()
            }
            #[inline(always)]
            fn abs(self) -> $int {
                (self as $signed).unsigned_abs()
            }
            #[inline(always)]
            fn neg(self) -> $int {
                self.wrapping_neg()
            }
            #[inline(always)]
            fn popcnt(self) -> $int {
                self.count_ones() as $int
            }
            #[inline(always)]
            fn add(self, b: $int) -> $int {
                self.wrapping_add(b)
            }
            #[inline(always)]
            fn sub(self, b: $int) -> $int {
                self.wrapping_sub(b)
            }
            #[inline(always)]
            fn mul(self, b: $int) -> $int {
                self.wrapping_mul(b)
            }
            #[inline(always)]
            fn add_sat_s(self, b: $int) -> $int {
                (self as $signed).saturating_add(b as $signed) as $int
            }
            #[inline(always)]
            fn add_sat_u(self, b: $int) -> $int {
                self.saturating_add(b)
            }
            #[inline(always)]
            fn sub_sat_s(self, b: $int) -> $int {
                (self as $signed).saturating_sub(b as $signed) as $int
            }
            #[inline(always)]
            fn sub_sat_u(self, b: $int) -> $int {
                self.saturating_sub(b)
            }
            #[inline(always)]
            fn min_s(self, b: $int) -> $int {
                (self as $signed).min(b as $signed) as $int
            }
            #[inline(always)]
            fn max_s(self, b: $int) -> $int {
                (self as $signed).max(b as $signed) as $int
            }
            #[inline(always)]
            fn shl(self, count: u32) -> $int {
                self << count
            }
            #[inline(always)]
            fn shr_s(self, count: u32) -> $int {
                ((self as $signed) >> count) as $int
            }
            #[inline(always)]
            fn shr_u(self, count: u32) -> $int {
                self >> count
            }
        }
    };
}
int!(u8 i8);
int!(u16 i16);
int!(u32 i32);
int!(u64 i64);

/// A lane of which there is one twice as wide.
pub(super) trait Narrow: Int {
    type Wide: Int;

    fn widen_s(self) -> Self::Wide;
    fn widen_u(self) -> Self::Wide;
    /// The nearest signed number to a signed one.
    fn narrow_s(wide: Self::Wide) -> Self;
    /// The nearest unsigned number to a signed one.
    fn narrow_u(wide: Self::Wide) -> Self;
    /// The mean, halves up.
    fn avgr_u(self, b: Self) -> Self;
}

macro_rules! narrow {
    ($int:ident $signed:ident $wide:ident $wide_signed:ident) => {
        impl Narrow for $int {
            type Wide = $wide;

            #[inline(always)]
            fn widen_s(self) -> $wide {
                self as $signed as $wide
            }
            #[inline(always)]
            fn widen_u(self) -> $wide {
                $wide::from(self)
            }
            #[inline(always)]
            fn narrow_s(wide: $wide) -> $int {
                (wide as $wide_signed).clamp($signed::MIN.into(), $signed::MAX.into()) as $int
            }
            #[inline(always)]
            fn narrow_u(wide: $wide) -> $int {
                (wide as $wide_signed).clamp(0, $int::MAX.into()) as $int
            }
            #[inline(always)]
            fn avgr_u(self, b: $int) -> $int {
                (($wide::from(self) + $wide::from(b) + 1) >> 1) as $int
            }
        }
    };
}
narrow!(u8 i8 u16 i16);
narrow!(u16 i16 u32 i32);
narrow!(u32 i32 u64 i64);

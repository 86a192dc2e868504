//! The floating-point mode that all results assume: nearest even, subnormals kept, binary16 as IEEE-754 has it.

use std::hint::black_box;

/// Panics if this thread's mode differs, as a library built with fast-math can leave it: no result is better than a wrong one.
pub fn assert_mode() {
    let half_ulp = f32::EPSILON / 2.0;
    let nearest_even = black_box(1.0) + half_ulp == 1.0
        && black_box(1.0 + f32::EPSILON) + half_ulp == 1.0 + 2.0 * f32::EPSILON
        && black_box(-1.0) - half_ulp == -1.0;
    // A subnormal result, and a subnormal operand.
    let subnormals = black_box(f32::MIN_POSITIVE) * 0.5 != 0.0 && black_box(1e-40) * 1e10 != 0.0;
    assert!(
        nearest_even && subnormals && halves_are_ieee(),
        "this thread's floating-point mode was changed: rounding, subnormals or binary16"
    );
}

/// ARM can be told that binary16 has no infinities, but larger numbers in their place.
#[cfg(target_arch = "aarch64")]
fn halves_are_ieee() -> bool {
    use std::arch::aarch64::*;
    // SAFETY: every 64-bit ARM processor has NEON.
    unsafe {
        let infinity = vdup_n_u16(black_box(0x7c00));
        vgetq_lane_f32::<0>(vcvt_f32_f16(vreinterpret_f16_u16(infinity))) == f32::INFINITY
    }
}

#[cfg(not(target_arch = "aarch64"))]
fn halves_are_ieee() -> bool {
    true
}

#[cfg(all(test, any(target_arch = "x86_64", target_arch = "aarch64")))]
mod tests {
    use super::assert_mode;
    use std::arch::asm;

    // Subnormal results to zero, subnormal operands to zero, rounding down.
    #[cfg(target_arch = "x86_64")]
    const MODES: [u32; 3] = [1 << 15, 1 << 6, 1 << 13];

    /// Sets bits of this thread's MXCSR.
    #[cfg(target_arch = "x86_64")]
    fn change(bits: u32) {
        let mut mode = 0u32;
        // SAFETY: stores and loads MXCSR through a valid pointer; the thread ends with the test.
        unsafe {
            asm!("stmxcsr [{}]", in(reg) &mut mode);
            mode |= bits;
            asm!("ldmxcsr [{}]", in(reg) &mode);
        }
    }

    // Subnormals to zero, rounding down, binary16 without infinities.
    #[cfg(target_arch = "aarch64")]
    const MODES: [u64; 3] = [1 << 24, 2 << 22, 1 << 26];

    /// Sets bits of this thread's FPCR.
    #[cfg(target_arch = "aarch64")]
    fn change(bits: u64) {
        let mut mode: u64;
        // SAFETY: reads and writes FPCR alone; the thread ends with the test.
        unsafe {
            asm!("mrs {}, fpcr", out(reg) mode);
            mode |= bits;
            asm!("msr fpcr, {}", in(reg) mode);
        }
    }

    #[test]
    fn changed_modes_are_noticed() {
        assert_mode();
        for bits in MODES {
            let thread = std::thread::spawn(move || {
                change(bits);
                assert_mode();
            });
            assert!(thread.join().is_err(), "{bits:#x}");
        }
    }
}

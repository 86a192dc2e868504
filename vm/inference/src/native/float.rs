//! The floating-point mode that all results assume: nearest even, subnormals kept.

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
        nearest_even && subnormals,
        "this thread's floating-point mode was changed: rounding or subnormals"
    );
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::assert_mode;
    use std::arch::asm;

    /// Sets bits of this thread's MXCSR.
    fn change(bits: u32) {
        let mut mode = 0u32;
        // SAFETY: stores and loads MXCSR through a valid pointer; the thread ends with the test.
        unsafe {
            asm!("stmxcsr [{}]", in(reg) &mut mode);
            mode |= bits;
            asm!("ldmxcsr [{}]", in(reg) &mode);
        }
    }

    #[test]
    fn changed_modes_are_noticed() {
        assert_mode();
        let (flush, operands, down) = (1 << 15, 1 << 6, 1 << 13);
        for bits in [flush, operands, down] {
            let thread = std::thread::spawn(move || {
                change(bits);
                assert_mode();
            });
            assert!(thread.join().is_err(), "{bits:#x}");
        }
    }
}

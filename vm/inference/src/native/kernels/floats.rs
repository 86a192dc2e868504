//! Panels of 32 rows of F32, F16 and BF16 weights: element by element the rows beside each other, so that vectors go across outputs while each
//! output's sum stays in index order, every product rounded before it is added.

use super::panels::{Line, Lines};
use crate::tensors::Format;

#[cfg(target_arch = "aarch64")]
use std::arch::aarch64::*;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// Rows of a panel.
pub(super) const HEIGHT: usize = 32;
/// Most tokens of a tile.
pub(super) const MOST: usize = 8;

/// A repacked matrix.
pub(in crate::native) struct FloatPanels {
    format: Format,
    columns: usize,
    lines: Lines,
}

/// Bytes of a number.
const fn bytes_of(format: Format) -> usize {
    match format {
        Format::F32 => 4,
        _ => 2,
    }
}

/// One panel.
#[derive(Clone, Copy)]
pub(super) struct Panel<'a> {
    format: Format,
    columns: usize,
    lines: &'a [Line],
}

impl FloatPanels {
    /// Repacks rows of `columns` numbers; the last panel is filled up with zeros.
    pub(super) fn new(
        format: Format,
        data: &[u8],
        columns: usize,
        spread: &(impl Fn(usize, &(dyn Fn(usize) + Sync)) + Sync),
    ) -> std::io::Result<FloatPanels> {
        assert!(format.is_float());
        let bytes = bytes_of(format);
        let rows: Vec<&[u8]> = data.chunks_exact(bytes * columns).collect();
        let count = rows.len().div_ceil(HEIGHT);
        let per_panel = HEIGHT * bytes / 64 * columns;
        let mut panels = FloatPanels {
            format,
            columns,
            lines: Lines::new(per_panel * count)?,
        };
        let lines = panels.lines.get_mut().chunks_mut(per_panel);
        let parts: Vec<_> = lines
            .zip(rows.chunks(HEIGHT))
            .map(std::sync::Mutex::new)
            .collect();
        spread(count, &|i| {
            if let Ok(mut part) = parts[i].lock() {
                let (lines, rows) = &mut *part;
                match bytes {
                    2 => fill::<2>(rows, lines),
                    _ => fill::<4>(rows, lines),
                }
            }
        });
        drop(parts);
        Ok(panels)
    }

    /// Panel `i`.
    pub(super) fn panel(&self, i: usize) -> Panel<'_> {
        let per_panel = HEIGHT * bytes_of(self.format) / 64 * self.columns;
        Panel {
            format: self.format,
            columns: self.columns,
            lines: &self.lines.get()[i * per_panel..][..per_panel],
        }
    }
}

/// Fills one panel from rows of numbers of `N` bytes.
fn fill<const N: usize>(rows: &[&[u8]], lines: &mut [Line]) {
    for (r, row) in rows.iter().enumerate() {
        let (line, at) = (r * N / 64, r * N % 64);
        for (lines, number) in lines
            .chunks_exact_mut(HEIGHT * N / 64)
            .zip(row.as_chunks::<N>().0)
        {
            lines[line].0[at..at + N].copy_from_slice(number);
        }
    }
}

// The formats by number, for kernels compiled apart for each.
const F32: u8 = 0;
const F16: u8 = 1;
const BF16: u8 = 2;

/// Some numbers side by side.
///
/// # Safety
/// Whoever calls a function has the processor features that the vector needs, and reads and writes within what is theirs.
trait Vector: Copy {
    /// How many.
    const WIDTH: usize;
    /// One number everywhere.
    unsafe fn splat(x: f32) -> Self;
    /// F32 weights.
    unsafe fn wide(at: *const u8) -> Self;
    /// F16 weights, widened.
    unsafe fn halves(at: *const u8) -> Self;
    /// BF16 weights, widened.
    unsafe fn uppers(at: *const u8) -> Self;
    /// `self + a * b`, in two operations.
    unsafe fn plus_product(self, a: Self, b: Self) -> Self;
    /// Writes them.
    unsafe fn store(self, to: *mut f32);
}

/// Rows `part ..` of one panel, `N` vectors of them, times `T` tokens, whose numbers begin `stride` apart in `x`.
///
/// # Safety
/// As for [`Vector`]'s functions.
#[inline(always)]
unsafe fn run<V: Vector, const KIND: u8, const N: usize, const T: usize>(
    panel: Panel,
    part: usize,
    (x, stride): (&[f32], usize),
    out: &mut [[f32; HEIGHT]],
) {
    let bytes = if KIND == F32 { 4 } else { 2 };
    let (columns, lines) = (panel.columns, panel.lines);
    let x: [&[f32]; T] = core::array::from_fn(|t| &x[t * stride..][..columns]);
    assert!(part + N * V::WIDTH <= HEIGHT && out.len() >= T);
    assert!(lines.len() * 64 == columns * HEIGHT * bytes);
    // SAFETY: `k` is below the length of each token's numbers; the panel has `HEIGHT` weights for each; features are the caller's promise.
    unsafe {
        let weights = lines.as_ptr().cast::<u8>().add(part * bytes);
        let mut acc = [[V::splat(0.0); N]; T];
        for k in 0..columns {
            let weights = weights.add(k * HEIGHT * bytes);
            let mut w = [V::splat(0.0); N];
            for (i, w) in w.iter_mut().enumerate() {
                let at = weights.add(i * V::WIDTH * bytes);
                *w = match KIND {
                    F32 => V::wide(at),
                    F16 => V::halves(at),
                    _ => V::uppers(at),
                };
            }
            for (acc, x) in acc.iter_mut().zip(x) {
                let x = V::splat(*x.get_unchecked(k));
                for (acc, w) in acc.iter_mut().zip(w) {
                    *acc = acc.plus_product(w, x);
                }
            }
        }
        for (acc, out) in acc.iter().zip(out) {
            for (i, acc) in acc.iter().enumerate() {
                acc.store(out[part + i * V::WIDTH..][..V::WIDTH].as_mut_ptr());
            }
        }
    }
}

/// All rows of one panel times `T` tokens, `N` vectors of rows at a time.
///
/// # Safety
/// As for [`Vector`]'s functions.
#[inline(always)]
unsafe fn all_rows<V: Vector, const N: usize, const T: usize>(
    panel: Panel,
    x: (&[f32], usize),
    out: &mut [[f32; HEIGHT]],
) {
    for part in (0..HEIGHT).step_by(N * V::WIDTH) {
        // SAFETY: the caller's promise.
        unsafe {
            match panel.format {
                Format::F32 => run::<V, F32, N, T>(panel, part, x, out),
                Format::F16 => run::<V, F16, N, T>(panel, part, x, out),
                _ => run::<V, BF16, N, T>(panel, part, x, out),
            }
        }
    }
}

/// A level's kernel: for each number of tokens that it takes together, how many vectors of rows it takes.
macro_rules! level {
    ($name:ident, $level:ident, $features:literal, $vector:ty, $($tokens:literal => $vectors:literal),*) => {
        /// One panel times `out.len()` tokens, whose numbers begin as far apart in `x` as the second number says.
        ///
        /// # Safety
        #[doc = concat!("The processor has the features that [`super::Level::", stringify!($level), "`] names.")]
        #[target_feature(enable = $features)]
        pub(super) fn $name(panel: Panel, (x, stride): (&[f32], usize), out: &mut [[f32; HEIGHT]]) {
            let mut t = 0;
            while t < out.len() {
                let (x, out) = ((&x[t * stride..], stride), &mut out[t..]);
                // SAFETY: this function has the features that its vectors need.
                t += unsafe {
                    match out.len() {
                        $($tokens.. => {
                            all_rows::<$vector, $vectors, $tokens>(panel, x, out);
                            $tokens
                        })*
                        _ => unreachable!("a token is left"),
                    }
                };
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
level!(avx2, Avx2, "avx2,f16c", __m256, 4 => 2, 2 => 4, 1 => 4);
#[cfg(target_arch = "x86_64")]
level!(avx512, Avx512, "avx512f,avx512bw,avx512vl,avx512vnni,f16c", __m512, 8 => 2, 4 => 2, 2 => 2, 1 => 2);
#[cfg(target_arch = "aarch64")]
level!(neon, Neon, "neon", float32x4_t, 4 => 4, 2 => 8, 1 => 8);

#[cfg(target_arch = "x86_64")]
impl Vector for __m256 {
    const WIDTH: usize = 8;
    #[inline(always)]
    unsafe fn splat(x: f32) -> __m256 {
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn wide(at: *const u8) -> __m256 {
        unsafe { _mm256_loadu_ps(at.cast()) }
    }
    #[inline(always)]
    unsafe fn halves(at: *const u8) -> __m256 {
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(at.cast())) }
    }
    #[inline(always)]
    unsafe fn uppers(at: *const u8) -> __m256 {
        unsafe {
            let wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(at.cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(wide))
        }
    }
    #[inline(always)]
    unsafe fn plus_product(self, a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(self, _mm256_mul_ps(a, b)) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm256_storeu_ps(to, self) }
    }
}

#[cfg(target_arch = "x86_64")]
impl Vector for __m512 {
    const WIDTH: usize = 16;
    #[inline(always)]
    unsafe fn splat(x: f32) -> __m512 {
        unsafe { _mm512_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn wide(at: *const u8) -> __m512 {
        unsafe { _mm512_loadu_ps(at.cast()) }
    }
    #[inline(always)]
    unsafe fn halves(at: *const u8) -> __m512 {
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(at.cast())) }
    }
    #[inline(always)]
    unsafe fn uppers(at: *const u8) -> __m512 {
        unsafe {
            let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(at.cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide))
        }
    }
    #[inline(always)]
    unsafe fn plus_product(self, a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(self, _mm512_mul_ps(a, b)) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm512_storeu_ps(to, self) }
    }
}

#[cfg(target_arch = "aarch64")]
impl Vector for float32x4_t {
    const WIDTH: usize = 4;
    #[inline(always)]
    unsafe fn splat(x: f32) -> float32x4_t {
        unsafe { vdupq_n_f32(x) }
    }
    #[inline(always)]
    unsafe fn wide(at: *const u8) -> float32x4_t {
        unsafe { vreinterpretq_f32_u8(vld1q_u8(at)) }
    }
    #[inline(always)]
    unsafe fn halves(at: *const u8) -> float32x4_t {
        unsafe { vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(at))) }
    }
    #[inline(always)]
    unsafe fn uppers(at: *const u8) -> float32x4_t {
        unsafe {
            let halves = vreinterpret_u16_u8(vld1_u8(at));
            vreinterpretq_f32_u32(vshll_n_u16::<16>(halves))
        }
    }
    #[inline(always)]
    unsafe fn plus_product(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        unsafe { vaddq_f32(self, vmulq_f32(a, b)) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { vst1q_f32(to, self) }
    }
}

//! The program reads every tensor type as ggml does.

use assay_inference::matmul::widen;
use assay_inference::tensors::Format;
use assay_inference::testing::{Random, encode};
use llama_cpp_sys_2::{ggml_get_type_traits, ggml_quantize_chunk, ggml_type};

const COLUMNS: usize = 512;

/// ggml's reading of a row.
fn ggml(format: Format, row: &[u8]) -> Vec<f32> {
    let mut out = vec![0.0; COLUMNS];
    // SAFETY: ggml knows the type; the row has as many bytes as the type needs for the numbers in `out`.
    unsafe {
        let traits = &*ggml_get_type_traits(format as ggml_type);
        let (elements, bytes) = format.piece();
        assert_eq!(traits.blck_size, i64::from(elements));
        assert_eq!(traits.type_size, bytes as usize);
        let to_float = traits.to_float.expect("every type but F32 has one");
        to_float(row.as_ptr().cast(), out.as_mut_ptr(), COLUMNS as i64);
    }
    out
}

/// ggml's own quantization of `x`.
fn quantized(format: Format, x: &[f32]) -> Vec<u8> {
    let mut out = vec![0u8; format.row_bytes(COLUMNS as u32) as usize];
    // SAFETY: one row of COLUMNS numbers, and room for its bytes.
    let bytes = unsafe {
        ggml_quantize_chunk(
            format as ggml_type,
            x.as_ptr(),
            out.as_mut_ptr().cast(),
            0,
            1,
            COLUMNS as i64,
            std::ptr::null(),
        )
    };
    assert_eq!(bytes, out.len());
    out
}

fn compare(format: Format, row: &[u8]) {
    let mut ours = vec![0.0; COLUMNS];
    widen(format, row, &mut ours);
    for (k, (a, b)) in ours.iter().zip(ggml(format, row)).enumerate() {
        // ggml's compiler may fuse a product with a sum, or order two products differently.
        let size = a
            .abs()
            .max(b.abs())
            .max(ours.iter().fold(0.0, |m: f32, x| m.max(x.abs())));
        assert!(
            (a - b).abs() <= 4.0 * f32::EPSILON * size,
            "{format:?} element {k}: {a} is {b} in ggml"
        );
    }
}

#[test]
fn every_type_is_read_as_ggml_reads_it() {
    let mut random = Random(11);
    for format in Format::ALL.iter().copied().filter(|f| *f != Format::F32) {
        for _ in 0..200 {
            let x: Vec<f32> = (0..COLUMNS)
                .map(|_| random.unit() * (1.0 + random.unit()))
                .collect();
            compare(format, &encode(format, &x));
            let theirs = quantized(format, &x);
            compare(format, &theirs);
            // What it was made from, about: a misreading that both share would show.
            let mut back = vec![0.0; COLUMNS];
            widen(format, &theirs, &mut back);
            let error: f32 = back.iter().zip(&x).map(|(a, b)| (a - b).powi(2)).sum();
            let size: f32 = x.iter().map(|x| x * x).sum();
            assert!(error < 0.02 * size, "{format:?}: {}", error / size);
            // Any bits but scales that aren't finite.
            let (_, bytes) = format.piece();
            let mut row = theirs;
            for piece in row.chunks_exact_mut(bytes as usize) {
                piece.iter_mut().for_each(|b| *b = random.bits() as u8);
                let scales = match format {
                    Format::Q6_K => 208..210,
                    Format::Q4_0 | Format::Q5_0 | Format::Q8_0 | Format::F16 => 0..2,
                    Format::BF16 => 0..0,
                    _ => 0..4,
                };
                piece[scales]
                    .chunks_exact_mut(2)
                    .for_each(|half| half[1] &= 0xbb);
                if format == Format::BF16 {
                    piece[1] &= 0xbf;
                }
            }
            compare(format, &row);
        }
    }
}

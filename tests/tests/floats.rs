//! Solidity's floats against this machine's hardware, operator by operator, and a third answer where it matters most.
//!
//! Every operator of families 4, 5, 8 and 9: all pairs of edge values and what is nearest to a tie, on which
//! `rustc_apfloat` has to agree too; then seeded directed-random pairs, 50,000 of them or `ASSAY_VECTORS`.
//! The expected values come from hardware operators here, not from `vm/machine`.

use assay_machine::isa::Op;
use assay_tests::floats::compare::{Engine, compare, count, on_all_cores};
use assay_tests::floats::operands::Source;
use assay_tests::floats::operator::Operator;
use assay_tests::floats::solidity::Solidity;
use assay_tests::floats::{Reference, hardware, soft};

/// Directed-random pairs at a time.
const CHUNK: usize = 100_000;

#[test]
fn every_float_operator_equals_the_hardware() {
    let random = count("ASSAY_VECTORS", 50_000);
    let operators = Operator::all();
    // f32 and f64 have 32 each and the conversions between them, lanes 25 and 27.
    assert_eq!(operators.len(), 32 + 34 + 25 + 27);
    on_all_cores(&operators, |&operator| {
        let (n, gas) = solidity_equals_hardware(operator, hardware::reference(operator), random);
        let name = operator.op.mnemonic();
        println!("{name:30} {n:8} pairs, {:5} gas each", gas / n as u64);
    });
}

/// Compares one operator; panics at the first difference. Returns its pairs and their gas.
fn solidity_equals_hardware(
    operator: Operator,
    reference: Reference,
    random: usize,
) -> (usize, u64) {
    let mut solidity = Solidity::new(operator);
    let mut source = Source::new(operator);
    let mut pairs = source.fixed();
    compare(&mut solidity, operator, reference, &pairs);
    let fixed = pairs.len();
    for start in (0..random).step_by(CHUNK) {
        source.directed(CHUNK.min(random - start), &mut pairs);
        compare(&mut solidity, operator, reference, &pairs);
    }
    (fixed + random, solidity.gas)
}

/// Three answers that were written by three, on everything that is not random.
#[test]
fn hardware_and_apfloat_agree_on_the_edges() {
    on_all_cores(&Operator::all(), |&operator| {
        let (hardware, soft) = (hardware::reference(operator), soft::reference(operator));
        let pairs = Source::new(operator).fixed();
        assert!(pairs.len() >= 200);
        for (a, b) in pairs {
            let name = operator.op.mnemonic();
            let (hardware, soft) = (hardware(a, b), soft(a, b));
            assert_eq!(
                hardware, soft,
                "{name}({a:#x}, {b:#x}): hardware {hardware:x?}, apfloat {soft:x?}"
            );
        }
    });
}

/// The comparison above is not vacuous: one wrong bit in a reference is found, on a number and in a lane.
#[test]
fn a_wrong_reference_is_noticed() {
    for op in [Op::F64Mul, Op::F64x2Mul, Op::F32x4Sqrt] {
        let operator = Operator::of(op).expect("it is of the family");
        let wrong: Reference = match op {
            Op::F32x4Sqrt => |a, _| {
                let root = f32::from_bits(a as u32).sqrt();
                let root = if root.is_nan() {
                    0x7fc0_0000
                } else {
                    root.to_bits()
                };
                Some(u64::from(root) ^ u64::from(a as u32 == 0x3f80_0001))
            },
            _ => |a, b| {
                let product = f64::from_bits(a) * f64::from_bits(b);
                let product = if product.is_nan() {
                    0x7ff8 << 48
                } else {
                    product.to_bits()
                };
                Some(product ^ u64::from(a == 0x3ff0_0000_0000_0001 && b == a))
            },
        };
        let result = std::panic::catch_unwind(|| solidity_equals_hardware(operator, wrong, 0));
        let message = *result
            .expect_err("a wrong bit is a difference")
            .downcast::<String>()
            .expect("a message");
        assert!(message.contains(op.mnemonic()), "{message}");
    }
}

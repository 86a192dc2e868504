//! The machine's floats, which are the hardware's, against software: `rustc_apfloat` and the integer square root.
//!
//! Every operator of families 4, 5, 8 and 9 through the interpreter: all pairs of edge values, what is nearest to a tie,
//! and 200,000 directed-random pairs or `ASSAY_SOFT_VECTORS`. With `ASSAY_EXHAUSTIVE=1` the operators of one f32
//! get all 2^32 of them. `make floats` runs 10^8 pairs an operator and all f32s: hours on two cores. `ASSAY_OPERATORS`
//! takes some of them (`f64.div,f64.min`), for a run that was stopped.

use assay_machine::isa::Op;
use assay_tests::floats::compare::{Engine, compare, count, on_all_cores};
use assay_tests::floats::machine::Bulk;
use assay_tests::floats::operands::Source;
use assay_tests::floats::operator::{Operator, family};
use assay_tests::floats::{Pair, soft};

/// Directed-random pairs at a time.
const CHUNK: usize = 100_000;

#[test]
fn every_float_operator_equals_software() {
    let random = count("ASSAY_SOFT_VECTORS", 200_000);
    on_all_cores(&chosen(Operator::all()), |&operator| {
        let mut machine = Bulk::new(operator);
        let reference = soft::reference(operator);
        let mut source = Source::new(operator);
        let mut pairs = source.fixed();
        compare(&mut machine, operator, reference, &pairs);
        let n = pairs.len() + random;
        for start in (0..random).step_by(CHUNK) {
            source.directed(CHUNK.min(random - start), &mut pairs);
            compare(&mut machine, operator, reference, &pairs);
        }
        println!("{:30} {n:10} pairs", operator.op.mnemonic());
    });
}

/// The operators of one f32 on all of them, or on 2^20 that are spread over them.
#[test]
fn every_operator_of_one_f32_equals_software_on_all_of_them() {
    let step = if count("ASSAY_EXHAUSTIVE", 0) == 1 {
        1
    } else {
        4093
    };
    let unary: Vec<Operator> = Operator::all()
        .into_iter()
        .filter(|o| takes_one_f32(*o))
        .collect();
    // Seven of arithmetic, eight to integers, two from i32, one to f64.
    assert_eq!(unary.len(), 18);
    on_all_cores(&chosen(unary), |&operator| {
        let mut machine = Bulk::new(operator);
        let reference = soft::reference(operator);
        let mut all = (0..1u64 << 32).step_by(step).map(|a| (a, 0));
        loop {
            let pairs: Vec<Pair> = all.by_ref().take(CHUNK).collect();
            if pairs.is_empty() {
                break;
            }
            compare(&mut machine, operator, reference, &pairs);
        }
        println!("{:30} every {step} of 2^32", operator.op.mnemonic());
    });
}

/// Those of `all` that `ASSAY_OPERATORS` names; all where it isn't set.
fn chosen(mut all: Vec<Operator>) -> Vec<Operator> {
    if let Ok(names) = std::env::var("ASSAY_OPERATORS") {
        let names: Vec<&str> = names.split(',').collect();
        all.retain(|o| names.contains(&o.op.mnemonic()));
        assert_eq!(
            all.len(),
            names.len(),
            "ASSAY_OPERATORS: not all of {names:?} are operators of this test"
        );
    }
    all
}

fn takes_one_f32(operator: Operator) -> bool {
    let wide = [Op::F32ConvertI64S, Op::F32ConvertI64U];
    let of_f32 = family(operator.op) == 4 || operator.op == Op::F64PromoteF32;
    operator.is_unary() && of_f32 && !wide.contains(&operator.op)
}

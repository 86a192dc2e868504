//! A witness that was touched is refused, or proves something about another state: never another after for the same
//! before. One witness of every opcode, every region of it.

use assay_machine::access::replay::BadWitness;
use assay_machine::isa::Op;
use assay_machine::step::replay;
use assay_prover::prover::{BadHeader, BadWitnessFold, BadWitnessLength, Prover, context};
use assay_tests::dearest::dearest;
use assay_tests::handmade::Handmade;
use assay_tests::lockstep::{Lockstep, Sample, roms};
use assay_types::params::HEADER_BYTES;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// A program whose steps have every kind of opening: code, cells, globals, table, memory, segments, rom, a reset.
const PROGRAM: &str = r#"(module
  (@custom "assay" "volatile_log2=8\na=40\nb=10")
  (import "assay" "read" (func $read (param i32 i64 i32 i32)))
  (type $unary (func (param i32) (result i32)))
  (memory 1)
  (data $passive "a passive segment")
  (table $t 2 9 funcref)
  (table $u 20 funcref)
  (elem (i32.const 1) $double)
  (elem $more func $double $double $double)
  (global $n (mut i32) (i32.const 0))
  (func $double (type $unary) (i32.mul (local.get 0) (i32.const 2)))
  (func (export "step") (result i32) (local $v v128)
    (local.set $v (v128.load (i32.const 120)))
    (v128.store (i32.const 376) (local.get $v))
    (local.set $v (v128.bitselect (local.get $v) (v128.load (i32.const 500)) (v128.const i64x2 1 2)))
    (local.set $v (i16x8.mul (local.get $v) (i8x16.swizzle (local.get $v) (local.get $v))))
    (local.set $v (f32x4.add (local.get $v) (f64x2.sqrt (local.get $v))))
    (drop (f64.mul (f64.load (i32.const 8)) (f64.const 3)))
    (table.init $u $more (i32.const 0) (i32.const 0) (i32.const 3))
    (table.copy $t $u (i32.const 0) (i32.const 1) (i32.const 2))
    (drop (table.grow $t (ref.func $double) (i32.const 3)))
    (table.set $t (i32.const 0) (table.get $t (i32.const 4)))
    (elem.drop $more)
    (drop (table.size $t))
    (i64.store (i32.const 124) (i64.const 0x1122334455667788))
    (drop (i64.load (i32.const 252)))
    (drop (f32.add (f32.load (i32.const 4)) (f32.const 1)))
    (memory.fill (i32.const 1000) (i32.const 7) (i32.const 60))
    (memory.copy (i32.const 1001) (i32.const 1000) (i32.const 50))
    (memory.init $passive (i32.const 2000) (i32.const 0) (i32.const 17))
    (data.drop $passive)
    (call $read (i32.const 2) (i64.const 100) (i32.const 3000) (i32.const 90))
    (drop (call_indirect (type $unary) (i32.const 4) (i32.const 1)))
    (drop (select (i32.const 1) (i32.const 2) (global.get $n)))
    (drop (memory.grow (i32.const 0)))
    (global.set $n (i32.add (global.get $n) (i32.const 1)))
    (i32.const 0)))"#;

/// Steps of the program, one of each opcode, and of states that do not run.
pub fn samples() -> Vec<Sample> {
    let mut lockstep = Lockstep::default();
    // The second macro step would drop the segment again: one is enough, with its padding and the next resume.
    lockstep.run_wat(PROGRAM, roms(), 200);
    let names = [
        "store64",
        "load64",
        "memory_fill",
        "memory_copy",
        "memory_init",
        "data_drop",
        "rom_read",
    ];
    for name in names.into_iter().chain([
        "call_indirect",
        "select",
        "finish",
        "yielded",
        "global_set",
        "f32.add imm",
        "v128.load",
        "v128.store",
        "v128.bitselect",
        "i16x8.mul",
        "f32x4.add",
        "f64x2.sqrt",
        "f64.mul imm",
        "table_get",
        "table_set",
        "table_grow",
        "table_fill",
        "table_copy",
        "table_init",
        "elem_drop",
    ]) {
        assert!(lockstep.samples.contains_key(name), "no sample of {name}");
    }
    lockstep.samples.into_values().collect()
}

/// The contract's and the replay's verdicts, which must be the same.
pub fn verdict(
    prover: &mut Prover,
    sample: &Sample,
    witness: &[u8],
    what: &str,
) -> Result<(), BadWitness> {
    let replayed = replay(&sample.limits, &sample.fixed, sample.index, witness);
    let (roots, outcome) = prover.step(&sample.ctx, sample.index, witness);
    match replayed {
        Ok((before, after)) => {
            assert_eq!(
                roots,
                Some((before, after)),
                "{what}: the contract differs from the replay"
            );
            let same_before = before == sample.before;
            assert!(
                !same_before || after == sample.after,
                "{what}: another after for the same before"
            );
            // Accepted with the true before means nothing was touched.
            assert!(
                !same_before || witness == sample.witness,
                "{what}: accepted"
            );
            Ok(())
        }
        Err(bad) => {
            let failure = outcome.result.expect_err(what);
            let named = match bad {
                BadWitness::Length => failure.is::<BadWitnessLength>(),
                BadWitness::Fold => failure.is::<BadWitnessFold>(),
                BadWitness::Header => failure.is::<BadHeader>(),
            };
            assert!(
                named,
                "{what}: {bad:?} in the replay, {failure:?} in the contract"
            );
            Err(bad)
        }
    }
}

/// Byte ranges of a witness's regions: leaf and siblings of each opening, found by its length.
fn regions(sample: &Sample) -> Vec<(String, std::ops::Range<usize>)> {
    let mut out = vec![("header".to_owned(), 0..HEADER_BYTES)];
    let mut at = HEADER_BYTES;
    let mut n = 0;
    while at < sample.witness.len() {
        let leaf = (at + 128).min(sample.witness.len());
        out.push((format!("chunk {n}"), at..leaf));
        at = leaf;
        n += 1;
    }
    out
}

#[test]
fn a_flipped_byte_in_any_region_is_refused() {
    let mut prover = Prover::new();
    let mut rng = StdRng::seed_from_u64(0xf11b);
    let (mut tried, mut folds) = (0, 0);
    for sample in samples() {
        assert_eq!(
            verdict(&mut prover, &sample, &sample.witness, "untouched"),
            Ok(())
        );
        for (name, range) in regions(&sample) {
            for _ in 0..4 {
                let mut witness = sample.witness.clone();
                let at = rng.random_range(range.clone());
                witness[at] ^= 1u8 << rng.random_range(0..8);
                let what = format!("step {:#x}, {name}, byte {at}", sample.index);
                let verdict = verdict(&mut prover, &sample, &witness, &what);
                tried += 1;
                if name != "header" {
                    assert_eq!(verdict, Err(BadWitness::Fold), "{what}");
                    folds += 1;
                }
            }
        }
    }
    println!("{tried} flips, {folds} of them in openings");
    assert!(folds > 1000);
}

/// As above for each opcode of the families that only made-up states reach in full, at its dearest.
#[test]
fn a_flipped_byte_is_refused_whatever_the_opcode() {
    let mut prover = Prover::new();
    let mut rng = StdRng::seed_from_u64(0xd3a7);
    let mut folds = 0;
    for &op in Op::ALL.iter().filter(|op| **op as u16 >= 0x0500) {
        let mut lockstep = Lockstep::default();
        let mut machine = dearest(op, false).machine();
        lockstep.step(&mut machine.clone(), &mut machine, 5);
        for sample in lockstep.samples.into_values() {
            for (name, range) in regions(&sample) {
                let mut witness = sample.witness.clone();
                let at = rng.random_range(range);
                witness[at] ^= 1u8 << rng.random_range(0..8);
                let what = format!("{}, {name}, byte {at}", op.mnemonic());
                let verdict = verdict(&mut prover, &sample, &witness, &what);
                if name != "header" {
                    assert_eq!(verdict, Err(BadWitness::Fold), "{what}");
                    folds += 1;
                }
            }
            let n = sample.witness.len();
            let short = verdict(
                &mut prover,
                &sample,
                &sample.witness[..n - 32],
                op.mnemonic(),
            );
            assert!(short.is_err(), "{}", op.mnemonic());
        }
    }
    println!("{folds} flips in openings");
    assert!(folds > 2000, "{folds}");
}

#[test]
fn every_byte_of_one_long_witness_counts() {
    let mut prover = Prover::new();
    let longest = samples()
        .into_iter()
        .max_by_key(|s| s.witness.len())
        .expect("there are samples");
    for at in 0..longest.witness.len() {
        let mut witness = longest.witness.clone();
        witness[at] ^= 0x10;
        let verdict = verdict(&mut prover, &longest, &witness, &format!("byte {at}"));
        assert!(
            at < HEADER_BYTES || verdict == Err(BadWitness::Fold),
            "byte {at}"
        );
    }
}

#[test]
fn truncated_and_extended_witnesses_are_refused() {
    let mut prover = Prover::new();
    for sample in samples() {
        let n = sample.witness.len();
        for cut in [
            1,
            2,
            31,
            32,
            33,
            127,
            128,
            160,
            544,
            672,
            n - HEADER_BYTES,
            n - HEADER_BYTES + 1,
            n,
        ] {
            if cut <= n && cut != 0 {
                let short = &sample.witness[..n - cut];
                let verdict = verdict(
                    &mut prover,
                    &sample,
                    short,
                    &format!("step {:#x} less {cut}", sample.index),
                );
                assert!(verdict.is_err());
            }
        }
        for more in [1, 31, 32, 128, 544, 928] {
            let long = [&sample.witness[..], &vec![0; more]].concat();
            let verdict = verdict(
                &mut prover,
                &sample,
                &long,
                &format!("step {:#x} plus {more}", sample.index),
            );
            assert_eq!(verdict, Err(BadWitness::Length));
        }
    }
}

#[test]
fn openings_moved_exchanged_or_of_another_step_are_refused() {
    let mut prover = Prover::new();
    let samples = samples();
    for sample in &samples {
        for other in samples.iter().filter(|o| o.index != sample.index) {
            // This step's header with that step's openings.
            let mixed = [
                &sample.witness[..HEADER_BYTES],
                &other.witness[HEADER_BYTES..],
            ]
            .concat();
            if mixed[HEADER_BYTES..] != sample.witness[HEADER_BYTES..] {
                let verdict = verdict(&mut prover, sample, &mixed, "another step's openings");
                assert!(verdict.is_err());
            }
        }
    }
    let store = samples
        .iter()
        .max_by_key(|s| s.witness.len())
        .expect("there are samples");
    let n = store.witness.len();
    // The last two openings of memory, exchanged.
    let (a, b) = (n - 2 * 928, n - 928);
    let swapped = [
        &store.witness[..a],
        &store.witness[b..],
        &store.witness[a..b],
    ]
    .concat();
    assert!(verdict(&mut prover, store, &swapped, "exchanged").is_err());
}

#[test]
fn headers_that_no_state_encodes_to_are_refused() {
    let mut prover = Prover::new();
    let (ctx, fixed) = context(&Handmade::new(vec![]).machine().image, &roms());
    let limits = Handmade::new(vec![]).limits;
    let sample = Sample {
        ctx,
        limits,
        fixed,
        index: 0,
        witness: vec![],
        before: Default::default(),
        after: Default::default(),
    };
    let mut check = |header: [u8; HEADER_BYTES], good: bool| {
        let want = if good {
            Ok(())
        } else {
            Err(BadWitness::Header)
        };
        assert_eq!(
            verdict(&mut prover, &sample, &header, &format!("{header:?}")),
            want
        );
    };
    for status in [0u8, 5, 6, 0x80, 0xff] {
        let mut header = [0; HEADER_BYTES];
        header[0] = status;
        check(header, false);
    }
    for status in [2u8, 3, 4] {
        let mut header = [0; HEADER_BYTES];
        header[0] = status;
        check(header, true);
        for at in [1, 4, 5, 8, 12, 16, 17, 48, 49, 81, 113, 144] {
            let mut header = header;
            header[at] = 1;
            // A Yielded header may have anything but a code; a Halted one nothing but a code; a Trapped one nothing.
            check(
                header,
                match status {
                    2 => at > 4,
                    3 => at <= 4,
                    _ => false,
                },
            );
        }
    }
}

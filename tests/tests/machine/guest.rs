//! Windows of the real guest on the real model: the interpreter, the replay and the contract agree on each step.

use assay_inference::native::{Engine, bytes};
use assay_machine::machine::Machine;
use assay_machine::rom::Rom;
use assay_tests::artifacts::{bench_file, root};
use assay_tests::lockstep::Lockstep;
use assay_twin::guest;
use assay_types::output::Output;
use assay_types::request::{Payload, RomHeader};
use assay_types::{Hash, ModelId, Status, Tolerance};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::num::NonZeroUsize;

/// Macro steps that are looked into.
const MACRO_STEPS: usize = 40;
/// Windows inside each, besides its first and last steps.
const WINDOWS: usize = 2;
/// Steps of a window.
const WINDOW: u64 = 260;
/// Steps looked at on either side of a yield.
const EDGE: u64 = 20;

/// The devnet model, a request and the right answer to it.
fn roms() -> [Rom; 3] {
    let model = std::fs::read(root().join("devnet/model/assay-stories.gguf"))
        .expect("the devnet model is committed");
    let header = RomHeader {
        chain_id: 31337,
        inbox: [7; 20],
        request_id: Hash([1; 32]),
        model: ModelId(Hash([2; 32])),
        seed: Hash([3; 32]),
        tolerance: Tolerance::default(),
    };
    let request = header.rom(&Payload::greedy("Story: A fox", 3).encode());
    let engine =
        Engine::load(bytes(model.clone()), NonZeroUsize::MIN).expect("the devnet model loads");
    let output = engine.answer_exact(&request);
    assert!(matches!(output, Output::Answer { .. }), "an answer is due");
    [&request, &output.encode(), &model].map(|data| Rom::new(data))
}

/// Micro steps of each macro step, and the status after the last.
fn profile(mut machine: Machine) -> (Vec<u64>, Status) {
    let b = machine.image.limits.b;
    let mut lengths = Vec::new();
    while machine.cpu.status == Status::Yielded {
        let before = machine.executed;
        machine.run((lengths.len() as u64) << b, 1 << b);
        lengths.push(machine.executed - before);
    }
    (lengths, machine.cpu.status)
}

/// Where windows start in a macro step of `length` micro steps, ascending and apart: its first and last steps, and
/// some of those between.
fn windows(length: u64, rng: &mut StdRng) -> Vec<(u64, u64)> {
    let mut out = vec![(0, EDGE.min(length))];
    if length > 2 * EDGE + WINDOWS as u64 * WINDOW {
        let part = (length - 2 * EDGE) / WINDOWS as u64;
        for i in 0..WINDOWS as u64 {
            let start = EDGE + i * part + rng.random_range(0..=part - WINDOW);
            out.push((start, WINDOW));
        }
        // Past the yield as well: the first step of the padding.
        out.push((length - EDGE, EDGE + 1));
    }
    out
}

#[test]
fn sampled_windows_of_the_guest_agree() {
    let first = Machine::new(guest().image.clone(), roms());
    let b = first.image.limits.b;
    let (lengths, end) = profile(first.clone());
    assert_eq!(end, Status::Halted(0), "the honest answer is right");
    println!(
        "{} macro steps, {} steps",
        lengths.len(),
        lengths.iter().sum::<u64>()
    );

    // No macro step reaches a quarter of what the trace has room for, else honest runs could trap.
    let longest = lengths.iter().max().copied().unwrap_or(0);
    println!("the longest macro step has {longest} steps");
    assert!(longest < 1 << (b - 2), "{longest} steps in a macro step");

    let mut rng = StdRng::seed_from_u64(0x6e57);
    let mut lockstep = Lockstep::default();
    let mut machine = first;
    let mut next = 0;
    for i in 0..MACRO_STEPS {
        let y = i * (lengths.len() - 1) / (MACRO_STEPS - 1);
        machine.run((next as u64) << b, ((y - next) as u64) << b);
        next = y;
        let mut direct = machine.clone();
        let mut at = 0;
        for (start, steps) in windows(lengths[y], &mut rng) {
            let index = (y as u64) << b;
            direct.run(index + at, start - at);
            let mut twin = direct.clone();
            for micro in start..start + steps {
                lockstep.step(&mut direct, &mut twin, index + micro);
            }
            at = start + steps;
        }
    }
    let (median, most, witness, tx) = lockstep.summary();
    let steps = lockstep.gas.len();
    println!(
        "{steps} steps of {} kinds: gas median {median}, most {most}, transaction {tx}; {witness} bytes at most",
        lockstep.costs.len()
    );
    let json = serde_json::json!({
        "osp.guest_steps": steps,
        "osp.guest_gas_median": median,
        "osp.guest_gas_max": most,
        "osp.guest_witness_bytes_max": witness,
    });
    let text = serde_json::to_string_pretty(&json).expect("plain numbers");
    std::fs::write(bench_file("osp_guest.json"), text + "\n").expect("target/ is writable");
    assert!(steps >= 20_000, "{steps} steps");
    for kind in ["yielded", "finish", "rom_read", "f32.mul", "memory_fill"] {
        assert!(
            lockstep.costs.contains_key(kind),
            "no window has a {kind} step"
        );
    }
}

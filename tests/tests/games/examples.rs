//! The programs of `vm/machine/examples`: nothing to do with inference, and every part of Assay treats them alike.
//!
//! What each computes is said a second time here, in plain Rust and by another algorithm where there is one.

use crate::games_support::case::{Case, Disputed, Summary};
use assay_dispute::game::Side;
use assay_machine::compiled::{Compiled, CompiledEngine};
use assay_machine::lower::{Driver, lower};
use assay_machine::machine::Machine;
use assay_machine::rom::Rom;
use assay_machine::trace::{Engine, Interpreter};
use assay_tests::artifacts::root;
use assay_tests::lockstep::Lockstep;
use assay_types::Status;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;

/// Steps of a false run that a liar interprets before it makes roots up: more than any of the true runs has.
const PATIENCE: u64 = 300_000;
/// Games at places of the run that chance chooses, for each program and each side.
const RANDOM_PLACES: usize = 16;
/// Steps of each run that are executed in every way, the contract's included.
const SAMPLED_STEPS: usize = 150;

fn read(file: &str) -> Vec<u8> {
    let path = root().join("vm/machine/examples").join(file);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn auction() -> Disputed {
    Disputed {
        wasm: read("auction/auction.wasm"),
        model: read("auction/book.bin"),
        right: |_, book| cleared(book),
    }
}

fn nbody() -> Disputed {
    Disputed {
        wasm: read("nbody/nbody.wasm"),
        model: b"no model".to_vec(),
        right: |request, _| moved(request),
    }
}

fn life() -> Disputed {
    Disputed {
        wasm: wat::parse_bytes(&read("life/life.wat"))
            .expect("the program is WebAssembly")
            .into_owned(),
        model: b"no model".to_vec(),
        right: |request, _| lived(request),
    }
}

/// An answer without token ids.
fn answer(text: &[u8]) -> Vec<u8> {
    [&[0; 5], text].concat()
}

fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| {
        (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3)
    })
}

/// The auction, with sorted lists in place of heaps.
fn cleared(book: &[u8]) -> Vec<u8> {
    let word = |at: usize| u32::from_le_bytes(book[at..at + 4].try_into().expect("4 bytes"));
    let side = |which: u32| -> Vec<(u32, u32, u32)> {
        let orders = (0..book.len()).step_by(16);
        let own = orders.filter(|&at| word(at) == which);
        own.map(|at| (word(at + 4), word(at + 8), word(at + 12)))
            .collect()
    };
    let (mut buyers, mut sellers) = (side(0), side(1));
    // Stable: of equal prices the earlier order stays first.
    buyers.sort_by_key(|order| std::cmp::Reverse(order.0));
    sellers.sort_by_key(|order| order.0);
    let (mut b, mut s, mut price, mut volume, mut fills) = (0, 0, 0, 0u64, Vec::new());
    while b < buyers.len() && s < sellers.len() && buyers[b].0 >= sellers[s].0 {
        let quantity = buyers[b].1.min(sellers[s].1);
        for word in [buyers[b].2, sellers[s].2, quantity] {
            fills.extend(word.to_le_bytes());
        }
        price = sellers[s].0 + (buyers[b].0 - sellers[s].0) / 2;
        volume += u64::from(quantity);
        buyers[b].1 -= quantity;
        sellers[s].1 -= quantity;
        b += usize::from(buyers[b].1 == 0);
        s += usize::from(sellers[s].1 == 0);
    }
    let digest = fnv(&fills).to_le_bytes();
    answer(&[&u32::to_le_bytes(price)[..], &volume.to_le_bytes(), &digest].concat())
}

#[derive(Default, Clone, Copy)]
struct Body {
    at: [f64; 3],
    speed: [f64; 3],
    mass: f64,
}

/// Squared distance, softened, and the vector from `b` to `a`.
fn apart(a: &Body, b: &Body) -> (f64, [f64; 3]) {
    let v = [0, 1, 2].map(|k| a.at[k] - b.at[k]);
    (v.iter().fold(1.0 / 1024.0, |sum, x| sum + x * x), v)
}

fn advance(bodies: &mut [Body; 5], dt: f64) {
    for i in 0..5 {
        for j in i + 1..5 {
            let (square, v) = apart(&bodies[i], &bodies[j]);
            let pull = dt / (square * square.sqrt());
            for (k, v) in v.into_iter().enumerate() {
                bodies[i].speed[k] -= v * (bodies[j].mass * pull);
                bodies[j].speed[k] += v * (bodies[i].mass * pull);
            }
        }
    }
    for body in bodies {
        for k in 0..3 {
            body.at[k] += dt * body.speed[k];
        }
    }
}

fn energy(bodies: &[Body; 5]) -> f64 {
    let mut sum = 0.0;
    for i in 0..5 {
        let v = bodies[i].speed;
        sum += 0.5 * bodies[i].mass * (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
        for j in i + 1..5 {
            let (square, _) = apart(&bodies[i], &bodies[j]);
            sum -= bodies[i].mass * bodies[j].mass / square.sqrt();
        }
    }
    sum
}

/// The five bodies after 64 time steps, by the host's doubles.
fn moved(request: &[u8]) -> Vec<u8> {
    let mut state = fnv(request).max(1);
    let mut draw = || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let bits = state.wrapping_mul(0x2545_f491_4f6c_dd1d) as i64 >> 11;
        bits as f64 / 2f64.powi(52)
    };
    let mut bodies = [Body::default(); 5];
    for body in &mut bodies {
        body.at = [draw(), draw(), draw()];
        body.speed = [draw(), draw(), draw()].map(|v| 0.25 * v);
        body.mass = 1.25 + draw();
    }
    let first = energy(&bodies);
    (0..64).for_each(|_| advance(&mut bodies, 1.0 / 128.0));
    assert!(bodies.iter().all(|b| b.at.iter().all(|x| x.is_finite())));
    assert_ne!(first.to_bits(), energy(&bodies).to_bits());
    let places = bodies.iter().flat_map(|b| b.at);
    let result = std::iter::once(energy(&bodies)).chain(places);
    answer(&result.flat_map(f64::to_le_bytes).collect::<Vec<u8>>())
}

/// The 24th generation, cell by cell.
fn lived(request: &[u8]) -> Vec<u8> {
    let bits = |pair: &[u8]| u16::from_le_bytes([pair[0], pair[1]]);
    let mut rows: Vec<u16> = request[64..128].chunks(2).map(bits).collect();
    for _ in 0..24 {
        let alive = |x: i32, y: i32| -> usize {
            let row = rows[y.rem_euclid(32) as usize];
            usize::from(row >> x.rem_euclid(16) & 1)
        };
        let next = |x: i32, y: i32| {
            let around = (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dx, dy)));
            let neighbours = around.filter(|&d| d != (0, 0));
            let n: usize = neighbours.map(|(dx, dy)| alive(x + dx, y + dy)).sum();
            n == 3 || (n == 2 && alive(x, y) == 1)
        };
        let row = |y: i32| (0..16).fold(0, |row, x| row | u16::from(next(x, y)) << x);
        rows = (0..32).map(row).collect();
    }
    answer(
        &rows
            .iter()
            .flat_map(|r| r.to_le_bytes())
            .collect::<Vec<u8>>(),
    )
}

/// A request that no contract wrote.
fn some_request() -> Vec<u8> {
    (0u32..200)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect()
}

/// How the program ends, in compiled code.
fn ending(
    program: &Disputed,
    compiled: &Compiled,
    request: &[u8],
    output: &[u8],
    model: &[u8],
) -> Status {
    let roms = [request, output, model].map(Rom::new);
    let mut engine = CompiledEngine::new(compiled.clone(), roms);
    let end = engine.finish(1 << 10).expect("the run has a result");
    let (_, status) =
        end.unwrap_or_else(|| panic!("{} bytes of program do not end", program.wasm.len()));
    status
}

fn compile(program: &Disputed) -> Compiled {
    let lowered = Arc::new(lower(&program.wasm).expect("the program lowers"));
    Compiled::new(&program.wasm, lowered).expect("the program compiles")
}

/// Exactly the plain Rust's output is accepted: with any bit changed, or of another length, it is refused.
fn accepts_exactly_the_right_output(program: &Disputed) {
    let (request, model) = (some_request(), &program.model);
    let right = (program.right)(&request, model);
    let compiled = compile(program);
    let end = |output: &[u8]| ending(program, &compiled, &request, output, model);
    assert_eq!(end(&right), Status::Halted(0));
    for at in 0..right.len() {
        let mut wrong = right.clone();
        wrong[at] ^= 1 << (at % 8);
        assert_eq!(end(&wrong), Status::Halted(1), "byte {at}");
    }
    for wrong in [
        &right[..right.len() - 1],
        &[],
        &[right.clone(), vec![0]].concat(),
    ] {
        assert_eq!(end(wrong), Status::Halted(1), "{} bytes", wrong.len());
    }
}

/// Compiled code comes to the interpreter's roots; sampled steps are the same interpreted, recorded, replayed and by the
/// contract.
fn is_one_machine_everywhere(program: &Disputed, seed: u64) {
    let request = some_request();
    let output = (program.right)(&request, &program.model);
    let roms = [&request, &output, &program.model].map(|bytes| Rom::new(bytes));
    let compiled = compile(program);
    let image = compiled.lowered().image.clone();
    let first = Machine::new(image.clone(), roms.clone());
    let (mut interpreter, mut engine) = (
        Interpreter::new(first.clone()),
        CompiledEngine::new(compiled, roms),
    );
    let macro_steps = 26u64.min(1 << image.limits.a);
    let yields: Vec<u64> = (0..=macro_steps).collect();
    let want = interpreter.roots(&yields).expect("infallible");
    let got = engine.roots(&yields).expect("the run has a result");
    assert_eq!(want, got);
    assert!(!engine.interprets());

    // Executed steps, in ascending order.
    let (mut places, mut machine, b) = (Vec::new(), first.clone(), image.limits.b);
    for y in 0..macro_steps {
        let before = machine.executed;
        machine.run(y << b, 1 << b);
        places.extend((0..machine.executed - before).map(|i| (y << b) + i));
    }
    assert_eq!(machine.cpu.status, Status::Halted(0));
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut sampled: Vec<u64> = (0..SAMPLED_STEPS)
        .map(|_| places[rng.random_range(0..places.len())])
        .chain([places[0], places[places.len() - 1]])
        .collect();
    sampled.sort_unstable();
    sampled.dedup();
    let mut lockstep = Lockstep::default();
    let (mut machine, mut at) = (first, 0);
    for index in sampled {
        machine.run(at, index - at);
        lockstep.step(&mut machine.clone(), &mut machine, index);
        at = index + 1;
    }
    println!(
        "{} executed steps; of those compared {:?}",
        places.len(),
        lockstep.summary()
    );
    assert!(lockstep.gas.len() > SAMPLED_STEPS / 2);
}

/// Liars at special places and some that chance chooses lose, whichever side they are on.
fn liars_lose(program: &Disputed, seed: u64) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut summary = Summary::default();
    for honest in [Side::Challenger, Side::Executor] {
        let mut case = Case::new(program, honest, 5);
        let mut places = case.special();
        let random = |_| ("an executed index", case.random_executed(&mut rng));
        places.extend((0..RANDOM_PLACES).map(random).collect::<Vec<_>>());
        for (what, at) in places {
            for patience in [PATIENCE, 0] {
                let report = case.play(&mut case.liar(at, rng.random(), patience));
                let place = format!("{what}, {at}, patience {patience}: {report:?}");
                match (honest, report.proven) {
                    // The first false step is the one that is proven; a liar with patience may agree there again.
                    (Side::Challenger, Some(proven)) if patience == 0 => {
                        assert_eq!(proven, at - 1, "{place}")
                    }
                    (Side::Challenger, Some(proven)) => assert!(proven >= at - 1, "{place}"),
                    // With k = 32 it is the challenger who would have to prove, and it can't.
                    (Side::Executor, None) => assert_eq!(report.moves, 10, "{place}"),
                    (Side::Challenger, None) | (Side::Executor, Some(_)) => panic!("{place}"),
                }
                summary.add(&report);
            }
        }
    }
    summary.check();
    assert!(summary.games >= 4 * (5 + RANDOM_PLACES as u32));
}

#[test]
fn the_auction_in_rust_is_disputed() {
    let program = auction();
    assert_eq!(compile(&program).lowered().driver, Driver::Main);
    assert_eq!(cleared(&program.model), read("auction/cleared.bin"));
    accepts_exactly_the_right_output(&program);
    is_one_machine_everywhere(&program, 11);
    liars_lose(&program, 12);
}

#[test]
fn the_auction_refuses_a_malformed_book() {
    let (program, request) = (auction(), some_request());
    let compiled = compile(&program);
    let order = |side: u32| [side.to_le_bytes(), [9; 4], [1; 4], [7; 4]].concat();
    let books = [
        (order(0)[..15].to_vec(), 2),
        (order(2), 2),
        (vec![0; 16 * 257], 2),
        // Nobody buys from nobody; and one order alone finds nobody.
        (Vec::new(), 0),
        (order(1), 0),
        (vec![0; 16 * 256], 0),
    ];
    for (book, code) in books {
        let output = if code == 0 {
            cleared(&book)
        } else {
            vec![0; 25]
        };
        let end = ending(&program, &compiled, &request, &output, &book);
        assert_eq!(end, Status::Halted(code), "{} bytes", book.len());
    }
}

#[test]
fn the_bodies_in_c_are_disputed() {
    let program = nbody();
    assert_eq!(compile(&program).lowered().driver, Driver::Step);
    accepts_exactly_the_right_output(&program);
    is_one_machine_everywhere(&program, 21);
    liars_lose(&program, 22);
}

#[test]
fn the_game_of_life_in_wat_is_disputed() {
    let program = life();
    assert_eq!(compile(&program).lowered().driver, Driver::Step);
    accepts_exactly_the_right_output(&program);
    is_one_machine_everywhere(&program, 31);
    liars_lose(&program, 32);
}

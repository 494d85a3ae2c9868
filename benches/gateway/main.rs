//! The gateway beside the homeserver driven directly, on one Synapse, in one run.
//!
//! `make bench` prints a table and writes `target/bench/report.json`; docs/benchmarks.md tells how
//! to read it. Direct rounds and rounds of the gateway take turns, because a machine is never
//! quiet for long; while the one is at work the other rests (the gateway's process is halted).
//! Neighbouring rounds are compared, and of their ratios the median counts.

#![expect(clippy::unwrap_used, reason = "a benchmark that panics has met what it cannot measure")]
#![expect(clippy::print_stdout, reason = "its output is the table")]

mod direct;
mod letters;
mod measure;
mod practice;
mod report;
mod stub;

use std::{env, path::Path, time::Instant};

use umstieg_world::{Surroundings, World, WorldOptions};

use crate::{
    direct::Direct,
    measure::{Work, median, other_load},
    practice::Practice,
    report::{ANSWERS, Aims, LETTERS, Pairs, Report},
    stub::Stub,
};

/// How many requests (or chains of them) are under way at the same time, on either side: what the
/// settings of the world give the gateway's worker.
const CONCURRENCY: usize = 16;

/// Application services: the gateway's, the direct driver's, and one before the stub.
const SLOTS: usize = 3;

/// How much is done. The defaults take some four minutes on two cores.
#[derive(Clone, Copy, Debug)]
struct Size {
    /// Threads that exist before anything is measured; also the answers of one round.
    rooms: usize,
    /// Letters into each of them, per round.
    letters: usize,
    /// Letters that open a thread, per round.
    openings: usize,
    rounds: usize,
}

impl Size {
    fn from_environment() -> Self {
        let read =
            |name: &str, default| env::var(name).map_or(default, |value| value.parse().unwrap());
        Self {
            rooms: read("BENCH_ROOMS", 30),
            letters: read("BENCH_LETTERS", 20),
            openings: read("BENCH_OPENINGS", 40),
            rounds: read("BENCH_ROUNDS", 3),
        }
    }
}

fn main() {
    let size = Size::from_environment();
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(bench(size));
}

async fn bench(size: Size) {
    let begun = Instant::now();
    let mut loads = vec![other_load().await];
    println!("bench: {size:?}, {CONCURRENCY} at a time, {}", measure::machine());
    let options = WorldOptions::with_slots(SLOTS);
    let world = World::start(options, |what| println!("bench: {what}")).await.unwrap();
    let surroundings = world.surroundings();

    let mut report = Report::default();
    let reference = beside_direct(&surroundings, size, &mut report, &mut loads).await;
    before_stub(&surroundings, size, &mut report, reference).await;

    let file = report.write(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("../bench"));
    println!("\n{}", report.table());
    println!(
        "Others used {:.0} % of the machine before a pair of rounds (median; at most {:.0} %).",
        100.0 * median(loads.iter().copied()),
        100.0 * loads.iter().copied().fold(0.0, f64::max),
    );
    println!("{}, after {:.0} s", file.display(), begun.elapsed().as_secs_f64());
}

/// Rows (a) to (c); returns how many letters per second Synapse takes directly.
async fn beside_direct(
    world: &Surroundings,
    size: Size,
    report: &mut Report,
    loads: &mut Vec<f64>,
) -> f64 {
    let mut ours = Practice::open(world, "ours", &world.homeserver).await;
    ours.open_threads(size.rooms).await;
    ours.join_everywhere().await;
    let content = ours.posted_content().await;
    ours.freeze();
    let mut direct = Direct::open(world, content).await;
    direct.open_threads(size.rooms).await;
    println!("bench: {} rooms on either side", size.rooms);

    let (mut into, mut opening, mut answers) =
        (Pairs::default(), Pairs::default(), Pairs::default());
    for round in 1..=size.rounds {
        loads.push(other_load().await);
        let reference = direct.letters_into_threads(size.letters).await;
        into.add(reference, ours.letters_into_threads(size.letters).await);
        loads.push(other_load().await);
        let reference = direct.letters_opening_threads(size.openings).await;
        opening.add(reference, ours.letters_opening_threads(size.openings).await);
        loads.push(other_load().await);
        let reference = direct.answers().await;
        answers.add(reference, ours.answers().await);
        let [a, b, c] = [&into, &opening, &answers].map(|pairs| median(pairs.ratios()));
        println!("bench: after round {round}: {a:.2} into threads, {b:.2} opening, {c:.2} answers");
    }
    ours.close().await;
    let aims = Aims { throughput: ">= 0.9 of direct", requests: "<= 1.2" };
    report.pairs("letters into existing threads", LETTERS, &into, aims);
    report.pairs("letters opening threads", LETTERS, &opening, Aims::default());
    report.pairs("answers out", ANSWERS, &answers, Aims::default());
    median(into.direct.iter().map(Work::per_second))
}

/// Row (d): our own ceiling.
async fn before_stub(world: &Surroundings, size: Size, report: &mut Report, reference: f64) {
    let mut stub = Stub::start(&world.homeserver).await;
    let mut ours = Practice::open(world, "alone", stub.homeserver()).await;
    stub.bring_events_to(ours.slot());
    ours.open_threads(size.rooms).await;
    let mut rounds = Vec::new();
    for _ in 0..size.rounds {
        rounds.push(ours.letters_into_threads(size.letters).await);
    }
    ours.close().await;
    report.ceiling("letters before a stub that answers at once", LETTERS, &rounds, reference);
}

//! The gateway beside the homeserver driven directly, on one Synapse, in one run.
//!
//! `make bench` prints a table and writes `target/bench/report.json`; docs/benchmarks.md tells how
//! to read it. Direct rounds and rounds of the gateway take turns, because a machine is never quiet
//! for long; while one is at work the other rests (the gateway's process is halted). Neighbouring
//! rounds are compared, and the median of their ratios counts.

#![expect(clippy::unwrap_used, reason = "a benchmark that panics has met what it cannot measure")]
#![expect(clippy::print_stdout, reason = "its output is the table")]

mod direct;
mod ghosts;
mod kim_sizes;
mod letters;
mod measure;
mod members;
mod pages;
mod parsing;
mod practice;
mod report;
mod stub;

use std::{env, path::Path, time::Instant};

use umstieg_world::{Surroundings, World, WorldOptions};

use crate::{
    direct::Direct,
    measure::{RoundFigures, as_float, median, other_load},
    members::Participants,
    practice::{Footprint, MeasuredPractice},
    report::{ANSWERS, Aims, BenchReport, LETTERS, LITTLE_MEMORY, Pairs},
    stub::Stub,
};

/// How many requests (or chains of them) are under way at the same time, on either side: what the
/// settings of the world give the gateway's worker.
const CONCURRENCY: usize = 16;

/// Application services: the gateway's, the direct driver's, two before the stub, and both once
/// more with encryption.
const SLOTS: usize = 6;

/// How much is done. The defaults take some nine minutes on two cores.
#[derive(Clone, Copy, Debug)]
struct Size {
    /// Threads that exist before anything is measured; also the answers of one round.
    rooms: usize,
    /// Letters into each of them, per round.
    letters: usize,
    /// Letters that open a thread, per round.
    openings: usize,
    rounds: usize,
    /// Encrypted threads that exist before anything is measured, and so the ghosts that are active
    /// at the same time.
    active: usize,
    /// Ghosts with a device each.
    ghosts: usize,
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
            active: read("BENCH_ACTIVE", 50),
            ghosts: read("BENCH_GHOSTS", 1000),
        }
    }
}

fn main() {
    let size = Size::from_environment();
    // These rows need no servers, and take a minute.
    if env::var("BENCH_ONLY").is_ok_and(|only| only == "pages") {
        let mut report = BenchReport::default();
        pages::beside_the_programs(size.rounds, &mut report);
        println!("{}", report.table());
        return;
    }
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(bench(size));
}

async fn bench(size: Size) {
    let begun = Instant::now();
    let mut loads = vec![other_load().await];
    println!("bench: {size:?}, {CONCURRENCY} at a time, {}", measure::machine());
    let options = WorldOptions::with_slots(SLOTS);
    let world = World::start(options, |what| println!("bench: {what}")).await.unwrap();
    let surroundings = world.surroundings();

    let mut report = BenchReport::default();
    parsing::beside_the_library(size.rounds, &mut report);
    pages::beside_the_programs(size.rounds, &mut report);
    let reference = beside_direct(&surroundings, size, &mut report, &mut loads).await;
    before_stub(&surroundings, size, &mut report, reference).await;
    kim_sizes::beside_the_library(&surroundings, size.rounds, &mut report).await;
    encrypted(&surroundings, size, &mut report, &mut loads).await;

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
    report: &mut BenchReport,
    loads: &mut Vec<f64>,
) -> f64 {
    let mut ours = MeasuredPractice::open(world, "ours", &world.homeserver).await;
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
    let aims = Aims { throughput: ">= 0.9 of direct", requests: "<= 1.2", memory: LITTLE_MEMORY };
    let little = Aims { memory: LITTLE_MEMORY, ..Aims::default() };
    report.pairs("letters into existing threads", LETTERS, &into, aims);
    report.pairs("letters opening threads", LETTERS, &opening, little);
    report.pairs("answers out", ANSWERS, &answers, little);
    median(into.direct.iter().map(RoundFigures::per_second))
}

/// Row (d): our own ceiling.
async fn before_stub(world: &Surroundings, size: Size, report: &mut BenchReport, reference: f64) {
    let mut stub = Stub::start(&world.homeserver).await;
    let mut ours = MeasuredPractice::open(world, "alone", stub.homeserver()).await;
    stub.bring_events_to(ours.slot());
    ours.open_threads(size.rooms).await;
    let mut rounds = Vec::new();
    for _ in 0..size.rounds {
        rounds.push(ours.letters_into_threads(size.letters).await);
    }
    ours.close().await;
    report.ceiling("letters before a stub that answers at once", LETTERS, &rounds, reference);
}

/// The encrypted rows, and what many ghosts cost.
async fn encrypted(
    world: &Surroundings,
    size: Size,
    report: &mut BenchReport,
    loads: &mut Vec<f64>,
) {
    let members = Participants::open(world).await;
    let mut ours = MeasuredPractice::open_encrypted(world, "geheim", &members).await;
    ours.open_threads(size.active).await;
    ours.join_everywhere().await;
    let (content, key) = (ours.posted_content().await, ours.shared_key(&members).await);
    ours.freeze();
    let mut direct = Direct::open_encrypted(world, &members, content, key).await;
    direct.open_threads(size.active).await;
    println!("bench: {} encrypted rooms on either side", size.active);

    // Either side takes a one-time key of each device for each thread; there are 50.
    let openings = size.openings.div_ceil(2).min(20);
    let each = (size.letters * size.rooms).div_ceil(size.active.max(1));
    let (mut into, mut opening) = (Pairs::default(), Pairs::default());
    for round in 1..=size.rounds {
        loads.push(other_load().await);
        let reference = direct.letters_into_threads(each).await;
        into.add(reference, ours.letters_into_threads(each).await);
        members.refill().await;
        direct.prepare(openings).await;
        loads.push(other_load().await);
        let reference = direct.letters_opening_threads(openings).await;
        opening.add(reference, ours.letters_opening_threads(openings).await);
        let [a, b] = [&into, &opening].map(|pairs| median(pairs.ratios()));
        println!("bench: after round {round}: {a:.2} into encrypted threads, {b:.2} opening");
    }
    let (into_row, opening_row) =
        ("letters into existing encrypted threads", "letters opening encrypted threads");
    let memory = "< 80";
    let aims = Aims { throughput: ">= 0.9 of direct", requests: "<= 1.2", memory };
    report.pairs(into_row, LETTERS, &into, aims);
    report.pairs(opening_row, LETTERS, &opening, Aims { memory, ..Aims::default() });

    let before = ours.footprint().await;
    each_of(report, "a ghost in a thread of ten people", before);
    let requests = ghosts::make(&ours, size.ghosts).await;
    let after = ours.footprint().await;
    let name = format!("{} more ghosts with a device each", size.ghosts);
    let made = Footprint {
        devices: after.devices - before.devices,
        rows: after.rows - before.rows,
        bytes: after.bytes - before.bytes,
    };
    each_of(report, &name, made);
    let requests = requests / as_float(size.ghosts);
    report.figure(&format!("{name}: requests"), requests, "requests per ghost", "");
    ours.restart().await;
    let work = ours.letters_into_threads(1).await;
    let name = format!("memory with {} of them active", size.active);
    report.figure(&name, work.peak_mib, "MiB", memory);
    ours.close().await;
}

/// Rows and bytes for each device.
fn each_of(report: &mut BenchReport, name: &str, footprint: Footprint) {
    let each = |count: i64| {
        as_float(usize::try_from(count).unwrap())
            / as_float(usize::try_from(footprint.devices).unwrap())
    };
    report.figure(&format!("{name}: database"), each(footprint.rows), "rows per ghost", "");
    let kib = each(footprint.bytes) / 1024.0;
    report.figure(&format!("{name}: on the disk"), kib, "KiB per ghost", "");
}

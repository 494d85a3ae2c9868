//! What is read from the machine: processor time, memory, and what else it does.

use std::{process, time::Duration};

/// Clock ticks per second in /proc; Linux has had 100 since ever.
const TICKS: f64 = 100.0;

/// How long the machine is watched to see what others do with it.
const WATCH: Duration = Duration::from_millis(500);

/// What one round took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RoundFigures {
    /// Letters or answers.
    pub(crate) count: usize,
    pub(crate) seconds: f64,
    /// Requests to the homeserver.
    pub(crate) requests: f64,
    /// Processor time of the gateway, in seconds.
    pub(crate) cpu_seconds: f64,
    /// Most memory the gateway had in this round, in MiB.
    pub(crate) peak_mib: f64,
}

impl RoundFigures {
    pub(crate) fn per_second(&self) -> f64 {
        as_float(self.count) / self.seconds
    }

    pub(crate) fn requests_each(&self) -> f64 {
        self.requests / as_float(self.count)
    }

    pub(crate) fn cpu_seconds_per_thousand(&self) -> f64 {
        1000.0 * self.cpu_seconds / as_float(self.count)
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark are small")]
pub(crate) fn as_float(count: usize) -> f64 {
    count as f64
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.get(middle.wrapping_sub(1)), values.get(middle)) {
        (Some(below), Some(above)) if values.len().is_multiple_of(2) => (below + above) / 2.0,
        (_, Some(value)) => *value,
        _ => f64::NAN,
    }
}

/// Processor time a process has used, all its threads together, in seconds.
pub(crate) fn cpu_seconds(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // proc(5): the name is in brackets and may contain anything; utime and stime are the 12th and
    // 13th field after it.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<f64>().unwrap())
        .sum::<f64>()
        / TICKS
}

/// The most memory a process has had since [`forget_peak`], in MiB.
pub(crate) fn peak_mib(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// Resets the high-water mark (proc(5), `clear_refs`). Where that is not allowed the mark of
/// earlier rounds stays, which is on the safe side.
pub(crate) fn forget_peak(process: u32) {
    let _ = std::fs::write(format!("/proc/{process}/clear_refs"), "5");
}

/// The share of the machine's processors that is in use while we do nothing.
pub(crate) async fn other_load() -> f64 {
    let before = busy_and_all();
    tokio::time::sleep(WATCH).await;
    let after = busy_and_all();
    (after.0 - before.0) / (after.1 - before.1).max(1.0)
}

/// Ticks of all processors since the start of the machine: in use, and altogether.
fn busy_and_all() -> (f64, f64) {
    let stat = std::fs::read_to_string("/proc/stat").unwrap();
    let ticks: Vec<f64> = stat
        .lines()
        .next()
        .unwrap()
        .split_whitespace()
        .skip(1)
        .map(|ticks| ticks.parse().unwrap())
        .collect();
    let all: f64 = ticks.iter().take(8).sum();
    let idle: f64 = ticks.iter().skip(3).take(2).sum();
    (all - idle, all)
}

/// The machine's size, in words.
pub(crate) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown", |(_, name)| name.trim());
    format!("{cores} cores ({name})")
}

/// Stops or continues a process, as job control does.
pub(crate) fn signal(process: u32, name: &str) {
    let sent =
        process::Command::new("kill").arg(format!("-{name}")).arg(process.to_string()).status();
    assert!(sent.unwrap().success(), "kill -{name} {process}");
}

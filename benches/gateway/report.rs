//! The table for people and the file for programs.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::measure::{RoundFigures, median};

/// One line of the report.
#[derive(Debug)]
pub(crate) struct ReportRow {
    name: String,
    ours: f64,
    /// What the homeserver takes when driven directly, if there is such a figure.
    reference: Option<f64>,
    /// Median of the ratios of neighbouring rounds: not the ratio of the two medians.
    ratio: Option<f64>,
    unit: &'static str,
    aim: &'static str,
}

#[derive(Debug, Default)]
pub(crate) struct BenchReport {
    rows: Vec<ReportRow>,
}

/// Rounds of the same work: neighbours, first the one driven directly, then ours.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    pub(crate) direct: Vec<RoundFigures>,
    pub(crate) ours: Vec<RoundFigures>,
}

impl Pairs {
    pub(crate) fn add(&mut self, direct: RoundFigures, ours: RoundFigures) {
        self.direct.push(direct);
        self.ours.push(ours);
    }

    pub(crate) fn ratios(&self) -> impl Iterator<Item = f64> {
        self.ours
            .iter()
            .zip(&self.direct)
            .map(|(ours, direct)| ours.per_second() / direct.per_second())
    }
}

/// Without encryption.
pub(crate) const LITTLE_MEMORY: &str = "< 40";

/// The aim, if there is one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Aims {
    pub(crate) throughput: &'static str,
    pub(crate) requests: &'static str,
    pub(crate) memory: &'static str,
}

impl BenchReport {
    /// The rows of work that was also done directly.
    pub(crate) fn pairs(&mut self, name: &str, unit: Units, pairs: &Pairs, aims: Aims) {
        self.rows.push(ReportRow {
            name: name.to_owned(),
            ours: median(pairs.ours.iter().map(RoundFigures::per_second)),
            reference: Some(median(pairs.direct.iter().map(RoundFigures::per_second))),
            ratio: Some(median(pairs.ratios())),
            unit: unit.per_second,
            aim: aims.throughput,
        });
        let ours = median(pairs.ours.iter().map(RoundFigures::requests_each));
        let reference = median(pairs.direct.iter().map(RoundFigures::requests_each));
        self.rows.push(ReportRow {
            name: format!("{name}: requests"),
            ours,
            reference: Some(reference),
            ratio: Some(ours / reference),
            unit: unit.requests,
            aim: aims.requests,
        });
        self.costs(name, unit, &pairs.ours, aims.memory);
    }

    /// What only the gateway does, before a homeserver that answers at once; `reference` is the
    /// throughput a real one has.
    pub(crate) fn ceiling(
        &mut self,
        name: &str,
        unit: Units,
        rounds: &[RoundFigures],
        reference: f64,
    ) {
        let ours = median(rounds.iter().map(RoundFigures::per_second));
        self.rows.push(ReportRow {
            name: name.to_owned(),
            ours,
            reference: Some(reference),
            ratio: Some(ours / reference),
            unit: unit.per_second,
            aim: "",
        });
        self.costs(name, unit, rounds, LITTLE_MEMORY);
    }

    /// Our work beside the same work of the direct driver.
    pub(crate) fn beside(
        &mut self,
        name: &str,
        ours: f64,
        reference: f64,
        ratio: f64,
        unit: &'static str,
    ) {
        let (reference, ratio) = (Some(reference), Some(ratio));
        self.rows.push(ReportRow { name: name.to_owned(), ours, reference, ratio, unit, aim: "" });
    }

    /// One figure of the gateway's own.
    pub(crate) fn figure(&mut self, name: &str, ours: f64, unit: &'static str, aim: &'static str) {
        let name = name.to_owned();
        self.rows.push(ReportRow { name, ours, reference: None, ratio: None, unit, aim });
    }

    fn costs(&mut self, name: &str, unit: Units, rounds: &[RoundFigures], memory: &'static str) {
        self.rows.push(ReportRow {
            name: format!("{name}: processor time"),
            ours: median(rounds.iter().map(RoundFigures::cpu_seconds_per_thousand)),
            reference: None,
            ratio: None,
            unit: unit.cpu,
            aim: "",
        });
        self.rows.push(ReportRow {
            name: format!("{name}: peak memory"),
            ours: rounds.iter().map(|work| work.peak_mib).fold(0.0, f64::max),
            reference: None,
            ratio: None,
            unit: "MiB",
            aim: memory,
        });
    }

    pub(crate) fn table(&self) -> String {
        let width = self.rows.iter().map(|row| row.name.len()).max().unwrap_or_default();
        let mut table = format!(
            "{:width$}  {:>9}  {:>9}  {:>6}  {:<26}  {}\n",
            "", "ours", "direct", "ratio", "unit", "aim"
        );
        let number =
            |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.2}"));
        for row in &self.rows {
            let _ = writeln!(
                table,
                "{:width$}  {:>9.2}  {:>9}  {:>6}  {:<26}  {}",
                row.name,
                row.ours,
                number(row.reference),
                number(row.ratio),
                row.unit,
                row.aim
            );
        }
        table
    }

    /// Writes `report.json` into `folder`.
    pub(crate) fn write(&self, folder: &Path) -> PathBuf {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                json!({
                    "name": row.name,
                    "ours": row.ours,
                    "reference": row.reference,
                    "ratio": row.ratio,
                    "unit": row.unit,
                })
            })
            .collect();
        std::fs::create_dir_all(folder).unwrap();
        let file = folder.join("report.json");
        std::fs::write(&file, serde_json::to_vec_pretty(&rows).unwrap()).unwrap();
        file
    }
}

/// What a row counts, and the units that follow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Units {
    per_second: &'static str,
    requests: &'static str,
    cpu: &'static str,
}

pub(crate) const LETTERS: Units = Units {
    per_second: "letters/s",
    requests: "requests per letter",
    cpu: "CPU s per 1,000 letters",
};

pub(crate) const ANSWERS: Units = Units {
    per_second: "answers/s",
    requests: "requests per answer",
    cpu: "CPU s per 1,000 answers",
};

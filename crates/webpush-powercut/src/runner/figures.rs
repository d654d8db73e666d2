//! Figures of a run, by phase.

use super::history::Promise;
use super::phase::Phase;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::AddAssign;
use std::time::Duration;

/// Figures of a run.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    rows: BTreeMap<Phase, Row>,
    violations: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    cuts: u64,
    accepted: u64,
    unknown: u64,
    lost: u64,
    returned: u64,
    other: u64,
    refused: u64,
    time: Duration,
}

impl AddAssign for Row {
    fn add_assign(&mut self, other: Self) {
        self.cuts += other.cuts;
        self.accepted += other.accepted;
        self.unknown += other.unknown;
        self.lost += other.lost;
        self.returned += other.returned;
        self.other += other.other;
        self.refused += other.refused;
        self.time += other.time;
    }
}

impl Figures {
    /// Number of power cuts.
    #[must_use]
    pub fn cuts(&self) -> u64 {
        self.rows.values().map(|row| row.cuts).sum()
    }

    /// Returns true if a promise was broken, or the program failed otherwise.
    #[must_use]
    pub const fn has_violations(&self) -> bool {
        !self.violations.is_empty()
    }

    /// Returns descriptions of what was wrong.
    pub fn violations(&self) -> impl Iterator<Item = &String> {
        self.violations.iter()
    }

    /// Records a life of the server: accepted messages, those without a response, and its duration.
    pub(super) fn count_life(&mut self, phase: Phase, accepted: u64, unknown: u64, time: Duration) {
        let row = self.rows.entry(phase).or_default();
        row.cuts += 1;
        row.accepted += accepted;
        row.unknown += unknown;
        row.time += time;
    }

    /// Records a broken promise that is found after a cut in that phase.
    pub(super) fn count_violation(&mut self, phase: Phase, promise: Promise, text: String) {
        let row = self.rows.entry(phase).or_default();
        match promise {
            Promise::Lost => row.lost += 1,
            Promise::Returned => row.returned += 1,
            Promise::Order | Promise::Body | Promise::Receipt => row.other += 1,
        }
        self.violations.push(format!("{promise:?}: {text}"));
    }

    /// Records that the server did not open after a cut in that phase.
    pub(super) fn count_refusal(&mut self, phase: Phase, log: &str) {
        self.rows.entry(phase).or_default().refused += 1;
        let tail: Vec<&str> = log.lines().rev().take(5).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        self.violations.push(format!("the server did not open: {}", tail.join("\n  ")));
    }

    /// Records another failure.
    pub(super) fn fail(&mut self, phase: Phase, text: String) {
        self.rows.entry(phase).or_default().other += 1;
        self.violations.push(text);
    }

    /// Adds the figures of another run.
    pub(super) fn add(&mut self, other: Self) {
        for (phase, row) in other.rows {
            *self.rows.entry(phase).or_default() += row;
        }
        self.violations.extend(other.violations);
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| phase | cuts | accepted | without a response | lost | returned | other | did not open | seconds |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|---|---|---|")?;
        let mut total = Row::default();
        let line = |f: &mut fmt::Formatter<'_>, name: &dyn fmt::Display, row: &Row| {
            let Row { cuts, accepted, unknown, lost, returned, other, refused, time } = row;
            let seconds = time.as_secs_f64();
            writeln!(
                f,
                "| {name} | {cuts} | {accepted} | {unknown} | {lost} | {returned} | {other} | {refused} | {seconds:.1} |"
            )
        };
        for (phase, row) in &self.rows {
            total += *row;
            line(f, phase, row)?;
        }
        line(f, &"all", &total)
    }
}

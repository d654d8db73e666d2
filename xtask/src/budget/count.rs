//! Runs a scenario under valgrind, which counts instructions and allocations.

use std::fmt;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

/// The program that runs the scenarios, as it ships.
pub(super) const PROGRAM: &str = "target/dist/webpush-count";

/// A scenario, run twice with different repetitions to find the cost of one.
pub(super) struct Row {
    pub(super) name: &'static str,
    times: [u32; 2],
    /// Tolerance for allocations of several threads, which interleave differently in each run.
    pub(super) tolerance: f64,
}

impl Row {
    /// A scenario of one thread, which is the same in every run.
    pub(super) const fn alone(name: &'static str) -> Self {
        Self { name, times: [100, 600], tolerance: 0.0 }
    }

    pub(super) const fn with_threads(name: &'static str, times: [u32; 2], tolerance: f64) -> Self {
        Self { name, times, tolerance }
    }

    /// Maximum number of counts before it fails.
    pub(super) fn tries(&self) -> u32 {
        if self.tolerance > 0.0 { 4 } else { 1 }
    }

    /// Counts the cost of one repetition.
    pub(super) fn count(&self, root: &Path) -> Result<Cost> {
        let [few, many] = self.times;
        let (less, more) = (self.totals(root, few)?, self.totals(root, many)?);
        let each = |less: u64, more: u64| more.saturating_sub(less) as f64 / f64::from(many - few);
        Ok(Cost {
            allocations: each(less.allocations, more.allocations),
            bytes: each(less.bytes, more.bytes),
            instructions: each(less.instructions, more.instructions),
        })
    }

    fn totals(&self, root: &Path, times: u32) -> Result<Totals> {
        let heap_report = self.run(root, times, &["--tool=dhat", "--dhat-out-file=/dev/null"])?;
        let (allocations, bytes) =
            heap(&heap_report).with_context(|| format!("dhat printed no total: {heap_report}"))?;
        let report = self.run(root, times, &["--tool=callgrind", "--callgrind-out-file=/dev/null"])?;
        let instructions =
            instructions(&report).with_context(|| format!("callgrind printed no total: {report}"))?;
        Ok(Totals { allocations, bytes, instructions })
    }

    /// Runs valgrind and returns its report.
    fn run(&self, root: &Path, times: u32, tool: &[&str]) -> Result<String> {
        let mut valgrind = Command::new("valgrind");
        valgrind.args(tool).arg(PROGRAM).args([self.name, &times.to_string()]).current_dir(root);
        let output = match valgrind.output() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                bail!("valgrind is missing: apt-get install valgrind")
            }
            output => output.context("cannot run valgrind")?,
        };
        let report = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{report}");
        Ok(report)
    }
}

/// The cost of one run.
struct Totals {
    allocations: u64,
    /// A reallocation counts with the bytes it grows by.
    bytes: u64,
    instructions: u64,
}

/// `==1== Total:     6,260,215 bytes in 11,781 blocks`
fn heap(report: &str) -> Option<(u64, u64)> {
    let (bytes, rest) = report.split_once("Total:")?.1.split_once(" bytes in ")?;
    Some((number(rest.split_once(" block")?.0)?, number(bytes)?))
}

/// `==1== Collected : 13542196`
fn instructions(report: &str) -> Option<u64> {
    number(report.split_once("Collected :")?.1.lines().next()?)
}

fn number(text: &str) -> Option<u64> {
    text.trim().replace(',', "").parse().ok()
}

/// The cost of one repetition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cost {
    pub(super) allocations: f64,
    pub(super) bytes: f64,
    pub(super) instructions: f64,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { allocations, bytes, instructions } = self;
        write!(f, "{allocations:>7.2} allocations {bytes:>9.0} bytes {instructions:>10.0} instructions")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_found_in_reports_of_valgrind() {
        let report = "==7== DHAT, a dynamic heap analysis tool\n==7== Total:     6,260,215 bytes in 11,781 blocks\n==7== At t-gmax";
        assert_eq!(heap(report), Some((11_781, 6_260_215)));
        assert_eq!(heap("==7== DHAT"), None);
        assert_eq!(
            instructions("==9== Events    : Ir\n==9== Collected : 13542196\n==9== \n"),
            Some(13_542_196)
        );
        assert_eq!(instructions("==9== "), None);
    }
}

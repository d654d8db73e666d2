//! Counts instructions, allocations and system calls of a scenario with valgrind and strace.

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
    scope: Scope,
}

/// The figures that are counted for a scenario.
#[derive(Clone, Copy)]
enum Scope {
    /// Allocations and instructions.
    Program,
    /// System calls and context switches, of which there are none in a program of one thread.
    Kernel,
}

impl Row {
    /// A scenario of one thread, which is the same in every run.
    pub(super) const fn alone(name: &'static str) -> Self {
        Self { name, times: [100, 600], tolerance: 0.0, scope: Scope::Program }
    }

    pub(super) const fn with_threads(name: &'static str, times: [u32; 2], tolerance: f64) -> Self {
        Self { name, times, tolerance, scope: Scope::Program }
    }

    /// A scenario of which only the use of the kernel is counted.
    pub(super) const fn kernel(name: &'static str, times: [u32; 2]) -> Self {
        Self { name, times, tolerance: 0.0, scope: Scope::Kernel }
    }

    /// Maximum number of counts before it fails.
    pub(super) fn tries(&self) -> u32 {
        if self.tolerance > 0.0 || matches!(self.scope, Scope::Kernel) { 4 } else { 1 }
    }

    /// Counts the cost of one repetition.
    pub(super) fn count(&self, root: &Path) -> Result<Cost> {
        let [few, many] = self.times;
        let each = |less: u64, more: u64| more.saturating_sub(less) as f64 / f64::from(many - few);
        Ok(match self.scope {
            Scope::Program => {
                let ((few_blocks, few_bytes), (many_blocks, many_bytes)) =
                    (self.heap(root, few)?, self.heap(root, many)?);
                Cost {
                    allocations: each(few_blocks, many_blocks),
                    bytes: each(few_bytes, many_bytes),
                    instructions: each(self.instructions(root, few)?, self.instructions(root, many)?),
                    ..Cost::default()
                }
            }
            Scope::Kernel => Cost {
                calls: each(self.calls(root, few)?, self.calls(root, many)?),
                switches: each(self.switches(root, few)?, self.switches(root, many)?),
                ..Cost::default()
            },
        })
    }

    /// Returns allocations and their bytes; a reallocation counts with the bytes it grows by.
    fn heap(&self, root: &Path, times: u32) -> Result<(u64, u64)> {
        let report = self.run(root, times, &["valgrind", "--tool=dhat", "--dhat-out-file=/dev/null"])?.stderr;
        heap(&report).with_context(|| format!("dhat printed no total: {report}"))
    }

    fn instructions(&self, root: &Path, times: u32) -> Result<u64> {
        let tool = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"];
        let report = self.run(root, times, &tool)?.stderr;
        instructions(&report).with_context(|| format!("callgrind printed no total: {report}"))
    }

    fn calls(&self, root: &Path, times: u32) -> Result<u64> {
        let tool = ["strace", "--follow-forks", "--summary-only", "--summary-columns=calls,name"];
        let report = self.run(root, times, &tool)?.stderr;
        calls(&report).with_context(|| format!("strace printed no total: {report}"))
    }

    fn switches(&self, root: &Path, times: u32) -> Result<u64> {
        let output = self.run(root, times, &[])?.stdout;
        let number = output.trim().strip_prefix("context_switches ").and_then(number);
        number.with_context(|| format!("{PROGRAM} printed {output:?}"))
    }

    /// Runs the scenario under a tool, if one is given.
    fn run(&self, root: &Path, times: u32, tool: &[&str]) -> Result<Run> {
        let times = times.to_string();
        let words = [tool, &[PROGRAM, self.name, &times]].concat();
        let (program, arguments) = words.split_first().context("there is nothing to run")?;
        let output = match Command::new(program).args(arguments).current_dir(root).output() {
            Err(error) if error.kind() == ErrorKind::NotFound && !tool.is_empty() => {
                bail!("{program} is missing: apt-get install valgrind strace")
            }
            output => output.with_context(|| format!("cannot run {program}"))?,
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let run = Run { stdout: text(&output.stdout), stderr: text(&output.stderr) };
        ensure!(output.status.success(), "{}", run.stderr);
        Ok(run)
    }
}

/// The output of a program.
struct Run {
    stdout: String,
    /// The report of a tool.
    stderr: String,
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

/// `     1234 total`, the last line of a summary.
fn calls(report: &str) -> Option<u64> {
    number(report.lines().rev().find_map(|line| line.trim().strip_suffix("total"))?)
}

fn number(text: &str) -> Option<u64> {
    text.trim().replace(',', "").parse().ok()
}

/// The cost of one repetition.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Cost {
    pub(super) allocations: f64,
    pub(super) bytes: f64,
    pub(super) instructions: f64,
    /// System calls of all threads, those of the clients included.
    pub(super) calls: f64,
    /// Waits of all threads, those of the clients included.
    pub(super) switches: f64,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { allocations, bytes, instructions, calls, switches } = self;
        if *calls > 0.0 {
            return write!(f, "{calls:>7.2} system calls {switches:>7.2} context switches");
        }
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

    #[test]
    fn the_total_is_found_in_a_summary_of_strace() {
        let report = "    calls syscall\n--------- ----------------\n       30 read\n        4 futex\n--------- ----------------\n       34 total\n";
        assert_eq!(calls(report), Some(34));
        assert_eq!(calls("strace: Process 7 attached"), None);
    }
}

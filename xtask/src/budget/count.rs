//! Running a scenario under valgrind, which counts what a processor executes and a program allocates.

use std::fmt;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

/// What runs the scenarios.
pub(super) const PROGRAM: &str = "target/release/webpush-count";

/// A scenario, run twice: what the longer run costs more is divided by how many times more that is.
pub(super) struct Row {
    pub(super) name: &'static str,
    times: [u32; 2],
    /// How much the allocations of one time may differ from run to run, because threads meet now so and now otherwise.
    pub(super) wander: f64,
}

impl Row {
    /// One thread, which does the same in every run.
    pub(super) const fn alone(name: &'static str) -> Self {
        Self { name, times: [100, 600], wander: 0.0 }
    }

    pub(super) const fn with_threads(name: &'static str, times: [u32; 2], wander: f64) -> Self {
        Self { name, times, wander }
    }

    /// How often it is counted before it is over its budget.
    pub(super) fn tries(&self) -> u32 {
        if self.wander > 0.0 { 4 } else { 1 }
    }

    /// What one time costs.
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
        let heap_said = self.run(root, times, &["--tool=dhat", "--dhat-out-file=/dev/null"])?;
        let (allocations, bytes) =
            heap(&heap_said).with_context(|| format!("dhat has no total: {heap_said}"))?;
        let said = self.run(root, times, &["--tool=callgrind", "--callgrind-out-file=/dev/null"])?;
        let instructions = instructions(&said).with_context(|| format!("callgrind has no total: {said}"))?;
        Ok(Totals { allocations, bytes, instructions })
    }

    /// What valgrind says.
    fn run(&self, root: &Path, times: u32, tool: &[&str]) -> Result<String> {
        let mut valgrind = Command::new("valgrind");
        valgrind.args(tool).arg(PROGRAM).args([self.name, &times.to_string()]).current_dir(root);
        let output = match valgrind.output() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                bail!("valgrind is missing: apt-get install valgrind")
            }
            output => output.context("valgrind can't be run")?,
        };
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{said}");
        Ok(said)
    }
}

/// What one run costs.
struct Totals {
    allocations: u64,
    /// One that grows counts with the bytes that it grows by.
    bytes: u64,
    instructions: u64,
}

/// `==1== Total:     6,260,215 bytes in 11,781 blocks`
fn heap(said: &str) -> Option<(u64, u64)> {
    let (bytes, rest) = said.split_once("Total:")?.1.split_once(" bytes in ")?;
    Some((number(rest.split_once(" block")?.0)?, number(bytes)?))
}

/// `==1== Collected : 13542196`
fn instructions(said: &str) -> Option<u64> {
    number(said.split_once("Collected :")?.1.lines().next()?)
}

fn number(text: &str) -> Option<u64> {
    text.trim().replace(',', "").parse().ok()
}

/// What one time costs.
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
    fn totals_are_found_among_what_valgrind_says() {
        let said = "==7== DHAT, a dynamic heap analysis tool\n==7== Total:     6,260,215 bytes in 11,781 blocks\n==7== At t-gmax";
        assert_eq!(heap(said), Some((11_781, 6_260_215)));
        assert_eq!(heap("==7== DHAT"), None);
        assert_eq!(
            instructions("==9== Events    : Ir\n==9== Collected : 13542196\n==9== \n"),
            Some(13_542_196)
        );
        assert_eq!(instructions("==9== "), None);
    }
}

//! The file of the budget: a line for each scenario, and the compiler.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result};

use super::count::{Cost, Row};

const COMPILER: &str = "compiler: ";
/// Tolerance of instructions, and of bytes with several threads, as a part of the budget.
const TOLERANCE: f64 = 0.05;
/// Tolerance of system calls and context switches, as a part of the budget.
const KERNEL_TOLERANCE: f64 = 0.2;
/// Half of the last decimal in the file.
const ROUNDING: f64 = 0.005;

const HEAD: &str = "\
# The cost of one message in each part of its path (of 64 for `server-64`), counted under valgrind and strace in the
# profile `dist`, which ships. `cargo xtask budget` fails above these figures, `cargo xtask budget --update` lowers them. To
# raise one, edit it here and say why in the commit. Tolerance: none for allocations of one thread, 5 % for instructions,
# which count only if the compiler is this one, 20 % for system calls and waits of threads (switches), which depend on how
# threads interleave. Those of the clients are included: 4 calls for each message. A figure of 0 is not counted.
";

/// The budget.
pub(super) struct Budget {
    pub(super) compiler: String,
    costs: BTreeMap<String, Cost>,
}

impl Budget {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let lines = || text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
        let compiler =
            lines().find_map(|line| line.strip_prefix(COMPILER)).context("no line names the compiler")?;
        let costs = lines().filter(|line| !line.starts_with(COMPILER));
        let costs = costs.map(|line| entry(line).with_context(|| format!("not a budget: {line}")));
        Ok(Self { compiler: compiler.to_owned(), costs: costs.collect::<Result<_>>()? })
    }

    /// Returns the text of the file with figures of `compiler`.
    pub(super) fn to_text(compiler: &str, counted: &[(&Row, Cost)]) -> String {
        let mut text = format!("{HEAD}\n{COMPILER}{compiler}\n\n");
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "# {:<12} {:>11} {:>9} {:>12} {:>8} {:>8}",
            "scenario", "allocations", "bytes", "instructions", "calls", "switches"
        );
        for (row, Cost { allocations, bytes, instructions, calls, switches }) in counted {
            let _ = writeln!(
                text,
                "{:<14} {allocations:>11.2} {bytes:>9.0} {instructions:>12.0} {calls:>8.2} {switches:>8.2}",
                row.name
            );
        }
        text
    }

    /// Returns true if the row has a budget.
    pub(super) fn has(&self, row: &Row) -> bool {
        self.costs.contains_key(row.name)
    }

    /// Returns the next budget of a row: for each figure the lower one of budget and count.
    ///
    /// System calls and context switches are lowered only if the count is below the budget by more than its tolerance:
    /// runs differ by that, and the next one must pass too.
    ///
    /// Instructions with another compiler are not compared.
    pub(super) fn lowered(&self, row: &Row, found: Cost, compiler: &str) -> Cost {
        let Some(budget) = self.costs.get(row.name) else { return found };
        let instructions = if self.compiler == compiler {
            budget.instructions.min(found.instructions)
        } else {
            found.instructions
        };
        Cost {
            allocations: budget.allocations.min(found.allocations),
            bytes: budget.bytes.min(found.bytes),
            instructions,
            calls: lowered_kernel(budget.calls, found.calls),
            switches: lowered_kernel(budget.switches, found.switches),
        }
    }

    /// Returns a sentence for each figure over its budget.
    pub(super) fn breaches(&self, row: &Row, found: Cost, compiler: &str) -> Vec<String> {
        let Some(budget) = self.costs.get(row.name) else {
            return vec![format!("{}: no budget yet; add its line to budget.txt", row.name)];
        };
        let bytes_tolerance = if row.tolerance > 0.0 { budget.bytes * TOLERANCE } else { 0.0 };
        let mut figures = vec![
            ("allocations", budget.allocations, found.allocations, row.tolerance),
            ("bytes allocated", budget.bytes, found.bytes.round(), bytes_tolerance),
            ("system calls", budget.calls, found.calls, budget.calls * KERNEL_TOLERANCE),
            ("context switches", budget.switches, found.switches, budget.switches * KERNEL_TOLERANCE),
        ];
        if self.compiler == compiler {
            figures.push((
                "instructions",
                budget.instructions,
                found.instructions,
                budget.instructions * TOLERANCE,
            ));
        }
        let over = figures
            .into_iter()
            .filter(|(.., budget, found, tolerance)| *found > budget + tolerance + ROUNDING);
        let sentence = |(unit, budget, found, tolerance): (&str, f64, f64, f64)| {
            let tolerance =
                if tolerance > 0.0 { format!(", tolerance {}", shown(tolerance)) } else { String::new() };
            format!("{}: {} {unit}, budget {}{tolerance}", row.name, shown(found), shown(budget))
        };
        over.map(sentence).collect()
    }

    /// Returns true if the count is so far below the budget that a regression could go unnoticed.
    pub(super) fn has_slack(&self, row: &Row, found: Cost, compiler: &str) -> bool {
        self.costs.get(row.name).is_some_and(|budget| {
            found.allocations < budget.allocations - row.tolerance - ROUNDING
                || lowered_kernel(budget.calls, found.calls) < budget.calls
                || self.compiler == compiler && found.instructions < budget.instructions * (1.0 - TOLERANCE)
        })
    }
}

fn lowered_kernel(budget: f64, found: f64) -> f64 {
    if found < budget * (1.0 - KERNEL_TOLERANCE) { found } else { budget }
}

fn entry(line: &str) -> Option<(String, Cost)> {
    let mut fields = line.split_whitespace();
    let name = fields.next()?.to_owned();
    let mut number = || fields.next()?.parse().ok();
    let [allocations, bytes, instructions] = [number()?, number()?, number()?];
    Some((name, Cost { allocations, bytes, instructions, calls: number()?, switches: number()? }))
}

fn shown(number: f64) -> String {
    if number.fract().abs() < ROUNDING { format!("{number:.0}") } else { format!("{number:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPILER: &str = "rustc 1 for here";

    fn budget() -> Budget {
        let cost = Cost { allocations: 6.0, bytes: 99.0, instructions: 1000.0, calls: 20.0, switches: 10.0 };
        Budget::parse(&Budget::to_text(COMPILER, &[(&alone(), cost), (&threads(), cost)])).unwrap()
    }

    fn alone() -> Row {
        Row::alone("parse")
    }

    fn threads() -> Row {
        Row::with_threads("store", [1, 2], 0.5)
    }

    fn breaches(row: &Row, allocations: f64, bytes: f64, instructions: f64) -> Vec<String> {
        budget().breaches(row, Cost { allocations, bytes, instructions, ..Cost::default() }, COMPILER)
    }

    #[test]
    fn more_than_the_budget_is_a_sentence_for_each_figure() {
        assert_eq!(breaches(&alone(), 6.0, 99.0, 1050.0), Vec::<String>::new());
        assert_eq!(
            breaches(&alone(), 7.0, 131.0, 1051.0),
            [
                "parse: 7 allocations, budget 6",
                "parse: 131 bytes allocated, budget 99",
                "parse: 1051 instructions, budget 1000, tolerance 50",
            ]
        );
        assert_eq!(breaches(&alone(), 6.01, 99.0, 1000.0).len(), 1);
        assert_eq!(
            breaches(&Row::alone("new"), 1.0, 1.0, 1.0),
            ["new: no budget yet; add its line to budget.txt"]
        );
    }

    #[test]
    fn the_budget_only_goes_down() {
        let found = Cost { allocations: 5.0, bytes: 120.0, instructions: 1040.0, calls: 17.0, switches: 7.0 };
        let lowered =
            Cost { allocations: 5.0, bytes: 99.0, instructions: 1000.0, calls: 20.0, switches: 7.0 };
        assert_eq!(budget().lowered(&alone(), found, COMPILER), lowered);
        let recompiled = Cost { instructions: 1040.0, ..lowered };
        assert_eq!(budget().lowered(&alone(), found, "rustc 2 for here"), recompiled);
        assert_eq!(budget().lowered(&Row::alone("new"), found, COMPILER), found);
    }

    #[test]
    fn rows_with_threads_have_a_tolerance() {
        assert_eq!(breaches(&threads(), 6.4, 103.0, 1000.0), Vec::<String>::new());
        assert_eq!(breaches(&threads(), 6.6, 99.0, 1000.0).len(), 1);
    }

    #[test]
    fn system_calls_and_context_switches_have_a_budget() {
        let found = |calls, switches| Cost { calls, switches, ..Cost::default() };
        assert_eq!(budget().breaches(&threads(), found(24.0, 12.0), COMPILER), Vec::<String>::new());
        assert_eq!(
            budget().breaches(&threads(), found(25.0, 12.1), COMPILER),
            [
                "store: 25 system calls, budget 20, tolerance 4",
                "store: 12.10 context switches, budget 10, tolerance 2"
            ]
        );
    }

    #[test]
    fn instructions_of_another_compiler_are_not_judged() {
        let found = Cost { allocations: 6.0, bytes: 99.0, instructions: 9999.0, calls: 20.0, switches: 10.0 };
        assert_eq!(budget().breaches(&alone(), found, "rustc 2 for here"), Vec::<String>::new());
        assert!(!budget().has_slack(&alone(), Cost { instructions: 1.0, ..found }, "rustc 2 for here"));
        assert!(budget().has_slack(&alone(), Cost { instructions: 1.0, ..found }, COMPILER));
        assert!(budget().has_slack(&alone(), Cost { allocations: 5.0, ..found }, "rustc 2 for here"));
        assert!(budget().has_slack(
            &threads(),
            Cost { calls: 15.0, instructions: 1000.0, ..found },
            COMPILER
        ));
    }

    #[test]
    fn a_line_that_is_not_a_budget_is_named() {
        let error = Budget::parse("compiler: x\nparse 1 2 3 4\n").err().unwrap().to_string();
        assert_eq!(error, "not a budget: parse 1 2 3 4");
        assert!(Budget::parse("parse 1 2 3 4 5\n").is_err());
    }
}

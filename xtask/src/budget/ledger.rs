//! The file with the budget: `scenario  allocations  bytes  instructions`, a line each, and who compiled it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result};

use super::count::{Cost, Row};

const COMPILER: &str = "compiler: ";
/// The room that instructions have, and bytes where threads meet: part of the budget.
const ROOM: f64 = 0.05;
/// The file has so many decimals.
const ROUNDING: f64 = 0.005;

const HEAD: &str = "\
# What one message costs, counted under valgrind. Compared by «cargo xtask budget», written by «cargo xtask budget --update».
# Allocations have no room but where threads meet, instructions 5 %; those are judged only where the compiler is this one.
";

/// The budget.
pub(super) struct Ledger {
    pub(super) compiler: String,
    costs: BTreeMap<String, Cost>,
}

impl Ledger {
    pub(super) fn read(text: &str) -> Result<Self> {
        let lines = || text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
        let compiler =
            lines().find_map(|line| line.strip_prefix(COMPILER)).context("it names no compiler")?;
        let costs = lines().filter(|line| !line.starts_with(COMPILER));
        let costs = costs.map(|line| entry(line).with_context(|| format!("«{line}» is no budget")));
        Ok(Self { compiler: compiler.to_owned(), costs: costs.collect::<Result<_>>()? })
    }

    pub(super) fn written(compiler: &str, counted: &[(&Row, Cost)]) -> String {
        let mut text = format!("{HEAD}\n{COMPILER}{compiler}\n\n");
        // Writing to a string can't fail.
        let _ = writeln!(
            text,
            "# {:<12} {:>11} {:>9} {:>12}",
            "scenario", "allocations", "bytes", "instructions"
        );
        for (row, Cost { allocations, bytes, instructions }) in counted {
            let _ = writeln!(text, "{:<14} {allocations:>11.2} {bytes:>9.0} {instructions:>12.0}", row.name);
        }
        text
    }

    /// A sentence for each figure that is over its budget.
    pub(super) fn breaches(&self, row: &Row, found: Cost, compiler: &str) -> Vec<String> {
        let Some(budget) = self.costs.get(row.name) else {
            return vec![format!("{}: it has no budget yet", row.name)];
        };
        let bytes_room = if row.wander > 0.0 { budget.bytes * ROOM } else { 0.0 };
        let mut figures = vec![
            ("allocations", budget.allocations, found.allocations, row.wander),
            ("bytes allocated", budget.bytes, found.bytes.round(), bytes_room),
        ];
        if self.compiler == compiler {
            figures.push((
                "instructions",
                budget.instructions,
                found.instructions,
                budget.instructions * ROOM,
            ));
        }
        let over = figures.into_iter().filter(|(.., budget, found, room)| *found > budget + room + ROUNDING);
        let sentence = |(what, budget, found, room): (&str, f64, f64, f64)| {
            let room = if room > 0.0 { format!(", and {} of room", shown(room)) } else { String::new() };
            format!("{}: {} {what} a time, and the budget is {}{room}", row.name, shown(found), shown(budget))
        };
        over.map(sentence).collect()
    }

    /// Whether so much less is needed that it could come back unnoticed.
    pub(super) fn has_slack(&self, row: &Row, found: Cost, compiler: &str) -> bool {
        self.costs.get(row.name).is_some_and(|budget| {
            found.allocations < budget.allocations - row.wander - ROUNDING
                || self.compiler == compiler && found.instructions < budget.instructions * (1.0 - ROOM)
        })
    }
}

fn entry(line: &str) -> Option<(String, Cost)> {
    let mut fields = line.split_whitespace();
    let name = fields.next()?.to_owned();
    let mut number = || fields.next()?.parse().ok();
    Some((name, Cost { allocations: number()?, bytes: number()?, instructions: number()? }))
}

fn shown(number: f64) -> String {
    if number.fract().abs() < ROUNDING { format!("{number:.0}") } else { format!("{number:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPILER: &str = "rustc 1 for here";

    fn ledger() -> Ledger {
        let cost = Cost { allocations: 6.0, bytes: 99.0, instructions: 1000.0 };
        Ledger::read(&Ledger::written(COMPILER, &[(&alone(), cost), (&threads(), cost)])).unwrap()
    }

    fn alone() -> Row {
        Row::alone("parse")
    }

    fn threads() -> Row {
        Row::with_threads("store", [1, 2], 0.5)
    }

    fn breaches(row: &Row, allocations: f64, bytes: f64, instructions: f64) -> Vec<String> {
        ledger().breaches(row, Cost { allocations, bytes, instructions }, COMPILER)
    }

    #[test]
    fn more_than_the_budget_is_a_sentence_for_each_figure() {
        assert_eq!(breaches(&alone(), 6.0, 99.0, 1050.0), Vec::<String>::new());
        assert_eq!(
            breaches(&alone(), 7.0, 131.0, 1051.0),
            [
                "parse: 7 allocations a time, and the budget is 6",
                "parse: 131 bytes allocated a time, and the budget is 99",
                "parse: 1051 instructions a time, and the budget is 1000, and 50 of room",
            ]
        );
        assert_eq!(breaches(&alone(), 6.01, 99.0, 1000.0).len(), 1);
        assert_eq!(breaches(&Row::alone("new"), 1.0, 1.0, 1.0), ["new: it has no budget yet"]);
    }

    #[test]
    fn where_threads_meet_there_is_the_room_of_the_row() {
        assert_eq!(breaches(&threads(), 6.4, 103.0, 1000.0), Vec::<String>::new());
        assert_eq!(breaches(&threads(), 6.6, 99.0, 1000.0).len(), 1);
    }

    #[test]
    fn instructions_of_another_compiler_are_not_judged() {
        let found = Cost { allocations: 6.0, bytes: 99.0, instructions: 9999.0 };
        assert_eq!(ledger().breaches(&alone(), found, "rustc 2 for here"), Vec::<String>::new());
        assert!(!ledger().has_slack(&alone(), Cost { instructions: 1.0, ..found }, "rustc 2 for here"));
        assert!(ledger().has_slack(&alone(), Cost { instructions: 1.0, ..found }, COMPILER));
        assert!(ledger().has_slack(&alone(), Cost { allocations: 5.0, ..found }, "rustc 2 for here"));
    }

    #[test]
    fn what_is_no_budget_is_named() {
        let error = Ledger::read("compiler: x\nparse 1 2\n").err().unwrap().to_string();
        assert_eq!(error, "«parse 1 2» is no budget");
        assert!(Ledger::read("parse 1 2 3\n").is_err());
    }
}

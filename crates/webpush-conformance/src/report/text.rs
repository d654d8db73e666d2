//! A report for the terminal.

use super::{CheckOutcome, Report, RequirementResult};
use crate::requirement::Level;
use std::fmt::Write as _;
use webpush_core::printable;

/// How much a text says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextDetail {
    /// Failures only.
    Failures,
    /// One line for each requirement, then the failures.
    Everything,
}

/// Returns the report as text.
///
/// Requirements come by section, then the failures in full, and a summary as the last line.
#[must_use]
pub fn write(report: &Report, detail: TextDetail) -> String {
    let mut text = format!("{} {}\n", report.subject.kind, report.subject.name);
    for (name, value) in &report.facts {
        line(&mut text, &format!("  {name}: {value}"));
    }
    if detail == TextDetail::Everything {
        table(&mut text, report);
    }
    for result in &report.results {
        failure(&mut text, result);
    }
    text.push('\n');
    text.push_str(&summary(report));
    text.push('\n');
    printable::lines(&text).into_owned()
}

/// Returns the counts, and whether the subject conforms, as one line.
#[must_use]
pub fn summary(report: &Report) -> String {
    let all = report.tally(None);
    let failed: Vec<String> = Level::ALL
        .iter()
        .filter_map(|level| match report.tally(Some(*level)).failed {
            0 => None,
            count => Some(format!("{count} {level}")),
        })
        .collect();
    let failed = if failed.is_empty() { String::new() } else { format!(" ({})", failed.join(", ")) };
    let result = if report.conforms(false) { "conforms" } else { "does not conform" };
    format!(
        "{} {}: {} passed, {} failed{failed}, {} skipped",
        report.subject.name, result, all.passed, all.failed, all.skipped
    )
}

fn table(text: &mut String, report: &Report) {
    let mut section = String::new();
    for result in &report.results {
        let place = result.requirement.place();
        if place != section {
            line(text, &format!("\n{place}"));
            section = place;
        }
        let mark = match &result.outcome {
            CheckOutcome::Passed => "pass",
            CheckOutcome::Failed(_) => "FAIL",
            CheckOutcome::Skipped { .. } => "skip",
        };
        let requirement = result.requirement;
        let mut row =
            format!("  {mark}  {:<13} {:<8} {}", requirement.id, requirement.level, requirement.text);
        if let CheckOutcome::Skipped { reason } = &result.outcome {
            let _ = write!(row, " [{reason}]");
        }
        line(text, &row);
    }
}

fn failure(text: &mut String, result: &RequirementResult) {
    let CheckOutcome::Failed(findings) = &result.outcome else { return };
    let requirement = result.requirement;
    line(text, &format!("\nFAIL {} {} ({})", requirement.id, requirement.level, requirement.place()));
    line(text, &format!("  {}", requirement.text));
    for finding in findings {
        line(text, &format!("  expected: {}", finding.expected));
        line(text, &format!("  found:    {}", finding.found));
        for row in finding.exchange.lines() {
            line(text, &format!("    | {row}"));
        }
    }
    line(text, &format!("  change:   {}", requirement.advice));
}

fn line(text: &mut String, row: &str) {
    text.push_str(row.trim_end());
    text.push('\n');
}

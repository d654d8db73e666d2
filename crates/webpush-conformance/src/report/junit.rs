//! A report as JUnit XML, the form that CI services read.
//!
//! A suite for each specification, a case for each requirement. Only a failure that counts is `<failure>`: one of a
//! MUST, or with `strict` of a SHOULD. The others are skipped cases whose message begins with `failed`.

use super::{CheckOutcome, Finding, Report, RequirementResult};
use crate::requirement::Level;
use std::fmt::Write as _;

/// Returns the report as an XML document.
#[must_use]
pub fn write(report: &Report, strict: bool) -> String {
    let most = if strict { Level::Should } else { Level::Must };
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(xml, "<testsuites name=\"{}\">", escape(&report.subject.name));
    for specification in report.specifications() {
        let results: Vec<&RequirementResult> = report
            .results
            .iter()
            .filter(|result| result.requirement.specification == specification)
            .collect();
        let counts = |result: &&&RequirementResult| {
            matches!(result.outcome, CheckOutcome::Failed(_)) && result.requirement.level <= most
        };
        let failures = results.iter().filter(counts).count();
        let passed = results.iter().filter(|result| result.outcome == CheckOutcome::Passed).count();
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"{}\">",
            escape(specification.name),
            results.len(),
            results.len() - failures - passed,
        );
        for result in results {
            case(&mut xml, result, result.requirement.level <= most);
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

fn case(xml: &mut String, result: &RequirementResult, is_binding: bool) {
    let requirement = result.requirement;
    let name = format!("{} {}: {}", requirement.id, requirement.level, requirement.text);
    let class = requirement.place();
    let _ = write!(xml, "    <testcase classname=\"{}\" name=\"{}\"", escape(&class), escape(&name));
    match &result.outcome {
        CheckOutcome::Passed => xml.push_str("/>\n"),
        CheckOutcome::Skipped { reason } => {
            let _ = writeln!(xml, "><skipped message=\"{}\"/></testcase>", escape(reason));
        }
        CheckOutcome::Failed(findings) => {
            let summary = findings.first().map(summary).unwrap_or_default();
            if is_binding {
                let details: String =
                    findings.iter().map(|finding| format!("{}\n", finding.exchange)).collect();
                let _ = writeln!(
                    xml,
                    "><failure message=\"{}\">{}\n{}</failure></testcase>",
                    escape(&summary),
                    escape(requirement.advice),
                    escape(&details),
                );
            } else {
                let _ = writeln!(xml, "><skipped message=\"failed: {}\"/></testcase>", escape(&summary));
            }
        }
    }
}

fn summary(finding: &Finding) -> String {
    format!("expected {}, found {}", finding.expected, finding.found)
}

/// Escapes markup, and drops characters that XML 1.0 does not allow.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(character),
            '\u{fffe}' | '\u{ffff}' => {}
            other if other.is_control() => {}
            other => escaped.push(other),
        }
    }
    escaped
}

//! A report as JSON.

use super::{CheckOutcome, Finding, Report, RequirementResult, Subject, Tally};
use crate::requirement::Level;
use serde::Serialize;
use webpush_core::printable;

/// The version of the format. It changes when a member changes its meaning.
const FORMAT_VERSION: u32 = 1;

#[derive(Serialize)]
struct ReportJson<'a> {
    version: u32,
    subject: &'a Subject,
    facts: Vec<FactJson<'a>>,
    specifications: Vec<SpecificationJson>,
    conforms: bool,
    tally: Tally,
    results: Vec<ResultJson<'a>>,
}

#[derive(Serialize)]
struct FactJson<'a> {
    name: &'a str,
    value: &'a str,
}

#[derive(Serialize)]
struct SpecificationJson {
    name: &'static str,
    title: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct ResultJson<'a> {
    id: &'static str,
    level: Level,
    specification: &'static str,
    section: &'static str,
    text: &'static str,
    check: &'a str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    findings: &'a [Finding],
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<&'static str>,
}

/// Returns the report as one JSON object, with line breaks.
///
/// # Errors
/// Fails only if serialization fails, which it does not for these types.
pub fn write(report: &Report) -> Result<String, serde_json::Error> {
    let json = ReportJson {
        version: FORMAT_VERSION,
        subject: &report.subject,
        facts: report.facts.iter().map(|(name, value)| FactJson { name, value }).collect(),
        specifications: report
            .specifications()
            .into_iter()
            .map(|one| SpecificationJson { name: one.name, title: one.title, version: one.version })
            .collect(),
        conforms: report.conforms(false),
        tally: report.tally(None),
        results: report.results.iter().map(result).collect(),
    };
    let text = serde_json::to_string_pretty(&json)?;
    Ok(text.lines().map(|line| printable::json(line).into_owned()).collect::<Vec<_>>().join("\n"))
}

fn result(result: &RequirementResult) -> ResultJson<'_> {
    let (reason, findings): (_, &[Finding]) = match &result.outcome {
        CheckOutcome::Passed => (None, &[]),
        CheckOutcome::Failed(findings) => (None, findings),
        CheckOutcome::Skipped { reason } => (Some(reason.as_str()), &[]),
    };
    let requirement = result.requirement;
    ResultJson {
        id: requirement.id,
        level: requirement.level,
        specification: requirement.specification.name,
        section: requirement.section,
        text: requirement.text,
        check: &result.check,
        outcome: result.outcome.as_str(),
        reason,
        findings,
        advice: (!findings.is_empty()).then_some(requirement.advice),
    }
}

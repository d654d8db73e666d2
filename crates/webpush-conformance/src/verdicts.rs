//! Collects what is seen of each requirement, for subjects that make requests themselves.

use crate::report::{CheckOutcome, Finding, Report, Subject};
use crate::requirement::Requirement;
use std::collections::BTreeMap;

/// Maximum number of findings that are kept for a requirement.
const MOST_FINDINGS: usize = 3;

/// Observations so far, by requirement.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdicts {
    seen: BTreeMap<&'static str, Verdict>,
}

#[derive(Clone, Debug, Default)]
struct Verdict {
    findings: Vec<Finding>,
    more: usize,
}

impl Verdicts {
    /// Records that a requirement applied, and was fulfilled or not.
    ///
    /// `found` is called only if it was not.
    pub(crate) fn check(
        &mut self,
        id: &'static str,
        passed: bool,
        expected: &str,
        found: impl FnOnce() -> String,
        exchange: &str,
    ) {
        let verdict = self.seen.entry(id).or_default();
        if passed {
            return;
        }
        if verdict.findings.len() == MOST_FINDINGS {
            verdict.more += 1;
            return;
        }
        verdict.findings.push(Finding {
            expected: expected.to_owned(),
            found: found(),
            exchange: exchange.to_owned(),
        });
    }

    /// Records that a requirement applied and was fulfilled.
    pub(crate) fn pass(&mut self, id: &'static str) {
        self.seen.entry(id).or_default();
    }

    /// Records that a requirement was not fulfilled.
    pub(crate) fn fail(
        &mut self,
        id: &'static str,
        expected: &str,
        found: impl Into<String>,
        exchange: &str,
    ) {
        self.check(id, false, expected, || found.into(), exchange);
    }

    /// Returns a report about all requirements.
    ///
    /// Those that never applied are skipped, with the `reason` by ID.
    pub(crate) fn report(
        &self,
        subject: Subject,
        requirements: impl Iterator<Item = &'static Requirement>,
        reason: fn(&str) -> &'static str,
    ) -> Report {
        let mut report = Report::new(subject);
        for requirement in requirements {
            let outcome = match self.seen.get(requirement.id) {
                None => CheckOutcome::skipped(reason(requirement.id)),
                Some(verdict) if verdict.findings.is_empty() => CheckOutcome::Passed,
                Some(verdict) => CheckOutcome::Failed(verdict.all()),
            };
            report.add(requirement, "what the subject sends", outcome);
        }
        report
    }
}

impl Verdict {
    fn all(&self) -> Vec<Finding> {
        let mut findings = self.findings.clone();
        if let (Some(last), 1..) = (findings.last_mut(), self.more) {
            last.found.push_str(&format!(" (and {} more)", self.more));
        }
        findings
    }
}

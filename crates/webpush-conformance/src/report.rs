//! Reports: the result of each requirement for one subject, in several forms.
//!
//! The types know nothing of push services: the subject may be a service, a sender library or a user agent.
//!
//! ```
//! use webpush_conformance::report::{CheckOutcome, Report, Subject, SubjectKind, text};
//! use webpush_conformance::requirements;
//!
//! let mut report = Report::new(Subject::new(SubjectKind::Sender, "web-push 3.6.7"));
//! let requirement = requirements::find("S8030-5.2-a").unwrap();
//! report.add(requirement, "each request has one TTL", CheckOutcome::Passed);
//! assert!(report.conforms(false));
//! assert!(text::write(&report, text::TextDetail::Failures).contains("web-push 3.6.7"));
//! ```

pub mod badge;
pub mod json;
pub mod junit;
pub mod text;

use crate::requirement::{Level, Requirement, Specification};
use serde::Serialize;
use std::fmt;

/// The result of all checks of one subject.
#[derive(Debug)]
pub struct Report {
    /// The subject.
    pub subject: Subject,
    /// Facts about the subject that decide which requirements apply, such as `HTTP versions: 1.1, 2`.
    pub facts: Vec<(String, String)>,
    /// One result for each requirement, in the order of the specifications.
    pub results: Vec<RequirementResult>,
}

/// The program that was checked.
#[derive(Clone, Debug, Serialize)]
pub struct Subject {
    /// Its kind.
    pub kind: SubjectKind,
    /// Its name: an origin, or a library with its version. Never a capability URL.
    pub name: String,
}

/// The part that a subject has in Web Push.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SubjectKind {
    /// A push service.
    Service,
    /// An application server, or its library.
    Sender,
    /// A user agent.
    Agent,
}

/// The result of one requirement.
#[derive(Debug)]
pub struct RequirementResult {
    /// The requirement.
    pub requirement: &'static Requirement,
    /// The names of the checks that contributed, separated by semicolons.
    pub check: String,
    /// The outcome.
    pub outcome: CheckOutcome,
}

/// The outcome of a check for one requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckOutcome {
    /// It is fulfilled, as far as the check can see.
    Passed,
    /// It is not fulfilled.
    Failed(Vec<Finding>),
    /// It was not checked.
    Skipped {
        /// The reason, as the rest of a sentence: `the service offers no receipts`.
        reason: String,
    },
}

/// One observation that contradicts a requirement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The demanded behavior: `201`.
    pub expected: String,
    /// The observed behavior: `200`.
    pub found: String,
    /// The request and the response, or other evidence; empty if there is none.
    pub exchange: String,
}

/// Number of results by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Fulfilled requirements.
    pub passed: usize,
    /// Failed requirements.
    pub failed: usize,
    /// Requirements that were not checked.
    pub skipped: usize,
}

impl Subject {
    /// Creates a subject.
    #[must_use]
    pub fn new(kind: SubjectKind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }
}

impl fmt::Display for SubjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Service => "push service",
            Self::Sender => "sender",
            Self::Agent => "user agent",
        })
    }
}

impl Report {
    /// Creates a report without results.
    #[must_use]
    pub const fn new(subject: Subject) -> Self {
        Self { subject, facts: Vec::new(), results: Vec::new() }
    }

    /// Returns the IDs of the requirements with this outcome.
    #[cfg(test)]
    pub(crate) fn with_outcome(&self, outcome: &str) -> Vec<&'static str> {
        let results = self.results.iter().filter(|result| result.outcome.as_str() == outcome);
        results.map(|result| result.requirement.id).collect()
    }

    /// Adds the outcome of a check.
    ///
    /// Of several for one requirement, a failure counts before a pass before a skip.
    pub fn add(&mut self, requirement: &'static Requirement, check: &str, outcome: CheckOutcome) {
        let known = self.results.iter_mut().find(|result| result.requirement.id == requirement.id);
        let Some(result) = known else {
            self.results.push(RequirementResult { requirement, check: check.to_owned(), outcome });
            return;
        };
        if !result.check.split("; ").any(|name| name == check) {
            result.check.push_str("; ");
            result.check.push_str(check);
        }
        match (&mut result.outcome, outcome) {
            (CheckOutcome::Failed(all), CheckOutcome::Failed(more)) => all.extend(more),
            (CheckOutcome::Failed(_), CheckOutcome::Passed | CheckOutcome::Skipped { .. })
            | (CheckOutcome::Passed, CheckOutcome::Passed | CheckOutcome::Skipped { .. })
            | (CheckOutcome::Skipped { .. }, CheckOutcome::Skipped { .. }) => {}
            (current, outcome) => *current = outcome,
        }
    }

    /// Sorts the results by the order of the requirements in [`crate::requirements::all`].
    pub fn sort(&mut self) {
        self.results.sort_by_key(|result| {
            crate::requirements::all().position(|requirement| requirement.id == result.requirement.id)
        });
    }

    /// Returns the number of results by outcome, of one level or of all.
    #[must_use]
    pub fn tally(&self, level: Option<Level>) -> Tally {
        let mut tally = Tally::default();
        for result in &self.results {
            if level.is_some_and(|level| level != result.requirement.level) {
                continue;
            }
            match result.outcome {
                CheckOutcome::Passed => tally.passed += 1,
                CheckOutcome::Failed(_) => tally.failed += 1,
                CheckOutcome::Skipped { .. } => tally.skipped += 1,
            }
        }
        tally
    }

    /// Returns true if nothing failed that is a MUST; or, if `strict`, a SHOULD.
    #[must_use]
    pub fn conforms(&self, strict: bool) -> bool {
        let most = if strict { Level::Should } else { Level::Must };
        !self.results.iter().any(|result| {
            result.requirement.level <= most && matches!(result.outcome, CheckOutcome::Failed(_))
        })
    }

    /// Returns the specifications that the results belong to, in order.
    #[must_use]
    pub fn specifications(&self) -> Vec<&'static Specification> {
        let mut found: Vec<&'static Specification> = Vec::new();
        for result in &self.results {
            if !found.contains(&result.requirement.specification) {
                found.push(result.requirement.specification);
            }
        }
        found
    }
}

impl CheckOutcome {
    /// Creates a failure with one finding.
    #[must_use]
    pub fn failed(
        expected: impl Into<String>,
        found: impl Into<String>,
        exchange: impl Into<String>,
    ) -> Self {
        let finding = Finding { expected: expected.into(), found: found.into(), exchange: exchange.into() };
        Self::Failed(vec![finding])
    }

    /// Creates the outcome of a requirement that was not checked.
    #[must_use]
    pub fn skipped(reason: impl Into<String>) -> Self {
        Self::Skipped { reason: reason.into() }
    }

    /// Returns the outcome in one word.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "failed",
            Self::Skipped { .. } => "skipped",
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, failed, skipped } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests;

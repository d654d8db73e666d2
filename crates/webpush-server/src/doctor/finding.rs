//! The result of a check.

use serde::Serialize;
use std::fmt;

/// The result in one word, worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// All is well.
    Good,
    /// The check was not made; the finding says why.
    Skipped,
    /// It works, but will cause trouble.
    Warning,
    /// Some clients cannot be served.
    Bad,
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The name of the check.
    pub check: &'static str,
    /// The result in one word, worst last.
    pub verdict: Verdict,
    /// The observation.
    pub found: String,
    /// The fix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Finding {
    pub(super) fn good(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Good, found: found.into(), advice: None }
    }

    pub(super) fn skipped(check: &'static str, why: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Skipped, found: why.into(), advice: None }
    }

    pub(super) fn warning(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Warning, found: found.into(), advice: Some(advice.into()) }
    }

    pub(super) fn bad(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Bad, found: found.into(), advice: Some(advice.into()) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { check, verdict, found, advice } = self;
        let verdict = match verdict {
            Verdict::Good => "ok",
            Verdict::Skipped => "--",
            Verdict::Warning => "warn",
            Verdict::Bad => "FAIL",
        };
        write!(f, "{verdict:<5}{check:<13}{found}")?;
        match advice {
            Some(advice) => write!(f, "\n                  -> {advice}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_a_line_and_what_to_do_another() {
        assert_eq!(Finding::good("clock", "0 s apart").to_string(), "ok   clock        0 s apart");
        let bad = Finding::bad("name", "no address", "add an A record").to_string();
        assert_eq!(bad, "FAIL name         no address\n                  -> add an A record");
        assert!(Verdict::Bad > Verdict::Warning && Verdict::Warning > Verdict::Good);
    }
}

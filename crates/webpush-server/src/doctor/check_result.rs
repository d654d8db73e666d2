//! The result of a check.

use serde::Serialize;
use std::fmt;
use webpush_core::printable;

/// The result in one word, worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    /// No problem.
    Good,
    /// The check was not made; the result says why.
    Skipped,
    /// It works, but will cause trouble.
    Warning,
    /// Some clients cannot be served.
    Bad,
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckResult {
    /// The name of the check.
    pub check: &'static str,
    /// The result in one word.
    pub verdict: CheckStatus,
    /// The observation.
    pub found: String,
    /// The fix.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl CheckResult {
    pub(super) fn good(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: CheckStatus::Good, found: safe(found), advice: None }
    }

    pub(super) fn skipped(check: &'static str, why: impl Into<String>) -> Self {
        Self { check, verdict: CheckStatus::Skipped, found: safe(why), advice: None }
    }

    pub(super) fn warning(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, verdict: CheckStatus::Warning, found: safe(found), advice: Some(advice.into()) }
    }

    pub(super) fn bad(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, verdict: CheckStatus::Bad, found: safe(found), advice: Some(advice.into()) }
    }
}

/// Returns an observation, which may quote the server, as one line.
fn safe(found: impl Into<String>) -> String {
    printable::one_line(&found.into()).into_owned()
}

impl fmt::Display for CheckResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { check, verdict, found, advice } = self;
        let verdict = match verdict {
            CheckStatus::Good => "ok",
            CheckStatus::Skipped => "--",
            CheckStatus::Warning => "warn",
            CheckStatus::Bad => "FAIL",
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
    fn the_advice_is_a_second_line() {
        assert_eq!(CheckResult::good("clock", "0 s apart").to_string(), "ok   clock        0 s apart");
        let bad = CheckResult::bad("name", "no address", "add an A record").to_string();
        assert_eq!(bad, "FAIL name         no address\n                  -> add an A record");
        let hostile = CheckResult::good("HTTP/1.1", "webpush-server 1\u{1b}[2J\u{9b}\nFAIL").to_string();
        assert_eq!(hostile, "ok   HTTP/1.1     webpush-server 1\\u{1b}[2J\\u{9b}\\nFAIL");
        assert!(CheckStatus::Bad > CheckStatus::Warning && CheckStatus::Warning > CheckStatus::Good);
    }
}

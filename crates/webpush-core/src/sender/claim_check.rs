//! Results of checks on VAPID credentials.
//!
//! The texts are bounded, printable ASCII, and contain no secrets.

use crate::problem::{Claim, Problem};
use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// Maximum length of untrusted text that is repeated in a message.
const PRINTABLE_CHARACTERS: usize = 120;

/// The result of checking one claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimCheck {
    /// The claim.
    pub claim: Claim,
    /// True if the claim is valid.
    pub passed: bool,
    /// The expected value.
    pub expected: Cow<'static, str>,
    /// The actual value.
    pub found: Cow<'static, str>,
}

impl ClaimCheck {
    pub(super) fn new(
        claim: Claim,
        passed: bool,
        expected: impl Into<Cow<'static, str>>,
        found: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { claim, passed, expected: expected.into(), found: found.into() }
    }

    pub(super) fn failed(
        claim: Claim,
        expected: impl Into<Cow<'static, str>>,
        found: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(claim, false, expected, found)
    }
}

impl fmt::Display for ClaimCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { claim, expected, found, .. } = self;
        write!(f, "{claim}: expected {expected}, found {found}")
    }
}

/// A failed check. The sender can fix it.
impl Error for ClaimCheck {}

impl From<ClaimCheck> for Problem {
    fn from(check: ClaimCheck) -> Self {
        let ClaimCheck { claim, expected, found, .. } = check;
        Self::VapidInvalid { claim, expected, found }
    }
}

/// Truncates untrusted text and escapes everything but printable ASCII.
pub(super) fn printable(text: &str) -> String {
    let mut printable = String::new();
    for (at, character) in text.chars().enumerate() {
        if at == PRINTABLE_CHARACTERS {
            printable.push_str("...");
            break;
        }
        match character {
            ' '..='~' => printable.push(character),
            other => printable.extend(other.escape_default()),
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn untrusted_text_is_truncated_and_escaped() {
        assert_eq!(
            printable("a \"b\"\n\u{1b}[2J\u{202e}\u{7f}ü"),
            "a \"b\"\\n\\u{1b}[2J\\u{202e}\\u{7f}\\u{fc}"
        );
        assert_eq!(printable(&"x".repeat(PRINTABLE_CHARACTERS)).len(), PRINTABLE_CHARACTERS);
        assert_eq!(
            printable(&"x".repeat(PRINTABLE_CHARACTERS + 1)),
            "x".repeat(PRINTABLE_CHARACTERS) + "..."
        );
    }

    proptest! {
        #[test]
        fn any_text_becomes_short_and_printable(text in "\\PC*|[\\x00-\\xff]*") {
            let printable = printable(&text);
            prop_assert!(printable.bytes().all(|byte| matches!(byte, b' '..=b'~')));
            prop_assert!(printable.len() <= PRINTABLE_CHARACTERS * 10 + 3);
        }
    }
}

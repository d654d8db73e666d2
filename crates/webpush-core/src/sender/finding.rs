//! What an examination finds. The texts are for the sender's developer: bounded, printable ASCII, without secrets.

use crate::problem::{Claim, Problem};
use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// The most characters of a stranger's text that are shown back.
const SHOWN_CHARACTERS: usize = 120;

/// One claim, examined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub claim: Claim,
    /// Whether it is as it must be.
    pub holds: bool,
    /// What it must be.
    pub expected: Cow<'static, str>,
    /// What it is.
    pub found: Cow<'static, str>,
}

impl Finding {
    pub(super) fn new(
        claim: Claim,
        holds: bool,
        expected: impl Into<Cow<'static, str>>,
        found: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { claim, holds, expected: expected.into(), found: found.into() }
    }

    pub(super) fn fails(
        claim: Claim,
        expected: impl Into<Cow<'static, str>>,
        found: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(claim, false, expected, found)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { claim, expected, found, .. } = self;
        write!(f, "{claim}: expected {expected}, found {found}")
    }
}

/// A finding that does not hold is the fault of the sender.
impl Error for Finding {}

/// A request is refused for the first finding that does not hold.
impl From<Finding> for Problem {
    fn from(finding: Finding) -> Self {
        let Finding { claim, expected, found, .. } = finding;
        Self::VapidInvalid { claim, expected, found }
    }
}

/// A stranger's text as it may be shown: cut, and with everything but printable ASCII escaped.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (at, character) in text.chars().enumerate() {
        if at == SHOWN_CHARACTERS {
            shown.push_str("...");
            break;
        }
        match character {
            ' '..='~' => shown.push(character),
            other => shown.extend(other.escape_default()),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn strangers_texts_are_cut_and_escaped() {
        assert_eq!(shown("a \"b\"\n\u{1b}[2J\u{202e}\u{7f}ü"), "a \"b\"\\n\\u{1b}[2J\\u{202e}\\u{7f}\\u{fc}");
        assert_eq!(shown(&"x".repeat(SHOWN_CHARACTERS)).len(), SHOWN_CHARACTERS);
        assert_eq!(shown(&"x".repeat(SHOWN_CHARACTERS + 1)), "x".repeat(SHOWN_CHARACTERS) + "...");
    }

    proptest! {
        #[test]
        fn any_text_is_shown_short_and_printable(text in "\\PC*|[\\x00-\\xff]*") {
            let shown = shown(&text);
            prop_assert!(shown.bytes().all(|byte| matches!(byte, b' '..=b'~')));
            prop_assert!(shown.len() <= SHOWN_CHARACTERS * 10 + 3);
        }
    }
}

//! What an examination finds. The texts are for the sender's developer: bounded, printable ASCII, without secrets.

use crate::limits::SHOWN_CHARACTERS;
use crate::problem::Problem;
use std::borrow::Cow;
use std::fmt;

/// What can hold or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The header and its parameters (RFC 8292 §3).
    Authorization,
    /// The public key (RFC 8292 §3.2).
    Key,
    /// The token as such (RFC 7519 §7.2).
    Token,
    /// How it is signed (RFC 8292 §2).
    Algorithm,
    /// Whom it is for (RFC 8292 §2).
    Audience,
    /// Until when (RFC 8292 §2).
    Expiry,
    /// Whom to write to (RFC 8292 §2.1).
    Subject,
    /// That the holder of the key made it (RFC 8292 §4.2).
    Signature,
}

impl Claim {
    /// Its name as the standards write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authorization => "Authorization",
            Self::Key => "k",
            Self::Token => "t",
            Self::Algorithm => "alg",
            Self::Audience => "aud",
            Self::Expiry => "exp",
            Self::Subject => "sub",
            Self::Signature => "signature",
        }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

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

/// A finding that does not hold is why a request is refused.
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

//! Requirements: the demands of a specification, in our own words.

use serde::Serialize;
use std::fmt;

/// How binding a requirement is (RFC 2119), and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// MUST: a subject that fails it does not conform.
    Must,
    /// SHOULD: there may be reasons not to do it.
    Should,
    /// MAY: an option.
    May,
    /// Good practice, or a consequence that the specification does not spell out.
    Practice,
}

/// A document with requirements.
#[derive(Debug, PartialEq, Eq)]
pub struct Specification {
    /// Its short name, such as `RFC 8030`.
    pub name: &'static str,
    /// Its title.
    pub title: &'static str,
    /// Its version, for documents without a number of their own; otherwise its date.
    pub version: &'static str,
}

/// One demand of a specification.
#[derive(Debug)]
pub struct Requirement {
    /// The stable ID, such as `R8030-5-b`.
    pub id: &'static str,
    /// How binding it is.
    pub level: Level,
    /// The document.
    pub specification: &'static Specification,
    /// The section of the document, such as `5.2`; empty for the whole document.
    pub section: &'static str,
    /// The demand, in our own words.
    pub text: &'static str,
    /// The change that fixes a failure: one sentence.
    pub advice: &'static str,
}

impl Level {
    /// All levels, the most binding first.
    pub const ALL: [Self; 4] = [Self::Must, Self::Should, Self::May, Self::Practice];

    /// Returns the word of RFC 2119.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
            Self::May => "MAY",
            Self::Practice => "practice",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Requirement {
    /// Returns document and section, such as `RFC 8030 §5.2`.
    #[must_use]
    pub fn place(&self) -> String {
        match self.section {
            "" => self.specification.name.to_owned(),
            section => format!("{} §{section}", self.specification.name),
        }
    }
}

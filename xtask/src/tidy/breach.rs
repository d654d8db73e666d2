//! A breach of a house rule, and its place.

use std::fmt;

/// A rule that the ratchet counts by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rule {
    Word,
    Sentence,
    Summary,
    Name,
    Dependency,
    Circle,
    DirectCall,
    Layout,
    Leftover,
    Link,
}

impl Rule {
    pub(super) const ALL: [Self; 10] = [
        Self::Word,
        Self::Sentence,
        Self::Summary,
        Self::Name,
        Self::Dependency,
        Self::Circle,
        Self::DirectCall,
        Self::Layout,
        Self::Leftover,
        Self::Link,
    ];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Word => "word",
            Self::Sentence => "sentence",
            Self::Summary => "summary",
            Self::Name => "name",
            Self::Dependency => "dependency",
            Self::Circle => "circle",
            Self::DirectCall => "direct-call",
            Self::Layout => "layout",
            Self::Leftover => "leftover",
            Self::Link => "link",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A breach; `advice` describes the problem and the fix.
#[derive(Debug)]
pub(super) struct Breach {
    pub(super) rule: Rule,
    pub(super) path: String,
    pub(super) line: usize,
    pub(super) advice: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {} [{}]", self.path, self.line, self.advice, self.rule)
    }
}

//! What is wrong with a configuration, and where.

use crate::source::Source;
use std::fmt;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Where it is written.
    pub source: Source,
    /// A sentence, without a value that could be secret.
    pub what: String,
}

impl ConfigError {
    /// On one line, whatever a parser says.
    #[must_use]
    pub fn new(source: Source, what: impl fmt::Display) -> Self {
        Self { source, what: what.to_string().replace('\n', " ") }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source, self.what)
    }
}

impl std::error::Error for ConfigError {}

/// All that is wrong: never nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// Says that all is well when nothing was found.
    ///
    /// # Errors
    /// When something was.
    pub fn none(found: Vec<ConfigError>) -> Result<(), Self> {
        if found.is_empty() { Ok(()) } else { Err(Self(found)) }
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.0.iter().enumerate() {
            let between = if number == 0 { "" } else { "; " };
            write!(f, "{between}{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

//! The early end of a check.

use crate::report::CheckOutcome;
use std::fmt;
use webpush_client::error::ClientError;

/// Why a check ended before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The rest cannot be checked, for this reason.
    Skip(String),
    /// The service broke the exchange.
    Error(String),
}

impl Stop {
    /// Creates a skip.
    pub(crate) fn skip(reason: impl Into<String>) -> Self {
        Self::Skip(reason.into())
    }

    /// Returns the outcome of a requirement that the check did not reach.
    pub(crate) fn outcome(&self) -> CheckOutcome {
        match self {
            Self::Skip(reason) => CheckOutcome::skipped(reason),
            Self::Error(error) => CheckOutcome::failed("a response", error, ""),
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skip(text) | Self::Error(text) => f.write_str(text),
        }
    }
}

impl From<ClientError> for Stop {
    fn from(error: ClientError) -> Self {
        Self::Error(error.sentence())
    }
}

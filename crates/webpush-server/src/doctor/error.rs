//! How a check of the doctor fails.

use std::error::Error;
use std::fmt;
use std::time::Duration;
use webpush_client::error::ClientError;

/// A check did not complete.
#[derive(Debug)]
pub enum CheckError {
    /// An exchange with the server failed.
    Client(ClientError),
    /// No response within this time.
    TimedOut(Duration),
    /// The server refused an autopush request with this status.
    Autopush {
        /// The `messageType` of the request.
        request: &'static str,
        /// The status in the answer.
        status: u64,
    },
    /// The operating system returned no random bytes.
    NoEntropy,
}

impl CheckError {
    /// Returns the error and its causes as one line.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Client(error) => error.sentence(),
            other => other.to_string(),
        }
    }

    /// Returns the error of the exchange, if it was one.
    #[must_use]
    pub const fn client(&self) -> Option<&ClientError> {
        match self {
            Self::Client(error) => Some(error),
            Self::TimedOut(_) | Self::Autopush { .. } | Self::NoEntropy => None,
        }
    }

    /// Returns true if the server demands a subscribe token.
    #[must_use]
    pub fn needs_token(&self) -> bool {
        match self {
            Self::Client(error) => error.status() == Some(http::StatusCode::UNAUTHORIZED),
            Self::Autopush { status, .. } => *status == 401,
            Self::TimedOut(_) | Self::NoEntropy => false,
        }
    }
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(error) => error.fmt(f),
            Self::TimedOut(limit) => write!(f, "no answer within {} s", limit.as_secs()),
            Self::Autopush { request, status } => {
                write!(f, "the server refused the {request} message with status {status}")
            }
            Self::NoEntropy => f.write_str("the operating system returned no random bytes"),
        }
    }
}

impl Error for CheckError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.client().and_then(Error::source)
    }
}

impl<E: Into<ClientError>> From<E> for CheckError {
    fn from(error: E) -> Self {
        Self::Client(error.into())
    }
}

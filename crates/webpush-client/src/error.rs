//! How an exchange can fail. The variants answer what to do next; the text is one sentence for a person.
//!
//! A sentence names an origin at most: the path of a push resource is a secret (RFC 8030 §8.3).

use std::fmt;

/// Why something did not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientError {
    /// This machine's fault: a file, an input, a broken clock. The same command will fail again.
    Local(String),
    /// The server could not be reached, was too slow, or asks to come back later. Worth trying again.
    Unavailable(String),
    /// The server understood and said no.
    Refused(String),
    /// The subscription does not exist (any more).
    Gone(String),
}

impl ClientError {
    /// The sentence for a person.
    #[must_use]
    pub fn sentence(&self) -> &str {
        match self {
            Self::Local(text) | Self::Unavailable(text) | Self::Refused(text) | Self::Gone(text) => text,
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

impl std::error::Error for ClientError {}

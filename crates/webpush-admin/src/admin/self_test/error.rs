//! Errors of the self-test.

use std::error::Error;
use std::fmt;
use webpush_client::error::ClientError;

/// A self-test failed.
#[derive(Debug)]
pub(super) enum SelfTestError {
    /// A request failed.
    Client(ClientError),
    /// The message did not arrive within this number of seconds.
    NotDelivered(u64),
    /// The server refused to create a subscription, for this reason.
    NoSubscription(String),
    /// The connection limit is reached.
    ConnectionLimit,
    /// The server closed the event stream.
    StreamEnded,
    /// The received text differs from the one that was sent.
    WrongText,
    /// The response to the push has no message URL.
    NoMessageUrl,
    /// The trace of the message was evicted by newer ones.
    TraceEvicted,
    /// The message ended without being delivered.
    Ended {
        /// Its last state.
        state: &'static str,
        /// The reason.
        reason: String,
    },
}

impl SelfTestError {
    /// Returns the error and its causes as one line.
    pub(super) fn sentence(&self) -> String {
        match self {
            Self::Client(error) => error.sentence(),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for SelfTestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(error) => error.fmt(f),
            Self::NotDelivered(seconds) => write!(f, "the message did not arrive within {seconds} s"),
            Self::NoSubscription(reason) => write!(f, "cannot create a subscription: {reason}"),
            Self::ConnectionLimit => f.write_str("the connection limit is reached (--max-connections)"),
            Self::StreamEnded => f.write_str("the server closed the event stream"),
            Self::WrongText => f.write_str("the received text differs from the one that was sent"),
            Self::NoMessageUrl => f.write_str("the response to the push has no message URL"),
            Self::TraceEvicted => {
                f.write_str("cannot follow the message: newer messages evicted its trace (trace.messages)")
            }
            Self::Ended { state, reason } => write!(f, "the message is {state}: {reason}"),
        }
    }
}

impl Error for SelfTestError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Client(error) => error.source(),
            _ => None,
        }
    }
}

impl<E: Into<ClientError>> From<E> for SelfTestError {
    fn from(error: E) -> Self {
        Self::Client(error.into())
    }
}

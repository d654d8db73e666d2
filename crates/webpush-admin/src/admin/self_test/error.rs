//! How a self-test fails.

use std::error::Error;
use std::fmt;
use webpush_client::error::ClientError;

/// A self-test did not get its message to the end.
#[derive(Debug)]
pub(super) enum SelfTestError {
    /// A request failed.
    Client(ClientError),
    /// The message did not arrive within this number of seconds.
    NotDelivered(u64),
    /// The service refused to create a subscription, for this reason.
    NoSubscription(String),
    /// The server has as many connections as its limit allows.
    ConnectionLimit,
    /// The service ended the stream of events.
    StreamEnded,
    /// The message that arrived is not the one that was sent.
    OtherText,
    /// The answer to the push has no URL of a message.
    NoMessageUrl,
    /// The trace of the message was evicted by newer ones.
    TraceEvicted,
    /// The message ended in another way than by delivery.
    Ended {
        /// Its last state.
        state: &'static str,
        /// The reason.
        why: String,
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
            Self::NoSubscription(why) => write!(f, "cannot create a subscription: {why}"),
            Self::ConnectionLimit => f.write_str("the connection limit is reached (--max-connections)"),
            Self::StreamEnded => f.write_str("the service ended the stream of events"),
            Self::OtherText => f.write_str("the text that arrived is not the one that was sent"),
            Self::NoMessageUrl => f.write_str("the answer to the push has no URL of a message"),
            Self::TraceEvicted => {
                f.write_str("cannot follow the message: newer messages evicted its trace (trace.messages)")
            }
            Self::Ended { state, why } => write!(f, "the message is {state}: {why}"),
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

//! Errors of the client.
//!
//! [`ClientError::fault`] classifies errors by the party that can fix them. Messages contain origins but no paths, because
//! the path of a push resource is a secret (RFC 8030 §8.3).

mod protocol;
mod status;
mod transport;

pub use protocol::ProtocolError;
pub use status::{Operation, StatusError};
pub use transport::{Cause, Phase, TransportError, is_ca_used_as_server};

use crate::encryption::CryptoError;
use crate::entropy::NoEntropy;
use crate::private_file::FileError;
use crate::subscription::SubscriptionError;
use crate::trust::TrustError;
use crate::url::UrlError;
use crate::vapid::KeyError;
use std::error::Error;
use std::fmt;
use std::path::PathBuf;

/// An exchange with a push service failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientError {
    /// A URL is invalid.
    Url(UrlError),
    /// A text is not a push subscription.
    Subscription(SubscriptionError),
    /// A file was not written by [`AgentSubscription::save`](crate::state_file::AgentSubscription::save).
    StateFile(PathBuf),
    /// A VAPID key cannot be generated, read or used.
    Key(KeyError),
    /// A message cannot be encrypted, or the keys of a subscription cannot be generated.
    Crypto(CryptoError),
    /// A file cannot be read or written.
    File(FileError),
    /// The trusted certificates cannot be loaded.
    Trust(TrustError),
    /// A request cannot be created.
    Request(http::Error),
    /// The connection cannot be established, or failed. Worth retrying.
    Transport(Box<TransportError>),
    /// The server does not behave as a push service.
    Protocol {
        /// The origin of the server.
        origin: String,
        /// The violation.
        error: ProtocolError,
    },
    /// The server returned an unexpected status code.
    Status(Box<StatusError>),
    /// The subscription was removed, according to an event of the server.
    Removed {
        /// The origin of the server.
        origin: String,
    },
}

/// The class of an error: whether a retry can help, and who can fix it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The user or this machine. A retry fails again.
    Local,
    /// The network or a busy server. A later retry may succeed.
    Unavailable,
    /// The server rejects the request. A retry fails again.
    Refused,
    /// The subscription no longer exists.
    Gone,
}

impl ClientError {
    /// Returns the class of the error.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Url(_)
            | Self::Subscription(_)
            | Self::StateFile(_)
            | Self::Key(_)
            | Self::Crypto(_)
            | Self::File(_)
            | Self::Trust(_)
            | Self::Request(_) => Fault::Local,
            Self::Transport(_) => Fault::Unavailable,
            Self::Protocol { error, .. } => error.fault(),
            Self::Status(status) => status.fault(),
            Self::Removed { .. } => Fault::Gone,
        }
    }

    /// Returns the error and its causes as one line.
    #[must_use]
    pub fn sentence(&self) -> String {
        let mut sentence = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            sentence.push_str(": ");
            sentence.push_str(&error.to_string());
            cause = error.source();
        }
        sentence
    }

    /// Returns the unexpected status code of the server.
    #[must_use]
    pub fn status(&self) -> Option<http::StatusCode> {
        match self {
            Self::Status(error) => Some(error.status),
            _ => None,
        }
    }

    /// Returns the TLS error, if the handshake failed because of one.
    #[must_use]
    pub fn tls(&self) -> Option<&rustls::Error> {
        match self {
            Self::Transport(error) => match &error.cause {
                Cause::Tls(error) => Some(error),
                _ => None,
            },
            _ => None,
        }
    }

    pub(crate) fn protocol(origin: impl Into<String>, error: ProtocolError) -> Self {
        Self::Protocol { origin: origin.into(), error }
    }

    pub(crate) fn transport(origin: impl Into<String>, phase: Phase, cause: impl Into<Cause>) -> Self {
        Self::Transport(Box::new(TransportError { origin: origin.into(), phase, cause: cause.into() }))
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => error.fmt(f),
            Self::Subscription(error) => error.fmt(f),
            Self::StateFile(path) => {
                write!(
                    f,
                    "{} is not a state file of listen: name another file, or replace it with --renew",
                    path.display()
                )
            }
            Self::Key(error) => error.fmt(f),
            Self::Crypto(error) => error.fmt(f),
            Self::File(error) => error.fmt(f),
            Self::Trust(error) => error.fmt(f),
            Self::Request(_) => f.write_str("cannot create the request"),
            Self::Transport(error) => error.fmt(f),
            Self::Protocol { origin, error } => write!(f, "{origin} {error}"),
            Self::Status(error) => error.fmt(f),
            Self::Removed { origin } => write!(f, "{origin} has removed the subscription"),
        }
    }
}

impl Error for ClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Subscription(error) => error.source(),
            Self::File(error) => error.source(),
            Self::Trust(error) => error.source(),
            Self::Request(error) => Some(error),
            Self::Transport(error) => error.source(),
            Self::Protocol { error, .. } => error.source(),
            Self::Url(_)
            | Self::StateFile(_)
            | Self::Key(_)
            | Self::Crypto(_)
            | Self::Status(_)
            | Self::Removed { .. } => None,
        }
    }
}

macro_rules! from {
    ($($variant:ident($error:ty)),+ $(,)?) => {
        $(impl From<$error> for ClientError {
            fn from(error: $error) -> Self {
                Self::$variant(error)
            }
        })+
    };
}

impl From<StatusError> for ClientError {
    fn from(error: StatusError) -> Self {
        Self::Status(Box::new(error))
    }
}

impl From<NoEntropy> for ClientError {
    fn from(_: NoEntropy) -> Self {
        Self::Crypto(CryptoError::Randomness)
    }
}

from! {
    Url(UrlError),
    Subscription(SubscriptionError),
    Key(KeyError),
    Crypto(CryptoError),
    File(FileError),
    Trust(TrustError),
    Request(http::Error),
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn causes_are_printed_once() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let error = ClientError::transport("http://x", Phase::Connect, refused);
        assert_eq!(error.sentence(), "cannot connect to http://x: connection refused");
        assert_eq!(error.fault(), Fault::Unavailable);
    }

    #[test]
    fn errors_are_classified() {
        for (error, fault) in [
            (ClientError::from(CryptoError::Key), Fault::Local),
            (ClientError::protocol("http://x", ProtocolError::NoHttp2), Fault::Refused),
            (ClientError::protocol("http://x", ProtocolError::TooLarge(64)), Fault::Unavailable),
            (ClientError::Removed { origin: "http://x".to_owned() }, Fault::Gone),
        ] {
            assert_eq!(error.fault(), fault, "{error}");
        }
    }
}

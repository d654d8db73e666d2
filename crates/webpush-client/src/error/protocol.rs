//! Servers that do not behave as a push service.

use super::Fault;
use std::error::Error;
use std::fmt;
use webpush_core::websocket::Violation;

/// A server does not follow the protocol of a push service.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The server does not support HTTP/2, which server push requires (RFC 8030 §6).
    NoHttp2,
    /// The server does not support server push on this connection.
    NoServerPush,
    /// The server responded with bytes that are not HTTP/2.
    NotHttp2(h2::Error),
    /// A response exceeds this limit in bytes.
    TooLarge(usize),
    /// A response lacks this required part.
    Lacks(&'static str),
    /// Too many redirects.
    RedirectLoop,
    /// The server does not support server-sent events.
    NoEvents,
    /// An event is too long.
    EventTooLong,
    /// An event is not a valid message.
    NotAMessage,
    /// A message belongs to this other origin.
    ForeignMessage(String),
    /// A subscription or message has a URL at this other origin.
    ForeignUrl(String),
    /// The server redirects to this other origin.
    ForeignRedirect(String),
    /// The server rejected the WebSocket handshake with this status line.
    NotUpgraded(String),
    /// A WebSocket frame is invalid.
    WebSocket(Violation),
}

impl ProtocolError {
    /// Returns the class of the error.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            // Possibly temporary, such as the error page of a proxy.
            Self::NotHttp2(_) | Self::TooLarge(_) | Self::EventTooLong | Self::WebSocket(_) => {
                Fault::Unavailable
            }
            Self::NoHttp2
            | Self::NoServerPush
            | Self::Lacks(_)
            | Self::RedirectLoop
            | Self::NoEvents
            | Self::NotAMessage
            | Self::ForeignMessage(_)
            | Self::ForeignUrl(_)
            | Self::ForeignRedirect(_)
            | Self::NotUpgraded(_) => Fault::Refused,
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHttp2 => f.write_str("does not support HTTP/2, which server push requires (RFC 8030 §6)"),
            Self::NoServerPush => {
                f.write_str("does not support server push on this connection (RFC 8030 §6)")
            }
            Self::NotHttp2(_) => {
                f.write_str("did not respond with HTTP/2; is it the URL of a push service (RFC 8030)?")
            }
            Self::TooLarge(limit) => write!(f, "sent a response of more than {limit} bytes"),
            Self::Lacks(what) => {
                write!(f, "sent a response without {what}; is it the URL of a push service (RFC 8030)?")
            }
            Self::RedirectLoop => f.write_str("redirected too many times"),
            Self::NoEvents => f.write_str("does not support server-sent events"),
            Self::EventTooLong => f.write_str("sent an event that is too long"),
            Self::NotAMessage => f.write_str("sent an event that is not a message"),
            Self::ForeignMessage(origin) => {
                write!(
                    f,
                    "sent a message that belongs to {origin}; check its public origin (--origin of the server)"
                )
            }
            Self::ForeignUrl(origin) => {
                write!(
                    f,
                    "gave a URL at {origin}; use that one, or check the public origin (--origin of the server)"
                )
            }
            Self::ForeignRedirect(origin) => {
                write!(f, "redirects to {origin}, which is not followed; use that URL if you trust it")
            }
            Self::NotUpgraded(line) => write!(f, "rejected the WebSocket handshake: \"{line}\""),
            Self::WebSocket(violation) => write!(f, "sent an invalid WebSocket frame: {}", violation.reason),
        }
    }
}

impl Error for ProtocolError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotHttp2(error) => Some(error),
            _ => None,
        }
    }
}

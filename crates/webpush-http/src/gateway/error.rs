//! Errors of the gateway.

use std::error::Error;
use std::fmt;

/// A temporary failure to forward a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewayError {
    /// Another push service could not be reached, or asked to try again.
    PushService,
    /// Too many notifications wait for other push services.
    Busy,
}

impl fmt::Display for GatewayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PushService => "another push service did not accept the notification",
            Self::Busy => "too many notifications wait for other push services",
        })
    }
}

impl Error for GatewayError {}

/// A failed request to another push service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// A retry would fail as well.
    Permanent(&'static str),
    /// A retry may succeed.
    Temporary(&'static str),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Permanent(reason) | Self::Temporary(reason)) = self;
        write!(f, "the push service did not answer: {reason}")
    }
}

impl Error for SendError {}

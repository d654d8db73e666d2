//! Why a notification could not be handed on for now.

use std::error::Error;
use std::fmt;

/// An error of the Matrix gateway that is nobody's fault here.
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
            Self::PushService => "another push service did not take the notification",
            Self::Busy => "too many notifications wait for other push services",
        })
    }
}

impl Error for GatewayError {}

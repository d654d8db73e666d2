//! The push gateway for Matrix homeservers (Push Gateway API).
//!
//! It forwards each device's notification to the push URL that is the device's pushkey, as UnifiedPush clients expect.
//!
//! | step of a notification | look in |
//! |---|---|
//! | the request and its response | [`crate::resources::matrix`] |
//! | the devices, and the message for each | [`webpush_core::matrix`] |
//! | a push URL, ours or another service's | [`target`] |
//! | limits of requests to other push services | [`limiter`] |
//! | such a request | [`outgoing`], which connects by [`addresses`] |
//! | the result for the homeserver | [`verdict`] |

pub mod addresses;
pub mod error;
pub mod limiter;
pub mod outgoing;
pub mod target;
pub mod verdict;

pub use limiter::{
    GATEWAY_CLIENT_NOTIFICATIONS, GATEWAY_CLIENT_REQUESTS, GATEWAY_NOTIFICATIONS, GATEWAY_REQUESTS,
};

use outgoing::Outgoing;
use std::time::Duration;
use webpush_core::address::CidrBlock;

/// Time limit of a request to another push service, from waiting for a permit to the response.
///
/// A name lookup holds its permit until the system gives up, which may take longer.
pub(crate) const GATEWAY_PATIENCE: Duration = Duration::from_secs(10);

/// The push URLs that the gateway forwards to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum GatewayScope {
    /// Push URLs of any service
    #[default]
    All,
    /// Push URLs of this server
    Own,
    /// No gateway
    Off,
}

/// The configuration of a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayConfig {
    /// The push URLs that it forwards to.
    pub scope: GatewayScope,
    /// Addresses that may be connected to although they are not public.
    pub allowed: Vec<CidrBlock>,
    /// Time limit of a request to another push service.
    pub patience: Duration,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self { scope: GatewayScope::default(), allowed: Vec::new(), patience: GATEWAY_PATIENCE }
    }
}

/// A gateway for Matrix homeservers.
#[derive(Default)]
pub enum Gateway {
    /// Push URLs of any push service.
    All(Outgoing),
    /// Push URLs of this server.
    Own,
    /// No gateway.
    #[default]
    Off,
}

impl Gateway {
    /// Creates a gateway.
    #[must_use]
    pub fn new(config: GatewayConfig) -> Self {
        match config.scope {
            GatewayScope::All => Self::All(Outgoing::new(config.allowed, config.patience)),
            GatewayScope::Own => Self::Own,
            GatewayScope::Off => Self::Off,
        }
    }

    /// Returns true if there is no gateway.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        matches!(self, Self::Off)
    }
}

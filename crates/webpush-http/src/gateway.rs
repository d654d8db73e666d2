//! A push gateway for Matrix (Push Gateway API): homeservers hand it notifications, and it hands each device's on to the
//! push URL that the device has as its pushkey, which is how UnifiedPush clients get them.
//!
//! | step of a notification | look in |
//! |---|---|
//! | the request and its answer | [`crate::resources::matrix`] |
//! | which devices, and what each is sent | [`webpush_core::matrix`] |
//! | a push URL of this service or of another | [`target`] |
//! | whether there is room for one to another push service | [`limiter`] |
//! | a request to it | [`outgoing`], by way of [`addresses`] |
//! | what the homeserver is told | [`verdict`] |

pub mod addresses;
pub mod error;
pub mod limiter;
pub mod outgoing;
pub mod target;
pub mod verdict;

pub use limiter::{
    GATEWAY_NOTIFICATIONS, GATEWAY_PEER_NOTIFICATIONS, GATEWAY_PEER_REQUESTS, GATEWAY_REQUESTS,
};

use outgoing::Outgoing;
use std::time::Duration;
use webpush_core::address::CidrBlock;

/// The time that a request to another push service may take in all: turn, name, connection, TLS, answer.
///
/// A name that is looked up keeps its place until the system gives up, which may take longer.
pub(crate) const GATEWAY_PATIENCE: Duration = Duration::from_secs(10);

/// Whose push URLs the gateway is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Scope {
    /// Those of any push service
    #[default]
    All,
    /// Those of this service
    Own,
    /// There is no gateway
    Off,
}

/// What a gateway is run with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayConfig {
    /// Whose push URLs it is for.
    pub scope: Scope,
    /// Addresses that may be reached although they are not public.
    pub allowed: Vec<CidrBlock>,
    /// How long a request to another push service may take.
    pub patience: Duration,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self { scope: Scope::default(), allowed: Vec::new(), patience: GATEWAY_PATIENCE }
    }
}

/// The gateway as the service has it.
#[derive(Default)]
pub enum Gateway {
    /// Push URLs of any push service.
    All(Outgoing),
    /// Those of this service.
    Own,
    /// None.
    #[default]
    Off,
}

impl Gateway {
    /// As the settings say.
    #[must_use]
    pub fn new(settings: GatewayConfig) -> Self {
        match settings.scope {
            Scope::All => Self::All(Outgoing::new(settings.allowed, settings.patience)),
            Scope::Own => Self::Own,
            Scope::Off => Self::Off,
        }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_off(&self) -> bool {
        matches!(self, Self::Off)
    }
}

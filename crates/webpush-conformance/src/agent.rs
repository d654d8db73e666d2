//! Judges a user agent.
//!
//! [`AutopushValidator`] plays a push service on the WebSocket of Firefox, and [`Rfc8030Validator`] observes the requests to
//! one by RFC 8030; both without sockets.

mod autopush;
mod rfc8030;
mod unexercised;

pub use autopush::{AgentReply, AutopushValidator, FromAgent};
pub use rfc8030::{Rfc8030Reply, Rfc8030Validator};

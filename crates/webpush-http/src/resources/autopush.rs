//! Autopush: the WebSocket handshake and subscriptions.
//!
//! Messages are delivered by [`crate::delivery::websocket`].

pub mod opening;
pub(crate) mod registration;

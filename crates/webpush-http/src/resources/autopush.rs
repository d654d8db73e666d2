//! The WebSocket handshake of autopush; the rest is in [`crate::delivery::websocket`].

pub mod opening;

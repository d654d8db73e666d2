//! What autopush needs of HTTP: the handshake of its WebSocket. The rest is in [`crate::delivery::websocket`].

pub mod opening;

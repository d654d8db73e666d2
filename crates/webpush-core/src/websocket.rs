//! WebSocket frames (RFC 6455 §5) for both roles (sans-IO).
//!
//! No extension is negotiated, so there is no compression (RFC 7692) and the reserved bits must be zero. An idle
//! connection has no buffer.
//!
//! | role | item |
//! |---|---|
//! | server, reading | [`WebSocketReader`] |
//! | server, writing | [`mod@write`] |
//! | client | [`client`] |

pub mod client;
mod close;
mod frame;
mod message;
mod reader;
mod violation;
pub mod write;

pub use message::WebSocketMessage;
pub use reader::{WEBSOCKET_MESSAGE_BYTES, WebSocketReader};
pub use violation::Violation;

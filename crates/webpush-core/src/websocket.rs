//! WebSocket frames (RFC 6455 §5) without a socket, for both roles: bytes in, messages out, and back.
//!
//! No extension is negotiated, so there is no compression (RFC 7692), and the reserved bits must be zero. An idle
//! connection keeps no buffer here.
//!
//! | to find | look in |
//! |---|---|
//! | the head of a frame | `frame.rs` |
//! | a server: frames of a client becoming messages | [`Reader`] |
//! | a server: frames that it sends | [`mod@write`] |
//! | a client: frames that it sends and reads | [`client`] |
//! | status codes of a close | `close.rs` |

pub mod client;
mod close;
mod frame;
mod reader;
pub mod write;

pub use reader::{Reader, Received, Violation, WEBSOCKET_MESSAGE_BYTES};

//! WebSocket frames (RFC 6455 §5) of a server, without a socket: bytes in, messages out, and back.
//!
//! No extension is negotiated, so there is no compression (RFC 7692), and the reserved bits must be zero. An idle
//! connection keeps no buffer here.
//!
//! | to find | look in |
//! |---|---|
//! | the head of a frame | `frame.rs` |
//! | frames becoming messages | [`Reader`] |
//! | what the server sends | [`mod@write`] |
//! | status codes of a close | `close.rs` |

mod close;
mod frame;
mod reader;
pub mod write;

pub use reader::{Reader, Received, Violation, WEBSOCKET_MESSAGE_BYTES};

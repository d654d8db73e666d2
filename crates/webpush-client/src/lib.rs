//! The two parties on the other side of the service: a user agent (`listen`) and an application server (`send`).
//!
//! | to find | look in |
//! |---|---|
//! | message encryption, RFC 8291 and the coding before it | [`encryption`] |
//! | VAPID keys and tokens, RFC 8292 | [`vapid`] |
//! | what a browser gives a web page | [`subscription`] |
//! | what a listener keeps over restarts | [`state_file`] |
//! | sockets, TLS, HTTP/2 with server push, HTTP/1.1 | [`connection`], [`trust`] |
//! | subscribing and listening, RFC 8030 §4 and §6 | [`subscribe`], [`monitor`] |
//! | listening without server push | [`events`], [`event_stream`] |
//! | the WebSocket of autopush, RFC 6455 | [`websocket`], its frames [`frames`] |
//! | sending, RFC 8030 §5 | [`send`] |
//! | how it can fail, and whose turn it is then | [`error`] |
//!
//! Nothing here parses arguments or writes to the terminal.

pub mod base64url;
pub mod clock;
pub mod connection;
pub mod encryption;
pub mod error;
pub mod event_stream;
pub mod events;
pub mod frames;
pub mod monitor;
pub mod private_file;
pub mod problem;
pub mod send;
mod side_connection;
pub mod state_file;
pub mod subscribe;
pub mod subscription;
pub mod trust;
pub mod url;
pub mod vapid;
pub mod websocket;

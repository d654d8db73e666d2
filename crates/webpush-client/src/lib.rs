//! A Web Push client: user agent and application server.
//!
//! | Topic | Module |
//! |---|---|
//! | create and delete subscriptions, RFC 8030 §4 | [`subscribe`] |
//! | receive messages, RFC 8030 §6, by server push or server-sent events | [`monitor`] |
//! | send messages, RFC 8030 §5 | [`send`] |
//! | VAPID keys and tokens, RFC 8292 | [`vapid`] |
//! | message encryption, RFC 8291 | [`encryption`] |
//! | subscriptions in the format of browsers; URLs | [`subscription`], [`url`] |
//! | persistent state of a listener | [`state_file`] |
//! | sockets, TLS, HTTP/1.1 and HTTP/2 | [`connection`], [`trust`] |
//! | server-sent events | [`event_source`], [`event_stream`] |
//! | WebSockets for autopush, RFC 6455 | [`websocket`] |
//! | secret files with atomic replacement; PEM files | [`private_file`], [`pem`] |
//! | errors | [`error`] |
//!
//! The crate does not parse arguments, print or log. The caller passes in the time.
//!
//! # Example
//!
//! Encrypt and decrypt a message for a new subscription:
//!
//! ```
//! use webpush_client::encryption::{AgentKeys, decrypt, encrypt};
//!
//! let keys = AgentKeys::generate()?;
//! let body = encrypt(keys.recipient(), b"Dinner is ready")?;
//! assert_eq!(decrypt(&keys, &body)?, b"Dinner is ready");
//! # Ok::<(), webpush_client::encryption::CryptoError>(())
//! ```

pub mod connection;
pub mod encryption;
mod entropy;
pub mod error;
pub mod event_source;
pub mod event_stream;
mod full_response;
pub mod monitor;
pub mod pem;
pub mod private_file;
pub mod send;
mod side_connection;
pub mod state_file;
pub mod subscribe;
pub mod subscription;
pub mod trust;
pub mod url;
pub mod vapid;
pub mod websocket;

//! Web Push from the outside: a user agent that subscribes and listens, and an application server that sends.
//!
//! | to find | look in |
//! |---|---|
//! | creating and deleting subscriptions, RFC 8030 §4 | [`subscribe`] |
//! | listening, RFC 8030 §6: by server push, or as server-sent events | [`monitor`] |
//! | sending, RFC 8030 §5 | [`send`] |
//! | VAPID keys and tokens, RFC 8292 | [`vapid`] |
//! | message encryption, RFC 8291 and the coding before it | [`encryption`] |
//! | subscriptions as browsers write them; URLs | [`subscription`], [`url`] |
//! | the state of a listener over restarts | [`state_file`] |
//! | sockets, TLS, HTTP/1.1 and HTTP/2 | [`connection`], [`trust`] |
//! | reading server-sent events | [`events`], [`event_stream`] |
//! | the WebSocket of autopush, RFC 6455 | [`websocket`] |
//! | secret files, replaced atomically | [`private_file`] |
//! | how an exchange fails | [`error`] |
//!
//! The crate does not parse arguments, print or log. Times are passed in.
//!
//! # Example
//!
//! A message for a new subscription, encrypted and decrypted without a network:
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
pub mod event_stream;
pub mod events;
pub mod monitor;
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

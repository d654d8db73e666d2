//! The protocols of agents. Each is a view of the same inboxes.
//!
//! | to find | look in |
//! |---|---|
//! | RFC 8030: monitoring requests, promised requests, pushed responses | [`rfc8030`] |
//! | the autopush WebSocket protocol | [`autopush`] |
//! | the legacy (2015) API | [`legacy`] |
//! | Chromium: check-in, registration, MCS | [`chromium`] |
//! | how entries are pushed, by the protocol of their subscription | [`server_push`]; the parts of a push, [`push_promise`] |
//! | server-sent events | [`event_stream`] |
//! | JSON strings | `json` |

pub mod autopush;
pub mod chromium;
pub mod event_stream;
mod json;
pub mod legacy;
pub mod push_promise;
pub mod rfc8030;
pub mod server_push;

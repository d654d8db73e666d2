//! The protocols of agents. Each is a view of the same inboxes.

pub mod autopush;
pub mod event_stream;
mod json;
pub mod legacy;
pub mod push_promise;
pub mod rfc8030;
pub mod server_push;

//! The protocols that agents speak, each a view of the same inboxes.

pub mod event_stream;
pub mod pushed;
pub mod rfc8030;
pub mod thomson;

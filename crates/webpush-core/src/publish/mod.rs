//! The sender's side: from a push request to an accepted message (RFC 8030 §5).

mod judge;
mod request;

pub use judge::{Accepted, Retention, Ruling, judge};
pub use request::PublishRequest;
pub(crate) use request::{RECEIPT_REL, urgency};

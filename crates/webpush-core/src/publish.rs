//! Parses and accepts push requests (RFC 8030 §5).

mod accept;
mod request;

pub use accept::{AcceptContext, Acceptance, Retention, SMALLEST_BODY_LIMIT_BYTES, accept};
pub use request::PublishRequest;
pub(crate) use request::{RECEIPT_REL, urgency};

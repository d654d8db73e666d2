//! The protocols of Google's push service, as Chromium speaks them. Experimental.
//!
//! | step | over | look in |
//! |---|---|---|
//! | check-in: a new browser profile gets its credentials | HTTP | [`checkin`], [`DeviceCredentials`] |
//! | registration: subscribe and unsubscribe | HTTP | [`registration`] |
//! | MCS: messages and acknowledgements | TLS, on a port of its own | [`McsConnection`] |
//!
//! The field numbers are those of `google_apis/gcm/protocol/` in Chromium's sources. A device is an agent: its
//! credentials are the ID of its inbox. A `persistent_id` is the token of a message's URL, as an autopush `version` is.

pub mod checkin;
mod connection;
mod device;
mod frame;
mod protobuf;
pub mod registration;
pub mod stanza;

pub use connection::{McsAction, McsClose, McsCommand, McsConnection, McsInput, McsTimeouts};
pub use device::DeviceCredentials;
pub use frame::{MCS_FRAME_BYTES, McsFrame, McsReader, McsViolation};

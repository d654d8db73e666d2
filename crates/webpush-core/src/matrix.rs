//! The Matrix Push Gateway API: notifications of homeservers, and push messages for devices.

mod compact;
mod members;
mod message;
mod notification;

pub use notification::{Device, GATEWAY_BODY_BYTES, GATEWAY_DEVICES, Notification};

//! The Matrix Push Gateway API: parses notifications of homeservers and creates the push message for each device.

mod compact;
mod members;
mod message;
mod notification;

pub use notification::{Device, GATEWAY_BODY_BYTES, GATEWAY_DEVICES, Notification};

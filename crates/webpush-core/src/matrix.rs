//! Notifications of Matrix homeservers (Push Gateway API): which devices they are for, and what a device is sent.

mod compact;
mod members;
mod message;
mod notification;

pub use notification::{Device, GATEWAY_BODY_BYTES, GATEWAY_DEVICES, Notification};

//! Any bytes of a WebSocket client, in chunks of any size.

#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::websocket(bytes));

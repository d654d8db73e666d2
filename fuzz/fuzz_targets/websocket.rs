//! Whatever a client sends on a WebSocket is read or refused, however it comes in parts.

#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::websocket(bytes));

//! Whatever an agent says after the opening of its WebSocket, the dialogue stays within its bounds.

#![no_main]

#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::autopush(bytes));

//! WebSocket frames, as the service reads and writes them.

use super::samples::MASK;
use anyhow::ensure;
use std::hint::black_box;
use webpush_core::websocket::{self, WebSocketMessage, WebSocketReader, client};

/// The length of an acknowledgement.
const READ_BYTES: usize = 150;
/// The length of a notification of 200 bytes.
const WRITTEN_BYTES: usize = 500;

/// Reads a complete frame.
///
/// # Errors
/// If it is read differently than it was written.
pub fn read(times: u32) -> anyhow::Result<()> {
    let text = "x".repeat(READ_BYTES);
    let mut frame = Vec::new();
    client::text(&mut frame, &text, MASK);
    let mut reader = WebSocketReader::default();
    for _ in 0..times {
        reader.feed(black_box(&frame));
        ensure!(reader.next() == Ok(Some(WebSocketMessage::Text(&text))), "it was read wrongly");
        ensure!(reader.next() == Ok(None), "there is only one");
    }
    Ok(())
}

/// Writes a frame to an empty buffer.
///
/// # Errors
/// If nothing was written.
pub fn write(times: u32) -> anyhow::Result<()> {
    let text = "x".repeat(WRITTEN_BYTES);
    for _ in 0..times {
        let mut out = Vec::new();
        websocket::write::text(&mut out, black_box(&text));
        ensure!(black_box(out).len() > WRITTEN_BYTES, "nothing was written");
    }
    Ok(())
}

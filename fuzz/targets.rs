//! What is fuzzed, as plain functions: `webpush-core/tests/fuzz_targets.rs` calls them with bytes of its own, so that
//! they can't rot.

#![allow(dead_code, reason = "each target uses one of them")]

use std::sync::Arc;
use std::time::Duration;
use webpush_core::capability::{KeyId, Keyring};
use webpush_core::id::Position;
use webpush_core::limits::{Timeouts, WEBSOCKET_MESSAGE_BYTES};
use webpush_core::protocol::autopush::{AutopushConnection, Command, Input, Registered, Versions, names};
use webpush_core::session;
use webpush_core::time::Timestamp;
use webpush_core::websocket::{Reader, Received};

/// Reads the bytes at once and in parts of a size that the first byte says: the same comes out, and ends the same way.
pub(crate) fn websocket(bytes: &[u8]) {
    let Some((size, bytes)) = bytes.split_first() else { return };
    let whole = read(bytes, bytes.len().max(1));
    let parts = read(bytes, usize::from(*size).max(1));
    assert_eq!(whole, parts);
}

/// What was read, in words; the last is the code with which it was refused, if it was.
fn read(bytes: &[u8], at_once: usize) -> Vec<String> {
    let (mut reader, mut all) = (Reader::default(), Vec::new());
    for part in bytes.chunks(at_once) {
        reader.feed(part);
        loop {
            match reader.next() {
                Ok(None) => break,
                Ok(Some(received)) => {
                    if let Received::Text(text) = &received {
                        assert!(text.len() <= WEBSOCKET_MESSAGE_BYTES);
                    }
                    all.push(format!("{received:?}"));
                    if matches!(received, Received::Close(_)) {
                        return all;
                    }
                }
                Err(violation) => {
                    all.push(violation.code.to_string());
                    return all;
                }
            }
        }
    }
    all
}

/// One agent after another line by line: the first byte of each says what happens, and the rest is what it says.
pub(crate) fn autopush(bytes: &[u8]) {
    let Some(keyring) = Keyring::new(&[(KeyId(1), [1; 32])]) else { return };
    let mut now = Timestamp::from_millis(1_000_000_000);
    let patience = Duration::from_secs(60);
    let versions = Arc::new(Versions::from([("news".to_owned(), "1".to_owned())]));
    let mut dialogue = AutopushConnection::new(&Timeouts::default(), patience, Arc::clone(&versions), now);
    let mut closed = false;
    for line in bytes.split(|byte| *byte == b'\n') {
        let Some((what, rest)) = line.split_first() else { continue };
        let Ok(text) = str::from_utf8(rest) else { continue };
        match what {
            b'p' => dialogue.handle(Input::Pinged, now),
            b'h' => dialogue.handle(Input::Heard, now),
            b's' => dialogue.handle(Input::Superseded, now),
            b'd' => dialogue.handle(Input::Draining(now.after(Duration::from_secs(5))), now),
            b't' => {
                now = now.after(Duration::from_secs(rest.len() as u64 * 30));
                dialogue.handle(Input::Deadline, now);
            }
            _ => dialogue.handle(Input::Text(text, &keyring), now),
        }
        let mut commands = 0;
        while let Some(command) = dialogue.next_command() {
            commands += 1;
            assert!(commands < 200, "a line leads to a bounded number of commands");
            closed = obey(&mut dialogue, command, closed, now);
        }
    }
}

/// Does what a driver would, on an inbox that is empty. Whether the connection is closed by now.
fn obey(dialogue: &mut AutopushConnection, command: Command, closed: bool, now: Timestamp) -> bool {
    let settles = matches!(command, Command::Session(session::Command::Settle { .. }));
    assert!(settles || !closed, "{command:?} after the close");
    match command {
        Command::Send(text) => assert!(text.starts_with('{') && text.ends_with('}')),
        Command::Identify(said) => {
            let agent = said.unwrap_or_else(|| names::new_agent([7; 16]));
            dialogue.handle(Input::Identified(agent), now);
        }
        Command::Register { channel, .. } => {
            let endpoint = Registered::Endpoint("https://push.example/push/x".to_owned());
            dialogue.handle(Input::Registered(channel, endpoint), now);
        }
        Command::Unregister { channel, .. } => dialogue.handle(Input::Unregistered(channel, 200), now),
        Command::Session(session::Command::Fetch { after }) => {
            let page = session::Page { entries: Vec::new(), seen: after.max(Position::START), more: false };
            dialogue.handle(Input::Session(session::Input::Fetched(page)), now);
        }
        Command::Session(_) | Command::Ping | Command::Complaint { .. } => {}
        Command::Close(_) => return true,
    }
    closed
}

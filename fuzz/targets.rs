//! The fuzz targets, as plain functions.
//!
//! `webpush-core/tests/fuzz_targets.rs` runs them with deterministic input.

#![allow(dead_code, reason = "each target uses one of them")]

use std::sync::Arc;
use std::time::Duration;
use webpush_core::capability::{KeyId, Keyring, NONCE_BYTES, SealingCipher, TAG_BYTES};
use webpush_core::id::Position;
use webpush_core::protocol::autopush::{
    Action, AutopushCommand, AutopushConnection, AutopushInput, AutopushTimeouts, Registration, Versions,
    names,
};
use webpush_core::protocol::chromium::{
    McsAction, McsCommand, McsConnection, McsInput, McsReader, McsTimeouts,
};
use webpush_core::protocol::chromium::{checkin::CheckinRequest, registration::RegistrationRequest};
use webpush_core::session;
use webpush_core::time::Timestamp;
use webpush_core::websocket::WEBSOCKET_MESSAGE_BYTES;
use webpush_core::websocket::{WebSocketMessage, WebSocketReader};

/// Reads the bytes at once, and in chunks of the size in the first byte. The results must be equal.
pub(crate) fn websocket(bytes: &[u8]) {
    let Some((size, bytes)) = bytes.split_first() else { return };
    let whole = read(bytes, bytes.len().max(1));
    let parts = read(bytes, usize::from(*size).max(1));
    assert_eq!(whole, parts);
}

/// Describes all messages, and the code of a violation.
fn read(bytes: &[u8], at_once: usize) -> Vec<String> {
    let (mut reader, mut all) = (WebSocketReader::default(), Vec::new());
    for part in bytes.chunks(at_once) {
        reader.feed(part);
        loop {
            match reader.next() {
                Ok(None) => break,
                Ok(Some(message)) => {
                    if let WebSocketMessage::Text(text) = &message {
                        assert!(text.len() <= WEBSOCKET_MESSAGE_BYTES);
                    }
                    all.push(format!("{message:?}"));
                    if matches!(message, WebSocketMessage::Close(_)) {
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

/// Feeds a connection line by line: the first byte selects the event, the rest is its text.
pub(crate) fn autopush(bytes: &[u8]) {
    let Some(keyring) = Keyring::new::<Cipher>(&[(KeyId(1), [1; 32])]) else { return };
    let mut now = Timestamp::from_millis(1_000_000_000);
    let versions = Arc::new(Versions::from([("news".to_owned(), "1".to_owned())]));
    let mut connection = AutopushConnection::new(&AutopushTimeouts::default(), Arc::clone(&versions), now);
    let mut closed = false;
    for line in bytes.split(|byte| *byte == b'\n') {
        let Some((kind, rest)) = line.split_first() else { continue };
        let Ok(text) = str::from_utf8(rest) else { continue };
        match kind {
            b'p' => connection.handle(AutopushInput::Ping, now),
            b'h' => connection.handle(AutopushInput::Activity, now),
            b's' => connection.handle(AutopushInput::Superseded, now),
            b'd' => connection.handle(AutopushInput::Draining(now.after(Duration::from_secs(5))), now),
            b't' => {
                now = now.after(Duration::from_secs(rest.len() as u64 * 30));
                connection.handle(AutopushInput::Deadline, now);
            }
            _ => connection.handle(AutopushInput::Text(text, &keyring), now),
        }
        let mut commands = 0;
        while let Some(command) = connection.next_command() {
            commands += 1;
            assert!(commands < 200, "too many commands");
            closed = run(&mut connection, command, closed, now);
        }
    }
}

/// Carries out a command with an empty inbox. Returns true if the connection is closed.
fn run(connection: &mut AutopushConnection, command: AutopushCommand, closed: bool, now: Timestamp) -> bool {
    let settles = matches!(command, AutopushCommand::Session(session::Command::Settle { .. }));
    assert!(settles || !closed, "{command:?} after the close");
    match command {
        AutopushCommand::Action(Action::Send(text)) => assert!(text.starts_with('{') && text.ends_with('}')),
        AutopushCommand::Action(Action::Identify(agent)) => {
            let agent = agent.unwrap_or_else(|| names::new_agent([7; 16]));
            connection.handle(AutopushInput::Identified(agent), now);
        }
        AutopushCommand::Action(Action::Register { channel, .. }) => {
            let endpoint = Registration::Endpoint("https://push.example/push/x".to_owned());
            connection.handle(AutopushInput::Registered(channel, endpoint), now);
        }
        AutopushCommand::Action(Action::Unregister { channel, .. }) => {
            connection.handle(AutopushInput::Unregistered(channel, 200), now)
        }
        AutopushCommand::Session(session::Command::Fetch { after }) => {
            let page =
                session::Page { entries: Vec::new(), scanned: after.max(Position::START), more: false };
            connection.handle(AutopushInput::Session(session::Input::Fetched(page)), now);
        }
        AutopushCommand::Session(_) | AutopushCommand::Action(Action::Ping | Action::ReportError { .. }) => {}
        AutopushCommand::Action(Action::Close(_)) => return true,
    }
    closed
}

/// Reads the bytes as a check-in, as a form, and as an MCS connection.
///
/// The first byte is the size of chunks.
pub(crate) fn chromium(bytes: &[u8]) {
    let _ = (CheckinRequest::parse(bytes), RegistrationRequest::parse(bytes));
    let Some(keyring) = Keyring::new::<Cipher>(&[(KeyId(1), [1; 32])]) else { return };
    let Some((size, bytes)) = bytes.split_first() else { return };
    let now = Timestamp::from_millis(1_000_000_000);
    let second = Duration::from_secs(1);
    let timeouts = McsTimeouts { login: second, heartbeat: second, pong: second, acknowledgement: second };
    let (mut reader, mut connection) = (McsReader::default(), McsConnection::new(&timeouts, now));
    let mut closed = false;
    for part in bytes.chunks(usize::from(*size).max(1)) {
        reader.feed(part);
        loop {
            match reader.next() {
                Ok(Some(frame)) => connection.handle(McsInput::Frame(frame, &keyring), now),
                Ok(None) => break,
                Err(_) => return,
            }
            while let Some(command) = connection.next_command() {
                let settles = matches!(command, McsCommand::Session(session::Command::Settle { .. }));
                assert!(settles || !closed, "{command:?} after the close");
                match command {
                    McsCommand::Action(McsAction::Login { agent, .. }) => {
                        connection.handle(McsInput::Identified(agent), now);
                    }
                    McsCommand::Action(McsAction::Send(frame)) => assert!(frame.len() >= 2),
                    McsCommand::Action(McsAction::Close(_)) => closed = true,
                    McsCommand::Session(_) => {}
                }
            }
        }
    }
}

/// A cipher that does not encrypt. Its tags are checksums, so that versions can be created and parsed.
struct Cipher;

impl SealingCipher for Cipher {
    fn new(_: &[u8; 32]) -> Option<Self> {
        Some(Self)
    }

    fn seal(&self, _: [u8; NONCE_BYTES], _: &[u8], text: &mut [u8]) -> Option<[u8; TAG_BYTES]> {
        Some([text.iter().fold(0, |sum, byte| sum ^ byte); TAG_BYTES])
    }

    fn open<'t>(&self, nonce: [u8; NONCE_BYTES], aad: &[u8], sealed: &'t mut [u8]) -> Option<&'t mut [u8]> {
        let (text, tag) = sealed.split_last_chunk_mut::<TAG_BYTES>()?;
        (self.seal(nonce, aad, text)? == *tag).then_some(text)
    }
}

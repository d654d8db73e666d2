//! Chromium: check-ins, registrations, and the frames of an MCS connection.

use std::time::Duration;
use webpush_core::protocol::chromium::checkin::{self, CheckinRequest};
use webpush_core::protocol::chromium::registration::RegistrationRequest;
use webpush_core::protocol::chromium::{
    DeviceCredentials, MCS_FRAME_BYTES, McsAction, McsCommand, McsConnection, McsInput, McsReader,
    McsTimeouts,
};
use webpush_core::session;
use webpush_core::subscription::ChromiumApp;
use webpush_core::time::Timestamp;

use super::sealing::KEYRING;
use crate::input::Input;

pub(super) const FORM_TOKENS: &[&[u8]] =
    &[b"app=", b"&X-subtype=wp%3A", b"&sender=", b"&delete=true", b"&", b"%", b"%2", b"+", b"%00", b"%ff"];
const NOW: Timestamp = Timestamp::from_millis(1_000_000_000);

/// The response to a check-in has the credentials that the next request repeats.
pub(super) fn checkin(input: &[u8]) {
    if let Some(CheckinRequest::Known(credentials)) = CheckinRequest::parse(input) {
        assert!(credentials.android_id() != 0 && credentials.security_token() != 0);
        assert_credentials(&credentials);
    }
    let credentials = DeviceCredentials::from_random(Input::new(input).array());
    assert_credentials(&credentials);
    let response = checkin::response(&credentials, NOW);
    // The response has other field numbers than the request.
    assert_eq!(CheckinRequest::parse(&response), Some(CheckinRequest::New));
}

fn assert_credentials(credentials: &DeviceCredentials) {
    let (id, token) = (credentials.android_id(), credentials.security_token());
    assert_eq!(
        DeviceCredentials::from_authorization(&format!("AidLogin {id}:{token}")).as_ref(),
        Some(credentials)
    );
    assert_eq!(DeviceCredentials::parse(&format!("+{id}"), &token.to_string()), None);
}

/// A form is read as it was written, with its values escaped in any way.
pub(super) fn registration(input: &[u8]) {
    match RegistrationRequest::parse(input) {
        Ok(RegistrationRequest::Register { app, .. } | RegistrationRequest::Unregister { app }) => {
            assert!(app.subtype().starts_with("wp:"));
            assert_eq!(ChromiumApp::new(app.category(), app.subtype()), Some(app));
        }
        Ok(RegistrationRequest::Other | RegistrationRequest::RemoveOther(_)) | Err(_) => {}
    }
    let mut input = Input::new(input);
    let (style, category) = (input.byte(), String::from_utf8_lossy(input.short()).into_owned());
    let subtype = format!("wp:{}", String::from_utf8_lossy(input.short()));
    let sender = String::from_utf8_lossy(input.rest()).into_owned();
    let Some(app) = ChromiumApp::new(&category, &subtype) else { return };
    let (a, b, c) = (escaped(&category, style), escaped(&subtype, style), escaped(&sender, style));
    let form = format!("x=y&app={a}&X-subtype={b}&sender={c}");
    let expected = RegistrationRequest::Register { app: app.clone(), sender };
    assert_eq!(RegistrationRequest::parse(form.as_bytes()), Ok(expected));
    let form = format!("{form}&delete=true");
    assert_eq!(RegistrationRequest::parse(form.as_bytes()), Ok(RegistrationRequest::Unregister { app }));
}

/// Escapes what must be, and other bytes if the style says so.
fn escaped(text: &str, style: u8) -> String {
    let escape = |byte: u8| match byte {
        b' ' if style & 1 == 1 => "+".to_owned(),
        b'a'..=b'z' | b'0'..=b'9' if style & 2 == 0 => char::from(byte).to_string(),
        _ if style & 4 == 0 => format!("%{byte:02x}"),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// The first byte is the size of chunks. The rest is what an agent sends.
pub(super) fn mcs(input: &[u8]) {
    let Some((size, bytes)) = input.split_first() else { return };
    let whole = frames(bytes, bytes.len().max(1));
    assert_eq!(whole, frames(bytes, usize::from(*size).max(1)), "chunks change what is read");
    let length: usize = whole.0.iter().map(|(_, body)| body.len() + 2).sum();
    assert!(length <= bytes.len(), "bytes are read twice");
    connection(bytes, usize::from(*size).max(1));
}

/// Returns all frames, and whether a violation ended them.
fn frames(bytes: &[u8], at_once: usize) -> (Vec<(u8, Vec<u8>)>, bool) {
    let (mut reader, mut all) = (McsReader::default(), Vec::new());
    for part in bytes.chunks(at_once) {
        reader.feed(part);
        loop {
            match reader.next() {
                Ok(Some(frame)) => {
                    assert!(frame.body.len() <= MCS_FRAME_BYTES);
                    all.push((frame.tag, frame.body.to_vec()));
                }
                Ok(None) => break,
                Err(_) => return (all, true),
            }
        }
    }
    (all, false)
}

fn connection(bytes: &[u8], at_once: usize) {
    let second = Duration::from_secs(1);
    let timeouts = McsTimeouts { login: second, heartbeat: second, pong: second, acknowledgement: second };
    let (mut reader, mut connection) = (McsReader::default(), McsConnection::new(&timeouts, NOW));
    let mut is_closed = false;
    for part in bytes.chunks(at_once) {
        reader.feed(part);
        loop {
            match reader.next() {
                Ok(Some(frame)) => connection.handle(McsInput::Frame(frame, &KEYRING), NOW),
                Ok(None) => break,
                Err(_) => return,
            }
            while let Some(command) = connection.next_command() {
                let settles = matches!(command, McsCommand::Session(session::Command::Settle { .. }));
                assert!(settles || !is_closed, "{command:?} after the close");
                match command {
                    McsCommand::Action(McsAction::Login { agent, .. }) => {
                        connection.handle(McsInput::Identified(agent), NOW);
                    }
                    McsCommand::Action(McsAction::Send(frame)) => assert_sent(&frame),
                    McsCommand::Action(McsAction::Close(_)) => is_closed = true,
                    McsCommand::Session(_) => {}
                }
            }
        }
    }
}

/// A frame of the service is one frame, after the version byte for the first.
fn assert_sent(frame: &[u8]) {
    let with_version = [&[41][..], frame.strip_prefix(&[41]).unwrap_or(frame)].concat();
    let (frames, is_violation) = frames(&with_version, with_version.len());
    assert!(frames.len() == 1 && !is_violation);
    assert!(frames[0].1.len() + 2 <= with_version.len());
}

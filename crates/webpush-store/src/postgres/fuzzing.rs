//! The fuzz target of notices between the nodes of a cluster.

use super::notice_codec::{Payload, decode};
use webpush_core::base64url;

/// PostgreSQL accepts payloads of fewer bytes.
const PAYLOAD_BYTES: usize = 8_000;

/// Reads any payload, and writes again what it says.
pub fn notice(input: &[u8]) {
    if let Ok(text) = str::from_utf8(input) {
        assert_written_again(text);
    }
    assert_written_again(&base64url::encode(input));
}

fn assert_written_again(text: &str) {
    let Some(received) = decode(text) else { return };
    let mut payload = Payload::new(received.node);
    let fitting = received.notices.iter().take_while(|notice| payload.add(notice)).count();
    let text = payload.encode();
    assert!(text.len() < PAYLOAD_BYTES);
    let again = decode(&text);
    assert_eq!(again.as_ref().map(|again| (again.node, again.has_gap)), Some((received.node, false)));
    assert_eq!(again.map(|again| again.notices).as_deref(), Some(&received.notices[..fitting]));
}

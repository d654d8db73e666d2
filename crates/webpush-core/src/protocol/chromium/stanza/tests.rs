//! Messages as bytes.

use super::*;
use crate::capability::KeyId;
use crate::encoding::Encoding;
use crate::id::{InboxId, MessageId, SubscriptionId};
use crate::urgency::Urgency;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);

fn parse(tag: u8, body: &[u8]) -> Option<AgentStanza<'_>> {
    AgentStanza::parse(McsFrame { tag, body })
}

fn message(headers: &[(&'static str, &'static str)], body: &'static [u8]) -> Draft {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect();
    Draft {
        id: MessageId::from_bytes([1; 16]),
        agent: InboxId::from_bytes([2; 16]),
        subscription: SubscriptionId::from_bytes([3; 16]),
        accepted: NOW,
        expires: NOW.after(Duration::from_secs(60)),
        urgency: Urgency::High,
        topic: None,
        encoding: Encoding::parse(&headers).unwrap(),
        key: KeyId(1),
        receipt: None,
        body: Bytes::from_static(body),
    }
}

/// Returns the fields of a push message.
fn fields(message: &Draft, persistent_id: Option<&str>, now: Timestamp) -> Vec<(u64, String)> {
    let app = ChromiumApp::new("org.chromium.linux", "wp:x").unwrap();
    let sender = SenderKey([4; 65]);
    let envelope = Envelope { app: &app, sender: &sender, persistent_id, received: 5, now };
    let bytes = data_message(message, &envelope);
    let mut reader = super::super::McsReader::default();
    reader.feed(&[&[41][..], &bytes].concat());
    let frame = reader.next().unwrap().unwrap();
    assert_eq!(frame.tag, 8);
    let show = |field| match field {
        Ok((number, FieldValue::Varint(integer))) => (number, integer.to_string()),
        Ok((number, FieldValue::Bytes(bytes))) => (number, String::from_utf8_lossy(bytes).into_owned()),
        other => panic!("{other:?}"),
    };
    ProtobufFields(frame.body).map(show).collect()
}

#[test]
fn a_login_has_credentials_and_the_ids_of_received_messages() {
    let mut body = Vec::new();
    for (field, text) in
        [(1, "chrome-156"), (2, "mcs.android.com"), (3, "7"), (4, "7"), (5, "9"), (10, "a"), (10, "b")]
    {
        push_bytes(&mut body, field, text.as_bytes());
    }
    let login = StanzaKind::Login { credentials: DeviceCredentials::new(7, 9), received_ids: vec!["a", "b"] };
    assert_eq!(parse(2, &body), Some(AgentStanza { received: 0, kind: login }));
    let nothing = StanzaKind::Login { credentials: None, received_ids: vec![] };
    assert_eq!(parse(2, b"").unwrap().kind, nothing);
}

#[test]
fn acknowledgements_are_in_most_messages() {
    for (tag, body, kind) in [
        (0, &b"\x10\x04"[..], StanzaKind::HeartbeatPing),
        (1, b"\x10\x04", StanzaKind::HeartbeatAck),
        (8, b"\x1a\x01x\x2a\x01y\x58\x04", StanzaKind::Data),
        (7, b"\x10\x01\x1a\x00\x3a\x04\x08\x0d\x12\x00\x50\x04", StanzaKind::Acknowledgement(vec![])),
        (
            7,
            b"\x10\x01\x1a\x00\x3a\x07\x08\x0c\x12\x03\x0a\x01a\x50\x04",
            StanzaKind::Acknowledgement(vec!["a"]),
        ),
    ] {
        assert_eq!(parse(tag, body), Some(AgentStanza { received: 4, kind }), "{tag}");
    }
    let negative = b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
    assert_eq!(parse(0, negative).unwrap().received, 0);
    assert_eq!(parse(4, b"").unwrap().kind, StanzaKind::Close);
    assert_eq!(parse(9, b"\xff").unwrap().kind, StanzaKind::Other, "not read");
    assert_eq!(parse(0, b"\x10"), None);
    assert_eq!(parse(2, b"\x1a\x01\xff"), None, "not UTF-8");
}

#[test]
fn replies_as_chromium_reads_them() {
    assert_eq!(heartbeat_ack(3), [1, 2, 0x10, 3]);
    assert_eq!(heartbeat_ping(3), [0, 2, 0x10, 3]);
    assert_eq!(stream_ack(3), *b"\x07\x0c\x10\x01\x1a\x00\x3a\x04\x08\x0d\x12\x00\x50\x03");
    assert_eq!(close(), [4, 0]);
    let response = logged_in(Duration::from_secs(1), NOW);
    assert_eq!(response, *b"\x03\x1b\x0a\x0ewebpush-server\x30\x01\x3a\x03\x18\xe8\x07\x40\xc0\x84\x3d");
    assert_eq!(login_refused("no"), *b"\x03\x19\x0a\x0ewebpush-server\x1a\x07\x08\x91\x03\x12\x02no");
}

#[test]
fn a_push_message_has_the_names_of_its_subscription() {
    let headers = [("content-encoding", "AES128GCM"), ("content-type", "text/plain")];
    let found = fields(&message(&headers, b"body"), Some("id"), NOW.after(Duration::from_secs(20)));
    let expected = [
        (3, base64url::encode([4; 65])),
        (5, "org.chromium.linux".into()),
        (7, "\n\u{7}subtype\u{12}\u{4}wp:x".into()),
        (7, "\n\u{10}content-encoding\u{12}\taes128gcm".into()),
        (9, "id".into()),
        (11, "5".into()),
        (17, "40".into()),
        (18, "1000000".into()),
        (21, "body".into()),
        (24, "1".into()),
    ];
    assert_eq!(found, expected);
}

#[test]
fn the_older_coding_keeps_its_parameters_and_an_empty_message_has_no_data() {
    let headers = [
        ("content-encoding", "aesgcm"),
        ("encryption", "salt=AAAA"),
        ("crypto-key", "dh=BBBB;p256ecdsa=CCCC"),
    ];
    let found = fields(&message(&headers, b"x"), None, NOW);
    let data: Vec<_> =
        found.iter().filter(|(number, _)| *number == 7).map(|(_, pair)| pair.as_str()).collect();
    assert!(
        data.contains(&"\n\nencryption\u{12}\tsalt=AAAA")
            && data.contains(&"\n\ncrypto-key\u{12}\u{7}dh=BBBB")
    );
    assert!(found.iter().all(|(number, _)| *number != 9), "it is never sent again");
    let empty = fields(&message(&[], b""), None, NOW);
    assert!(empty.iter().all(|(number, _)| *number != 21));
}

proptest! {
    #[test]
    fn any_frame_is_parsed_or_refused(tag in 0_u8..16, body: Vec<u8>) {
        let _ = parse(tag, &body);
    }
}

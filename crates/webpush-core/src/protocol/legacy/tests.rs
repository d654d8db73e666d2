use super::*;
use crate::capability::testing::RustCrypto;
use crate::encoding::Encoding;
use crate::id::{InboxId, MessageId, Position, SubscriptionId};
use crate::inbox::Entry;
use crate::protocol::server_push;
use crate::subscription::{Protocol, Subscription};
use crate::urgency::Urgency;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use std::sync::Arc;

const KEY: KeyId = KeyId(1);
const ORIGIN: &str = "https://push.example";

fn keyring() -> Keyring {
    Keyring::new::<RustCrypto>(&[(KEY, [1; 32])]).unwrap()
}

fn message(headers: &[(http::HeaderName, &'static str)]) -> Draft {
    let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
    Draft {
        id: MessageId::from_bytes([3; 16]),
        agent: InboxId::from_bytes([1; 16]),
        subscription: SubscriptionId::from_bytes([2; 16]),
        accepted: Timestamp::from_millis(784_111_777_000),
        expires: Timestamp::NEVER,
        urgency: Urgency::Normal,
        topic: None,
        encoding: Encoding::parse(&headers.collect::<HeaderMap>()).unwrap(),
        key: KEY,
        receipt: None,
        body: Bytes::from_static(b"hello"),
    }
}

fn pushed(message: Draft, protocol: Protocol) -> Option<PushPromise> {
    let subscription = Subscription {
        agent: message.agent,
        id: message.subscription,
        created: Timestamp::default(),
        key: KEY,
        sender: None,
        protocol,
    };
    let entry = Entry::Message(Arc::new(message.into_message(Position::new(77)))).into();
    server_push::push_promise(&entry, Some(&subscription), &keyring(), ORIGIN, Timestamp::default())
}

#[test]
fn d1_monitor_a_a_promise_names_the_channel_and_carries_what_the_sender_said() {
    let plain = message(&[]);
    let channel = Capability::Channel(plain.agent, plain.subscription);
    let path = keyring().path(&channel, KEY).unwrap();
    let first = pushed(plain, Protocol::Legacy).unwrap();
    assert_eq!((first.path.as_str(), first.link), (path.as_str(), None));
    assert_eq!(first.acknowledgement, Acknowledgement::ByPings(2));
    assert_eq!(first.response.headers()[CONTENT_TYPE], "application/octet-stream");
    assert_eq!(first.response.body(), "hello");
    let typed = message(&[(CONTENT_TYPE, "text/plain"), (CONTENT_ENCODING, "aes128gcm")]);
    let second = pushed(Draft { id: MessageId::from_bytes([4; 16]), ..typed }, Protocol::Legacy).unwrap();
    assert_eq!(second.path, path, "there is no message resource");
    assert_eq!(second.response.headers()[CONTENT_TYPE], "text/plain");
    assert_eq!(second.response.headers()[CONTENT_ENCODING], "aes128gcm");
}

#[test]
fn d1_set_a_each_message_goes_in_the_form_of_its_own_protocol() {
    let rfc8030 = pushed(message(&[]), Protocol::Rfc8030).unwrap();
    assert!(rfc8030.path.starts_with("/message/") && rfc8030.link.is_some());
    assert_eq!(rfc8030.acknowledgement, Acknowledgement::ByAgent);
    let autopush = Protocol::Autopush(crate::id::ChannelId::from_bytes([5; 16]));
    assert!(pushed(message(&[]), autopush).is_none());
}

#[test]
fn d1_reg_a_b_links_are_relative_and_in_the_words_of_both_drafts() {
    assert_eq!(
        registration_links("", "/devices/x", "/devices/x/channels"),
        "</devices/x>; rel=\"urn:ietf:params:push:reg\", \
         </devices/x/channels>; rel=\"urn:ietf:params:push:sub\", \
         </devices/x>; rel=\"urn:ietf:params:push:monitor\", \
         </devices/x/channels>; rel=\"urn:ietf:params:push:channel\""
    );
    assert_eq!(cache_control(Duration::from_millis(3_600_900)), "max-age=3600, private");
}

#[test]
fn d1_error_a_an_error_has_the_members_of_2015_beside_its_own() {
    let problem = br#"{"type":"/errors#not-found","title":"T","status":404,"detail":"D"}"#;
    let body = with_error_members(StatusCode::NOT_FOUND, problem).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let expected = serde_json::json!({
        "type": "/errors#not-found", "title": "T", "status": 404, "detail": "D",
        "statusCode": 404, "error": "Not Found", "message": "D",
    });
    assert_eq!(body, expected);
    assert_eq!(with_error_members(StatusCode::NOT_FOUND, b""), None);
}

#[test]
fn legacy_paths_are_recognized() {
    for path in ["/devices", "/devices/", "/devices/x", "/devices/x/channels/y", "/updates/x", "/updates/"] {
        assert!(is_legacy_path(path), "{path}");
    }
    for path in ["/", "/subscribe", "/device", "/devicesx", "/updates", "/push/devices/x"] {
        assert!(!is_legacy_path(path), "{path}");
    }
}

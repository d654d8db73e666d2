use super::*;
use crate::capability::testing::RustCrypto;
use crate::encoding::{CRYPTO_KEY, ENCRYPTION, Encoding};
use crate::id::{ChannelId, EntryRef, MessageId, SubscriptionId};
use crate::time::Timestamp;
use crate::urgency::Urgency;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

const ORIGIN: &str = "https://push.example";
const KEY: KeyId = KeyId(1);
const ACCEPTED: Timestamp = Timestamp::from_millis(784_111_777_000);

fn keyring() -> Keyring {
    Keyring::new::<RustCrypto>(&[(KEY, [1; 32])]).unwrap()
}

fn inbox() -> InboxId {
    InboxId::from_bytes([1; 16])
}

fn draft() -> Draft {
    Draft {
        id: MessageId::from_bytes([3; 16]),
        agent: inbox(),
        subscription: SubscriptionId::from_bytes([2; 16]),
        accepted: ACCEPTED,
        expires: ACCEPTED.after(Duration::from_secs(60)),
        urgency: Urgency::Normal,
        topic: None,
        encoding: Encoding::default(),
        key: KEY,
        receipt: None,
        body: Bytes::new(),
    }
}

fn stored(draft: Draft) -> OutboundEntry {
    Entry::Message(Arc::new(draft.into_message(Position::new(77)))).into()
}

fn receipt(position: u64) -> Receipt {
    Receipt {
        inbox: InboxId::from_bytes([9; 16]),
        position: Position::new(position),
        about: stored(draft()).entry_ref(),
        key: KEY,
        status: ReceiptStatus::Failed,
    }
}

fn render(entry: OutboundEntry) -> String {
    event(&entry, Some(&subscription(Protocol::Rfc8030)), &keyring(), ORIGIN).unwrap()
}

fn subscription(protocol: Protocol) -> Subscription {
    let Draft { agent, subscription: id, .. } = draft();
    Subscription { agent, id, created: ACCEPTED, key: KEY, sender: None, protocol }
}

#[test]
fn d1_set_b_what_could_not_be_acknowledged_is_no_event() {
    let entry = stored(draft());
    for protocol in [Protocol::Legacy, Protocol::Autopush(ChannelId::from_bytes([4; 16]))] {
        assert_eq!(event(&entry, Some(&subscription(protocol)), &keyring(), ORIGIN), None);
    }
}

/// Parses one event: its fields, and the JSON in `data`.
fn read(event: &str) -> (Vec<(String, String)>, serde_json::Value) {
    let lines = event.strip_suffix("\n\n").expect("an empty line ends an event").split('\n');
    let mut fields: Vec<_> =
        lines.map(|line| line.split_once(": ").unwrap()).map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
    let (name, data) = fields.pop().unwrap();
    assert_eq!(name, "data");
    (fields, serde_json::from_str(&data).unwrap())
}

fn url(capability: &Capability) -> String {
    format!("{ORIGIN}{}", keyring().path(capability, KEY).unwrap())
}

fn after(id: &str) -> Position {
    let mut headers = HeaderMap::new();
    headers.insert(LAST_EVENT_ID, HeaderValue::from_str(id).unwrap());
    resume_after(&headers, &keyring(), inbox())
}

#[test]
fn a_message_is_one_event_with_headers_and_body() {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("aesgcm"));
    headers.insert(ENCRYPTION, HeaderValue::from_static("salt=BBB"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_bytes(b"text/x; a=\"\\ \xe9\t\"").unwrap());
    headers.insert(CRYPTO_KEY, HeaderValue::from_static("dh=AAA"));
    let encoding = Encoding::parse(&headers).unwrap();
    let draft = Draft { encoding, body: Bytes::from_static(b"\xfb\xff\n"), ..draft() };
    let push = url(&Capability::Push(draft.agent, draft.subscription));
    let entry = stored(draft);
    let id = url(&Capability::Message(entry.entry_ref()));
    let (fields, data) = read(&render(entry));
    assert_eq!(fields, [("event".into(), "message".into()), ("id".into(), id.clone())]);
    let expected = serde_json::json!({
        "url": id,
        "subscription": push,
        "headers": {
            "content-type": "text/x; a=\"\\ é\t\"", "content-encoding": "aesgcm", "encryption": "salt=BBB",
            "crypto-key": "dh=AAA",
        },
        "last_modified": "Sun, 06 Nov 1994 08:49:37 GMT",
        "body": "-_8K",
    });
    assert_eq!(data, expected);
}

#[test]
fn r8030_5_2_e_a_message_that_is_never_fetched_is_no_place_to_go_on_from() {
    let live = || Draft { expires: ACCEPTED, ..draft() };
    for entry in [OutboundEntry::Unstored(Arc::new(live())), stored(live())] {
        let (fields, data) = read(&render(entry));
        assert_eq!(fields, [("event".into(), "message".into())]);
        assert_eq!((&data["body"], &data["headers"]), (&"".into(), &serde_json::json!({})));
    }
}

#[test]
fn r8030_6_3_b_a_receipt_names_its_message_and_itself() {
    let (fields, data) = read(&render(Entry::Receipt(receipt(5)).into()));
    let id = url(&Capability::Message(receipt(5).entry_ref()));
    assert_eq!(fields, [("event".into(), "receipt".into()), ("id".into(), id.clone())]);
    let about = url(&Capability::Message(receipt(5).about));
    assert_eq!(data, serde_json::json!({ "url": about, "status": 410 }));
    let mut headers = HeaderMap::new();
    headers.insert(LAST_EVENT_ID, HeaderValue::from_str(&id).unwrap());
    assert_eq!(resume_after(&headers, &keyring(), receipt(5).inbox), Position::new(5));
}

#[test]
fn streams_resume_only_after_an_id_of_the_same_inbox() {
    let id = url(&Capability::Message(stored(draft()).entry_ref()));
    assert_eq!(after(&id), Position::new(77));
    assert_eq!(after(&id.replace(ORIGIN, "http://moved.example:81")), Position::new(77));
    assert_eq!(after(&id[ORIGIN.len()..]), Position::new(77));
    let foreign = EntryRef { inbox: InboxId::from_bytes([8; 16]), ..stored(draft()).entry_ref() };
    for other in [
        &url(&Capability::Message(foreign)),
        &url(&Capability::Push(inbox(), draft().subscription)),
        &id[..id.len() - 1],
        ORIGIN,
        "77",
        "",
    ] {
        assert_eq!(after(other), Position::START, "{other}");
    }
    assert_eq!(resume_after(&HeaderMap::new(), &keyring(), inbox()), Position::START);
}

proptest! {
    #[test]
    fn any_body_and_header_fits_in_one_line(
        body in prop::collection::vec(any::<u8>(), 0..300),
        kind in "[ -~\\t\u{80}-\u{ff}]{1,100}",
    ) {
        let kind: Vec<u8> = kind.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_bytes(&kind).unwrap());
        let encoding = Encoding::parse(&headers).unwrap();
        let event = render(stored(Draft { encoding, body: body.clone().into(), ..draft() }));
        prop_assert!(event.is_ascii());
        let (_, data) = read(&event);
        prop_assert_eq!(URL_SAFE_NO_PAD.decode(data["body"].as_str().unwrap()).unwrap(), body);
        let read: Vec<_> =
            data["headers"]["content-type"].as_str().unwrap().chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        prop_assert_eq!(read, kind);
    }

    #[test]
    fn any_id_is_parsed_or_ignored(id in "[ -~]*") {
        prop_assert_eq!(after(&id), Position::START);
    }
}

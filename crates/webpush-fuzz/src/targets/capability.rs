//! Capability URLs: paths, tokens, `Last-Event-ID` and pushkeys.

use http::{HeaderMap, HeaderName, HeaderValue};
use webpush_core::capability::{Capability, is_capability_path};
use webpush_core::id::Position;
use webpush_core::protocol::autopush::names;
use webpush_core::protocol::event_stream::resume_after;
use webpush_http::gateway::target::Target;
use webpush_http::resources::aliases;

use super::sealing::{KEYRING, KEYS, capability, entry_ref, key_id};
use crate::input::Input;

pub(super) const TOKENS: &[&[u8]] = &[
    b"/push/",
    b"/message/",
    b"/subscription/",
    b"/subscription-set/",
    b"/receipt-subscription/",
    b"/devices/",
    b"/channels",
    b"/channels/",
    b"/updates/",
    b"/wpush/v2/",
    b"/fcm/send/",
    b"/m/",
    b"https://push.example",
    b"?up=1",
    b"//",
    b"%2f",
];
const ORIGIN: &str = "https://push.example";
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

pub(super) fn run(input: &[u8]) {
    if let Ok(text) = str::from_utf8(input) {
        assert_refused_or_canonical(text);
    }
    assert_sealed(Input::new(input));
    assert_message(Input::new(input));
}

/// A path that opens is the one that the capability has.
fn assert_refused_or_canonical(text: &str) {
    if let Some(open) = KEYRING.open(text) {
        assert!(KEYS.iter().any(|key| KEYRING.path(&open, *key).as_deref() == Some(text)));
        assert!(is_capability_path(text));
    }
    if let Some(open) = KEYRING.open_below(text) {
        assert!(KEYS.iter().filter_map(|key| KEYRING.path(&open, *key)).any(|path| text.ends_with(&path)));
    }
    let resource = aliases::resolve(text);
    assert!(resource.alias.is_some() || resource.path == text);
    if let Some(Target::Here(..)) = Target::from_pushkey(text, ORIGIN, &KEYRING) {
        assert!(text.len() >= ORIGIN.len() && text[..ORIGIN.len()].eq_ignore_ascii_case(ORIGIN));
    }
}

/// A sealed path opens as what it was, below any path; one with another character does not.
fn assert_sealed(mut input: Input<'_>) {
    let (at, other) = (usize::from(input.byte()), input.byte());
    let (sealed, key) = (capability(&mut input), key_id(&mut input));
    let path = KEYRING.path(&sealed, key).unwrap();
    assert_eq!(KEYRING.open(&path), Some(sealed));
    assert_eq!(KEYRING.open_below(&format!("/base/push{path}")), Some(sealed));
    let pushkey = Target::from_pushkey(&format!("{ORIGIN}{path}?up=1"), ORIGIN, &KEYRING);
    match sealed {
        Capability::Push(agent, id) => assert_eq!(pushkey, Some(Target::Here(agent, id))),
        _ => assert_eq!(pushkey, None),
    }
    let mut bytes = path.clone().into_bytes();
    let at = at % bytes.len();
    bytes[at] = b'!' + other % 94;
    let changed = String::from_utf8(bytes).unwrap();
    assert_eq!(KEYRING.open(&changed).is_some(), changed == path, "{changed}");
    assert_eq!(KEYRING.open(&path[..path.len() - 1]), None);
}

/// The token of a message leads to its entry, as `version` and as `Last-Event-ID` on any origin.
fn assert_message(mut input: Input<'_>) {
    let (entry, key) = (entry_ref(&mut input), key_id(&mut input));
    let version = names::version(entry, key, &KEYRING).unwrap();
    assert_eq!(names::message(&version, &KEYRING), Some(entry));
    let path = KEYRING.path(&Capability::Message(entry), key).unwrap();
    let host: String = input.short().iter().map(|byte| char::from(b'a' + byte % 26)).collect();
    let id = HeaderValue::from_str(&format!("https://{host}{path}")).unwrap();
    let headers = HeaderMap::from_iter([(LAST_EVENT_ID, id)]);
    assert_eq!(resume_after(&headers, &KEYRING, entry.inbox), entry.position);
    let other = webpush_core::id::InboxId::from_bytes(entry.inbox.as_bytes().map(|byte| !byte));
    assert_eq!(resume_after(&headers, &KEYRING, other), Position::START);
}

//! The legacy (2015) API: paths, and members that are added to problem documents.

use http::StatusCode;
use serde_json::Value;
use webpush_core::capability::Capability;
use webpush_core::protocol::legacy;

use super::sealing::{KEYRING, capability, key_id};
use crate::input::Input;

pub(super) const TOKENS: &[&[u8]] = &[
    b"/devices",
    b"/devices/",
    b"/updates/",
    b"/channels",
    b"{\"detail\":\"x\"}",
    b"\"statusCode\":1",
    b"\"error\":",
    b"\"message\":",
];
const ADDED: [&str; 3] = ["statusCode", "error", "message"];

pub(super) fn run(input: &[u8]) {
    if let Ok(path) = str::from_utf8(input) {
        let first = path.strip_prefix('/').and_then(|path| path.split('/').next());
        let expected = path == "/devices"
            || path.matches('/').count() > 1 && matches!(first, Some("devices" | "updates"));
        assert_eq!(legacy::is_legacy_path(path), expected, "{path}");
    }
    assert_error_members(input);
    let mut input = Input::new(input);
    let (sealed, key) = (capability(&mut input), key_id(&mut input));
    let is_legacy = match sealed {
        Capability::Device(_)
        | Capability::Channels(_)
        | Capability::Channel(..)
        | Capability::Update(..) => true,
        Capability::Subscription(..)
        | Capability::SubscriptionSet(_)
        | Capability::Push(..)
        | Capability::Message(_)
        | Capability::ReceiptSubscription(_) => false,
    };
    assert_eq!(legacy::is_legacy_path(&KEYRING.path(&sealed, key).unwrap()), is_legacy);
}

/// Members are added, and others stay.
fn assert_error_members(problem: &[u8]) {
    let before = serde_json::from_slice::<Value>(problem).ok().filter(Value::is_object);
    let after = legacy::with_error_members(StatusCode::GONE, problem);
    assert_eq!(before.is_some(), after.is_some());
    let (Some(before), Some(after)) = (before, after) else { return };
    let after: Value = serde_json::from_slice(&after).unwrap();
    assert_eq!((&after["statusCode"], &after["error"]), (&410.into(), &"Gone".into()));
    assert_eq!(after["message"].is_null(), before["detail"].is_null());
    let is_exact = |value: &Value| !value.to_string().contains(['.', 'e']);
    let members = before.as_object().unwrap().iter().filter(|(name, _)| !ADDED.contains(&name.as_str()));
    // Decimals may be rounded.
    members.filter(|(_, value)| is_exact(value)).for_each(|(name, value)| assert_eq!(after[name], *value));
}

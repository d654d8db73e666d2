//! Notifications of Matrix homeservers.

use serde_json::Value;
use webpush_core::matrix::{GATEWAY_DEVICES, Notification};
use webpush_core::publish::SMALLEST_BODY_LIMIT_BYTES;

pub(super) const TOKENS: &[&[u8]] = &[
    b"{\"notification\":{\"devices\":[{\"pushkey\":\"https://push.example/push/x\"}]}}",
    b"\"event_id\":\"$e\",",
    b"\"room_id\":\"!r\",",
    b"\"prio\":\"low\",",
    b"\"counts\":{\"unread\":2,\"missed_calls\":1},",
    b"\"content\":{\"body\":\"x\"},",
    b"\"app_id\":\"a\",",
    b"null",
    b"\\u0061",
    b"\\ud83d\\ude00",
    b"1e5",
    b"[",
    b"]",
    b"{",
    b"}",
];

/// Each message fits, is JSON, names its device, and makes the same message when it is notified again.
pub(super) fn run(input: &[u8]) {
    let Ok(notification) = Notification::parse(input) else { return };
    assert!((1..=GATEWAY_DEVICES).contains(&notification.devices().len()));
    for device in notification.devices() {
        let message = notification.message(device);
        assert!(message.len() <= SMALLEST_BODY_LIMIT_BYTES);
        let json: Value = serde_json::from_slice(&message).expect("a message is JSON");
        let members = json["notification"].as_object().expect("it has a notification");
        let Some(devices) = members.get("devices") else { continue };
        assert_eq!(devices[0]["pushkey"].as_str(), Some(device.pushkey()));
        let again = Notification::parse(&message).expect("a message is a notification");
        let [device] = again.devices() else { panic!("it has one device") };
        // Decimals may be rounded once more.
        assert!(message.contains(&b'.') || again.message(device) == message);
        assert_eq!(again.urgency(), notification.urgency());
    }
}

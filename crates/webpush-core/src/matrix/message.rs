//! What a device is sent: the notification of its homeserver in plain JSON, as every UnifiedPush gateway does, made to fit.

use super::notification::{Device, Notification};
use crate::limits::SMALLEST_BODY_LIMIT_BYTES;
use bytes::Bytes;
use serde_json::{Map, Value};

/// What a client needs to fetch the event, or to show the counts. The rest it can ask its homeserver for.
const ESSENTIAL: [&str; 3] = ["event_id", "room_id", "prio"];
/// What tells a client which of its pushers is meant.
const IDENTIFYING: [&str; 2] = ["app_id", "pushkey"];
const COUNTS: [&str; 2] = ["unread", "missed_calls"];

/// The body of the message for one device, of at most 4,096 bytes: no push service takes less (RFC 8030 §7.2). What does
/// not fit is left out, content first, rather than lose the notification.
#[must_use]
pub fn message(notification: &Notification, device: &Device) -> Bytes {
    let about = &notification.about;
    let bare = essence(about);
    let full = [
        (about.clone(), Some(device.members.clone())),
        (without_content(about), Some(device.members.clone())),
        (bare.clone(), Some(device.members.clone())),
        (bare.clone(), Some(only(&device.members, &IDENTIFYING))),
    ];
    let fitting = full.into_iter().map(|(about, device)| written(about, device));
    let fitting = fitting.into_iter().find(|body| body.len() <= SMALLEST_BODY_LIMIT_BYTES);
    // Its ids have 255 bytes at most, so this one fits however they are escaped.
    fitting.unwrap_or_else(|| written(bare, None))
}

fn written(mut about: Map<String, Value>, device: Option<Map<String, Value>>) -> Bytes {
    if let Some(device) = device {
        about.insert("devices".to_owned(), Value::Array(vec![Value::Object(device)]));
    }
    let mut body = Map::new();
    body.insert("notification".to_owned(), Value::Object(about));
    Value::Object(body).to_string().into()
}

fn without_content(about: &Map<String, Value>) -> Map<String, Value> {
    let mut about = about.clone();
    about.remove("content");
    about
}

/// Strings that were read as ids, a priority that means something, and counts that are numbers.
fn essence(about: &Map<String, Value>) -> Map<String, Value> {
    let mut essence = only(about, &ESSENTIAL);
    essence.retain(|name, value| name != "prio" || matches!(value.as_str(), Some("high" | "low")));
    if let Some(Value::Object(counts)) = about.get("counts") {
        let mut counts = only(counts, &COUNTS);
        counts.retain(|_, count| count.is_u64());
        essence.insert("counts".to_owned(), Value::Object(counts));
    }
    essence
}

fn only(members: &Map<String, Value>, names: &[&str]) -> Map<String, Value> {
    names
        .iter()
        .filter_map(|name| members.get_key_value(*name))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn messages(notification: Value) -> Vec<Value> {
        let body = json!({ "notification": notification }).to_string();
        let notification = Notification::parse(body.as_bytes()).unwrap();
        let messages = notification.devices().iter().map(|device| message(&notification, device));
        messages
            .map(|body| {
                assert!(body.len() <= 4096, "{} bytes", body.len());
                serde_json::from_slice(&body).unwrap()
            })
            .collect()
    }

    fn notification(content: usize, sender: usize, data: usize, app_id: usize) -> Value {
        json!({
            "event_id": "$e", "room_id": "!r:x", "prio": "low", "counts": {"unread": 2, "missed_calls": 1, "x": "y"},
            "content": {"body": "c".repeat(content)},
            "sender_display_name": "s".repeat(sender),
            "devices": [
                {"app_id": "a".repeat(app_id), "pushkey": "https://x/1", "data": "d".repeat(data), "tweaks": {"sound": "s"}},
                {"app_id": "other", "pushkey": "https://x/2"},
            ],
        })
    }

    #[test]
    fn a_device_is_sent_the_notification_with_only_itself() {
        let sent = messages(notification(1, 1, 1, 1));
        assert_eq!(sent.len(), 2);
        for (one, pushkey) in sent.iter().zip(["https://x/1", "https://x/2"]) {
            let one = &one["notification"];
            assert_eq!(one["devices"].as_array().unwrap().len(), 1);
            assert_eq!(one["devices"][0]["pushkey"], pushkey);
            assert_eq!((&one["content"]["body"], &one["counts"]["x"]), (&json!("c"), &json!("y")));
        }
    }

    /// Which of content, names, data of the device, and the device are left for sizes of these.
    #[test]
    fn what_is_too_large_is_reduced_step_by_step() {
        for (sizes, left) in [
            ((3000, 1, 1, 1), [true, true, true, true]),
            ((4000, 1, 1, 1), [false, true, true, true]),
            ((60_000, 1, 1, 1), [false, true, true, true]),
            ((1, 4000, 1, 1), [false, false, true, true]),
            ((1, 1, 4000, 1), [false, false, false, true]),
            ((1, 1, 1, 4000), [false, false, false, false]),
        ] {
            let (content, sender, data, app_id) = sizes;
            let sent = &messages(notification(content, sender, data, app_id))[0]["notification"];
            let device = &sent["devices"][0];
            let found = [&sent["content"], &sent["sender_display_name"], &device["data"], device];
            assert_eq!(found.map(|value| !value.is_null()), left, "{sizes:?}");
            assert_eq!((&sent["event_id"], &sent["room_id"]), (&json!("$e"), &json!("!r:x")));
            assert_eq!((&sent["prio"], &sent["counts"]["unread"]), (&json!("low"), &json!(2)));
            assert_eq!(sent["counts"]["missed_calls"], 1);
        }
    }

    #[test]
    fn the_longest_ids_fit_however_they_are_escaped() {
        let id = "\u{1}".repeat(255);
        let filling = "x".repeat(5000);
        let sent = messages(json!({
            "event_id": id, "room_id": id, "prio": filling, "counts": {"unread": u64::MAX, "missed_calls": filling},
            "devices": [{"pushkey": filling}],
        }));
        let expected = json!({"event_id": id, "room_id": id, "counts": {"unread": u64::MAX}});
        assert_eq!(sent[0]["notification"], expected);
    }

    proptest! {
        #[test]
        fn every_message_fits(
            content in 0_usize..9000, sender in 0_usize..9000, data in 0_usize..9000, app_id in 0_usize..9000,
        ) {
            prop_assert_eq!(messages(notification(content, sender, data, app_id)).len(), 2);
        }
    }
}

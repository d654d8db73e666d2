use super::super::Notification;
use super::*;
use proptest::prelude::*;
use serde_json::{Map, json};

impl DeviceContent {
    /// Returns the retained memory in bytes.
    pub(in crate::matrix) fn retained(&self) -> usize {
        match self {
            Self::Full(text) | Self::Identifying(text) => text.capacity(),
            Self::Empty => 0,
        }
    }
}

impl SharedContent {
    /// Returns the retained memory in bytes.
    pub(in crate::matrix) fn retained(&self) -> usize {
        let texts = [self.full.as_ref(), self.without_content.as_ref(), Some(&self.minimal)];
        texts.into_iter().flatten().map(String::capacity).sum()
    }
}

fn messages(notification: Value) -> Vec<Value> {
    let body = json!({ "notification": notification }).to_string();
    let notification = Notification::parse(body.as_bytes()).unwrap();
    let messages = notification.devices().iter().map(|device| notification.message(device));
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
fn each_device_gets_the_notification_without_other_devices() {
    let sent = messages(notification(1, 1, 1, 1));
    assert_eq!(sent.len(), 2);
    for (one, pushkey) in sent.iter().zip(["https://x/1", "https://x/2"]) {
        let one = &one["notification"];
        assert_eq!(one["devices"].as_array().unwrap().len(), 1);
        assert_eq!(one["devices"][0]["pushkey"], pushkey);
        assert_eq!((&one["content"]["body"], &one["counts"]["x"]), (&json!("c"), &json!("y")));
    }
}

/// Sizes of content, sender, device data and app ID, and what remains of them and the device.
#[test]
fn large_notifications_are_reduced_step_by_step() {
    for (sizes, included) in [
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
        assert_eq!(found.map(|value| !value.is_null()), included, "{sizes:?}");
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

/// A reference implementation on JSON trees: simple, and too slow for untrusted input.
fn reference_messages(notification: &Value) -> Vec<Value> {
    let mut about = notification.as_object().unwrap().clone();
    let devices = about.remove("devices").unwrap();
    let only = |members: &Map<String, Value>, names: &[&str]| -> Map<String, Value> {
        members.clone().into_iter().filter(|(name, _)| names.contains(&name.as_str())).collect()
    };
    let mut bare = only(&about, &["event_id", "room_id", "prio"]);
    bare.retain(|name, value| name != "prio" || *value == "high" || *value == "low");
    if let Some(Value::Object(counts)) = about.get("counts") {
        let mut counts = only(counts, &COUNTS);
        counts.retain(|_, count| count.is_u64());
        bare.insert("counts".to_owned(), counts.into());
    }
    let mut without_content = about.clone();
    without_content.remove("content");
    let message = |device: &Map<String, Value>| {
        let named = only(device, &IDENTIFYING);
        let steps = [(&about, Some(device)), (&without_content, Some(device)), (&bare, Some(device))];
        let mut steps =
            steps.into_iter().chain([(&bare, Some(&named)), (&bare, None)]).map(|(about, device)| {
                let mut about = about.clone();
                about.extend(device.map(|device| ("devices".to_owned(), json!([device]))));
                json!({ "notification": about })
            });
        steps.find(|body| body.to_string().len() <= 4096).unwrap()
    };
    devices.as_array().unwrap().iter().map(|device| message(device.as_object().unwrap())).collect()
}

/// Any JSON value, with strings around the length limits.
fn any_value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        "[ -~äж\u{1}\u{1f600}]{0,20}".boxed(),
        (0_usize..3000, "[aж\"\u{1}]").prop_map(|(times, text)| text.repeat(times)).boxed(),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i16>().prop_map(|eighths| json!(f64::from(eighths) / 8.0)),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-c\"]{0,3}", inner, 0..5)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}

/// A subset of members with these names.
fn some_members(names: &'static [&'static str]) -> impl Strategy<Value = Map<String, Value>> {
    let values = prop::collection::vec(prop::option::of(any_value()), names.len());
    values.prop_map(|values| {
        let members = names.iter().zip(values);
        members.filter_map(|(name, value)| Some(((*name).to_owned(), value?))).collect()
    })
}

fn any_notification() -> impl Strategy<Value = Value> {
    let id = prop_oneof![Just(Value::Null), "[!-~\u{1}]{0,255}".prop_map(Value::from)];
    let prio = prop_oneof![any_value(), Just(json!("low")), Just(json!("high"))];
    let about = some_members(&["content", "counts", "sender", "type", "new \"\u{1}"]);
    let device = some_members(&["app_id", "data", "tweaks", "x"]);
    let devices = prop::collection::vec((device, prop_oneof!["[a-z]{9}", "[a\u{1}]{2000}"]), 1..4);
    (about, id.clone(), id, prio, devices).prop_map(|(mut about, event_id, room_id, prio, devices)| {
        let with_pushkey = |(mut device, pushkey): (Map<_, _>, String)| {
            device.insert("pushkey".to_owned(), pushkey.into());
            Value::from(device)
        };
        about.insert("event_id".to_owned(), event_id);
        about.insert("room_id".to_owned(), room_id);
        about.insert("prio".to_owned(), prio);
        about.insert("devices".to_owned(), devices.into_iter().map(with_pushkey).collect());
        about.into()
    })
}

/// Serializes with whitespace and escapes that are not necessary.
fn verbose(body: &Value) -> String {
    let escaped = |character: char| {
        let units: Vec<_> =
            character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect();
        if character.is_ascii() { character.to_string() } else { units.concat() }
    };
    format!(" {body:#}\n").chars().map(escaped).collect()
}

proptest! {
    #[test]
    fn messages_match_the_reference_implementation(notification in any_notification()) {
        // A round trip, in which numbers may lose their last bit.
        let body: Value = serde_json::from_str(&json!({ "notification": notification }).to_string()).unwrap();
        for text in [body.to_string(), verbose(&body)] {
            let parsed = Notification::parse(text.as_bytes()).unwrap();
            let messages = parsed.devices().iter().map(|device| parsed.message(device));
            let messages: Vec<Value> = messages.map(|body| serde_json::from_slice(&body).unwrap()).collect();
            prop_assert_eq!(&messages, &reference_messages(&body["notification"]));
        }
    }
}

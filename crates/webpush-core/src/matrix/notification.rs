//! Parses `POST /_matrix/push/v1/notify`. Only what fits in a push message is retained.

use super::compact::compact;
use super::members::{Members, members};
use super::message::{DeviceContent, SharedContent};
use crate::problem::Problem;
use crate::publish::SMALLEST_BODY_LIMIT_BYTES;
use crate::urgency::Urgency;
use bytes::Bytes;
use serde_json::value::RawValue;

/// Maximum length of a notification. An event has at most 65,536 bytes (Matrix, "Size limits").
pub const GATEWAY_BODY_BYTES: usize = 64 * 1024;

/// Maximum number of devices in one notification. Each one makes the gateway send a message.
pub const GATEWAY_DEVICES: usize = 32;

/// Maximum length of an event ID or room ID (Matrix appendices, "Common Identifier Format").
const MATRIX_ID_BYTES: usize = 255;

/// A notification about an event, or about unread counts only.
///
/// ```
/// use webpush_core::matrix::Notification;
/// use webpush_core::urgency::Urgency;
///
/// let body = br#"{"notification":{"event_id":"$e","prio":"high","devices":[{"pushkey":"https://push.example/push/x"}]}}"#;
/// let notification = Notification::parse(body).expect("it is valid");
/// let [device] = notification.devices() else { panic!("one device") };
/// assert_eq!(device.pushkey(), "https://push.example/push/x");
/// assert_eq!(notification.urgency(), Urgency::High);
/// assert!(notification.message(device).len() <= 4096);
/// ```
pub struct Notification {
    shared: SharedContent,
    devices: Vec<Device>,
    urgency: Urgency,
}

/// A device of a notification. Not `Debug`: its pushkey is a capability.
pub struct Device {
    pushkey: String,
    content: DeviceContent,
}

const _: () =
    assert!(GATEWAY_DEVICES == 32 && MATRIX_ID_BYTES == 255, "the error texts contain these numbers");
const _: () = assert!(2 * MATRIX_ID_BYTES * 6 < SMALLEST_BODY_LIMIT_BYTES, "escaped ids must fit");

impl Notification {
    /// Parses the body of a request. Unknown members are passed on to the devices.
    ///
    /// # Errors
    /// [`Problem::NotificationMalformed`].
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        let malformed = |detail| Problem::NotificationMalformed { detail };
        let text = compact(body).unwrap_or_default();
        let body = members(&text).ok_or_else(|| malformed("It is not a JSON object"))?;
        let mut notification = body
            .get("notification")
            .and_then(|notification| members(notification.get()))
            .ok_or_else(|| malformed("Its member notification is missing or not an object"))?;
        let devices: Vec<&RawValue> = notification
            .remove("devices")
            .and_then(|devices| serde_json::from_str(devices.get()).ok())
            .ok_or_else(|| malformed("Its member notification.devices is missing or not an array"))?;
        if devices.is_empty() || devices.len() > GATEWAY_DEVICES {
            return Err(malformed("Its member notification.devices does not have 1 to 32 items"));
        }
        let devices: Option<Vec<_>> = devices.into_iter().map(with_pushkey).collect();
        let devices = devices.ok_or_else(|| malformed("A device is not an object with a pushkey"))?;
        if ["event_id", "room_id"].into_iter().filter_map(|name| notification.get(name)).any(|id| !is_id(id))
        {
            return Err(malformed("Its event_id or room_id is not a string of at most 255 bytes"));
        }
        let urgency = urgency(notification.get("prio").copied());
        let shared = SharedContent::new(&notification);
        let devices = devices
            .into_iter()
            .map(|(pushkey, members)| Device { pushkey, content: shared.device_content(&members) })
            .collect();
        Ok(Self { shared, devices, urgency })
    }

    /// Returns the devices, 1 to [`GATEWAY_DEVICES`].
    #[must_use]
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// Returns the urgency of its messages.
    #[must_use]
    pub const fn urgency(&self) -> Urgency {
        self.urgency
    }

    /// Returns the body of the message for a device, of at most 4,096 bytes.
    ///
    /// Every push service accepts that length (RFC 8030 §7.2). Members that do not fit are omitted, `content` first.
    #[must_use]
    pub fn message(&self, device: &Device) -> Bytes {
        self.shared.message(&device.content)
    }
}

impl Device {
    /// Returns the pushkey. UnifiedPush clients use their push URL.
    #[must_use]
    pub fn pushkey(&self) -> &str {
        &self.pushkey
    }
}

fn string(json: &RawValue) -> Option<String> {
    serde_json::from_str(json.get()).ok()
}

fn with_pushkey(device: &RawValue) -> Option<(String, Members<'_>)> {
    let members = members(device.get())?;
    Some((string(members.get("pushkey")?)?, members))
}

/// Maps `prio` to an urgency; its default is high.
///
/// Low becomes normal, for which RFC 8030 §5.3 names chat messages as the example: an agent that only accepts messages of
/// normal urgency must receive them.
fn urgency(prio: Option<&RawValue>) -> Urgency {
    match prio.map(RawValue::get) {
        Some(r#""low""#) => Urgency::Normal,
        Some(_) | None => Urgency::High,
    }
}

/// Returns true for a valid identifier, and for null: notifications about counts have no IDs.
fn is_id(value: &RawValue) -> bool {
    match value.get() {
        "null" => true,
        _ => string(value).is_some_and(|id| id.len() <= MATRIX_ID_BYTES),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn parse(body: &Value) -> Result<Notification, Problem> {
        Notification::parse(body.to_string().as_bytes())
    }

    fn error(body: &[u8]) -> &'static str {
        match Notification::parse(body) {
            Err(Problem::NotificationMalformed { detail }) => detail,
            _ => panic!("accepted"),
        }
    }

    #[test]
    fn all_devices_are_parsed_and_unknown_members_are_allowed() {
        let body = json!({"notification": {
            "event_id": "$e", "room_id": "!r:x", "type": "m.room.message", "new": [1],
            "devices": [
                {"app_id": "a", "pushkey": "https://x/1", "pushkey_ts": 1, "data": {}, "tweaks": {}},
                {"pushkey": "https://x/2"},
            ],
        }});
        let notification = parse(&body).unwrap();
        let pushkeys: Vec<_> = notification.devices().iter().map(Device::pushkey).collect();
        assert_eq!(pushkeys, ["https://x/1", "https://x/2"]);
    }

    #[test]
    fn unread_counts_of_synapse_are_parsed() {
        let body = json!({"notification": {
            "id": "", "type": null, "sender": "", "counts": {"unread": 2}, "devices": [{"app_id": "a", "pushkey": "k"}],
        }});
        assert_eq!(parse(&body).unwrap().urgency(), Urgency::High);
    }

    #[test]
    fn low_is_normal_and_everything_else_is_high() {
        for (prio, urgency) in [
            (json!("high"), Urgency::High),
            (json!("low"), Urgency::Normal),
            (json!("other"), Urgency::High),
            (json!(null), Urgency::High),
        ] {
            let body = json!({"notification": {"prio": prio, "devices": [{"pushkey": "k"}]}});
            assert_eq!(parse(&body).unwrap().urgency(), urgency, "{prio}");
        }
    }

    #[test]
    fn malformed_notifications_are_refused_with_a_reason() {
        let devices = |number| vec![json!({"pushkey": "k"}); number];
        let long = "e".repeat(256);
        for (body, part) in [
            (json!([]), "JSON object"),
            (json!({}), "notification"),
            (json!({"notification": []}), "notification"),
            (json!({"notification": {}}), "devices"),
            (json!({"notification": {"devices": {}}}), "devices"),
            (json!({"notification": {"devices": []}}), "1 to 32"),
            (json!({"notification": {"devices": devices(33)}}), "1 to 32"),
            (json!({"notification": {"devices": ["k"]}}), "pushkey"),
            (json!({"notification": {"devices": [{"pushkey": 1}]}}), "pushkey"),
            (json!({"notification": {"devices": [{"app_id": "a"}]}}), "pushkey"),
            (json!({"notification": {"event_id": long, "devices": devices(1)}}), "255"),
            (json!({"notification": {"room_id": 1, "devices": devices(1)}}), "255"),
        ] {
            let error = error(body.to_string().as_bytes());
            assert!(error.contains(part), "{error}: {body}");
        }
        assert!(error(b"").contains("JSON") && error(b"{\"notification\":").contains("JSON"));
        assert_eq!(parse(&json!({"notification": {"devices": devices(32)}})).unwrap().devices().len(), 32);
    }

    /// Returns the memory that a notification retains, in bytes.
    fn retained(notification: &Notification) -> usize {
        let devices = notification.devices.iter();
        let devices = devices.map(|device| device.pushkey.capacity() + device.content.retained());
        notification.shared.retained() + devices.sum::<usize>()
    }

    /// Returns a body of the maximum length, filled with repetitions of `filling`.
    fn largest(devices: &str, filling: &str) -> String {
        let body =
            |filling: &str| format!(r#"{{"notification":{{"x":[{filling}0],"devices":[{devices}]}}}}"#);
        let body = body(&filling.repeat((GATEWAY_BODY_BYTES - body("").len()) / filling.len()));
        assert!(body.len() > GATEWAY_BODY_BYTES - 100, "{}", body.len());
        body
    }

    #[test]
    fn content_that_fits_no_message_is_not_retained() {
        for filling in [r#"{"":0},"#, "[[[[]]]],", "1e15,", r#"{"a":{"b":{"c":{}}}},"#, r#""x","#] {
            let body = largest(r#"{"pushkey":"k"}"#, filling);
            let notification = Notification::parse(body.as_bytes()).unwrap();
            assert!(retained(&notification) < 100, "{filling}: {}", retained(&notification));
        }
    }

    #[test]
    fn the_largest_devices_retain_no_more_than_twice_the_body() {
        let device = format!(r#"{{"pushkey":"{}","data":[{}0]}}"#, "k".repeat(900), r#"{"":0},"#.repeat(160));
        let body = largest(&[device.as_str(); 31].join(","), "0,");
        let notification = Notification::parse(body.as_bytes()).unwrap();
        let shared = 3 * SMALLEST_BODY_LIMIT_BYTES;
        assert!(retained(&notification) < shared + 2 * GATEWAY_BODY_BYTES, "{}", retained(&notification));
        for device in notification.devices() {
            assert!(notification.message(device).len() <= SMALLEST_BODY_LIMIT_BYTES);
        }
    }

    proptest! {
        #[test]
        fn any_body_is_parsed_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Notification::parse(&body);
        }
    }
}

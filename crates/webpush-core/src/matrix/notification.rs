//! `POST /_matrix/push/v1/notify`, read once. What is kept of it is what devices may be sent: nothing that is too long for
//! them, and no tree of anything.

use super::compact::compact;
use super::members::{Members, members};
use super::message::{DeviceContent, SharedContent};
use crate::problem::Problem;
use crate::publish::SMALLEST_BODY_LIMIT_BYTES;
use crate::urgency::Urgency;
use bytes::Bytes;
use serde_json::value::RawValue;

/// The largest notification of a Matrix homeserver; an event has at most 65,536 bytes (Matrix, "Size limits").
pub const GATEWAY_BODY_BYTES: usize = 64 * 1024;

/// Devices of one notification. Homeservers send one for each pusher; more than a person has is a mistake or worse, since
/// each makes a request of the service's own.
pub const GATEWAY_DEVICES: usize = 32;

/// The longest identifier of an event or room (Matrix appendices, "Common Identifier Format").
const MATRIX_ID_BYTES: usize = 255;

/// What a homeserver tells about an event, or about unread counts alone.
pub struct Notification {
    about: SharedContent,
    devices: Vec<Device>,
    urgency: Urgency,
}

/// One of the devices that it is for. Does not print: its pushkey is a capability.
pub struct Device {
    pushkey: String,
    content: DeviceContent,
}

const _: () = assert!(GATEWAY_DEVICES == 32 && MATRIX_ID_BYTES == 255, "sentences below say so");
const _: () = assert!(2 * MATRIX_ID_BYTES * 6 < SMALLEST_BODY_LIMIT_BYTES, "escaped ids must fit");

impl Notification {
    /// Reads the body of a request. Members that have no meaning here are kept for the device.
    ///
    /// # Errors
    /// [`Problem::NotificationMalformed`].
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        let malformed = |detail| Problem::NotificationMalformed { detail };
        let text = compact(body).unwrap_or_default();
        let body = members(&text).ok_or_else(|| malformed("It is not a JSON object"))?;
        let mut about = body
            .get("notification")
            .and_then(|about| members(about.get()))
            .ok_or_else(|| malformed("It has no member notification that is an object"))?;
        let devices: Vec<&RawValue> = about
            .remove("devices")
            .and_then(|devices| serde_json::from_str(devices.get()).ok())
            .ok_or_else(|| malformed("Its notification has no member devices that is an array"))?;
        if devices.is_empty() || devices.len() > GATEWAY_DEVICES {
            return Err(malformed("Its notification is not for 1 to 32 devices"));
        }
        let devices: Option<Vec<_>> = devices.into_iter().map(with_pushkey).collect();
        let devices = devices.ok_or_else(|| malformed("A device is not an object with a pushkey"))?;
        if ["event_id", "room_id"].into_iter().filter_map(|name| about.get(name)).any(|id| is_no_id(id)) {
            return Err(malformed("Its event_id or room_id is not a string of at most 255 bytes"));
        }
        let urgency = urgency(about.get("prio").copied());
        let about = SharedContent::new(&about);
        let devices = devices
            .into_iter()
            .map(|(pushkey, members)| Device { pushkey, content: about.device_content(&members) })
            .collect();
        Ok(Self { about, devices, urgency })
    }

    /// The devices it is for: 1 to [`GATEWAY_DEVICES`].
    #[must_use]
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// How much it matters.
    #[must_use]
    pub const fn urgency(&self) -> Urgency {
        self.urgency
    }

    /// The body of the message for one of its devices, of at most 4,096 bytes: no push service takes less (RFC 8030
    /// §7.2). What does not fit is left out, content first, rather than lose the notification.
    #[must_use]
    pub fn message(&self, device: &Device) -> Bytes {
        self.about.message(&device.content)
    }
}

impl Device {
    /// Where it is reached: for UnifiedPush, a push URL.
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

/// `prio` is high unless it says low. Low is normal here: it is still a chat message, the example of RFC 8030 §5.3 for
/// normal, and an agent that holds back what is below normal must not miss it.
fn urgency(prio: Option<&RawValue>) -> Urgency {
    match prio.map(RawValue::get) {
        Some(r#""low""#) => Urgency::Normal,
        Some(_) | None => Urgency::High,
    }
}

/// Matrix identifiers have at most 255 bytes (Matrix appendices, "Common Identifier Format"). An unread count alone
/// comes without, or with null.
fn is_no_id(value: &RawValue) -> bool {
    match value.get() {
        "null" => false,
        _ => string(value).is_none_or(|id| id.len() > MATRIX_ID_BYTES),
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

    fn said(body: &[u8]) -> &'static str {
        match Notification::parse(body) {
            Err(Problem::NotificationMalformed { detail }) => detail,
            _ => panic!("it is not refused"),
        }
    }

    #[test]
    fn every_device_is_read_and_members_without_meaning_are_no_fault() {
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
    fn what_synapse_sends_of_unread_counts_is_read() {
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
    fn what_is_wrong_is_said() {
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
            let said = said(body.to_string().as_bytes());
            assert!(said.contains(part), "{said} of {body}");
        }
        assert!(said(b"").contains("JSON") && said(b"{\"notification\":").contains("JSON"));
        assert_eq!(parse(&json!({"notification": {"devices": devices(32)}})).unwrap().devices().len(), 32);
    }

    /// What a notification keeps, in bytes.
    fn kept(notification: &Notification) -> usize {
        let devices = notification.devices.iter();
        let devices = devices.map(|device| device.pushkey.capacity() + device.content.kept());
        notification.about.kept() + devices.sum::<usize>()
    }

    /// A body of as many bytes as a gateway takes; `filling` is a member of the notification, or several.
    fn largest(devices: &str, filling: &str) -> String {
        let of = |filling: &str| format!(r#"{{"notification":{{"x":[{filling}0],"devices":[{devices}]}}}}"#);
        let body = of(&filling.repeat((GATEWAY_BODY_BYTES - of("").len()) / filling.len()));
        assert!(body.len() > GATEWAY_BODY_BYTES - 100, "{}", body.len());
        body
    }

    #[test]
    fn nothing_is_kept_that_no_device_can_be_sent() {
        for filling in [r#"{"":0},"#, "[[[[]]]],", "1e15,", r#"{"a":{"b":{"c":{}}}},"#, r#""x","#] {
            let body = largest(r#"{"pushkey":"k"}"#, filling);
            let notification = Notification::parse(body.as_bytes()).unwrap();
            assert!(kept(&notification) < 100, "{filling}: {}", kept(&notification));
        }
    }

    #[test]
    fn what_is_kept_for_the_largest_devices_is_no_more_than_came() {
        let device = format!(r#"{{"pushkey":"{}","data":[{}0]}}"#, "k".repeat(900), r#"{"":0},"#.repeat(160));
        let body = largest(&[device.as_str(); 31].join(","), "0,");
        let notification = Notification::parse(body.as_bytes()).unwrap();
        let about = 3 * SMALLEST_BODY_LIMIT_BYTES;
        assert!(kept(&notification) < about + 2 * GATEWAY_BODY_BYTES, "{}", kept(&notification));
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

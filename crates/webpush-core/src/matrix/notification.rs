//! `POST /_matrix/push/v1/notify`, read once.

use crate::limits::{GATEWAY_DEVICES, MATRIX_ID_BYTES};
use crate::problem::Problem;
use crate::urgency::Urgency;
use serde_json::{Map, Value};

/// What a homeserver tells about an event, or about unread counts alone.
pub struct Notification {
    /// Everything but the devices.
    pub(super) about: Map<String, Value>,
    devices: Vec<Device>,
    urgency: Urgency,
}

/// One of the devices that it is for. Does not print: its pushkey is a capability.
pub struct Device {
    /// All that the homeserver knows of it.
    pub(super) members: Map<String, Value>,
    pushkey: String,
}

const _: () = assert!(GATEWAY_DEVICES == 32 && MATRIX_ID_BYTES == 255, "sentences below say so");

impl Notification {
    /// Reads the body of a request. Members that have no meaning here are kept for the device.
    ///
    /// # Errors
    /// [`Problem::NotificationMalformed`].
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        let malformed = |detail| Problem::NotificationMalformed { detail };
        let Ok(Value::Object(mut body)) = serde_json::from_slice(body) else {
            return Err(malformed("It is not a JSON object"));
        };
        let Some(Value::Object(mut about)) = body.remove("notification") else {
            return Err(malformed("It has no member notification that is an object"));
        };
        let Some(Value::Array(devices)) = about.remove("devices") else {
            return Err(malformed("Its notification has no member devices that is an array"));
        };
        if devices.is_empty() || devices.len() > GATEWAY_DEVICES {
            return Err(malformed("Its notification is not for 1 to 32 devices"));
        }
        let devices: Option<Vec<_>> = devices.into_iter().map(Device::read).collect();
        let devices = devices.ok_or_else(|| malformed("A device is not an object with a pushkey"))?;
        if ["event_id", "room_id"].into_iter().filter_map(|name| about.get(name)).any(is_no_id) {
            return Err(malformed("Its event_id or room_id is not a string of at most 255 bytes"));
        }
        let urgency = urgency(about.get("prio"));
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
}

/// `prio` is high unless it says low. Low is normal here: it is still a chat message, the example of RFC 8030 §5.3 for
/// normal, and an agent that holds back what is below normal must not miss it.
fn urgency(prio: Option<&Value>) -> Urgency {
    match prio.and_then(Value::as_str) {
        Some("low") => Urgency::Normal,
        Some(_) | None => Urgency::High,
    }
}

/// Matrix identifiers have at most 255 bytes (Matrix appendices, «Common Identifier Format»). An unread count alone
/// comes without, or with null.
fn is_no_id(value: &Value) -> bool {
    match value {
        Value::String(id) => id.len() > MATRIX_ID_BYTES,
        Value::Null => false,
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => true,
    }
}

impl Device {
    fn read(value: Value) -> Option<Self> {
        let Value::Object(members) = value else { return None };
        let pushkey = members.get("pushkey")?.as_str()?.to_owned();
        Some(Self { members, pushkey })
    }

    /// Where it is reached: for UnifiedPush, a push URL.
    #[must_use]
    pub fn pushkey(&self) -> &str {
        &self.pushkey
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

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

    proptest! {
        #[test]
        fn any_body_is_parsed_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Notification::parse(&body);
        }
    }
}

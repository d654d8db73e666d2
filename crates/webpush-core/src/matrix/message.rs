//! Creates push messages from a notification: its JSON, reduced to what fits in a message.
//!
//! The content that all devices share is serialized once, in three variants of decreasing length.

use super::members::{Members, members};
use crate::publish::SMALLEST_BODY_LIMIT_BYTES;
use bytes::Bytes;
use serde_json::Value;

/// Members that tell a client which of its pushers is meant.
const IDENTIFYING: [&str; 2] = ["app_id", "pushkey"];
const COUNTS: [&str; 2] = ["missed_calls", "unread"];

/// The content for all devices of a notification: members of a JSON object, without its braces.
///
/// A variant that is too long for any device is `None`.
pub(super) struct SharedContent {
    full: Option<String>,
    without_content: Option<String>,
    /// The members that a client needs to fetch the event or to show the counts.
    minimal: String,
}

/// The content for one device, in the same form.
pub(super) enum DeviceContent {
    /// All members of the device.
    Full(String),
    /// Only the identifying members: all would not fit next to the minimal shared content.
    Identifying(String),
    /// None: not even the identifying members fit.
    Empty,
}

impl SharedContent {
    /// Serializes a notification without its devices, whose IDs were checked.
    pub(super) fn new(notification: &Members<'_>) -> Self {
        let others = texts(notification).filter(|(name, _)| *name != "content");
        Self {
            full: joined(texts(notification)),
            without_content: joined(others),
            minimal: minimal(notification),
        }
    }

    /// Serializes the members of a device that fit in a message.
    pub(super) fn device_content(&self, device: &Members<'_>) -> DeviceContent {
        let fits = |device: &String| body(&self.minimal, Some(device)).is_some();
        let full = joined(texts(device)).filter(fits);
        let identifying =
            || joined(texts(device).filter(|(name, _)| IDENTIFYING.contains(name))).filter(fits);
        match full {
            Some(full) => DeviceContent::Full(full),
            None => identifying().map_or(DeviceContent::Empty, DeviceContent::Identifying),
        }
    }

    /// Creates the message for a device, with the longest variant of the shared content that fits.
    pub(super) fn message(&self, device: &DeviceContent) -> Bytes {
        let (longer, device) = match device {
            DeviceContent::Full(device) => (&[&self.full, &self.without_content][..], Some(device.as_str())),
            DeviceContent::Identifying(device) => (&[][..], Some(device.as_str())),
            DeviceContent::Empty => (&[][..], None),
        };
        let longer = longer.iter().filter_map(|shared| shared.as_deref());
        // The minimal variant always fits: `device_content` checked it, and alone its IDs have at most 255 bytes each.
        longer.chain([self.minimal.as_str()]).find_map(|shared| body(shared, device)).unwrap_or_default()
    }
}

fn texts<'m>(members: &'m Members<'_>) -> impl Iterator<Item = (&'m str, &'m str)> {
    members.iter().map(|(name, value)| (name.as_str(), value.get()))
}

/// Serializes members of an object; `None` if they are too long for a message.
fn joined<'m>(members: impl Iterator<Item = (&'m str, &'m str)>) -> Option<String> {
    let mut text = String::new();
    for (name, value) in members {
        let (comma, name) = (if text.is_empty() { "" } else { "," }, Value::from(name).to_string());
        if text.len() + name.len() + value.len() > SMALLEST_BODY_LIMIT_BYTES {
            return None;
        }
        text.extend([comma, &name, ":", value]);
    }
    text.shrink_to_fit();
    Some(text)
}

/// Serializes a message; `None` if it is too long.
fn body(shared: &str, device: Option<&str>) -> Option<Bytes> {
    let comma = if shared.is_empty() { "" } else { "," };
    let body = match device {
        Some(device) => [r#"{"notification":{"#, shared, comma, r#""devices":[{"#, device, "}]}}"].concat(),
        None => [r#"{"notification":{"#, shared, "}}"].concat(),
    };
    (body.len() <= SMALLEST_BODY_LIMIT_BYTES).then(|| body.into())
}

/// Serializes valid IDs, a known priority and numeric counts: members of bounded length.
fn minimal(notification: &Members<'_>) -> String {
    let member = |name| notification.get(name).map(|value| value.get());
    let counts = member("counts").and_then(members).and_then(|counts| {
        let numbers =
            texts(&counts).filter(|(name, count)| COUNTS.contains(name) && count.parse::<u64>().is_ok());
        Some(format!("{{{}}}", joined(numbers)?))
    });
    let prio = member("prio").filter(|prio| matches!(*prio, r#""high""# | r#""low""#));
    let members = [
        ("counts", counts.as_deref()),
        ("event_id", member("event_id")),
        ("prio", prio),
        ("room_id", member("room_id")),
    ];
    joined(members.into_iter().filter_map(|(name, value)| Some((name, value?)))).unwrap_or_default()
}

#[cfg(test)]
mod tests;

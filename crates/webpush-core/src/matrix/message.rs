//! What a device is sent: the notification of its homeserver in plain JSON, as every UnifiedPush gateway does, made to fit.
//! What all devices are told is written once, and each step of leaving out is a text of its own, shorter than the one before.

use super::members::{Members, members};
use crate::publish::SMALLEST_BODY_LIMIT_BYTES;
use bytes::Bytes;
use serde_json::Value;

/// What tells a client which of its pushers is meant.
const IDENTIFYING: [&str; 2] = ["app_id", "pushkey"];
const COUNTS: [&str; 2] = ["missed_calls", "unread"];

/// What all devices of a notification are told: members of an object, without its braces. `None` is one that is too long
/// for any device.
pub(super) struct SharedContent {
    full: Option<String>,
    without_content: Option<String>,
    /// What a client needs to fetch the event, or to show the counts. The rest it can ask its homeserver for.
    bare: String,
}

/// What one device is shown of itself, in the same form.
pub(super) enum DeviceContent {
    /// All that the homeserver knows of it.
    Whole(String),
    /// What identifies it; there is room for no more, even beside the least that it can be told.
    Named(String),
    /// Nothing: not even that fits.
    Nothing,
}

impl SharedContent {
    /// Of a notification without its devices, whose ids were looked at.
    pub(super) fn new(about: &Members<'_>) -> Self {
        let others = texts(about).filter(|(name, _)| *name != "content");
        Self { full: joined(texts(about)), without_content: joined(others), bare: essence(about) }
    }

    /// As much of a device as fits.
    pub(super) fn device_content(&self, device: &Members<'_>) -> DeviceContent {
        let fits = |device: &String| written(&self.bare, Some(device)).is_some();
        let whole = joined(texts(device)).filter(fits);
        let named = || joined(texts(device).filter(|(name, _)| IDENTIFYING.contains(name))).filter(fits);
        match whole {
            Some(whole) => DeviceContent::Whole(whole),
            None => named().map_or(DeviceContent::Nothing, DeviceContent::Named),
        }
    }

    /// As much as fits beside what the device is shown of itself.
    pub(super) fn message(&self, device: &DeviceContent) -> Bytes {
        let (more, device) = match device {
            DeviceContent::Whole(device) => (&[&self.full, &self.without_content][..], Some(device.as_str())),
            DeviceContent::Named(device) => (&[][..], Some(device.as_str())),
            DeviceContent::Nothing => (&[][..], None),
        };
        let more = more.iter().filter_map(|about| about.as_deref());
        // The last fits: that decided what is shown, and alone it has ids of 255 bytes at most, however they are escaped.
        more.chain([self.bare.as_str()]).find_map(|about| written(about, device)).unwrap_or_default()
    }
}

fn texts<'m>(members: &'m Members<'_>) -> impl Iterator<Item = (&'m str, &'m str)> {
    members.iter().map(|(name, value)| (name.as_str(), value.get()))
}

/// The members of an object, unless there is too much of them for a message.
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

/// A message, if it is not too large for one.
fn written(about: &str, device: Option<&str>) -> Option<Bytes> {
    let comma = if about.is_empty() { "" } else { "," };
    let body = match device {
        Some(device) => [r#"{"notification":{"#, about, comma, r#""devices":[{"#, device, "}]}}"].concat(),
        None => [r#"{"notification":{"#, about, "}}"].concat(),
    };
    (body.len() <= SMALLEST_BODY_LIMIT_BYTES).then(|| body.into())
}

/// Strings that were read as ids, a priority that means something, and counts that are numbers: never too much.
fn essence(about: &Members<'_>) -> String {
    let member = |name| about.get(name).map(|value| value.get());
    let counts = member("counts").and_then(members).and_then(|counts| {
        let numbers =
            texts(&counts).filter(|(name, count)| COUNTS.contains(name) && count.parse::<u64>().is_ok());
        Some(format!("{{{}}}", joined(numbers)?))
    });
    let prio = member("prio").filter(|prio| matches!(*prio, r#""high""# | r#""low""#));
    let essence = [
        ("counts", counts.as_deref()),
        ("event_id", member("event_id")),
        ("prio", prio),
        ("room_id", member("room_id")),
    ];
    joined(essence.into_iter().filter_map(|(name, value)| Some((name, value?)))).unwrap_or_default()
}

#[cfg(test)]
mod tests;

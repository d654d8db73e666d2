//! Check-in: a device asks for credentials, or confirms those that it has, every two days.

use super::DeviceCredentials;
use super::protobuf::{FieldValue, ProtobufFields, push_fixed64, push_integer};
use crate::time::Timestamp;

/// Maximum length of a request; those of Chromium have about 100 bytes.
pub const CHECKIN_BYTES: usize = 16 * 1024;

/// A check-in request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckinRequest {
    /// The device has no credentials.
    New,
    /// The device has these.
    Known(DeviceCredentials),
}

impl CheckinRequest {
    /// Parses the body of a request; `None` if it is malformed.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        let (mut android_id, mut security_token) = (0, 0);
        for field in ProtobufFields(body) {
            match field.ok()? {
                (2, FieldValue::Varint(id)) => android_id = id,
                (13, FieldValue::Fixed64(token)) => security_token = token,
                _ => {}
            }
        }
        match (android_id, security_token) {
            (0, 0) => Some(Self::New),
            _ => DeviceCredentials::new(android_id, security_token).map(Self::Known),
        }
    }
}

/// Formats the response.
#[must_use]
pub fn response(credentials: &DeviceCredentials, now: Timestamp) -> Vec<u8> {
    let mut body = Vec::with_capacity(32);
    // stats_ok, which is required.
    push_integer(&mut body, 1, 1);
    push_integer(&mut body, 3, now.as_millis());
    push_fixed64(&mut body, 7, credentials.android_id());
    push_fixed64(&mut body, 8, credentials.security_token());
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::chromium::protobuf::push_bytes;

    fn request(android_id: u64, security_token: u64) -> Vec<u8> {
        let mut body = Vec::new();
        push_integer(&mut body, 2, android_id);
        // AndroidCheckinProto, which is not read.
        push_bytes(&mut body, 4, b"\x60\x03");
        push_fixed64(&mut body, 13, security_token);
        push_integer(&mut body, 14, 3);
        body
    }

    #[test]
    fn a_device_has_both_numbers_or_none() {
        assert_eq!(CheckinRequest::parse(&request(0, 0)), Some(CheckinRequest::New));
        assert_eq!(CheckinRequest::parse(b""), Some(CheckinRequest::New));
        let known = DeviceCredentials::new(7, 9).unwrap();
        assert_eq!(CheckinRequest::parse(&request(7, 9)), Some(CheckinRequest::Known(known)));
        for (android_id, security_token) in [(7, 0), (0, 9)] {
            assert_eq!(CheckinRequest::parse(&request(android_id, security_token)), None);
        }
        assert_eq!(CheckinRequest::parse(b"\x10"), None);
    }

    #[test]
    fn the_response_has_the_fields_that_chromium_needs() {
        let credentials = DeviceCredentials::new(0x0102, 0x0304).unwrap();
        let expected = b"\x08\x01\x18\xc0\x84\x3d\x39\x02\x01\0\0\0\0\0\0\x41\x04\x03\0\0\0\0\0\0";
        assert_eq!(response(&credentials, Timestamp::from_millis(1_000_000)), expected);
    }
}

//! A list of all errors, for the page of errors and for tests.

use super::table::{Description, describe};
use super::{HttpError, InternalError, ServiceError, VapidErrorStatus};
use crate::gateway::error::GatewayError;
use http::StatusCode;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, LINK};
use webpush_core::encoding::FORWARDED_HEADER_BYTES;
use webpush_core::problem::{LimitKind, Problem};
use webpush_core::publish::SMALLEST_BODY_LIMIT_BYTES;
use webpush_core::sender::Claim;
use webpush_store::StoreError;

/// One error in the list.
pub(crate) struct CatalogueEntry {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) status: StatusCode,
    /// The error numbers of autopush-rs that it may have; `None` is none.
    pub(crate) errnos: Vec<Option<u16>>,
    /// An example of the text, in which numbers and names vary.
    pub(crate) detail: String,
}

/// Returns one entry for each name.
pub(crate) fn entries(vapid_status: VapidErrorStatus) -> Vec<CatalogueEntry> {
    let mut entries: Vec<CatalogueEntry> = Vec::new();
    for error in samples() {
        let Description { status, errno, name, title, detail } = describe(error.kind(), vapid_status);
        match entries.last_mut().filter(|entry| entry.name == name) {
            Some(entry) => entry.errnos.push(errno),
            None => entries.push(CatalogueEntry { name, title, status, errnos: vec![errno], detail }),
        }
    }
    entries
}

/// Returns all names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    entries(VapidErrorStatus::default()).into_iter().map(|entry| entry.name)
}

/// Returns an example for each name and number, grouped by name.
pub(super) fn samples() -> impl Iterator<Item = HttpError> {
    let problems = [
        Problem::TtlMissing,
        Problem::TtlMalformed { negative: false },
        Problem::TtlMalformed { negative: true },
        Problem::UrgencyMalformed,
        Problem::TopicMalformed,
        Problem::HeaderMalformed { name: LINK },
        Problem::HeaderMalformed { name: CONTENT_ENCODING },
        Problem::HeaderTooLarge { name: CONTENT_ENCODING, limit: FORWARDED_HEADER_BYTES },
        Problem::HeaderTooLarge { name: CONTENT_TYPE, limit: FORWARDED_HEADER_BYTES },
        Problem::EncodingUnreadable { detail: "aesgcm needs an Encryption header with the parameter salt" },
        Problem::HostNotUnique,
        Problem::TransferCoding,
        Problem::BodyTooLarge { limit: SMALLEST_BODY_LIMIT_BYTES },
        Problem::BodyIncomplete,
        Problem::SetUnknown,
        Problem::ReceiptSubscriptionUnknown,
        Problem::OptionsMalformed { detail: "They are not a JSON object with a P-256 key" },
        Problem::VapidRequired,
        Problem::VapidInvalid {
            claim: Claim::Audience,
            expected: "\"https://push.example\"".into(),
            found: "\"https://push.example/push\"".into(),
        },
        Problem::SameKey,
        Problem::TooManyRequests { limit: LimitKind::Subscription, retry_after_seconds: 1 },
        Problem::TokenRequired { wrong: false },
        Problem::NotFound,
        Problem::Gone,
        Problem::MethodNotAllowed { allow: "POST, OPTIONS" },
        Problem::NotificationMalformed { detail: "It is not a JSON object" },
        Problem::ForeignPushkey,
        Problem::WebSocketVersion,
        Problem::UpgradeMalformed { detail: "Sec-WebSocket-Key is not the base64 of 16 bytes" },
        Problem::PushUnsupported { events_available: true },
    ];
    let faults = [
        ServiceError::Store(StoreError::Unavailable),
        ServiceError::Store(StoreError::Full),
        ServiceError::MemoryLow,
        ServiceError::Store(StoreError::Corrupt),
        ServiceError::Internal(InternalError::MissingSealingKey),
    ];
    let gateway = [GatewayError::PushService, GatewayError::Busy];
    let failures = problems.into_iter().map(ServiceError::Problem).chain(faults);
    failures.map(HttpError::Service).chain(gateway.map(HttpError::Gateway))
}

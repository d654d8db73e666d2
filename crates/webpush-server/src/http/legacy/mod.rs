//! The API of the Node `webpush-server` of 2015 (draft-thomson-webpush-http2). Its entry is `/devices`; what is made from
//! there speaks this protocol, and nothing else does.
//!
//! | resource | look in |
//! |---|---|
//! | `/devices`, `/devices/…/channels` | [`registration`] |
//! | `/devices/…`, `/devices/…/channels/…` | [`resources`] |
//! | `/updates/…` | [`update`] |
//! | what the protocol adds to an error, and to the end of a monitor | here |

pub mod registration;
pub mod resources;
pub mod update;

use super::answer::{Answer, value, with};
use super::problem::{ErrorStyle, Failure};
use crate::service::Service;
use http::header::{CACHE_CONTROL, HeaderValue, LINK};
use std::time::Duration;
use webpush_core::capability::{Capability, KeyId};
use webpush_core::id::InboxId;
use webpush_core::protocol::legacy::{kept_for, registration_links, with_error_members};

/// The answer to a request that was not served.
pub(super) fn failed(failure: &Failure, style: &ErrorStyle) -> Answer {
    let mut answer = failure.answer(style);
    add_error_members(&mut answer);
    answer
}

/// Adds the members that errors had in 2015 to the body of an error; other answers stay as they are.
fn add_error_members(answer: &mut Answer) {
    if answer.status().is_client_error() || answer.status().is_server_error() {
        let body = with_error_members(answer.status(), answer.body());
        *answer.body_mut() = body.unwrap_or_else(|| answer.body().clone());
    }
}

/// The answer that ends a monitor of a device. When nothing is wrong it names the registration and says how long it is kept
/// from now on if nobody listens any more (draft-02).
pub(crate) fn ending(service: &Service, device: InboxId, key: KeyId, mut answer: Answer) -> Answer {
    if !answer.status().is_success() {
        add_error_members(&mut answer);
        return answer;
    }
    match about_registration(service, device, key, service.limits.load().idle.unused) {
        Ok(headers) => with(answer, headers),
        Err(failure) => failed(&failure, &service.error_style),
    }
}

/// The links of a device in the words of both drafts, and its lifetime.
fn about_registration(
    service: &Service,
    device: InboxId,
    key: KeyId,
    lifetime: Duration,
) -> Result<[(http::HeaderName, HeaderValue); 2], Failure> {
    let channels = path(service, Capability::Channels(device), key)?;
    let device = path(service, Capability::Device(device), key)?;
    let links = value(registration_links(&device, &channels))?;
    Ok([(LINK, links), (CACHE_CONTROL, value(kept_for(lifetime))?)])
}

fn path(service: &Service, capability: Capability, key: KeyId) -> Result<String, Failure> {
    let path = service.keyring.path(&capability, key);
    path.ok_or_else(|| Failure::internal("a URL: its sealing key is missing"))
}

//! Additions of the legacy API to errors, and to the end of a session.

use crate::answer::{Answer, value, with};
use crate::problem::{ErrorStyle, ServiceError};
use crate::server::HttpServer;
use http::header::{CACHE_CONTROL, HeaderValue, LINK};
use std::time::Duration;
use webpush_core::capability::{Capability, KeyId};
use webpush_core::id::InboxId;
use webpush_core::protocol::legacy::{cache_control, registration_links, with_error_members};
use webpush_service::service::Service;

/// Returns an error response.
pub(crate) fn failed(failure: &ServiceError, style: &ErrorStyle) -> Answer {
    let mut answer = style.answer(failure);
    add_error_members(&mut answer);
    answer
}

/// Adds the members of 2015 to the body of an error response.
fn add_error_members(answer: &mut Answer) {
    if answer.status().is_client_error() || answer.status().is_server_error() {
        let body = with_error_members(answer.status(), answer.body());
        *answer.body_mut() = body.unwrap_or_else(|| answer.body().clone());
    }
}

/// Completes the response at the end of a device's session.
///
/// On success it has the links of the device, and how long the device is kept without another session (draft-02).
pub(crate) fn ending(server: &HttpServer, device: InboxId, key: KeyId, mut answer: Answer) -> Answer {
    if !answer.status().is_success() {
        add_error_members(&mut answer);
        return answer;
    }
    let service = &*server.service;
    match about_registration(service, device, key, service.limits.load().idle.unused) {
        Ok(headers) => with(answer, headers),
        Err(failure) => failed(&failure, &server.error_style),
    }
}

/// Returns the links of a device, with the relations of both drafts, and its lifetime.
pub(crate) fn about_registration(
    service: &Service,
    device: InboxId,
    key: KeyId,
    lifetime: Duration,
) -> Result<[(http::HeaderName, HeaderValue); 2], ServiceError> {
    let channels = service.path(Capability::Channels(device), key)?;
    let device = service.path(Capability::Device(device), key)?;
    let links = value(registration_links(service.base_path(), &device, &channels))?;
    Ok([(LINK, links), (CACHE_CONTROL, value(cache_control(lifetime))?)])
}

//! Check-in and registration of Chromium.

use crate::answer::{Answer, empty, no_store, with};
use crate::body::Body;
use crate::problem::{ErrorStyle, ServiceError};
use crate::resources::autopush::registration::{Registrant, subscribe, unregister};
use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};
use std::sync::Arc;
use webpush_core::capability::Capability;
use webpush_core::id::{ChannelId, InboxId};
use webpush_core::inbox::{Inbox, Owner};
use webpush_core::problem::{LimitKind, Problem};
use webpush_core::protocol::chromium::DeviceCredentials;
use webpush_core::protocol::chromium::checkin::{CHECKIN_BYTES, CheckinRequest, response};
use webpush_core::protocol::chromium::registration::{
    REGISTRATION_BYTES, RegistrationError, RegistrationRequest, accepted, removed,
};
use webpush_core::sender::parse_key;
use webpush_core::subscription::{ChromiumApp, Protocol};
use webpush_service::client_addr::Caller;
use webpush_service::p256::P256;
use webpush_service::service::Service;
use webpush_store::{Durability, Op};

/// The path for `--gcm-checkin-url`.
pub const CHECKIN: &str = "/chromium/checkin";
/// The path for `--gcm-registration-url`.
pub const REGISTER: &str = "/chromium/register";

/// The token of registrations that this service has no messages for. No push URL ends with it.
const UNUSED_TOKEN: &str = "unused";

/// `POST` creates a device, or confirms one.
///
/// Chromium starts again without subscriptions after 401, which is right for a device that was removed.
pub(crate) async fn check_in(
    service: &Service,
    caller: Caller<'_>,
    head: &Parts,
    body: &mut Body,
) -> Result<Answer, ServiceError> {
    let body = body.read_or_shed(&head.headers, CHECKIN_BYTES, &service.memory).await?;
    let malformed = Problem::OptionsMalformed { detail: "The check-in request is malformed" };
    let credentials = match CheckinRequest::parse(&body).ok_or(malformed)? {
        CheckinRequest::New => create(service, caller, head).await?,
        CheckinRequest::Known(known) if is_device(service, known.inbox()).await? => known,
        CheckinRequest::Known(_) => return Ok(empty(StatusCode::UNAUTHORIZED)),
    };
    let mut answer = Response::new(Bytes::from(response(&credentials, service.now())));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuffer"));
    no_store(&mut answer);
    Ok(answer)
}

async fn create(
    service: &Service,
    caller: Caller<'_>,
    head: &Parts,
) -> Result<DeviceCredentials, ServiceError> {
    service.subscribe_tokens.load().check(caller, &head.headers)?;
    service.rate_limits.load().charge_registration(caller.client)?;
    let credentials = DeviceCredentials::from_random(*service.new_inbox_id()?.as_bytes());
    let (id, created, key) = (credentials.inbox(), service.now(), service.keyring.current());
    let inbox = Inbox { id, owner: Owner::Agent, created, key };
    service.commit_one(Op::CreateInbox(inbox), Durability::Durable).await?;
    Ok(credentials)
}

async fn is_device(service: &Service, id: InboxId) -> Result<bool, ServiceError> {
    Ok(service.inbox(id).await?.is_some_and(|inbox| inbox.owner == Owner::Agent))
}

/// `POST` subscribes or unsubscribes.
pub(crate) async fn register(
    service: &Service,
    caller: Caller<'_>,
    head: &Parts,
    body: &mut Body,
) -> Result<Answer, ServiceError> {
    let form = body.read_or_shed(&head.headers, REGISTRATION_BYTES, &service.memory).await?;
    let Some(agent) = device(service, &head.headers).await? else {
        return Ok(refused(StatusCode::UNAUTHORIZED, RegistrationError::AuthenticationFailed));
    };
    let token = match RegistrationRequest::parse(&form) {
        Err(error) => return Ok(refused(StatusCode::BAD_REQUEST, error)),
        Ok(RegistrationRequest::Other) => UNUSED_TOKEN.to_owned(),
        Ok(RegistrationRequest::RemoveOther(app)) => return Ok(text(StatusCode::OK, removed(&app))),
        Ok(RegistrationRequest::Unregister { app }) => {
            unregister(service, agent, channel(&app)).await?;
            UNUSED_TOKEN.to_owned()
        }
        Ok(RegistrationRequest::Register { app, sender }) => {
            let Ok(sender) = parse_key(&sender, &P256) else {
                return Ok(refused(StatusCode::BAD_REQUEST, RegistrationError::InvalidSender));
            };
            let may_subscribe = service.subscribe_tokens.load().check(caller, &head.headers).is_ok();
            let registrant = Registrant { client: caller.client, may_subscribe, agent };
            let protocol = Protocol::Chromium(channel(&app), Arc::new(app));
            let subscription = subscribe(service, &registrant, protocol, Some(sender)).await?;
            let push = Capability::Push(agent, subscription.id);
            let path = service.path(push, subscription.key)?;
            path.rsplit('/').next().unwrap_or_default().to_owned()
        }
    };
    Ok(text(StatusCode::OK, accepted(&token)))
}

/// Returns the device that a request is from; `None` if it is unknown.
async fn device(service: &Service, headers: &HeaderMap) -> Result<Option<InboxId>, ServiceError> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(credentials) = header.and_then(DeviceCredentials::from_authorization) else { return Ok(None) };
    let id = credentials.inbox();
    Ok(is_device(service, id).await?.then_some(id))
}

/// Derives the channel ID from the browser's name of the subscription.
fn channel(app: &ChromiumApp) -> ChannelId {
    let digest = digest(&SHA256, app.subtype().as_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&digest.as_ref()[..16]);
    ChannelId::from_bytes(id)
}

/// Returns the response to a registration that failed, with an error that Chromium knows.
pub(crate) fn failed(failure: &ServiceError, style: &ErrorStyle) -> Answer {
    let error = match failure {
        ServiceError::Problem(Problem::TooManyRequests { limit: LimitKind::SubscriptionSet, .. }) => {
            RegistrationError::TooManyRegistrations
        }
        ServiceError::Problem(Problem::TooManyRequests { .. }) => RegistrationError::QuotaExceeded,
        ServiceError::Problem(Problem::TokenRequired { .. }) => RegistrationError::AuthenticationFailed,
        ServiceError::Problem(_) => RegistrationError::InvalidParameters,
        ServiceError::Store(_) | ServiceError::MemoryLow | ServiceError::Internal(_) => {
            RegistrationError::Internal
        }
    };
    refused(style.tell(failure).0, error)
}

fn refused(status: StatusCode, error: RegistrationError) -> Answer {
    text(status, error.body().to_owned())
}

fn text(status: StatusCode, body: String) -> Answer {
    let mut answer = Response::new(Bytes::from(body));
    *answer.status_mut() = status;
    let mut answer = with(answer, [(CONTENT_TYPE, HeaderValue::from_static("text/plain"))]);
    no_store(&mut answer);
    answer
}

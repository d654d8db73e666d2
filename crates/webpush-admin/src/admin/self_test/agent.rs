//! The built-in agent, which receives messages as server-sent events (RFC 8030).

use super::error::SelfTestError;
use super::progress::StepReporter;
use super::push::{self, TEXT};
use crate::admin::Admin;
use http::Method;
use std::time::Duration;
use tokio::time::timeout;
use webpush_client::connection::{Connection, FullResponse};
use webpush_client::encryption::{AgentKeys, decrypt};
use webpush_client::error::{ClientError, Operation, StatusError};
use webpush_client::event_source::EventSource;
use webpush_client::state_file::AgentSubscription;
use webpush_client::subscribe::{read_subscription, request, unsubscribe};
use webpush_client::url::CapabilityUrl;
use webpush_http::problem::ErrorKind;
use webpush_http::resources::rfc8030::subscribe;

/// Time limit for the message, shorter than that of the self-test to leave time for the cleanup.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(15);

/// Subscribes, receives a message and unsubscribes, even if receiving fails.
pub(super) async fn run(admin: &Admin, reporter: &StepReporter) -> Result<(), SelfTestError> {
    let subscription = subscribe(admin, reporter).await?;
    let mut connection = push::connect(admin).await?;
    let receiving = timeout(DELIVERY_TIMEOUT, receive(admin, &subscription, &mut connection, reporter));
    let received = receiving.await.unwrap_or(Err(SelfTestError::NotDelivered(DELIVERY_TIMEOUT.as_secs())));
    // Deleting the subscription set removes the agent.
    let mut connection = push::connect(admin).await?;
    unsubscribe(&mut connection, subscription.set.as_ref().unwrap_or(&subscription.subscription)).await?;
    if received.is_ok() {
        reporter.step("agent", "unsubscribed", "cleaned up").await;
    }
    received
}

async fn receive(
    admin: &Admin,
    subscription: &AgentSubscription,
    connection: &mut Connection,
    reporter: &StepReporter,
) -> Result<(), SelfTestError> {
    let mut listening = push::connect(admin).await?;
    let listen = request(Method::GET, &subscription.subscription)?;
    let events = EventSource::start(&mut listening, listen, None).await?;
    let mut events = events.ok_or(SelfTestError::StreamEnded)?;
    reporter.step("agent", "listens", "for server-sent events").await;
    let message = push::push(admin, &subscription.push_subscription(), reporter).await?;
    let (url, answer) = events.next().await?.ok_or(SelfTestError::StreamEnded)?.receive()?;
    reporter.step("agent", "received", format!("{} bytes", answer.body.len())).await;
    if decrypt(&subscription.keys, &answer.body)? != TEXT.as_bytes() {
        return Err(SelfTestError::WrongText);
    }
    reporter.step("agent", "decrypted", TEXT).await;
    let acknowledged = connection.exchange(request(Method::DELETE, &url)?).await?;
    if !acknowledged.status.is_success() {
        let error = StatusError::new(connection.origin(), Operation::Acknowledge, &acknowledged);
        return Err(ClientError::from(error).into());
    }
    push::follow(admin, message, reporter).await
}

/// Creates a subscription without a subscribe token: access to this listener is enough.
async fn subscribe(admin: &Admin, reporter: &StepReporter) -> Result<AgentSubscription, SelfTestError> {
    let service = &admin.service;
    let keys = AgentKeys::generate()?;
    let url = CapabilityUrl::parse(&service.origin)?;
    let created = subscribe::for_ourselves(service).await;
    let created = created.map_err(|failure| {
        SelfTestError::NoSubscription(ErrorKind::Service(&failure).status_and_detail().1)
    })?;
    let (head, body) = created.into_parts();
    let answer = FullResponse { status: head.status, headers: head.headers, body };
    reporter.step("agent", "subscribed", "new RFC 8030 agent with its own keys").await;
    Ok(read_subscription(&url, &answer, keys)?)
}

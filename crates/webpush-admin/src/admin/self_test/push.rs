//! The sender of an attempt, and what the service says of its message.

use super::error::SelfTestError;
use super::progress::StepReporter;
use crate::admin::Admin;
use std::time::Duration;
use webpush_client::connection::Connection;
use webpush_client::send::{Delivery, SendResponse, Sender, send_over};
use webpush_client::subscription::PushSubscription;
use webpush_client::vapid::VapidKey;
use webpush_core::capability::Capability;
use webpush_core::id::MessageId;
use webpush_core::urgency::Urgency;
use webpush_service::trace::state::message_state;
use webpush_service::trace::{STAGES, Stage};

/// What is sent.
pub(super) const TEXT: &str = "It works: this message went all the way.";
/// Long enough for a browser to show it, and short enough to leave nothing behind.
const TTL_SECONDS: u32 = 60;
/// How often it is looked whether a message went on.
const PAUSE: Duration = Duration::from_millis(10);

/// A connection to the service from inside.
pub(super) async fn connect(admin: &Admin) -> Result<Connection, SelfTestError> {
    let socket = admin.loopback.connect().ok_or(SelfTestError::ConnectionLimit)?;
    Ok(Connection::over(socket, admin.service.origin.clone()).await?)
}

/// Encrypts, signs with a new key, and pushes; the message that came of it.
pub(super) async fn push(
    admin: &Admin,
    to: &PushSubscription,
    reporter: &StepReporter,
) -> Result<MessageId, SelfTestError> {
    let mut connection = connect(admin).await?;
    let sender = Sender { key: VapidKey::generate()?, subject: None };
    let urgency = Some(Urgency::High);
    let delivery = Delivery { ttl_seconds: TTL_SECONDS, urgency, ..Delivery::default() };
    reporter
        .step("sender", "sends", format!("{} bytes, encrypted (RFC 8291) and signed (VAPID)", TEXT.len()))
        .await;
    let now = admin.service.now();
    let sent = send_over(&mut connection, to, TEXT.as_bytes(), &delivery, Some(&sender), now).await?;
    let SendResponse { status, message, .. } = sent;
    reporter.step("sender", "answered", format!("{status}")).await;
    let path = message.map(|url| url.path().to_owned()).unwrap_or_default();
    match admin.service.keyring.open(&path) {
        Some(Capability::Message(entry)) => Ok(entry.message),
        _ => Err(SelfTestError::NoMessageUrl),
    }
}

/// Tells the stages of a message as it comes to them, until it has ended.
pub(super) async fn follow(
    admin: &Admin,
    message: MessageId,
    reporter: &StepReporter,
) -> Result<(), SelfTestError> {
    let service = &admin.service;
    if service.traces.keep().is_none() {
        return Ok(());
    }
    let mut seen = [false; STAGES.len()];
    let mut waits_for = None;
    loop {
        let trace = service.traces.find(message).ok_or(SelfTestError::TraceEvicted)?;
        let current = message_state(service, &trace).await;
        for stage in STAGES {
            if let Some(at) = trace.at(stage).filter(|_| !seen[stage as usize]) {
                seen[stage as usize] = true;
                reporter.step_at("service", stage.as_str(), at, said_of(stage, current.state)).await;
            }
        }
        if current.is_final {
            return match current.state {
                "delivered" => Ok(()),
                state => Err(SelfTestError::Ended { state, why: current.reason.unwrap_or_default() }),
            };
        }
        if current.reason != waits_for {
            waits_for.clone_from(&current.reason);
            reporter.step("service", "waits", current.reason.unwrap_or_default()).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// For whoever sees these words for the first time.
fn said_of(stage: Stage, state: &str) -> String {
    match stage {
        Stage::Accepted => "the request was judged and is a message".to_owned(),
        Stage::Stored => "it is on disk".to_owned(),
        Stage::Notified => "the agent's session was told".to_owned(),
        Stage::Written => "it was handed to the agent's connection".to_owned(),
        Stage::Acknowledged => "the agent said that it has it".to_owned(),
        Stage::Ended => state.to_owned(),
    }
}

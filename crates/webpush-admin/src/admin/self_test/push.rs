//! The sender: pushes a message, and follows its trace.

use super::error::SelfTestError;
use super::progress::StepReporter;
use crate::admin::Admin;
use std::time::Duration;
use webpush_client::connection::Connection;
use webpush_client::send::{SendOptions, SendResponse, Sender, send_over};
use webpush_client::subscription::PushSubscription;
use webpush_client::vapid::VapidKey;
use webpush_core::capability::Capability;
use webpush_core::id::MessageId;
use webpush_core::urgency::Urgency;
use webpush_service::trace::state::message_state;
use webpush_service::trace::{STAGES, Stage};

/// The text of the message.
pub(super) const TEXT: &str = "It works: this message was delivered.";
/// TTL of the message: enough for a browser to receive it, and short if it does not.
const TTL_SECONDS: u32 = 60;
/// Interval at which the trace is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Opens an in-process connection to the server.
pub(super) async fn connect(admin: &Admin) -> Result<Connection, SelfTestError> {
    let socket = admin.loopback.connect().ok_or(SelfTestError::ConnectionLimit)?;
    Ok(Connection::over(socket, admin.service.origin.clone()).await?)
}

/// Encrypts a message, signs it with a new key and pushes it; returns the ID of the message.
pub(super) async fn push(
    admin: &Admin,
    to: &PushSubscription,
    reporter: &StepReporter,
) -> Result<MessageId, SelfTestError> {
    let mut connection = connect(admin).await?;
    let sender = Sender { key: VapidKey::generate()?, subject: None };
    let urgency = Some(Urgency::High);
    let options = SendOptions { ttl_seconds: TTL_SECONDS, urgency, ..SendOptions::default() };
    reporter
        .step("sender", "sends", format!("{} bytes, encrypted (RFC 8291) and signed (VAPID)", TEXT.len()))
        .await;
    let now = admin.service.now();
    let sent = send_over(&mut connection, to, TEXT.as_bytes(), &options, Some(&sender), now).await?;
    let SendResponse { status, message, .. } = sent;
    reporter.step("sender", "response", format!("{status}")).await;
    let path = message.map(|url| url.path().to_owned()).unwrap_or_default();
    match admin.service.keyring.open(&path) {
        Some(Capability::Message(entry)) => Ok(entry.message),
        _ => Err(SelfTestError::NoMessageUrl),
    }
}

/// Reports the stages of a message until it has ended.
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
    let mut last_reason = None;
    loop {
        let trace = service.traces.find(message).ok_or(SelfTestError::TraceEvicted)?;
        let current = message_state(service, &trace).await;
        for stage in STAGES {
            if let Some(at) = trace.at(stage).filter(|_| !seen[stage as usize]) {
                seen[stage as usize] = true;
                reporter.step_at("service", stage.as_str(), at, describe(stage, current.state)).await;
            }
        }
        if current.is_final {
            return match current.state {
                "delivered" => Ok(()),
                state => Err(SelfTestError::Ended { state, reason: current.reason.unwrap_or_default() }),
            };
        }
        if current.reason != last_reason {
            last_reason.clone_from(&current.reason);
            reporter.step("service", "waits", current.reason.unwrap_or_default()).await;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Explains a stage to users who do not know it.
fn describe(stage: Stage, state: &str) -> String {
    match stage {
        Stage::Accepted => "request validated".to_owned(),
        Stage::Stored => "on disk".to_owned(),
        Stage::Offered => "to the other nodes".to_owned(),
        Stage::Notified => "session notified".to_owned(),
        Stage::Written => "to the agent's connection".to_owned(),
        Stage::Acknowledged => "the agent confirmed receipt".to_owned(),
        Stage::Ended => state.to_owned(),
    }
}

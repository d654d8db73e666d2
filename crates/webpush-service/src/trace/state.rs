//! The state of a traced message, and the reason for it, computed on request.

use super::{Stage, Trace};
use crate::service::Service;
use crate::session_registry::{Availability, BlockReason};
use webpush_core::message::Outcome;

/// The state of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageState {
    /// `waiting`, the outcome, or that another node knows it: `offered` or `ended`.
    pub state: &'static str,
    /// Why it waits, or why it ended, for operators.
    pub reason: Option<String>,
    /// True if the state can no longer change.
    pub is_final: bool,
}

/// Determines the state of a message from its trace, its inbox and the sessions of its agent.
#[must_use]
pub async fn message_state(service: &Service, trace: &Trace) -> MessageState {
    if let Some(state) = final_state(trace) {
        return state;
    }
    if trace.at(Stage::Stored).is_some() && matches!(service.entry(&trace.entry).await, Ok(None)) {
        // It may have ended since the trace was read.
        let latest = service.traces.find(trace.entry.message);
        let removed = || match service.is_shared() {
            true => ended("ended", "another node delivered it, or its subscription was removed"),
            false => ended("canceled", "its subscription was removed"),
        };
        return latest.as_ref().and_then(final_state).unwrap_or_else(removed);
    }
    let nack = nack_reason(trace);
    if trace.is_now_or_never && trace.at(Stage::Written).is_some() {
        return MessageState { state: "delivered", reason: nack, is_final: true };
    }
    let is_elsewhere = trace.at(Stage::Offered).is_some() && trace.at(Stage::Notified).is_none();
    if is_elsewhere && trace.at(Stage::Stored).is_none() {
        return ended("offered", "its TTL is 0: it was offered to the other nodes, and is not kept");
    }
    let reason = nack.unwrap_or_else(|| waiting_reason(service, trace));
    MessageState { state: "waiting", reason: Some(reason), is_final: false }
}

fn ended(state: &'static str, reason: &str) -> MessageState {
    MessageState { state, reason: Some(reason.to_owned()), is_final: true }
}

fn final_state(trace: &Trace) -> Option<MessageState> {
    Some(match trace.outcome? {
        Outcome::Delivered => MessageState { state: "delivered", reason: nack_reason(trace), is_final: true },
        Outcome::Expired if trace.is_now_or_never && trace.at(Stage::Written).is_none() => {
            ended("expired", "its TTL is 0, and the agent was not connected")
        }
        Outcome::Expired => ended("expired", "its TTL ran out"),
        Outcome::Replaced => ended("replaced", "a newer message has the same topic"),
        Outcome::Canceled => ended("canceled", "its sender deleted it, or its subscription was removed"),
        Outcome::Dropped => ended("dropped", "the agent's inbox is full (--quota-messages, --quota-bytes)"),
    })
}

fn nack_reason(trace: &Trace) -> Option<String> {
    trace.code.map(|code| format!("the agent rejected it with code {code}: {}", nack_meaning(code)))
}

const fn nack_meaning(code: u16) -> &'static str {
    match code {
        101 | 301 => "decryption failed",
        102 | 302 => "delivery to the page failed",
        303 => "other reason",
        _ => "unknown code",
    }
}

fn waiting_reason(service: &Service, trace: &Trace) -> String {
    let is_written = trace.at(Stage::Written).is_some();
    match service.registry.availability(trace.entry.inbox, trace.urgency) {
        Availability::NoSession if is_written => {
            "the agent disconnected without acknowledging it; it is sent again when the agent reconnects"
                .to_owned()
        }
        _ if is_written => "the agent has not acknowledged it".to_owned(),
        _ if trace.at(Stage::Stored).is_none() && !trace.is_now_or_never => {
            "the store has not committed it yet".to_owned()
        }
        Availability::NoSession if service.is_shared() => {
            "the agent is not connected to this node".to_owned()
        }
        Availability::NoSession => "the agent is not connected".to_owned(),
        Availability::BelowMinUrgency(minimum) => format!(
            "its urgency, {}, is below the agent's minimum, {}",
            trace.urgency.as_str(),
            minimum.as_str()
        ),
        Availability::Session(BlockReason::Window) => {
            "the agent has reached its limit of unacknowledged messages".to_owned()
        }
        Availability::Session(BlockReason::Socket) => {
            "the agent's connection accepts no more data".to_owned()
        }
        Availability::Session(BlockReason::Nothing) => {
            "the agent's session was notified, and sends earlier messages first".to_owned()
        }
    }
}

//! Why a message goes no further: in one sentence, found out when somebody asks.

use super::{Stage, Trace};
use crate::service::Service;
use crate::session_registry::{BlockReason, Listening};
use webpush_core::message::Outcome;

/// Where a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// In a word: `waiting`, or how it ended.
    pub state: &'static str,
    /// What it waits for, or why it ended.
    pub why: Option<String>,
    /// Nothing more will happen to it.
    pub is_over: bool,
}

/// Looks at a message, its inbox and the sessions of its agent.
#[must_use]
pub async fn standing(service: &Service, trace: &Trace) -> Standing {
    if let Some(standing) = ended(trace) {
        return standing;
    }
    if trace.at(Stage::Stored).is_some() && matches!(service.entry(&trace.entry).await, Ok(None)) {
        // It may have ended since it was looked at.
        let now = service.traces.of(trace.entry.message);
        let removed = || over("cancelled", "it is not stored any more: its subscription was removed");
        return now.as_ref().and_then(ended).unwrap_or_else(removed);
    }
    let code = complaint(trace);
    if trace.is_now_or_never && trace.at(Stage::Written).is_some() {
        return Standing { state: "delivered", why: code, is_over: true };
    }
    Standing { state: "waiting", why: Some(code.unwrap_or_else(|| wanting(service, trace))), is_over: false }
}

fn over(state: &'static str, why: &str) -> Standing {
    Standing { state, why: Some(why.to_owned()), is_over: true }
}

/// What its agent said of a message that it could not use.
fn complaint(trace: &Trace) -> Option<String> {
    trace.code.map(|code| format!("its agent could not use it, and said {code}: {}", meaning(code)))
}

/// How a message ended, if it has.
fn ended(trace: &Trace) -> Option<Standing> {
    Some(match trace.outcome? {
        Outcome::Delivered => Standing { state: "delivered", why: complaint(trace), is_over: true },
        Outcome::Expired if trace.is_now_or_never && trace.at(Stage::Written).is_none() => {
            over("expired", "its TTL is 0, and nobody of its agent was listening")
        }
        Outcome::Expired => over("expired", "its TTL ran out first"),
        Outcome::Replaced => over("replaced", "a newer message has the same topic"),
        Outcome::Cancelled => over("cancelled", "its sender took it back, or its subscription was removed"),
        Outcome::Dropped => over("dropped", "its agent's inbox is full: --quota-messages, --quota-bytes"),
    })
}

/// What a message waits for that is stored.
fn wanting(service: &Service, trace: &Trace) -> String {
    let listening = service.registry.look(trace.entry.inbox, trace.urgency);
    let is_written = trace.at(Stage::Written).is_some();
    match listening {
        Listening::Nobody if is_written => {
            "its agent has left without acknowledging it; it goes again when the agent is back".to_owned()
        }
        _ if is_written => "its agent has not acknowledged it".to_owned(),
        _ if trace.at(Stage::Stored).is_none() && !trace.is_now_or_never => {
            "the store has not committed it".to_owned()
        }
        Listening::Nobody => "nobody of its agent is listening".to_owned(),
        Listening::Floor(floor) => format!(
            "its urgency, {}, is below what its agent takes now, which is {}",
            trace.urgency.as_str(),
            floor.as_str()
        ),
        Listening::Somebody(BlockReason::Window) => {
            "its agent has as many messages as it may without acknowledging one".to_owned()
        }
        Listening::Somebody(BlockReason::Socket) => "its agent's connection takes no more bytes".to_owned(),
        Listening::Somebody(BlockReason::Nothing) => {
            "its agent's session was told, and sends what came before it first".to_owned()
        }
    }
}

/// What the codes of autopush agents mean.
const fn meaning(code: u16) -> &'static str {
    match code {
        101 | 301 => "it could not be decrypted",
        102 | 302 => "it could not be given to the page",
        303 => "another reason",
        _ => "a code that is not known here",
    }
}

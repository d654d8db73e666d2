//! Why a message goes no further: in one sentence, found out when somebody asks.

use super::{Stage, Trace};
use crate::service::Service;
use crate::session_registry::{BlockReason, Listening};
use webpush_core::outcome::Outcome;

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
pub fn standing(service: &Service, trace: &Trace) -> Standing {
    let over = |state, why: Option<&str>| Standing { state, why: why.map(str::to_owned), is_over: true };
    let code =
        trace.code.map(|code| format!("its agent could not use it, and said {code}: {}", meaning(code)));
    match trace.outcome {
        Some(Outcome::Delivered) => return Standing { state: "delivered", why: code, is_over: true },
        Some(Outcome::Expired) if trace.is_now_or_never && trace.at(Stage::Written).is_none() => {
            return over("expired", Some("its TTL is 0, and nobody of its agent was listening"));
        }
        Some(Outcome::Expired) => return over("expired", Some("its TTL ran out first")),
        Some(Outcome::Replaced) => return over("replaced", Some("a newer message has the same topic")),
        Some(Outcome::Cancelled) => {
            return over("cancelled", Some("its sender took it back, or its subscription was removed"));
        }
        Some(Outcome::Dropped) => {
            return over("dropped", Some("its agent's inbox is full: --quota-messages, --quota-bytes"));
        }
        None => {}
    }
    if trace.at(Stage::Stored).is_some() && matches!(service.store.entry(&trace.entry), Ok(None)) {
        // It may have ended since it was looked at.
        let now = service.traces.of(trace.entry.message);
        if let Some(ended) = now.filter(|now| now.outcome.is_some()) {
            return standing(service, &ended);
        }
        return over("cancelled", Some("it is not stored any more: its subscription was removed"));
    }
    if trace.is_now_or_never && trace.at(Stage::Written).is_some() {
        return Standing { state: "delivered", why: code, is_over: true };
    }
    Standing { state: "waiting", why: Some(code.unwrap_or_else(|| wanting(service, trace))), is_over: false }
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

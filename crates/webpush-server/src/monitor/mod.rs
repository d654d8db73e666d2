//! Listening agents: one driver per transport, each a loop around a [`webpush_core::session::Session`].

pub mod events;
pub mod server_push;
mod taken;
mod waiting;
pub mod websocket;

use crate::fresh;
use crate::wake::{Listener, News};
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use webpush_core::dialect::rfc8030::MonitorRequest;
use webpush_core::session::{Input, Scope};
use webpush_core::time::Timestamp;

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// An agent that listens from now on, on whatever transport it came.
pub struct Monitor {
    /// What it listens to.
    pub scope: Scope,
    /// How it asked.
    pub request: MonitorRequest,
    /// Its place in the registry.
    pub listener: Listener,
    /// The origin it asked at, as it sees it, perhaps through a proxy. Promised requests carry the same (RFC 9113 §8.4).
    pub asked_at: Option<String>,
}

impl Monitor {
    /// Waits for news. While something is on its way only a removal counts; the rest is taken when there is room for it.
    async fn news(&self, busy: bool) -> Input {
        loop {
            if !busy || self.listener.is_gone() {
                match self.listener.take() {
                    News { gone: true, .. } => return Input::Gone,
                    News { woken: Some(woken), .. } => return Input::Woken(woken),
                    News { woken: None, .. } => {}
                }
            }
            self.listener.arrived().await;
        }
    }

    /// Says that a wait was applied if one was asked for (RFC 7240 §3).
    fn say_what_was_applied(&self, headers: &mut HeaderMap) {
        if let Some(wait) = self.request.wait
            && let Ok(applied) = HeaderValue::try_from(format!("wait={wait}"))
        {
            headers.insert(PREFERENCE_APPLIED, applied);
        }
    }
}

async fn deadline(at: Option<Timestamp>) {
    match at {
        Some(at) => tokio::time::sleep(fresh::now().until(at)).await,
        None => std::future::pending().await,
    }
}

//! The pushes that were sent.

use super::error::ControlError;
use super::query::Parameters;
use super::{reply, typed};
use crate::duration;
use crate::namespace::NamespaceScope;
use crate::record::{PushRecord, State};
use crate::state::Dev;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};
use webpush_http::answer::Answer;

/// The longest wait of a request.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// The interval in which messages are looked at that no commit reports.
const OFFERED_INTERVAL: Duration = Duration::from_millis(50);
const DEFAULT_LIMIT: usize = 100;
const PARAMETERS: [&str; 9] =
    ["subscription", "topic", "urgency", "text", "state", "after", "limit", "wait", "count"];

/// The parameters of a request.
struct Filter<'a> {
    scope: &'a NamespaceScope,
    subscription: Option<&'a str>,
    topic: Option<&'a str>,
    urgency: Option<&'a str>,
    text: Option<&'a str>,
    state: Option<State>,
    after: u64,
    limit: usize,
}

impl<'a> Filter<'a> {
    fn new(scope: &'a NamespaceScope, query: &'a Parameters) -> Result<Self, ControlError> {
        if let Some(name) = query.unknown(&PARAMETERS) {
            let all = PARAMETERS.join(", ");
            return Err(ControlError::BadRequest(format!("there is no parameter '{name}': use {all}")));
        }
        let state = query.get("state").map(|state| serde_json::from_value(Value::from(state))).transpose();
        Ok(Self {
            scope,
            subscription: query.get("subscription"),
            topic: query.get("topic"),
            urgency: query.get("urgency"),
            text: query.get("text"),
            state: state.map_err(|error| ControlError::BadRequest(error.to_string()))?,
            after: number(query, "after")?.unwrap_or(0),
            limit: number(query, "limit")?.map_or(DEFAULT_LIMIT, |limit| limit as usize),
        })
    }

    fn matches_but_state(&self, record: &PushRecord) -> bool {
        let contains = |part: &str| record.content.text.as_deref().is_some_and(|text| text.contains(part));
        self.scope.includes(&record.namespace)
            && self.subscription.is_none_or(|id| record.subscription.as_deref() == Some(id))
            && self.topic.is_none_or(|topic| record.request.topic.as_deref() == Some(topic))
            && self.urgency.is_none_or(|urgency| record.request.urgency == urgency)
            && self.text.is_none_or(contains)
    }

    fn matches(&self, record: &PushRecord) -> bool {
        self.state.is_none_or(|state| record.state == state) && self.matches_but_state(record)
    }

    fn find(&self, dev: &Dev) -> Vec<PushRecord> {
        dev.records.find(self.after, self.limit, |record| self.matches(record))
    }

    /// Brings records up to date that no commit reports. Returns true if one may still change.
    fn settle_offered(&self, dev: &Dev) -> bool {
        let waiting = dev.records.find(self.after, self.limit, |record| {
            record.state == State::Accepted && record.request.is_offered() && self.matches_but_state(record)
        });
        dev.settle_offered(&waiting)
    }
}

/// Lists records. With `wait`, it responds once there are `count` of them, or at the end.
pub(super) async fn list(
    dev: &Dev,
    scope: &NamespaceScope,
    query: &Parameters,
) -> Result<Answer, ControlError> {
    let filter = Filter::new(scope, query)?;
    let wait = query.get("wait").map(duration::parse).transpose().map_err(ControlError::BadRequest)?;
    if wait.is_some_and(|wait| wait > LONGEST_WAIT) {
        return Err(ControlError::BadRequest("wait is at most 60s: ask again".to_owned()));
    }
    let count = number(query, "count")?.map_or(1, |count| count as usize);
    let end = Instant::now() + wait.unwrap_or_default();
    let mut version = dev.records.watch();
    loop {
        version.borrow_and_update();
        let is_pending = filter.settle_offered(dev);
        let found = filter.find(dev);
        if found.len() >= count || Instant::now() >= end {
            let next = found.last().map_or(filter.after, |last| last.number);
            return reply(&json!({ "messages": found, "next": next }));
        }
        tokio::select! {
            changed = version.changed() => changed.map_err(|_| ControlError::Internal)?,
            () = sleep_until(end) => {}
            () = sleep(OFFERED_INTERVAL), if is_pending => {}
        }
    }
}

pub(super) fn show(dev: &Dev, scope: &NamespaceScope, id: &str) -> Result<Answer, ControlError> {
    reply(&get(dev, scope, id)?)
}

pub(super) fn body(dev: &Dev, scope: &NamespaceScope, id: &str) -> Result<Answer, ControlError> {
    Ok(typed("application/octet-stream", get(dev, scope, id)?.content.body))
}

fn get(dev: &Dev, scope: &NamespaceScope, id: &str) -> Result<PushRecord, ControlError> {
    let number = id.strip_prefix('m').and_then(|number| number.parse().ok()).ok_or(ControlError::NotFound)?;
    let get = || dev.records.get(number).filter(|record| scope.includes(&record.namespace));
    let record = get().ok_or(ControlError::NotFound)?;
    dev.settle_offered(&[record]);
    get().ok_or(ControlError::NotFound)
}

fn number(query: &Parameters, name: &str) -> Result<Option<u64>, ControlError> {
    let parse =
        |text: &str| text.parse().map_err(|_| ControlError::BadRequest(format!("{name} must be a number")));
    query.get(name).map(parse).transpose()
}

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
use tokio::time::{Instant, sleep_until};
use webpush_http::answer::Answer;

/// The longest wait of a request.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;
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
            limit: bounded(query, "limit", DEFAULT_LIMIT)?,
        })
    }

    fn matches(&self, record: &PushRecord) -> bool {
        let contains = |part: &str| record.content.text.as_deref().is_some_and(|text| text.contains(part));
        self.scope.includes(&record.namespace)
            && self.state.is_none_or(|state| record.state == state)
            && self.subscription.is_none_or(|id| record.subscription.as_deref() == Some(id))
            && self.topic.is_none_or(|topic| record.request.topic.as_deref() == Some(topic))
            && self.urgency.is_none_or(|urgency| record.request.urgency == urgency)
            && self.text.is_none_or(contains)
    }

    fn find(&self, dev: &Dev) -> Vec<PushRecord> {
        dev.records.find(self.after, self.limit, |record| self.matches(record))
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
    let count = bounded(query, "count", 1)?;
    if count > filter.limit {
        return Err(ControlError::BadRequest("count must not be larger than limit".to_owned()));
    }
    let _permit = match wait {
        Some(_) => {
            let busy = || ControlError::Conflict("too many requests wait: stop some of them");
            Some(dev.waits.try_acquire().map_err(|_| busy())?)
        }
        None => None,
    };
    let end = Instant::now() + wait.unwrap_or_default();
    let mut version = dev.records.watch();
    loop {
        version.borrow_and_update();
        let found = filter.find(dev);
        if found.len() >= count || Instant::now() >= end {
            let next = found.last().map_or(filter.after, |last| last.number);
            return reply(&json!({ "messages": found, "next": next }));
        }
        tokio::select! {
            changed = version.changed() => changed.map_err(|_| ControlError::Internal)?,
            () = sleep_until(end) => {}
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
    let record = dev.records.get(number).filter(|record| scope.includes(&record.namespace));
    record.ok_or(ControlError::NotFound)
}

fn bounded(query: &Parameters, name: &str, default: usize) -> Result<usize, ControlError> {
    let Some(number) = number(query, name)? else { return Ok(default) };
    let bounded = usize::try_from(number).ok().filter(|number| *number <= MAX_LIMIT);
    bounded.ok_or_else(|| ControlError::BadRequest(format!("{name} must be at most {MAX_LIMIT}")))
}

fn number(query: &Parameters, name: &str) -> Result<Option<u64>, ControlError> {
    let parse =
        |text: &str| text.parse().map_err(|_| ControlError::BadRequest(format!("{name} must be a number")));
    query.get(name).map(parse).transpose()
}

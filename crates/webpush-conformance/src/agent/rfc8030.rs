//! Judges the requests of a user agent of RFC 8030.

#[cfg(test)]
mod tests;

use super::unexercised;
use crate::report::{Report, Subject, SubjectKind};
use crate::requirements;
use crate::verdicts::Verdicts;
use http::header::LINK;
use http::{HeaderMap, Method};
use std::collections::{BTreeMap, BTreeSet};
use webpush_core::protocol::rfc8030::{MonitorRequest, set_link};
use webpush_core::time::Timestamp;

/// Where user agents subscribe.
const SUBSCRIBE: &str = "/subscribe";
/// Where the first subscribe request is redirected to (RFC 8030 §7.1).
const REDIRECTED: &str = "/redirected/subscribe";
/// Maximum number of subscriptions that get messages.
const MOST_SUBSCRIPTIONS: usize = 1000;

/// The next step of the service after a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rfc8030Reply {
    /// Redirect the request with 307 to this path.
    Redirect(&'static str),
    /// Subscribe, send this number of messages, and then respond.
    Subscribe(usize),
    /// Respond as a push service does.
    Respond,
}

/// Judges one user agent.
///
/// Call [`Rfc8030Validator::receive`] for each request, and do what it returns.
#[derive(Debug, Default)]
pub struct Rfc8030Validator {
    verdicts: Verdicts,
    requests: usize,
    monitors: usize,
    was_redirected: bool,
    /// True once the connections were closed to see whether the user agent comes back.
    was_closed: bool,
    has_returned: bool,
    /// Sets by subscription, both as paths.
    subscriptions: BTreeMap<String, String>,
    /// Paths of messages.
    sent: BTreeSet<String>,
    /// Subscriptions by message.
    unacknowledged: BTreeMap<String, String>,
}

impl Rfc8030Validator {
    /// Messages for each new subscription.
    pub const MESSAGES: usize = 3;

    /// Judges a request, and returns what to do.
    pub fn receive(&mut self, method: &Method, path: &str, headers: &HeaderMap) -> Rfc8030Reply {
        self.requests += 1;
        if path == SUBSCRIBE || path == REDIRECTED {
            return self.subscribe(method, path, headers);
        }
        match *method {
            Method::GET => self.monitor(path, headers),
            Method::DELETE => self.delete(path),
            _ => {}
        }
        Rfc8030Reply::Respond
    }

    /// Notes a new subscription, by its path and that of its set.
    pub fn subscribed(&mut self, subscription: &str, set: &str) {
        self.subscriptions.insert(subscription.to_owned(), set.to_owned());
    }

    /// Notes a message that was sent to a subscription, both by their paths.
    pub fn sent(&mut self, subscription: &str, message: &str) {
        self.sent.insert(message.to_owned());
        self.unacknowledged.insert(message.to_owned(), subscription.to_owned());
    }

    /// Returns true, once, if it is time to close all connections.
    pub fn closes(&mut self) -> bool {
        let closes = !self.was_closed && !self.sent.is_empty() && self.unacknowledged.is_empty();
        self.was_closed |= closes;
        closes
    }

    /// Returns the number of requests so far.
    #[must_use]
    pub const fn requests(&self) -> usize {
        self.requests
    }

    /// Returns the result so far.
    #[must_use]
    pub fn report(&self, name: Option<&str>) -> Report {
        let subject = Subject::new(SubjectKind::Agent, name.unwrap_or("user agent"));
        let mut verdicts = self.verdicts.clone();
        if self.monitors > 0 && !self.sent.is_empty() {
            let (left, all) = (self.unacknowledged.len(), self.sent.len());
            let found = || format!("{left} of {all} messages without one");
            verdicts.check("AU-6.2-a", left == 0, "DELETE of its URL", found, "");
        }
        if self.was_redirected && self.subscriptions.is_empty() {
            verdicts.fail("AU-7.1-a", "POST to the other URL", "none", "");
        }
        if self.was_closed && !self.has_returned {
            verdicts.fail("AU-6-b", "another GET", "none", "");
        }
        let mut report = verdicts.report(subject, requirements::of_rfc8030_agents(), unexercised::reason);
        let facts = [("requests", self.requests), ("monitoring requests", self.monitors)];
        report.facts.extend(facts.map(|(name, count)| (name.to_owned(), count.to_string())));
        report
    }

    fn subscribe(&mut self, method: &Method, path: &str, headers: &HeaderMap) -> Rfc8030Reply {
        // Preflight requests are those of browsers (CORS).
        if *method == Method::OPTIONS {
            return Rfc8030Reply::Respond;
        }
        let found = || method.to_string();
        self.verdicts.check("AU-4-a", *method == Method::POST, "POST", found, path);
        if *method != Method::POST {
            return Rfc8030Reply::Respond;
        }
        if path == SUBSCRIBE && !self.was_redirected {
            self.was_redirected = true;
            return Rfc8030Reply::Redirect(REDIRECTED);
        }
        if self.subscriptions.is_empty() {
            let found = || format!("{path} again");
            self.verdicts.check("AU-7.1-a", path == REDIRECTED, "POST to the URL in Location", found, "");
        } else {
            let names_set = set_link(headers).is_ok_and(|link| link.is_some());
            let found = || format!("{:?}", headers.get_all(LINK).iter().collect::<Vec<_>>());
            self.verdicts.check("AU-4.1-a", names_set, "a link to the set", found, path);
        }
        Rfc8030Reply::Subscribe(if self.subscriptions.len() < MOST_SUBSCRIPTIONS {
            Self::MESSAGES
        } else {
            0
        })
    }

    fn monitor(&mut self, path: &str, headers: &HeaderMap) {
        self.monitors += 1;
        let is_known = self.is_resource(path);
        let found = || "another URL".to_owned();
        self.verdicts.check("AU-6-a", is_known, "a subscription or its set", found, "");
        if headers.contains_key("urgency") {
            let found = || format!("{:?}", headers.get_all("urgency").iter().collect::<Vec<_>>());
            let is_valid = MonitorRequest::parse(headers, Timestamp::from_millis(0)).is_ok();
            self.verdicts.check("AU-5.3-a", is_valid, "one urgency", found, "");
        }
        if self.was_closed && is_known {
            self.has_returned = true;
            self.verdicts.pass("AU-6-b");
        }
    }

    fn delete(&mut self, path: &str) {
        let is_known = self.is_resource(path);
        let found = || "another URL".to_owned();
        self.verdicts.check("AU-6.2-b", is_known, "the URL of a message or subscription", found, "");
        // Of a subscription or set that is removed, no message has to be acknowledged.
        let subscriptions = &self.subscriptions;
        self.unacknowledged.retain(|message, of| {
            message != path && of != path && subscriptions.get(of).is_none_or(|set| set != path)
        });
    }

    fn is_resource(&self, path: &str) -> bool {
        let is_set = || self.subscriptions.values().any(|set| set == path);
        self.sent.contains(path) || self.subscriptions.contains_key(path) || is_set()
    }
}

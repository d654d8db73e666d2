//! Failures that tests inject into the next pushes.

use crate::duration;
use crate::namespace::{Namespace, NamespaceScope};
use crate::service_name::ServiceName;
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The longest delay, shorter than the timeouts of HTTP clients.
const LONGEST_DELAY: Duration = Duration::from_secs(300);
/// Maximum number of faults at a time.
const MAX_FAULTS: usize = 1_000;

/// A failure, and the pushes that it is for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct InjectedFault {
    #[serde(skip_deserializing)]
    pub(crate) id: String,
    #[serde(skip_deserializing, default = "Namespace::default_namespace")]
    namespace: Namespace,
    subscription: Option<String>,
    /// The application server key of the sender.
    key: Option<String>,
    service: Option<ServiceName>,
    topic: Option<String>,
    /// How often it is left; `None` until it is removed.
    #[serde(default = "once")]
    times: Option<u64>,
    pub(crate) status: Option<u16>,
    pub(crate) retry_after: Option<u64>,
    #[serde(default, with = "duration")]
    pub(crate) delay: Option<Duration>,
    pub(crate) outcome: Option<FaultOutcome>,
    #[serde(skip_deserializing)]
    used: u64,
}

#[allow(clippy::unnecessary_wraps, reason = "the default of an optional member")]
const fn once() -> Option<u64> {
    Some(1)
}

/// The fate of a message that is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FaultOutcome {
    /// It is discarded.
    Lost,
    /// It is delivered twice.
    Duplicate,
    /// It is delivered after the next one of its subscription.
    Reorder,
}

/// The properties of a push that faults select by.
pub(crate) struct Selector<'a> {
    pub(crate) namespace: &'a Namespace,
    pub(crate) subscription: Option<&'a str>,
    pub(crate) key: Option<&'a str>,
    pub(crate) service: ServiceName,
    pub(crate) topic: Option<&'a str>,
}

impl InjectedFault {
    /// Checks members that exclude or need each other.
    ///
    /// # Errors
    /// One sentence for the client.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.status.is_none() && self.outcome.is_none() && self.delay.is_none() {
            return Err("a fault needs a status, an outcome or a delay".to_owned());
        }
        if self.status.is_some_and(|status| !(400..600).contains(&status)) {
            return Err("the status of a fault must be from 400 to 599".to_owned());
        }
        if self.status.is_some() && self.outcome.is_some() {
            return Err(
                "a fault has a status or an outcome: a message that is refused is not delivered".to_owned()
            );
        }
        if self.retry_after.is_some() && self.status.is_none() {
            return Err("retryAfter needs a status, such as 429".to_owned());
        }
        if self.times == Some(0) {
            return Err("times must be at least 1, or null for every push".to_owned());
        }
        match self.delay {
            Some(delay) if delay > LONGEST_DELAY => {
                Err(format!("the delay must be at most {}", duration::format(LONGEST_DELAY)))
            }
            _ => Ok(()),
        }
    }

    fn selects(&self, push: &Selector<'_>) -> bool {
        fn is<T: PartialEq>(wanted: Option<T>, found: Option<T>) -> bool {
            wanted.is_none() || wanted == found
        }
        // The default namespace stands for all.
        (self.namespace == Namespace::default_namespace() || self.namespace == *push.namespace)
            && is(self.subscription.as_deref(), push.subscription)
            && is(self.key.as_deref().map(bare), push.key.map(bare))
            && is(self.service, Some(push.service))
            && is(self.topic.as_deref(), push.topic)
    }
}

/// Keys are written with and without padding.
fn bare(key: &str) -> &str {
    key.trim_end_matches('=')
}

/// The faults, oldest first.
#[derive(Default)]
pub(crate) struct FaultList(Mutex<List>);

#[derive(Default)]
struct List {
    faults: Vec<InjectedFault>,
    last: u64,
}

impl FaultList {
    /// Adds a checked fault, and returns it with its ID; `None` if there are too many.
    pub(crate) fn add(&self, mut fault: InjectedFault, namespace: Namespace) -> Option<InjectedFault> {
        let mut list = self.list();
        if list.faults.len() >= MAX_FAULTS {
            return None;
        }
        list.last += 1;
        (fault.id, fault.namespace) = (format!("f{}", list.last), namespace);
        list.faults.push(fault.clone());
        Some(fault)
    }

    /// Returns the oldest fault for a push, and counts its use.
    pub(crate) fn take(&self, push: &Selector<'_>) -> Option<InjectedFault> {
        let mut list = self.list();
        let at = list.faults.iter().position(|fault| fault.selects(push))?;
        let fault = &mut list.faults[at];
        fault.used += 1;
        fault.times = fault.times.map(|times| times - 1);
        let taken = fault.clone();
        if taken.times == Some(0) {
            list.faults.remove(at);
        }
        Some(taken)
    }

    /// Returns the faults of a scope.
    pub(crate) fn all(&self, scope: &NamespaceScope) -> Vec<InjectedFault> {
        self.list().faults.iter().filter(|fault| scope.includes(&fault.namespace)).cloned().collect()
    }

    /// Removes the faults of a scope, or only that with an ID. Returns false if there was none.
    pub(crate) fn remove(&self, scope: &NamespaceScope, id: Option<&str>) -> bool {
        let mut list = self.list();
        let before = list.faults.len();
        list.faults.retain(|fault| !(scope.includes(&fault.namespace) && id.is_none_or(|id| id == fault.id)));
        list.faults.len() < before
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(json: &str) -> InjectedFault {
        serde_json::from_str(json).unwrap()
    }

    fn push<'a>(namespace: &'a Namespace, subscription: &'a str) -> Selector<'a> {
        Selector {
            namespace,
            subscription: Some(subscription),
            key: Some("BKey="),
            service: ServiceName::Https,
            topic: None,
        }
    }

    #[test]
    fn contradictions_are_refused() {
        assert!(fault(r#"{"status":429,"retryAfter":5,"delay":"2s"}"#).check().is_ok());
        assert!(fault(r#"{"outcome":"reorder","times":null}"#).check().is_ok());
        for json in [
            "{}",
            r#"{"status":201}"#,
            r#"{"status":404,"outcome":"lost"}"#,
            r#"{"outcome":"lost","retryAfter":5}"#,
            r#"{"status":404,"times":0}"#,
            r#"{"delay":"301s"}"#,
        ] {
            assert!(fault(json).check().is_err(), "{json}");
        }
        assert!(serde_json::from_str::<InjectedFault>(r#"{"status":404,"statuss":1}"#).is_err());
    }

    #[test]
    fn a_fault_is_used_as_often_as_it_says_and_only_for_what_it_selects() {
        let (default, one) = (Namespace::default_namespace(), Namespace::parse("one").unwrap());
        let faults = FaultList::default();
        faults
            .add(fault(r#"{"subscription":"s1","key":"BKey","status":404,"times":2}"#), one.clone())
            .unwrap();
        assert!(faults.take(&push(&default, "s1")).is_none(), "another namespace");
        assert!(faults.take(&push(&one, "s2")).is_none(), "another subscription");
        assert_eq!(faults.take(&push(&one, "s1")).unwrap().used, 1);
        assert_eq!(faults.take(&push(&one, "s1")).unwrap().used, 2);
        assert!(faults.take(&push(&one, "s1")).is_none(), "it is used up");

        faults.add(fault(r#"{"status":500,"times":null}"#), default).unwrap();
        for _ in 0..3 {
            assert!(faults.take(&push(&one, "s9")).is_some(), "the default namespace is for all");
        }
        assert!(!faults.remove(&NamespaceScope::One(one), None));
        assert!(
            !faults.remove(&NamespaceScope::All, Some("f1"))
                && faults.remove(&NamespaceScope::All, Some("f2"))
        );
    }
}

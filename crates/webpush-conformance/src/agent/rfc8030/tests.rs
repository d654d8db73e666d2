use super::{Rfc8030Reply, Rfc8030Validator};
use crate::requirements::of_rfc8030_agents;
use http::{HeaderMap, HeaderValue, Method};
use std::collections::BTreeSet;

const SET: &str = "/s/set";
const MESSAGES: [&str; 3] = ["/m/1", "/m/2", "/m/3"];

#[derive(Default)]
struct TestAgent {
    validator: Rfc8030Validator,
}

impl TestAgent {
    fn send(
        &mut self,
        method: &Method,
        path: &str,
        headers: &[(&'static str, &'static str)],
    ) -> Rfc8030Reply {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        self.validator.receive(method, path, &map)
    }

    /// Follows the redirect, and gets a subscription with messages.
    fn subscribe(&mut self) {
        let Rfc8030Reply::Redirect(to) = self.send(&Method::POST, "/subscribe", &[]) else {
            panic!("no redirect")
        };
        assert_eq!(self.send(&Method::POST, to, &[]), Rfc8030Reply::Subscribe(MESSAGES.len()));
        self.validator.subscribed("/d/1", SET);
        MESSAGES.iter().for_each(|path| self.validator.sent("/d/1", path));
    }

    fn acknowledge_all(&mut self) {
        MESSAGES
            .iter()
            .for_each(|path| assert_eq!(self.send(&Method::DELETE, path, &[]), Rfc8030Reply::Respond));
    }

    fn with_outcome(&self, outcome: &str) -> Vec<&'static str> {
        self.validator.report(None).with_outcome(outcome)
    }
}

type Mistake = fn(&mut TestAgent);

/// One mistake each, by the requirement that it breaks.
const MISTAKES: &[(&str, Mistake)] = &[
    ("AU-4-a", |agent| {
        agent.send(&Method::PUT, "/subscribe", &[]);
    }),
    ("AU-4.1-a", |agent| {
        agent.subscribe();
        agent.send(&Method::POST, "/subscribe", &[("link", "</other>; rel=\"urn:ietf:params:push\"")]);
    }),
    ("AU-5.3-a", |agent| {
        agent.subscribe();
        agent.send(&Method::GET, SET, &[("urgency", "low"), ("urgency", "high")]);
        agent.acknowledge_all();
    }),
    ("AU-6-a", |agent| {
        agent.send(&Method::GET, "/s/another", &[]);
    }),
    ("AU-6-b", |agent| {
        agent.subscribe();
        agent.send(&Method::GET, SET, &[]);
        agent.acknowledge_all();
        assert!(agent.validator.closes());
    }),
    ("AU-6.2-a", |agent| {
        agent.subscribe();
        agent.send(&Method::GET, SET, &[]);
        agent.send(&Method::DELETE, MESSAGES[0], &[]);
        assert!(!agent.validator.closes());
    }),
    ("AU-6.2-b", |agent| {
        agent.send(&Method::DELETE, "/m/another", &[]);
    }),
    ("AU-7.1-a", |agent| {
        agent.send(&Method::POST, "/subscribe", &[]);
        agent.send(&Method::POST, "/subscribe", &[]);
        agent.validator.subscribed("/d/1", SET);
    }),
    ("AU-7.1-a", |agent| {
        agent.send(&Method::POST, "/subscribe", &[]);
    }),
];

#[test]
fn each_mistake_fails_exactly_its_requirement() {
    for (id, mistake) in MISTAKES {
        let mut agent = TestAgent::default();
        mistake(&mut agent);
        assert_eq!(agent.with_outcome("failed"), [*id]);
    }
    let ids: BTreeSet<_> = MISTAKES.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, of_rfc8030_agents().map(|requirement| requirement.id).collect());
}

#[test]
fn an_agent_without_mistakes_passes_everything() {
    let mut agent = TestAgent::default();
    agent.send(&Method::OPTIONS, "/subscribe", &[]);
    agent.subscribe();
    agent.send(&Method::GET, SET, &[("urgency", "low")]);
    agent.acknowledge_all();
    assert!(agent.validator.closes());
    assert!(!agent.validator.closes(), "closed twice");
    agent.send(&Method::GET, SET, &[]);
    let again =
        agent.send(&Method::POST, "/subscribe", &[("link", "</s/set>; rel=\"urn:ietf:params:push:set\"")]);
    assert_eq!(again, Rfc8030Reply::Subscribe(MESSAGES.len()));
    assert_eq!(
        agent.with_outcome("passed").len(),
        of_rfc8030_agents().count(),
        "{:?}",
        agent.validator.report(None)
    );
}

#[test]
fn messages_of_a_subscription_or_set_that_was_removed_need_no_acknowledgement() {
    for (removed, failed) in [("/d/1", &["AU-6.2-a"][..]), (SET, &[])] {
        let mut agent = TestAgent::default();
        agent.subscribe();
        agent.validator.subscribed("/d/2", SET);
        agent.validator.sent("/d/2", "/m/4");
        agent.send(&Method::GET, SET, &[]);
        agent.send(&Method::DELETE, removed, &[]);
        assert_eq!(agent.with_outcome("failed"), failed);
    }
}

use super::{AgentReply, AutopushValidator, FromAgent, UAID};
use crate::requirements::of_autopush_agents;
use crate::sender::test_sender::TestCurve;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use webpush_client::vapid::VapidKey;
use webpush_core::time::Timestamp;

const CHANNEL: &str = "0a2b1f3c-0000-4000-8000-000000000001";

struct TestAgent {
    validator: AutopushValidator<TestCurve>,
    now: Timestamp,
    pongs: bool,
}

impl TestAgent {
    fn connect() -> Self {
        let mut validator = AutopushValidator::new("https://push.example".to_owned(), TestCurve);
        validator.connected();
        Self { validator, now: Timestamp::from_millis(1_700_000_000_000), pongs: true }
    }

    fn send(&mut self, message: &Value) -> AgentReply {
        let reply = self.validator.receive(FromAgent::Text(&message.to_string()), self.now);
        if reply.ping && self.pongs {
            self.validator.receive(FromAgent::Pong, self.now);
        }
        reply
    }

    fn hello(&mut self, uaid: Option<&str>) -> String {
        let reply = self.send(&json!({"messageType": "hello", "use_webpush": true, "uaid": uaid}));
        let hello: Value = serde_json::from_str(&reply.texts[0]).unwrap();
        hello["uaid"].as_str().unwrap().to_owned()
    }

    /// Registers a channel, and returns the notifications.
    fn register(&mut self, key: Option<&str>) -> Vec<Value> {
        let reply = self.send(&json!({"messageType": "register", "channelID": CHANNEL, "key": key}));
        assert!(reply.notifies || reply.texts[0].contains("400"));
        let notifications = self.validator.notifications();
        notifications.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
    }

    fn acknowledge(&mut self, notifications: &[Value]) -> AgentReply {
        let updates: Vec<_> = notifications
            .iter()
            .map(|one| json!({"channelID": one["channelID"], "version": one["version"], "code": 100}))
            .collect();
        self.send(&json!({"messageType": "ack", "updates": updates}))
    }

    fn with_outcome(&self, outcome: &str) -> Vec<&'static str> {
        self.validator.report(None).with_outcome(outcome)
    }
}

type Mistake = fn(&mut TestAgent);

/// One mistake each, by the requirement that it breaks.
const MISTAKES: &[(&str, Mistake)] = &[
    ("AG-hello-a", |agent| {
        agent.send(&json!({"messageType": "ping"}));
    }),
    ("AG-hello-c", |agent| {
        agent.send(&json!({"messageType": "hello"}));
    }),
    ("AG-hello-b", |agent| {
        agent.hello(None);
        let all = agent.register(None);
        assert!(agent.acknowledge(&all).close);
        agent.validator.connected();
        agent.hello(None);
    }),
    ("AG-frame-a", |agent| {
        agent.hello(None);
        assert!(agent.validator.receive(FromAgent::Violation("a binary message"), agent.now).close);
    }),
    ("AG-frame-a", |agent| {
        agent.hello(None);
        assert!(agent.validator.receive(FromAgent::Text("[]"), agent.now).close);
    }),
    ("AG-register-a", |agent| {
        agent.hello(None);
        agent.send(&json!({"messageType": "register", "channelID": "1"}));
    }),
    ("AG-register-b", |agent| {
        agent.hello(None);
        let all = agent.register(Some("AAAA"));
        agent.acknowledge(&all);
        agent.validator.connected();
    }),
    ("AG-unregister-a", |agent| {
        agent.hello(None);
        agent.send(&json!({"messageType": "unregister", "channelID": CHANNEL}));
    }),
    ("AG-ack-a", |agent| {
        agent.hello(None);
        let all = agent.register(None);
        agent.acknowledge(&all[1..]);
    }),
    ("AG-ack-b", |agent| {
        agent.hello(None);
        let all = agent.register(None);
        agent.acknowledge(&all);
        agent.validator.connected();
        agent.hello(Some("c0ffee00000040008000000000000001"));
        agent.acknowledge(&all[..1]);
    }),
    ("AG-ping-a", |agent| {
        agent.hello(None);
        agent.send(&json!({}));
        agent.send(&json!({}));
    }),
    ("AG-ping-b", |agent| {
        agent.pongs = false;
        agent.hello(None);
    }),
    ("AG-reconnect-a", |agent| {
        agent.hello(None);
        let all = agent.register(None);
        agent.acknowledge(&all);
    }),
];

#[test]
fn each_mistake_fails_exactly_its_requirement() {
    for (id, mistake) in MISTAKES {
        let mut agent = TestAgent::connect();
        mistake(&mut agent);
        assert_eq!(agent.with_outcome("failed"), [*id]);
    }
    let ids: BTreeSet<_> = MISTAKES.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, of_autopush_agents().map(|requirement| requirement.id).collect::<BTreeSet<_>>());
}

#[test]
fn an_agent_without_mistakes_passes_everything() {
    let mut agent = TestAgent::connect();
    let uaid = agent.hello(None);
    let key = VapidKey::generate().unwrap().public();
    let all = agent.register(Some(&key));
    assert_eq!(all.len(), 3);
    assert!(!agent.acknowledge(&all[..1]).close);
    assert!(agent.acknowledge(&all[1..]).close);
    agent.validator.connected();
    agent.hello(Some(&uaid));
    for _ in 0..2 {
        assert_eq!(agent.send(&json!({})).texts, ["{}"]);
        agent.now = agent.now.after(Duration::from_secs(30));
    }
    agent.send(&json!({"messageType": "unregister", "channelID": CHANNEL}));
    assert_eq!(
        agent.with_outcome("passed").len(),
        of_autopush_agents().count(),
        "{:?}",
        agent.validator.report(None)
    );
}

#[test]
fn notifications_that_were_not_sent_need_no_acknowledgement() {
    let mut agent = TestAgent::connect();
    agent.hello(None);
    agent.send(&json!({"messageType": "register", "channelID": CHANNEL}));
    assert!(agent.with_outcome("failed").is_empty());
    agent.validator.connected();
    let hello = json!({"messageType": "hello", "use_webpush": true, "uaid": UAID});
    assert!(agent.send(&hello).notifies);
    assert_eq!(agent.validator.notifications().len(), 3);
    assert_eq!(agent.with_outcome("failed"), ["AG-ack-a"]);
}

use super::endpoint::{EndpointBehavior, PAUSE, RETRY_AFTER};
use super::test_sender::TestSender;
use crate::report::{CheckOutcome, text};
use crate::requirements::of_senders;
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use http::Method;
use serde_json::json;
use std::collections::BTreeSet;
use webpush_core::base64url;

const ACCEPT: EndpointBehavior = EndpointBehavior::Accept;

type Mistake = fn(&mut TestSender);

/// One mistake each, by the requirement that it breaks.
const MISTAKES: &[(&str, Mistake)] = &[
    ("S8030-5-a", |sender| {
        let subscription = sender.subscribe(ACCEPT);
        let mut request = sender.request(&subscription);
        request.method = Method::PUT;
        assert_eq!(sender.send(&request), 405);
    }),
    ("S8030-5-b", |sender| {
        sender.subscribe(ACCEPT);
        let subscription = sender.subscribe(ACCEPT);
        let mut request = sender.request(&subscription);
        request.target = request.target.split('?').next().unwrap().to_owned();
        sender.send(&request);
    }),
    ("S8030-5-b", |sender| {
        let subscription = sender.subscribe(ACCEPT);
        let mut request = sender.request(&subscription);
        request.target.push('/');
        assert_eq!(sender.send(&request), 404);
    }),
    ("S8030-5-c", |sender| {
        let subscription = sender.subscribe(ACCEPT);
        let request = sender.request(&subscription);
        sender.send(&request);
        sender.send(&request);
    }),
    ("S8030-5.2-a", |sender| with_field(sender, "ttl", &[])),
    ("S8030-5.2-a", |sender| with_field(sender, "ttl", &["60.0"])),
    ("S8030-5.2-a", |sender| with_field(sender, "ttl", &["60", "60"])),
    ("S8030-5.3-a", |sender| with_field(sender, "urgency", &["urgent"])),
    ("S8030-5.3-a", |sender| with_field(sender, "urgency", &["low", "high"])),
    ("S8030-5.4-a", |sender| with_field(sender, "topic", &["a topic"])),
    ("S8030-5.4-a", |sender| with_field(sender, "topic", &["123456789012345678901234567890123"])),
    ("S8030-7.2-a", |sender| {
        let subscription = sender.subscribe(ACCEPT);
        let mut cipher = sender.cipher();
        cipher.record_size = Some(5000);
        let mut request = sender.request(&subscription);
        request.body = cipher.encrypt(&subscription.1, &[7; 3994]);
        sender.send(&request);
    }),
    ("S8030-7.2-b", |sender| repeated(sender, EndpointBehavior::TooLarge)),
    ("S8030-7.3-a", |sender| repeated(sender, EndpointBehavior::NotFound)),
    ("S8030-7.3-b", |sender| repeated(sender, EndpointBehavior::Gone)),
    ("S8030-8.4-a", |sender| repeated(sender, EndpointBehavior::TooManyRequests)),
    ("S8030-8.4-b", |sender| repeated(sender, EndpointBehavior::Unavailable)),
    ("S8030-8.4-c", |sender| repeated(sender, EndpointBehavior::ServerError)),
    ("S8188-2-a", |sender| {
        let subscription = sender.subscribe(ACCEPT);
        let mut cipher = sender.cipher();
        cipher.delimiter = 1;
        let mut request = sender.request(&subscription);
        request.body = cipher.encrypt(&subscription.1, b"x");
        sender.send(&request);
    }),
    ("S8188-2.1-a", |sender| with_body(sender, |body| body.truncate(100))),
    ("S8188-2.1-b", |sender| with_body(sender, |body| body[16..20].copy_from_slice(&[0, 0, 0, 17]))),
    ("S8188-2.1-c", |sender| {
        let subscription = sender.subscribe(ACCEPT);
        for text in [b"one", b"two"] {
            let mut cipher = sender.cipher();
            cipher.salt = [42; 16];
            let mut request = sender.request(&subscription);
            request.body = cipher.encrypt(&subscription.1, text);
            sender.send(&request);
        }
    }),
    ("S8291-3.1-a", |sender| {
        let subscription = sender.subscribe(ACCEPT);
        let mut cipher = sender.cipher();
        for text in [b"one", b"two"] {
            cipher.salt[0] += 1;
            let mut request = sender.request(&subscription);
            request.body = cipher.encrypt(&subscription.1, text);
            sender.send(&request);
        }
    }),
    ("S8291-3.4-a", |sender| {
        let subscription = sender.subscribe(ACCEPT);
        let other = sender.subscribe(ACCEPT);
        let mut request = sender.request(&subscription);
        request.body = sender.cipher().encrypt(&other.1, b"x");
        sender.send(&request);
    }),
    ("S8291-4-a", |sender| with_field(sender, "content-encoding", &["aes128gcm, gzip"])),
    ("S8291-4-a", |sender| with_field(sender, "content-encoding", &["aesgcm128"])),
    ("S8291-4-a", |sender| with_field(sender, "content-encoding", &[])),
    ("S8291-4-b", |sender| {
        with_body(sender, |body| {
            body[20] = 33;
            body[21] = 2;
        });
    }),
    ("S8291-4-c", |sender| with_body(sender, |body| body[18..20].copy_from_slice(&[0, 20]))),
    ("S8291-4-d", |sender| {
        let subscription = sender.subscribe(ACCEPT);
        let mut cipher = sender.cipher();
        cipher.record_size = None;
        let mut request = sender.request(&subscription);
        request.body = cipher.encrypt(&subscription.1, b"some text");
        sender.send(&request);
    }),
    ("S8292-2-a", |sender| {
        let token = sender.vapid.token(r#"{"alg":"ES384"}"#, &sender.claims().to_string()).unwrap();
        with_token(sender, &token);
    }),
    ("S8292-2-b", |sender| with_claim(sender, "aud", json!("https://push.example/"))),
    ("S8292-2-b", |sender| with_claim(sender, "aud", json!(["https://push.example:444"]))),
    ("S8292-2-c", |sender| with_claim(sender, "exp", json!(1_699_999_999))),
    ("S8292-2-c", |sender| with_claim(sender, "exp", json!("1700000100"))),
    ("S8292-2-c", |sender| with_claim(sender, "exp", json!(null))),
    ("S8292-2-d", |sender| with_claim(sender, "exp", json!(1_700_000_000 + 25 * 3600))),
    ("S8292-2-e", |sender| {
        let token = sender.token(&sender.claims());
        let (signed, signature) = token.rsplit_once('.').unwrap();
        with_token(sender, &format!("{signed}=.{signature}"));
    }),
    ("S8292-2.1-a", |sender| with_claim(sender, "sub", json!("ops@example.net"))),
    ("S8292-2.1-a", |sender| with_claim(sender, "sub", json!("mailto: <ops@example.net>"))),
    ("S8292-2.1-b", |sender| {
        let mut claims = sender.claims();
        claims.as_object_mut().unwrap().remove("sub");
        let token = sender.token(&claims);
        with_token(sender, &token);
    }),
    ("S8292-3-a", |sender| with_field(sender, "authorization", &["Basic eDp5"])),
    ("S8292-3-a", |sender| {
        let value = format!("vapid t={}", sender.token(&sender.claims()));
        with_field(sender, "authorization", &[&value]);
    }),
    ("S8292-3-a", |sender| {
        let subscription = sender.subscribe(ACCEPT);
        let mut request = sender.request(&subscription);
        request.set("authorization", &[&format!("WebPush {}", sender.token(&sender.claims()))]);
        request.set("crypto-key", &[&format!("p256ecdsa={}", sender.vapid.public())]);
        sender.send(&request);
    }),
    ("S8292-3.2-a", |sender| {
        let value = format!("{}=", sender.authorization(&sender.claims()));
        with_field(sender, "authorization", &[&value]);
    }),
    ("S8292-3.2-b", |sender| {
        let subscription = sender.subscribe(ACCEPT);
        let mut cipher = sender.cipher();
        let private = base64url::decode(&sender.vapid.expose_private().unwrap()).unwrap();
        cipher.key = PrivateKey::from_private_key(&ECDH_P256, &private).unwrap();
        let mut request = sender.request(&subscription);
        request.body = cipher.encrypt(&subscription.1, b"x");
        sender.send(&request);
    }),
    ("S8292-4.2-a", |sender| {
        let subscription = sender.subscribe_restricted();
        sender.vapid = TestSender::new().vapid;
        let request = sender.request(&subscription);
        sender.send(&request);
    }),
    ("S8292-4.2-a", |sender| {
        let subscription = sender.subscribe_restricted();
        let mut request = sender.request(&subscription);
        request.set("authorization", &[]);
        sender.send(&request);
    }),
    ("S8292-4.2-b", |sender| {
        let token = sender.token(&sender.claims());
        let (signed, _) = token.rsplit_once('.').unwrap();
        with_token(sender, &format!("{signed}.{}", base64url::encode([1; 64])));
    }),
];

fn with_field(sender: &mut TestSender, name: &'static str, values: &[&str]) {
    let subscription = sender.subscribe(ACCEPT);
    let mut request = sender.request(&subscription);
    request.set(name, values);
    assert_eq!(sender.send(&request), 201);
}

fn with_token(sender: &mut TestSender, token: &str) {
    let value = format!("vapid t={token}, k={}", sender.vapid.public());
    with_field(sender, "authorization", &[&value]);
}

fn with_claim(sender: &mut TestSender, name: &str, value: serde_json::Value) {
    let mut claims = sender.claims();
    claims[name] = value;
    let token = sender.token(&claims);
    with_token(sender, &token);
}

fn with_body(sender: &mut TestSender, change: fn(&mut Vec<u8>)) {
    let subscription = sender.subscribe(ACCEPT);
    let mut request = sender.request(&subscription);
    change(&mut request.body);
    sender.send(&request);
}

fn repeated(sender: &mut TestSender, behavior: EndpointBehavior) {
    let subscription = sender.subscribe(behavior);
    let request = sender.request(&subscription);
    for _ in 0..2 {
        assert_eq!(sender.send(&request).to_string(), behavior.name());
    }
}

#[test]
fn each_mistake_fails_exactly_its_requirement() {
    for (id, mistake) in MISTAKES {
        let mut sender = TestSender::new();
        mistake(&mut sender);
        let report = text::write(&sender.validator.report(None), text::TextDetail::Failures);
        assert_eq!(sender.with_outcome("failed"), [*id], "{report}");
    }
    let ids: BTreeSet<_> = MISTAKES.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, of_senders().map(|requirement| requirement.id).collect::<BTreeSet<_>>());
}

#[test]
fn a_sender_without_mistakes_passes_everything() {
    let mut sender = TestSender::new();
    let subscription = sender.subscribe_restricted();
    for _ in 0..2 {
        let request = sender.request(&subscription);
        assert_eq!(sender.send(&request), 201);
    }
    for behavior in EndpointBehavior::ALL {
        let subscription = sender.subscribe(behavior);
        let request = sender.request(&subscription);
        assert_eq!(sender.send(&request).to_string(), behavior.name());
        let retry = match behavior {
            EndpointBehavior::TooManyRequests | EndpointBehavior::Unavailable => RETRY_AFTER,
            EndpointBehavior::ServerError => PAUSE,
            EndpointBehavior::Accept
            | EndpointBehavior::NotFound
            | EndpointBehavior::Gone
            | EndpointBehavior::TooLarge => continue,
        };
        sender.wait(retry);
        assert_eq!(sender.send(&request), 201);
    }
    let report = sender.validator.report(None);
    assert_eq!(report.tally(None).passed, of_senders().count(), "{:?}", sender.with_outcome("failed"));
    assert!(report.conforms(true));
    assert!(report.facts.contains(&("HTTP versions".to_owned(), "1.1".to_owned())));
}

#[test]
fn what_was_not_exercised_is_skipped_with_a_reason() {
    let mut sender = TestSender::new();
    let subscription = sender.subscribe(ACCEPT);
    let mut request = sender.request(&subscription);
    request.headers.retain(|(name, _)| *name == "ttl");
    request.body.clear();
    assert_eq!(sender.send(&request), 201);
    let passed = sender.with_outcome("passed");
    assert_eq!(passed, ["S8030-5-a", "S8030-5-b", "S8030-5-c", "S8030-5.2-a", "S8030-7.2-a"]);
    let report = sender.validator.report(Some("library 1.0"));
    assert_eq!(report.subject.name, "library 1.0");
    let reason = |id: &str| {
        let result = report.results.iter().find(|result| result.requirement.id == id).unwrap();
        let CheckOutcome::Skipped { reason } = &result.outcome else { panic!("{id}: {:?}", result.outcome) };
        reason.clone()
    };
    assert_eq!(reason("S8030-5.4-a"), "no message with a topic was sent");
    assert_eq!(reason("S8292-2-b"), "no message with VAPID was sent");
    assert_eq!(reason("S8291-4-c"), "no message with aes128gcm was sent");
}

#[test]
fn old_drafts_are_named() {
    let mut sender = TestSender::new();
    with_field(&mut sender, "content-encoding", &["aesgcm"]);
    let report = text::write(&sender.validator.report(None), text::TextDetail::Failures);
    assert!(report.contains("aesgcm, of the drafts webpush-encryption-04"), "{report}");
}

//! VAPID and restricted subscriptions (RFC 8292).

use crate::support::{Http2Client, Server, Subscription, header};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};
use webpush_core::base64url;

/// The public origin. The tests connect to another address, as through a proxy.
const ORIGIN: &str = "https://push.example";
const OPTIONS: (&str, &str) = ("content-type", "application/webpush-options+json");
const TTL: (&str, &str) = ("ttl", "60");

fn start() -> Server {
    Server::start_with(&["--origin", ORIGIN])
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// An application server that can also sign invalid tokens.
struct Sender(EcdsaKeyPair);

impl Sender {
    fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn key(&self) -> String {
        base64url::encode(self.0.public_key())
    }

    fn token_with(&self, alg: &str, claims: &Value) -> String {
        let part = |value: &Value| base64url::encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({"typ": "JWT", "alg": alg})), part(claims));
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", base64url::encode(signature))
    }

    fn token(&self) -> String {
        self.token_with("ES256", &json!({"aud": ORIGIN, "exp": now() + 3600}))
    }

    fn vapid(&self) -> String {
        format!("vapid t={}, k={}", self.token(), self.key())
    }

    fn vapid_with(&self, claims: &Value) -> String {
        format!("vapid t={}, k={}", self.token_with("ES256", claims), self.key())
    }
}

/// Returns the header of a new sender with a token for an audience.
pub(crate) fn header_for(audience: &str) -> String {
    Sender::new().vapid_with(&json!({"aud": audience, "exp": now() + 3600}))
}

async fn subscribe_for(peer: &mut Http2Client, sender: &Sender) -> Subscription {
    let body = json!({"vapid": sender.key()}).to_string();
    Subscription::from_response(&peer.request(Method::POST, "/subscribe", &[OPTIONS], body).await)
}

async fn push(peer: &mut Http2Client, url: &str, authorization: &str) -> Response<Bytes> {
    peer.post(url, &[TTL, ("authorization", authorization)], "x").await
}

/// Returns type and detail of a problem.
fn problem(response: &Response<Bytes>) -> (String, String) {
    let problem: Value = serde_json::from_slice(response.body()).unwrap();
    let name = problem["type"].as_str().unwrap().strip_prefix("/errors#").unwrap().to_owned();
    (name, problem["detail"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn r8292_4_2_a_a_missing_token_is_401_with_a_challenge() {
    let server = start();
    let (mut peer, sender) = (server.connect().await, Sender::new());
    let urls = subscribe_for(&mut peer, &sender).await;
    for headers in
        [&[TTL][..], &[TTL, ("authorization", "Basic dDpr")], &[TTL, ("proxy-authorization", "vapid")]]
    {
        let response = peer.post(&urls.push, headers, "x").await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(header(&response, "www-authenticate"), "vapid");
        assert_eq!(problem(&response).0, "vapid-required");
    }
    assert_eq!(push(&mut peer, &urls.push, &sender.vapid()).await.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn r8292_4_2_b_to_e_2_d_invalid_credentials_are_403_restricted_or_not() {
    let server = start();
    let (mut peer, sender, other) = (server.connect().await, Sender::new(), Sender::new());
    let restricted = subscribe_for(&mut peer, &sender).await;
    let open = peer.subscribe().await;
    let with = |aud: Value, exp: Value| sender.vapid_with(&json!({"aud": aud, "exp": exp}));
    let end = json!(now() + 3600);
    let none = format!("vapid t={}, k={}", sender.token_with("none", &json!({})), sender.key());
    let hs256 = sender.token_with("HS256", &json!({"aud": ORIGIN, "exp": end}));
    let off_curve = base64url::encode([4; 65]);
    let cases = [
        (format!("vapid t={}, k={}", sender.token(), other.key()), "signature"),
        (with(json!(ORIGIN), json!(now() - 61)), "exp"),
        (with(json!(ORIGIN), json!(now() + 24 * 3600 + 120)), "exp"),
        (with(json!(ORIGIN), json!("soon")), "exp"),
        (sender.vapid_with(&json!({"aud": ORIGIN})), "exp"),
        (with(json!("https://elsewhere.example"), end.clone()), "aud"),
        (with(json!(format!("{ORIGIN}/push")), end.clone()), "aud"),
        (with(json!(server.address), end.clone()), "aud"),
        (sender.vapid_with(&json!({"exp": end})), "aud"),
        (none, "alg"),
        (format!("vapid t={hs256}, k={}", sender.key()), "alg"),
        (format!("vapid t={}", sender.token()), "k"),
        (format!("vapid k={}", sender.key()), "t"),
        (format!("vapid t=x, k={}", sender.key()), "t"),
        (format!("vapid t={}, k={off_curve}", sender.token()), "k"),
        (format!("{}, k={}", sender.vapid(), sender.key()), "k"),
    ];
    for (authorization, claim) in &cases {
        for urls in [&restricted, &open] {
            let response = push(&mut peer, &urls.push, authorization).await;
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{authorization}");
            assert!(!response.headers().contains_key("www-authenticate"), "that is for 401");
            let (name, detail) = problem(&response);
            assert_eq!(name, "vapid-invalid");
            assert!(detail.starts_with(&format!("{claim}: expected ")), "{detail}");
            assert!(detail.len() < 500 && !detail.contains(&sender.key()), "{detail}");
        }
    }
    let twice = [TTL, ("authorization", &sender.vapid()), ("authorization", &sender.vapid())];
    assert_eq!(peer.post(&open.push, &twice, "x").await.status(), StatusCode::FORBIDDEN);
    let foreign = push(&mut peer, &restricted.push, &other.vapid()).await;
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN, "good, but not for this subscription");
    assert!(problem(&foreign).1.starts_with("k: expected the key that"), "{:?}", problem(&foreign));
    assert_eq!(peer.drain(&restricted.subscription).await.1, StatusCode::NO_CONTENT, "nothing was stored");
    assert_eq!(peer.drain(&open.subscription).await.1, StatusCode::NO_CONTENT, "nothing was stored");
}

#[tokio::test]
async fn autopush_mode_returns_401_for_every_vapid_error() {
    let server = Server::start_with(&["--origin", ORIGIN, "--vapid-error-status", "autopush"]);
    let (mut peer, sender, other) = (server.connect().await, Sender::new(), Sender::new());
    let restricted = subscribe_for(&mut peer, &sender).await;
    let open = peer.subscribe().await;
    let elsewhere = sender.vapid_with(&json!({"aud": "https://elsewhere.example", "exp": now() + 60}));
    for (url, authorization, name) in [
        (&restricted.push, "Basic dDpr", "vapid-required"),
        (&restricted.push, &*other.vapid(), "vapid-invalid"),
        (&restricted.push, &elsewhere, "vapid-invalid"),
        (&open.push, &elsewhere, "vapid-invalid"),
        (&open.push, "vapid", "vapid-invalid"),
    ] {
        let response = push(&mut peer, url, authorization).await;
        assert_eq!((response.status(), &*problem(&response).0), (StatusCode::UNAUTHORIZED, name));
        assert_eq!(header(&response, "www-authenticate"), "vapid");
    }
    assert_eq!(push(&mut peer, &restricted.push, &sender.vapid()).await.status(), StatusCode::CREATED);
}

/// C1, C2, C3: the tokens that deployed libraries write.
#[tokio::test]
async fn tokens_of_deployed_senders_are_accepted_and_the_leeway_is_a_setting() {
    let sender = Sender::new();
    let (strict, lenient) = (
        Server::start_with(&["--origin", "https://push.example:8443", "--vapid-leeway", "0"]),
        Server::start_with(&["--origin", "https://push.example:8443"]),
    );
    let claims = |aud: &str, exp: Value| sender.vapid_with(&json!({"aud": aud, "exp": exp}));
    let with_port = "https://push.example:8443";
    let clock_ahead = claims(with_port, json!(now() + 24 * 3600 + 50));
    let clock_behind = claims(with_port, json!(now() - 10));
    let without_port = claims("https://PUSH.example", json!(now() + 60));
    let text = claims(with_port, json!((now() + 60).to_string()));
    let mut statuses = Vec::new();
    for server in [&strict, &lenient] {
        let mut peer = server.connect().await;
        let urls = peer.subscribe().await;
        for authorization in [&clock_ahead, &clock_behind, &without_port, &text] {
            statuses.push(push(&mut peer, &urls.push, authorization).await.status().as_u16());
        }
    }
    assert_eq!(statuses, [403, 403, 201, 201, 201, 201, 201, 201]);
}

#[tokio::test]
async fn a_restriction_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["--origin", ORIGIN];
    let (sender, server) = (Sender::new(), Server::start_on(dir.path(), &args));
    let urls = subscribe_for(&mut server.connect().await, &sender).await;
    server.kill();
    let server = Server::start_on(dir.path(), &args);
    let mut peer = server.connect().await;
    assert_eq!(peer.post(&urls.push, &[TTL], "x").await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(push(&mut peer, &urls.push, &sender.vapid()).await.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn explain_agrees_with_the_server() {
    let server = start();
    let (mut peer, sender, other) = (server.connect().await, Sender::new(), Sender::new());
    let urls = subscribe_for(&mut peer, &sender).await;
    let wrong = sender.vapid_with(&json!({"aud": format!("{ORIGIN}/push"), "exp": 1}));
    for authorization in [sender.vapid(), other.vapid(), wrong, "vapid".to_owned(), "Basic x".to_owned()] {
        let answer = push(&mut peer, &urls.push, &authorization).await;
        let explained = Command::new(env!("CARGO_BIN_EXE_webpush-server"))
            .args(["explain", &authorization, "--endpoint", &urls.push, "--key", &sender.key()])
            .output()
            .unwrap();
        let printed = String::from_utf8(explained.stdout).unwrap();
        assert!(printed.is_ascii(), "{printed}");
        match answer.status() {
            StatusCode::CREATED => {
                assert_eq!(explained.status.code(), Some(0));
                assert!(printed.contains("\npass: ") && !printed.contains("FAIL"), "{printed}");
            }
            status => {
                assert_eq!(explained.status.code(), Some(3));
                let verdict = format!("refused with {}: {}", status.as_u16(), problem(&answer).1);
                assert_eq!(printed.lines().last(), Some(&*verdict));
            }
        }
    }
}

#[tokio::test]
async fn the_errors_page_explains_refused_senders() {
    let server = start();
    let page = server.connect().await.get("/errors", &[]).await;
    let text = String::from_utf8(page.body().to_vec()).unwrap();
    for name in ["vapid-required", "vapid-invalid", "same-key", "options-malformed"] {
        assert!(text.contains(&format!(" id=\"{name}\"")), "{name}");
    }
}

#[tokio::test]
async fn r8030_8_4_b_a_sender_has_a_rate_over_all_subscriptions_unless_it_is_exempt() {
    let (sender, exempt) = (Sender::new(), Sender::new());
    let server = Server::start_with(&[
        "--origin",
        ORIGIN,
        "--rate-limit-loopback",
        "--sender-rate",
        "1/h:1",
        "--exempt-sender",
        &exempt.key(),
    ]);
    let mut peer = server.connect().await;
    let urls = [peer.subscribe().await, peer.subscribe().await];
    assert_eq!(push(&mut peer, &urls[0].push, &sender.vapid()).await.status(), StatusCode::CREATED);
    let refused = push(&mut peer, &urls[1].push, &sender.vapid()).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key("retry-after"));
    for urls in &urls {
        assert_eq!(push(&mut peer, &urls.push, &exempt.vapid()).await.status(), StatusCode::CREATED);
        peer.push(&urls.push, "nobody says who sends").await;
    }
}

#[tokio::test]
async fn r8292_4_a_stranger_cannot_use_up_the_rate_of_the_one_sender() {
    let args = ["--origin", ORIGIN, "--rate-limit-loopback", "--push-rate", "1/h:1"];
    let server = Server::start_with(&args);
    let (mut peer, sender) = (server.connect().await, Sender::new());
    let urls = subscribe_for(&mut peer, &sender).await;
    for _ in 0..3 {
        assert_eq!(peer.post(&urls.push, &[TTL], "x").await.status(), StatusCode::UNAUTHORIZED);
        let stranger = push(&mut peer, &urls.push, &Sender::new().vapid()).await;
        assert_eq!(stranger.status(), StatusCode::FORBIDDEN);
    }
    assert_eq!(push(&mut peer, &urls.push, &sender.vapid()).await.status(), StatusCode::CREATED);
    let refused = push(&mut peer, &urls.push, &sender.vapid()).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
}

//! `listen` against a scripted service: requests, output, acknowledgements and exit status.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a step that fails ends its test")]

mod client_support;

use client_support::{Listening, Service, Step};
use serde_json::{Value, json};
use webpush_client::encryption::encrypt;
use webpush_client::subscription::PushSubscription;

fn push(path: &'static str, subscription: &str, text: &[u8]) -> Step {
    let keys = PushSubscription::read(subscription).unwrap().keys;
    Step::Push { path, encoding: "aes128gcm", body: encrypt(&keys, text).unwrap() }
}

/// E8: the first line is the subscription that `send` takes.
#[tokio::test]
async fn r8030_6_messages_are_printed_then_acknowledged() {
    let mut service = Service::start().await;
    let mut listening = Listening::start(&[&service.url, "--count", "2"]);
    let subscription = listening.line().await;
    let endpoint = serde_json::from_str::<Value>(&subscription).unwrap()["endpoint"].clone();
    assert_eq!(endpoint, json!(format!("{}/push/p", service.url)));
    service.expect(&["POST /subscribe", "GET /subscription/s"]).await;
    service.step(push("/message/1", &subscription, "Grüße\nund mehr".as_bytes()));
    assert_eq!(listening.line().await, "Grüße\\nund mehr");
    service.expect(&["DELETE /message/1"]).await;
    service.step(push("/message/2", &subscription, b"\xff\xfe"));
    assert_eq!(listening.line().await, "__4");
    // The keys are lost afterwards, so the subscription is deleted.
    service.expect(&["DELETE /message/2", "DELETE /subscription/s"]).await;
    let (code, stderr) = listening.end().await;
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("not UTF-8"), "{stderr}");
}

#[tokio::test]
async fn r8030_6_2_a_repeated_message_is_printed_once_and_acknowledged_again() {
    let mut service = Service::start().await;
    let mut listening = Listening::start(&[&service.url, "--json", "--count", "2"]);
    let first = listening.json().await;
    let subscription = first.to_string();
    service.expect(&["POST /subscribe", "GET /subscription/s"]).await;
    service.step(push("/message/1", &subscription, b"one"));
    service.step(Step::End(204));
    service.expect(&["DELETE /message/1", "GET /subscription/s"]).await;
    service.step(push("/message/1", &subscription, b"one"));
    service.step(push("/message/2", &subscription, b"two"));
    let (one, two) = (listening.json().await, listening.json().await);
    assert_eq!((&one["message"], &one["path"]), (&json!("one"), &json!("/message/1")));
    assert_eq!(
        (&two["message"], &two["data_base64url"], &two["encoding"]),
        (&json!("two"), &json!("dHdv"), &json!("aes128gcm"))
    );
    service.expect(&["DELETE /message/1", "DELETE /message/2"]).await;
    assert_eq!(listening.end().await.0, Some(0));
}

#[tokio::test]
async fn undecryptable_messages_are_acknowledged_and_count_as_failures() {
    let mut service = Service::start().await;
    let mut listening = Listening::start(&[&service.url, "--count", "1"]);
    listening.line().await;
    service.step(Step::Push { path: "/message/1", encoding: "aes128gcm", body: vec![1; 200] });
    service.expect(&["POST /subscribe", "GET /subscription/s", "DELETE /message/1"]).await;
    let (code, stderr) = listening.end().await;
    assert_eq!(code, Some(5));
    assert!(stderr.contains("cannot decrypt a message"), "{stderr}");
}

#[tokio::test]
async fn a_subscription_is_kept_and_its_end_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state.json");
    let state = state.to_str().unwrap();
    let mut service = Service::start().await;
    let mut listening = Listening::start(&[&service.url, "--state", state, "--no-wait"]);
    let subscription = listening.line().await;
    service.step(Step::End(204));
    service.expect(&["POST /subscribe", "GET /subscription/s wait=0"]).await;
    assert_eq!(listening.end().await.0, Some(0));

    let mut listening = Listening::start(&[&service.url, "--state", state]);
    assert_eq!(listening.line().await, subscription);
    service.step(Step::End(404));
    service.expect(&["GET /subscription/s"]).await;
    let (code, stderr) = listening.end().await;
    assert_eq!(code, Some(4));
    assert!(stderr.contains("--renew") && !stderr.contains("/subscription/s"), "{stderr}");

    let mut listening = Listening::start(&[&service.url, "--state", state, "--renew", "--no-wait"]);
    assert_ne!(listening.line().await, subscription, "new keys");
    service.step(Step::End(204));
    service.expect(&["POST /subscribe", "DELETE /subscription/s", "GET /subscription/s wait=0"]).await;
    assert_eq!(listening.end().await.0, Some(0));
}

#[cfg(unix)]
#[tokio::test]
async fn a_message_is_acknowledged_after_the_command_succeeds() {
    let directory = tempfile::tempdir().unwrap();
    let failed_once = directory.path().join("failed-once");
    let command = format!("test -e '{0}' && exit; touch '{0}'; exit 3", failed_once.display());
    let mut service = Service::start().await;
    let mut listening = Listening::start(&[&service.url, "--count", "1", "--exec", &command]);
    let subscription = listening.line().await;
    service.step(push("/message/1", &subscription, b"once"));
    service.step(Step::End(200));
    service.step(push("/message/1", &subscription, b"once"));
    service
        .expect(&["POST /subscribe", "GET /subscription/s", "GET /subscription/s", "DELETE /message/1"])
        .await;
    assert_eq!(listening.line().await, "once");
    let (code, stderr) = listening.end().await;
    assert_eq!(code, Some(0));
    assert!(stderr.contains("exit status: 3"), "{stderr}");
}

#[tokio::test]
async fn a_server_without_push_is_a_permanent_failure() {
    let mut service = Service::start().await;
    let mut listening = Listening::start(&[&service.url]);
    listening.line().await;
    service.step(Step::End(505));
    service.expect(&["POST /subscribe", "GET /subscription/s"]).await;
    let (code, stderr) = listening.end().await;
    assert_eq!(code, Some(3));
    assert!(stderr.contains("--via sse"), "{stderr}");
}

#[tokio::test]
async fn a_failed_request_is_retried_with_the_same_subscription() {
    let mut service = Service::start().await;
    let mut listening = Listening::start(&[&service.url, "--count", "1"]);
    let subscription = listening.line().await;
    service.step(Step::Fail);
    service.expect(&["POST /subscribe", "GET /subscription/s", "GET /subscription/s"]).await;
    service.step(push("/message/1", &subscription, b"again"));
    assert_eq!(listening.line().await, "again");
    let (code, stderr) = listening.end().await;
    assert_eq!(code, Some(0));
    assert!(stderr.contains("trying again in 1 s"), "{stderr}");
}

#[tokio::test]
async fn a_failed_save_leaves_no_subscription_behind() {
    let mut service = Service::start().await;
    let listening = Listening::start(&[&service.url, "--state", "/nowhere/state.json"]);
    service.expect(&["POST /subscribe", "DELETE /subscription/s"]).await;
    let (code, stderr) = listening.end().await;
    assert_eq!(code, Some(1));
    assert!(stderr.contains("/nowhere/state.json"), "{stderr}");
}

#[cfg(unix)]
#[tokio::test]
async fn ctrl_c_deletes_a_subscription_without_a_state_file() {
    let mut service = Service::start().await;
    let mut listening = Listening::start(&[&service.url]);
    listening.line().await;
    service.expect(&["POST /subscribe", "GET /subscription/s"]).await;
    listening.interrupt().await;
    service.expect(&["DELETE /subscription/s"]).await;
    assert_eq!(listening.end().await.0, Some(130));
}

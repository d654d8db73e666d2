//! Message traces, over the admin listener and by `webpush-server trace`.

use crate::admin::ask;
use crate::agent::{Registered, push_many, with_channel};
use crate::support::{HERMETIC, Http2Client, Server, header, soon};
use http::StatusCode;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const ADMIN: [&str; 2] = ["--admin", "127.0.0.1:0"];

/// Requests the trace of a message.
async fn trace(server: &Server, url: &str) -> (u16, Value) {
    let (status, _, body) = ask(&server.admin, "POST", "/admin/trace", url).await;
    (status, serde_json::from_str(&body).unwrap())
}

/// Polls until the message has the expected state.
async fn trace_until(server: &Server, url: &str, state: &str, last: &str) -> Value {
    soon("that stage", async {
        loop {
            let (status, found) = trace(server, url).await;
            assert_eq!(status, 200, "{found}");
            if found["state"] == state && stages(&found).last().is_some_and(|stage| stage == last) {
                return found;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

fn stages(found: &Value) -> Vec<String> {
    let steps = found["steps"].as_array().unwrap();
    let times: Vec<_> = steps.iter().map(|step| step["ms"].as_f64().unwrap()).collect();
    assert!(times.is_sorted() && times[0] == 0.0, "{found}");
    steps.iter().map(|step| step["step"].as_str().unwrap().to_owned()).collect()
}

async fn send(sender: &mut Http2Client, push: &str, headers: &[(&str, &str)]) -> String {
    let answer = sender.post(push, headers, "a secret text").await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    header(&answer, "location").to_owned()
}

#[tokio::test]
async fn every_stage_of_a_message_is_shown_without_ids() {
    let (server, mut sender, Registered { mut agent, uaid, push }) = with_channel(&ADMIN).await;
    let url = send(&mut sender, &push, &[("ttl", "60"), ("urgency", "low")]).await;
    let received = agent.notifications(1).await;
    let written = trace_until(&server, &url, "waiting", "written").await;
    assert_eq!(written["reason"], "the agent has not acknowledged it");
    agent.ack(&received).await;
    let ended = trace_until(&server, &url, "delivered", "ended").await;
    assert_eq!(stages(&ended), ["accepted", "stored", "notified", "written", "acknowledged", "ended"]);
    assert_eq!(
        [&ended["protocol"], &ended["urgency"], &ended["final"], &ended["written"], &ended["reason"]],
        [&json!("autopush"), &json!("low"), &json!(true), &json!(1), &Value::Null]
    );
    // The version and the log ID find the same message.
    assert_eq!(trace(&server, &received[0].version).await.1["message"], ended["message"]);
    let name = ended["message"].as_str().unwrap();
    let (status, _, body) = ask(&server.admin, "GET", &format!("/admin/messages/{name}"), "").await;
    assert_eq!(status, 200);
    let secrets = [&url[url.len() - 12..], &uaid, &received[0].version, "secret"];
    assert!(secrets.iter().all(|secret| !body.contains(secret)), "{body}");
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["steps"], ended["steps"]);
}

#[tokio::test]
async fn the_trace_shows_why_a_message_waits() {
    let (server, mut sender, Registered { mut agent, push, .. }) = with_channel(&ADMIN).await;
    agent.urgency("high").await;
    let url = send(&mut sender, &push, &[("ttl", "60"), ("urgency", "low")]).await;
    let held = trace_until(&server, &url, "waiting", "notified").await;
    assert_eq!(held["reason"], "its urgency, low, is below the agent's minimum, high");
    agent.leave().await;
    soon("that the agent is gone", async {
        while trace(&server, &url).await.1["reason"] != "the agent is not connected" {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_full_window_is_reported_as_the_reason() {
    let (server, mut sender, Registered { mut agent, push, .. }) = with_channel(&ADMIN).await;
    push_many(&mut sender, &push, 0..64).await;
    agent.notifications(64).await;
    let url = send(&mut sender, &push, &[("ttl", "60")]).await;
    let held = trace_until(&server, &url, "waiting", "notified").await;
    assert_eq!(held["reason"], "the agent has reached its limit of unacknowledged messages");
}

#[tokio::test]
async fn the_trace_shows_how_a_message_ended_without_its_agent() {
    let server = Server::start_with(&ADMIN);
    let mut sender = server.connect().await;
    let urls = sender.subscribe().await;
    let replaced = send(&mut sender, &urls.push, &[("ttl", "60"), ("topic", "news")]).await;
    let waiting = send(&mut sender, &urls.push, &[("ttl", "60"), ("topic", "news")]).await;
    let nobody = send(&mut sender, &urls.push, &[("ttl", "0")]).await;
    assert_eq!(trace(&server, &replaced).await.1["state"], "replaced");
    let found = trace(&server, &nobody).await.1;
    assert_eq!(stages(&found), ["accepted", "ended"]);
    assert_eq!(found["reason"], "its TTL is 0, and the agent was not connected");
    assert_eq!(trace(&server, &waiting).await.1["reason"], "the agent is not connected");
    assert_eq!(sender.delete(&urls.subscription).await, StatusCode::NO_CONTENT);
    let found = trace(&server, &waiting).await.1;
    assert_eq!((&found["state"], &found["final"]), (&json!("canceled"), &json!(true)));
}

#[tokio::test]
async fn a_complaint_of_an_agent_is_in_the_trace() {
    let (server, mut sender, Registered { mut agent, push, .. }) = with_channel(&ADMIN).await;
    let mut urls = Vec::new();
    for _ in 0..2 {
        urls.push(send(&mut sender, &push, &[("ttl", "60")]).await);
    }
    let received = agent.notifications(2).await;
    let updates = json!([
        {"channelID": received[0].channel, "version": received[0].version, "code": 101},
        {"channelID": received[1].channel, "version": received[1].version, "code": 100},
    ]);
    agent.send_text(json!({"messageType": "ack", "updates": updates})).await;
    let found = trace_until(&server, &urls[0], "delivered", "ended").await;
    assert_eq!(found["code"], 101);
    assert!(found["reason"].as_str().unwrap().contains("decryption failed"), "{found}");
    assert_eq!(trace_until(&server, &urls[1], "delivered", "ended").await["code"], Value::Null);
}

#[tokio::test]
async fn unknown_messages_are_explained() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_on(dir.path(), &ADMIN);
    let mut sender = server.connect().await;
    let urls = sender.subscribe().await;
    let url = send(&mut sender, &urls.push, &[("ttl", "60")]).await;
    let cut = &url[..url.len() - 1];
    for (body, status, expected) in [
        (cut, 400, "not a message URL of this server"),
        (&urls.push, 400, "but not of a message: senders receive message URLs as Location"),
        ("https://elsewhere.example/message/x", 400, "This is a URL of https://elsewhere.example"),
        ("nonsense", 400, "neither a message URL nor a version"),
    ] {
        let (found, answer) = trace(&server, body).await;
        let detail = answer["detail"].as_str().unwrap();
        assert!(found == status && detail.contains(expected), "{found} {detail}");
        assert!(!detail.contains(&urls.push), "{detail}");
    }
    assert_eq!(
        ask(&server.admin, "GET", "/admin/messages/0123456789abcdef0123456789abcdef", "").await.0,
        404
    );
    let (status, _, answer) = ask(&server.admin, "GET", "/admin/messages/0123456789abcdef", "").await;
    assert!(status == 400 && answer.contains("expected 32 hexadecimal digits"), "{status} {answer}");
    server.kill();
    // Another process has the store, but not the trace.
    let server = Server::start_on(dir.path(), &ADMIN);
    let path = url.strip_prefix("http://").unwrap().split_once('/').unwrap().1;
    let (status, answer) = trace(&server, &format!("/{path}")).await;
    let detail = answer["detail"].as_str().unwrap();
    assert!(status == 404 && detail.contains("is stored and waits for its agent"), "{status} {detail}");
    server.kill();
    let server = Server::start_on(dir.path(), &[&ADMIN[..], &["--trace-keep", "0"]].concat());
    let (status, answer) = trace(&server, &format!("/{path}")).await;
    assert_eq!((status, answer["detail"].as_str().unwrap().contains("trace.keep")), (404, true));
}

#[tokio::test]
async fn the_command_shows_a_line_for_each_stage_and_follows_a_message() {
    let (server, mut sender, Registered { mut agent, push, .. }) = with_channel(&ADMIN).await;
    let url = send(&mut sender, &push, &[("ttl", "60")]).await;
    let received = agent.notifications(1).await;
    trace_until(&server, &url, "waiting", "written").await;
    let shown = run_trace(server.dir(), &server.admin, &[&url]).await;
    let printed = String::from_utf8(shown.stdout).unwrap();
    let lines: Vec<_> = printed.lines().collect();
    assert!(shown.status.success() && lines[0].contains("(autopush, urgency normal)"), "{printed}");
    for (line, stage) in lines[1..].iter().zip(["accepted", "stored", "notified", "written"]) {
        assert!(line.contains(&format!("  {stage} ")) && line.contains(" ms"), "{line}");
    }
    assert_eq!(*lines.last().unwrap(), "waiting: the agent has not acknowledged it");

    let dir = server.dir().to_owned();
    let admin = server.admin.clone();
    let following = tokio::spawn(async move { run_trace(&dir, &admin, &["--wait", "--json", &url]).await });
    agent.ack(&received).await;
    let followed = String::from_utf8(soon("its end", following).await.unwrap().stdout).unwrap();
    let last: Value = serde_json::from_str(followed.lines().last().unwrap()).unwrap();
    assert_eq!(last["state"], "delivered", "{followed}");

    let wrong = run_trace(server.dir(), &server.admin, &["https://elsewhere.example/message/x"]).await;
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("and this server is http://"));
}

async fn run_trace(dir: &Path, admin: &str, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_webpush-server"));
    command.envs(HERMETIC).env("WEBPUSH_SERVER_STORAGE__DATA_DIR", dir.join("data"));
    command.args(["trace", "--admin", admin]).args(args).stdin(Stdio::null());
    let ended = tokio::task::spawn_blocking(move || command.output().unwrap());
    soon("the command", ended).await.unwrap()
}

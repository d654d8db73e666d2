//! The dashboard, its data, and its self-test.

use crate::admin::{ask, ask_with};
use crate::agent::{Registered, with_channel};
use crate::support::{Server, soon};
use http::StatusCode;
use serde_json::Value;

const ADMIN: [&str; 2] = ["--admin", "127.0.0.1:0"];

async fn json(server: &Server, path: &str) -> Value {
    let (status, head, body) = ask(&server.admin, "GET", path, "").await;
    assert!(status == 200 && head.contains("content-type: application/json"), "{head}");
    serde_json::from_str(&body).unwrap()
}

#[tokio::test]
async fn the_dashboard_makes_requests_to_its_own_listener_only() {
    let server = Server::start_with(&ADMIN);
    let (status, head, page) = ask(&server.admin, "GET", "/", "").await;
    assert_eq!(status, 200);
    for header in [
        "content-type: text/html; charset=utf-8",
        "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';",
        "x-content-type-options: nosniff",
        "x-frame-options: DENY",
        "referrer-policy: no-referrer",
        "cache-control: no-store",
    ] {
        assert!(head.contains(header), "{header} is not in {head}");
    }
    assert!(!page.contains("<style") && !page.contains(" style=") && !page.contains(" onclick="));
    let files = page.split('"').filter(|part| part.starts_with("/dashboard/"));
    let mut waiting: Vec<String> = files.map(str::to_owned).collect();
    let mut seen = Vec::new();
    while let Some(path) = waiting.pop() {
        if seen.contains(&path) {
            continue;
        }
        let (status, _, text) = ask(&server.admin, "GET", &path, "").await;
        assert_eq!(status, 200, "{path}");
        assert!(!text.contains("//cdn") && !text.contains("https://fonts"), "{path}");
        // Imports of a module, and the worker that a module names.
        let named = text.split('"').filter_map(|part| match part.strip_prefix("./") {
            Some(name) => Some(format!("/dashboard/{name}")),
            None => part.starts_with("/dashboard/").then(|| part.to_owned()),
        });
        waiting.extend(named);
        seen.push(path);
    }
    assert_eq!(seen.len(), 12, "{seen:?}");
    assert_eq!(ask(&server.admin, "POST", "/", "").await.0, 405);
}

/// E9: backlog and sessions shared an axis.
#[tokio::test]
async fn the_page_has_an_icon_a_chart_for_each_unit_and_a_folded_configuration() {
    let server = Server::start_with(&ADMIN);
    let (_, _, page) = ask(&server.admin, "GET", "/", "").await;
    assert!(page.contains(r#"<link rel="icon" href="/dashboard/icon.svg" type="image/svg+xml">"#));
    // For tabs that show something else of this listener.
    let (status, head, icon) = ask(&server.admin, "GET", "/favicon.ico", "").await;
    assert!(status == 200 && head.contains("content-type: image/svg+xml") && icon.contains("<svg"), "{head}");
    for id in ["plot-messages", "plot-latency", "plot-commits", "plot-sessions", "plot-backlog", "largest"] {
        assert_eq!(page.matches(&format!(r#"id="{id}""#)).count(), 1, "{id}");
    }
    assert!(page.contains(r#"<details id="configuration"><summary>"#));
}

/// E9: nothing named the agents with the largest backlogs.
#[tokio::test]
async fn the_largest_backlogs_are_listed_by_log_id() {
    let server = Server::start_with(&ADMIN);
    let empty = json(&server, "/admin/backlog/largest").await;
    assert!(empty["agents"] == serde_json::json!([]) && empty["complete"] == true, "{empty}");
    let mut peer = server.connect().await;
    let (small, large, none) = (peer.subscribe().await, peer.subscribe().await, peer.subscribe().await);
    let _monitor = server.connect().await.monitor(&small.set, &[("accept", "text/event-stream")]).await;
    peer.push(&small.push, "1").await;
    for _ in 0..3 {
        peer.push(&large.push, "12345").await;
    }
    let list = soon("the session of the monitor", async {
        loop {
            let list = json(&server, "/admin/backlog/largest").await;
            if list["agents"][1]["listening"] == true {
                return list;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    let agents = list["agents"].as_array().unwrap();
    let shown: Vec<_> = agents
        .iter()
        .map(|agent| (agent["messages"].as_u64(), agent["bytes"].as_u64(), agent["listening"].as_bool()))
        .collect();
    assert_eq!(shown, [(Some(3), Some(15), Some(false)), (Some(1), Some(1), Some(true))]);
    let log_id = agents[0]["agent"].as_str().unwrap();
    assert_eq!(json(&server, &format!("/admin/agents/{log_id}")).await["messages"], 3);
    assert!(list["complete"] == true && list["as_of"].as_u64() <= list["now"].as_u64(), "{list}");
    for url in [&small.set, &large.push, &none.set] {
        assert!(!list.to_string().contains(url.rsplit('/').next().unwrap()));
    }
    let first = json(&server, "/admin/backlog/largest?limit=1").await;
    assert_eq!(first["agents"].as_array().unwrap().len(), 1);
    for (method, path, status) in [
        ("POST", "/admin/backlog/largest", 405),
        ("GET", "/admin/backlog/largest?limit=0", 400),
        ("GET", "/admin/backlog/smallest", 404),
    ] {
        assert_eq!(ask(&server.admin, method, path, "").await.0, status, "{method} {path}");
    }
}

#[tokio::test]
async fn the_dashboard_needs_no_token_but_its_data_does() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens");
    std::fs::write(&file, "0123456789abcdef\n").unwrap();
    let server = Server::start_with(&[&ADMIN[..], &["--admin-token-file", file.to_str().unwrap()]].concat());
    assert_eq!(ask(&server.admin, "GET", "/", "").await.0, 200);
    let token = ["authorization: Bearer 0123456789abcdef"];
    for (method, path, body) in [
        ("GET", "/admin/status", ""),
        ("GET", "/admin/history", ""),
        ("GET", "/admin/backlog/largest", ""),
        ("POST", "/admin/try", "{}"),
    ] {
        assert_eq!(ask(&server.admin, method, path, body).await.0, 401, "{path}");
        assert_eq!(ask_with(&server.admin, method, path, &token, body).await.0, 200, "{path}");
    }
    for path in ["/admin/trace", "/admin/messages/0123456789abcdef"] {
        assert_eq!(ask(&server.admin, "GET", path, "").await.0, 401, "{path}");
    }
    let foreign = ask_with(
        &server.admin,
        "POST",
        "/admin/try",
        &["origin: https://page.example", "authorization: Bearer 0123456789abcdef"],
        "{}",
    );
    assert_eq!(foreign.await.0, 403);
}

#[tokio::test]
async fn the_status_describes_the_server() {
    let secret = "a-secret-of-the-subscribers";
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens");
    std::fs::write(&file, format!("{secret}\n")).unwrap();
    let (server, mut sender, Registered { mut agent, push, uaid, .. }) = with_channel(&ADMIN).await;
    for _ in 0..3 {
        let answer = sender.post(&push, &[("ttl", "60")], "x").await;
        assert_eq!(answer.status(), StatusCode::CREATED);
    }
    let received = agent.notifications(3).await;
    agent.ack(&received[..2]).await;
    assert_eq!(sender.post("/push/x", &[("ttl", "60")], "x").await.status(), StatusCode::NOT_FOUND);
    let status = soon("what was acknowledged", async {
        loop {
            let status = json(&server, "/admin/status").await;
            if status["sample"]["ended"]["delivered"] == 2 {
                return status;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["origin"], *server.origin);
    assert!(status["ready"] == true && status["reason"].is_null() && status["draining"] == false);
    let sample = &status["sample"];
    assert_eq!((sample["accepted"].as_u64(), sample["refused"].as_u64()), (Some(3), Some(1)));
    assert_eq!((sample["sessions"].as_u64(), status["sessions"]["autopush"].as_u64()), (Some(1), Some(1)));
    for name in ["delivery", "acknowledgement", "commits", "groups"] {
        let counts = sample[name]["counts"].as_array().unwrap();
        assert_eq!(counts.len(), status["bounds"][name].as_array().unwrap().len() + 1, "{name}");
    }
    let noted: u64 = sample["delivery"]["counts"].as_array().unwrap().iter().filter_map(Value::as_u64).sum();
    assert_eq!(noted, 3);
    assert_eq!(status["refusals"][0][1], 1);
    let slowest = &status["slowest"][0];
    assert_eq!((slowest["messages"].as_u64(), slowest["waiting"].as_u64()), (Some(3), Some(1)));
    assert!(slowest["listens"] == true && slowest["longest_ms"].as_f64().unwrap() > 0.0);
    assert!(status["process"]["data_bytes"].as_u64().unwrap() > 0);
    assert!(status["process"]["free_bytes"].as_u64().unwrap() > 0);
    let toml = status["configuration"]["toml"].as_str().unwrap();
    assert!(toml.contains("[trace]\nkeep = \"5m\"") && toml.contains("# flag --admin"), "{toml}");
    assert!(!status.to_string().contains(&uaid));
    let history = json(&server, "/admin/history").await;
    assert!(history[0]["at"].as_u64().unwrap() <= sample["at"].as_u64().unwrap());
}

#[tokio::test]
async fn the_shown_configuration_has_no_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("webpush-server.toml");
    std::fs::write(&file, "[subscribe]\ntokens = [\"a-secret-of-subscribers\"]\n").unwrap();
    let server = Server::start_with(&[&ADMIN[..], &["--config", file.to_str().unwrap()]].concat());
    let text = json(&server, "/admin/status").await.to_string();
    assert!(
        text.contains("tokens is set (not shown)") && !text.contains("a-secret-of-subscribers"),
        "{text}"
    );
    // The self-test needs no token, although subscribing does.
    assert_eq!(run_self_test(&server, "{}").await.last().unwrap()["ok"], true);
}

/// Returns the lines of a self-test.
async fn run_self_test(server: &Server, body: &str) -> Vec<Value> {
    let (status, head, answer) = ask(&server.admin, "POST", "/admin/try", body).await;
    assert!(status == 200 && head.contains("content-type: application/x-ndjson"), "{head}\n{answer}");
    // The body is chunked: the lines between the sizes are JSON.
    answer
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(Value::is_object)
        .collect()
}

fn names(lines: &[Value]) -> Vec<String> {
    let name = |line: &Value| Some(format!("{} {}", line["who"].as_str()?, line["step"].as_str()?));
    lines.iter().filter_map(name).collect()
}

#[tokio::test]
async fn the_self_test_leaves_nothing_behind() {
    let server = Server::start_with(&ADMIN);
    let lines = run_self_test(&server, "").await;
    let names = names(&lines);
    for step in [
        "agent subscribed",
        "agent listens",
        "sender sends",
        "sender response",
        "agent received",
        "agent decrypted",
        "service accepted",
        "service stored",
        "service notified",
        "service written",
        "service acknowledged",
        "service ended",
        "agent unsubscribed",
    ] {
        assert!(names.iter().any(|name| name == step), "{step} is not in {names:?}");
    }
    let end = lines.last().unwrap();
    assert!(end["end"] == true && end["ok"] == true && end["error"].is_null(), "{end}");
    let at = |step: &str| lines.iter().find(|line| line["step"] == step).unwrap()["ms"].as_f64().unwrap();
    assert!(
        at("sends") <= at("accepted") && at("stored") <= at("response") && at("written") <= at("received")
    );
    let status = json(&server, "/admin/status").await;
    assert_eq!(status["sample"]["backlog"].as_u64().unwrap_or_default(), 0);
}

#[tokio::test]
async fn a_browser_subscription_is_tested_if_it_belongs_to_this_server() {
    let (server, _sender, Registered { mut agent, push, .. }) = with_channel(&ADMIN).await;
    let subscription = |endpoint: &str| {
        format!(
            r#"{{"subscription":{{"endpoint":"{endpoint}","expirationTime":null,"keys":{{"p256dh":"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4","auth":"BTBZMqHH6r4Tts7J_aSIgg"}}}}}}"#
        )
    };
    let elsewhere = subscription("https://elsewhere.example/push/x");
    for (body, expected) in [
        (&*elsewhere, "This browser receives its pushes from https://elsewhere.example"),
        ("{\"subscription\":7}", "Not a push subscription"),
        ("[", "as browsers serialize it"),
    ] {
        let (status, _, answer) = ask(&server.admin, "POST", "/admin/try", body).await;
        assert!(status == 400 && answer.contains(expected), "{status} {answer}");
    }
    let url = push.clone();
    let url = if url.starts_with('/') { format!("{}{url}", server.origin) } else { url };
    let body = subscription(&url);
    let (lines, ()) = tokio::join!(run_self_test(&server, &body), async {
        // The message is encrypted, not text.
        let told: Value = serde_json::from_str(&agent.text().await).unwrap();
        let updates = serde_json::json!([{"channelID": told["channelID"], "version": told["version"]}]);
        agent.send_text(serde_json::json!({"messageType": "ack", "updates": updates})).await;
    });
    assert_eq!(lines.last().unwrap()["ok"], true, "{lines:?}");
    let names = names(&lines);
    assert!(
        names.contains(&"service acknowledged".to_owned())
            && !names.iter().any(|name| name.starts_with("agent"))
    );
}

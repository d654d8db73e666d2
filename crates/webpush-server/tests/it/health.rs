//! Health checks of load balancers and containers.

use crate::admin::ask;
use crate::agent::Registered;
use crate::support::{Server, header, raw_http1};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::process::{Command, Output};

const LOOPBACK: [&str; 2] = ["--admin", "127.0.0.1:0"];

async fn told(admin: &str, path: &str) -> (u16, Value) {
    let (status, head, body) = ask(admin, "GET", path, "").await;
    assert!(
        head.contains("content-type: application/json") && head.contains("cache-control: no-store"),
        "{head}"
    );
    (status, serde_json::from_str(&body).unwrap())
}

/// Runs the command.
fn health(args: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_webpush-server"));
    let Output { status, stdout, stderr } = command.arg("health").args(args).output().unwrap();
    assert!(stdout.is_empty());
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[tokio::test]
async fn the_admin_listener_reports_liveness_and_readiness() {
    let server = Server::start_with(&LOOPBACK);
    let mut version = json!({
        "name": "webpush-server", "version": env!("CARGO_PKG_VERSION"), "source": env!("CARGO_PKG_REPOSITORY"),
    });
    if let Some(commit) = option_env!("WEBPUSH_BUILD_COMMIT") {
        version["commit"] = commit.into();
    }
    let ok = json!({"status": "OK", "version": env!("CARGO_PKG_VERSION")});
    for (path, body) in [
        ("/health", json!({"status": "live"})),
        ("/healthz", json!({"status": "live"})),
        ("/ready", json!({"status": "ready"})),
        ("/readyz", json!({"status": "ready"})),
        ("/__heartbeat__", json!({"status": "ready"})),
        ("/__lbheartbeat__", ok),
        ("/__version__", version),
    ] {
        assert_eq!(told(&server.admin, path).await, (200, body), "{path}");
        let (status, _, body) = ask(&server.admin, "HEAD", path, "").await;
        assert_eq!((status, &*body), (200, ""), "{path}");
        let (status, head, _) = ask(&server.admin, "POST", path, "").await;
        assert!(status == 405 && head.contains("allow: GET, HEAD"), "{path}: {head}");
    }
}

#[tokio::test]
async fn the_public_port_has_the_health_paths_of_autopush_only() {
    let server = Server::start_with(&LOOPBACK);
    let mut peer = server.connect().await;
    let ok = json!({"status": "OK", "version": env!("CARGO_PKG_VERSION")});
    for path in ["/health", "/__heartbeat__", "/__lbheartbeat__", "/status"] {
        let url = format!("{}{path}", server.origin);
        let answer = peer.get(&url, &[]).await;
        assert_eq!((answer.status(), header(&answer, "cache-control")), (StatusCode::OK, "no-store"));
        assert_eq!(serde_json::from_slice::<Value>(answer.body()).unwrap(), ok, "{path}");
        let refused = peer.request(Method::POST, &url, &[], "").await;
        assert_eq!(
            (refused.status(), header(&refused, "allow")),
            (StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD")
        );
    }
    let answer = peer.get("/__version__", &[]).await;
    let version: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    let answer =
        raw_http1(&server.address, "GET /__lbheartbeat__ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // Resources of the admin listener are not on the public port.
    for path in ["/metrics", "/ready", "/readyz", "/healthz", "/__error__"] {
        assert_eq!(
            peer.get(&format!("{}{path}", server.origin), &[]).await.status(),
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
}

#[tokio::test]
async fn health_needs_no_token_and_metrics_do() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens");
    std::fs::write(&file, "0123456789abcdef\n").unwrap();
    let file = file.to_str().unwrap();
    let server = Server::start_with(&["--admin", "127.0.0.1:0", "--admin-token-file", file]);
    for path in
        ["/health", "/healthz", "/ready", "/readyz", "/__heartbeat__", "/__lbheartbeat__", "/__version__"]
    {
        assert_eq!(told(&server.admin, path).await.0, 200, "{path}");
    }
    assert_eq!(ask(&server.admin, "GET", "/metrics", "").await.0, 401);
    let admin = server.admin.clone();
    let ready = tokio::task::spawn_blocking(move || health(&["--admin", &admin])).await.unwrap();
    assert_eq!(ready, (Some(0), String::new()));
}

#[tokio::test]
async fn a_server_that_shuts_down_is_never_ready() {
    let dir = tempfile::tempdir().unwrap();
    let admin = format!("unix:{}", dir.path().join("admin.sock").display());
    let server = Server::start_with(&["--admin", &admin, "--drain-window", "1h"]);
    // Its session ends within the hour; until then the server is shutting down.
    let mut agents = Vec::new();
    for _ in 0..4 {
        agents.push(Registered::new(&server).await);
    }
    assert_eq!(told(&admin, "/ready").await.0, 200);
    server.signal("TERM");
    let stops = json!({"status": "not ready", "reason": "the server is shutting down"});
    let mut answer = told(&admin, "/ready").await;
    while answer.0 == 200 {
        // The signal may not have arrived yet.
        answer = told(&admin, "/ready").await;
    }
    assert_eq!(answer, (503, stops));
    assert_eq!(told(&admin, "/__lbheartbeat__").await.0, 503);
    assert_eq!(told(&admin, "/health").await, (200, json!({"status": "live"})));
    let (ready, live) = (health(&["--admin", &admin]), health(&["--live", "--admin", &admin]));
    assert_eq!(ready, (Some(1), "webpush-server: not ready: the server is shutting down\n".to_owned()));
    assert_eq!(live, (Some(0), String::new()));
    server.signal("TERM");
    assert!(!server.wait().await, "it was cut");
    let (status, printed) = health(&["--admin", &admin]);
    assert!(
        status == Some(1) && printed.contains("admin.sock (--admin)") && printed.lines().count() == 1,
        "{printed}"
    );
}

#[test]
fn the_command_reads_the_configuration_of_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let (config, socket) = (dir.path().join("c.toml"), dir.path().join("admin.sock"));
    std::fs::write(&config, format!("[admin]\nlisten = \"unix:{}\"\n", socket.display())).unwrap();
    let address = format!("unix:{}", socket.display());
    let _server = Server::start_with(&["--admin", &address]);
    let output = Command::new(env!("CARGO_BIN_EXE_webpush-server"))
        .args(["health", "--config", config.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn anything_but_an_admin_listener_is_not_healthy() {
    let server = Server::start();
    let (status, printed) = health(&["--admin", &server.address]);
    assert!(status == Some(1) && printed.contains("is not webpush-server's admin listener"), "{printed}");
    let (status, printed) = health(&["--admin", "off"]);
    assert!(status == Some(1) && printed.contains("disables the admin listener (admin.listen"), "{printed}");
    let (status, printed) = health(&["--admin", "127.0.0.1:1"]);
    assert!(status == Some(1) && printed.contains("admin listener at 127.0.0.1:1"), "{printed}");
    assert_eq!(health(&["--admin", "nowhere"]).0, Some(2));
}

//! Reload on SIGHUP.

use crate::support::{Http2Client, Server, soon};
use crate::tls::{Files, connect, files, try_connect};
use http::StatusCode;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A configuration file that can be rewritten.
struct Config {
    dir: TempDir,
}

impl Config {
    fn new(text: &str) -> Self {
        let config = Self { dir: tempfile::tempdir().unwrap() };
        config.write(text);
        config
    }

    fn write(&self, text: &str) {
        std::fs::write(self.path(), text).unwrap();
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("c.toml")
    }

    fn start(&self, args: &[&str]) -> Server {
        Server::start_with_log(&[&["--config", self.path().to_str().unwrap()], args].concat())
    }
}

async fn status_of_subscribe(peer: &mut Http2Client) -> StatusCode {
    peer.post("/subscribe", &[], "").await.status()
}

#[tokio::test]
async fn limits_and_broadcasts_change_without_closing_connections() {
    let tight = "[rates]\nlimit_loopback = true\nregister = '1/h:1'\n[broadcasts]\na = '1'\n";
    let config = Config::new(tight);
    let server = config.start(&["--admin", "127.0.0.1:0"]);
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    assert_eq!(status_of_subscribe(&mut peer).await, StatusCode::TOO_MANY_REQUESTS);
    peer.push(&urls.push, "before").await;

    config.write("[rates]\nlimit_loopback = true\nregister = 'off'\n[broadcasts]\na = '2'\n");
    server.signal("HUP");
    let changed = async { while status_of_subscribe(&mut peer).await != StatusCode::CREATED {} };
    soon("the new rate", changed).await;
    server.logged(&["INFO", "configuration reloaded"]).await;
    assert_eq!(crate::admin::ask(&server.admin, "GET", "/broadcasts", "").await.2, "{\"a\":\"2\"}");

    config.write("[rates]\nlimit_loopback = true\nregister = 'slow'\n[broadcasts]\na = '3'\n");
    server.signal("HUP");
    let output = server.logged(&["ERROR", "configuration not reloaded"]).await;
    assert!(
        output.contains("c.toml:3: rates.register: ") && output.contains("\"slow\" is not a rate limit"),
        "{output}"
    );
    assert_eq!(status_of_subscribe(&mut peer).await, StatusCode::CREATED);
    assert_eq!(crate::admin::ask(&server.admin, "GET", "/broadcasts", "").await.2, "{\"a\":\"2\"}");
    peer.push(&urls.push, "after").await;
    assert_eq!(crate::support::texts(&peer.drain(&urls.subscription).await.0), ["before", "after"]);
}

#[tokio::test]
async fn settings_that_need_a_restart_are_named() {
    let config = Config::new("[messages]\nmax_ttl = '1h'\n");
    let server = config.start(&["--port", "0"]);
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    config.write("[messages]\nmax_ttl = '2h'\n[listen]\nport = 1\norigin = 'https://push.example'\n");
    server.signal("HUP");
    let output = server.logged(&["WARN", "except for settings that need a restart"]).await;
    // The port is a flag, which still overrides the file.
    assert!(output.contains("settings=\"listen.origin\""), "{output}");
    let response = peer.post(&urls.push, &[("ttl", "999999")], "x").await;
    assert_eq!(crate::support::header(&response, "ttl"), "7200");
}

#[tokio::test]
async fn new_handshakes_use_the_new_certificate_and_an_invalid_one_changes_nothing() {
    let forms: &[&str] = if cfg!(feature = "pkcs12") { &["pem", "pfx"] } else { &["pem"] };
    for &form in forms {
        let dir = tempfile::tempdir().unwrap();
        let old = files(dir.path());
        let Files { key, cert, pfx, password, .. } = &old;
        let pem = ["--key", key, "--cert", cert];
        let pfx = ["--pfx", pfx, "--pfx-password-file", password];
        let server = Server::start_with_log(if form == "pem" { &pem } else { &pfx });
        let (mut send, connection) =
            h2::client::handshake(connect(&server, &old, &[b"h2"]).await).await.unwrap();
        tokio::spawn(connection);

        let new = files(dir.path());
        server.signal("HUP");
        let renewed = async { while try_connect(&server, &new, &[b"h2"]).await.is_err() {} };
        soon("the new certificate", renewed).await;
        assert!(try_connect(&server, &old, &[b"h2"]).await.is_err(), "the old certificate is still there");
        let request = http::Request::post(format!("{}/subscribe", server.origin)).body(()).unwrap();
        let (response, _) = send.send_request(request, true).unwrap();
        assert_eq!(response.await.unwrap().status(), 201, "the old connection lives");

        for file in [&new.cert, &new.pfx] {
            std::fs::write(Path::new(file), "broken").unwrap();
        }
        server.signal("HUP");
        server.logged(&["ERROR", "configuration not reloaded"]).await;
        connect(&server, &new, &[b"h2"]).await;
    }
}

/// D: renewed certificates needed a signal.
#[tokio::test]
async fn a_certificate_that_changes_on_disk_is_used_without_a_signal() {
    let dir = tempfile::tempdir().unwrap();
    let old = files(dir.path());
    let server = Server::start_with_log(&["--key", &old.key, "--cert", &old.cert]);
    connect(&server, &old, &[b"h2"]).await;
    let new = files(dir.path());
    server.logged(&["INFO", "certificate loaded again"]).await;
    connect(&server, &new, &[b"h2"]).await;
    std::fs::write(Path::new(&new.cert), "broken").unwrap();
    server.logged(&["ERROR", "cannot be used, so the previous one stays in use"]).await;
    connect(&server, &new, &[b"h2"]).await;
}

#[tokio::test]
async fn tokens_are_reloaded() {
    let config = Config::new("[subscribe]\ntokens = ['0123456789abcdef']\n");
    let server = config.start(&[]);
    let mut peer = server.connect().await;
    assert_eq!(status_of_subscribe(&mut peer).await, StatusCode::UNAUTHORIZED);
    config.write("");
    server.signal("HUP");
    let changed = async { while status_of_subscribe(&mut peer).await != StatusCode::CREATED {} };
    soon("the end of the tokens", changed).await;
}

#[tokio::test]
async fn the_level_of_the_log_changes() {
    let config = Config::new("[log]\nlevel = 'error'\n");
    let server = config.start(&[]);
    config.write("[log]\nlevel = 'info'\n");
    server.signal("HUP");
    server.logged(&["INFO", "configuration reloaded"]).await;
}

#[tokio::test]
async fn a_log_that_is_not_a_terminal_is_json() {
    for format in ["auto", "json"] {
        let config = Config::new("");
        let server = config.start(&["--log-format", format]);
        server.signal("HUP");
        let line = server.logged(&["configuration reloaded"]).await;
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&line["level"], &line["target"]), (&"INFO".into(), &"webpush_server::reload".into()));
    }
}

//! Start and shutdown.

use crate::support::{Server, Subscription, header, in_memory, refused, soon, texts};
use http::StatusCode;
use std::collections::BTreeSet;

#[tokio::test]
async fn sigterm_completes_requests() {
    let server = Server::start();
    let mut agent = server.connect().await;
    let urls = agent.subscribe().await;
    let monitor = agent.monitor(&urls.subscription, &[]).await;
    assert_eq!(agent.drain(&urls.subscription).await.1, StatusCode::NO_CONTENT);
    server.signal("TERM");
    assert_eq!(monitor.end().await.status(), StatusCode::NO_CONTENT);
    assert!(agent.closed().await.is_ok(), "GOAWAY without an error");
    assert!(server.wait().await);
}

#[tokio::test]
async fn a_second_signal_exits_immediately() {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpStream;
    let server = Server::start();
    let mut half = TcpStream::connect(&server.address).await.unwrap();
    half.write_all(b"POST /subscribe HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhe").await.unwrap();
    server.connect().await.subscribe().await;
    server.signal("TERM");
    // It has stopped accepting, and waits for the rest of the request.
    soon("the first signal", async { while TcpStream::connect(&server.address).await.is_ok() {} }).await;
    server.signal("INT");
    assert!(!server.wait().await, "it did not end in order");
}

#[tokio::test]
async fn a_restart_keeps_urls_and_messages() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_on(dir.path(), &[]);
    let origin = server.origin.clone();
    let port = origin.rsplit(':').next().unwrap().to_owned();
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let acknowledged = peer.push(&urls.push, "acknowledged").await;
    peer.push(&urls.push, "kept").await;
    assert_eq!(peer.delete(&acknowledged).await, StatusCode::NO_CONTENT);
    server.signal("TERM");
    assert!(server.wait().await);

    let server = Server::start_on(dir.path(), &["--port", &port]);
    let mut peer = server.connect().await;
    peer.push(&urls.push, "after").await;
    assert_eq!(texts(&peer.drain(&urls.subscription).await.0), ["kept", "after"]);
    assert_eq!(peer.get(&acknowledged, &[]).await.status(), StatusCode::NOT_FOUND);
    server.kill();
}

#[tokio::test]
async fn key_rotation_changes_no_existing_url() {
    let dir = tempfile::tempdir().unwrap();
    let origin = ["--origin", "https://push.example"];
    let server = Server::start_on(dir.path(), &origin);
    let mut peer = server.connect_as("https://push.example").await;
    let old = peer.subscribe().await;
    let message = peer.push(&old.push, "sealed with the old key").await;
    server.signal("TERM");
    assert!(server.wait().await);

    let keys = dir.path().join("data/sealing-keys");
    let text = std::fs::read_to_string(&keys).unwrap();
    let id: u8 = text.lines().rev().find_map(|line| line.split(' ').next()?.parse().ok()).unwrap();
    std::fs::write(&keys, format!("{text}{} {}\n", id.wrapping_add(1), "A".repeat(43))).unwrap();
    let server = Server::start_on(dir.path(), &origin);
    let mut peer = server.connect_as("https://push.example").await;
    peer.push(&old.push, "sealed with the new one").await;
    let (pushes, _) = peer.drain(&old.set).await;
    assert_eq!(texts(&pushes), ["sealed with the old key", "sealed with the new one"]);
    assert_eq!(pushes[0].url(), message);
    assert_eq!(crate::support::link(pushes[1].response.headers(), "urn:ietf:params:push"), old.push);
    let new = peer.subscribe().await;
    server.kill();

    // Removing the old key invalidates the URLs sealed with it, and no others.
    let without = std::fs::read_to_string(&keys).unwrap();
    let is_removed = |line: &&str| line.starts_with(&format!("{id} ")) || line.starts_with("# check");
    let without: Vec<_> = without.lines().filter(|line| !is_removed(line)).collect();
    std::fs::write(&keys, without.join("\n")).unwrap();
    std::fs::remove_file(dir.path().join("data/sealing-keys.copy")).unwrap();
    let server = Server::start_on(dir.path(), &origin);
    let mut peer = server.connect_as("https://push.example").await;
    assert_eq!(peer.post(&old.push, &[("ttl", "60")], "x").await.status(), StatusCode::NOT_FOUND);
    peer.push(&new.push, "x").await;
}

#[tokio::test]
async fn a_second_process_on_one_data_directory_is_refused() {
    let server = Server::start();
    let output = refused(server.dir(), &[]);
    assert!(output.contains("data") && output.lines().count() == 1, "{output}");
    server.connect().await.subscribe().await;
}

#[test]
fn wrong_settings_are_one_clear_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("empty.pem");
    std::fs::write(&file, "nothing").unwrap();
    let file = file.to_str().unwrap();
    let wrong = dir.path().join("wrong.toml");
    std::fs::write(&wrong, "brodcasts = 'not a table'").unwrap();
    let wrong = wrong.to_str().unwrap();
    for (args, expected) in [
        (&["--host", "0.0.0.0"][..], "--plaintext"),
        (&["--key", file], "--cert"),
        (&["--key", file, "--cert", file], "no certificate"),
        (&["--key", "/nowhere", "--cert", "/nowhere"], "/nowhere"),
        (&["--pfx", file], "PKCS#12"),
        (&["--pfx", file, "--key", file, "--cert", file], "cannot be combined with"),
        (&["--pfx-password-file", file], "--pfx"),
        (&["--origin", "push.example"], "not an origin"),
        (&["--max-ttl", "soon"], "not a time"),
        (&["--port", "70000"], "70000"),
        (&["--data-dir", "/dev/null/x"], "/dev/null/x"),
        (&["--no-such-flag"], "--no-such-flag"),
        (&["--config", "/nowhere"], "/nowhere: cannot read the configuration file (--config)"),
        (&["--config", wrong], "wrong.toml:1: unknown key brodcasts; did you mean [broadcasts]?"),
        (&["--admin", "8079"], "not an address"),
        (&["--admin", "0.0.0.0:0"], "--admin-token-file"),
        (&["--admin", "unix:/nowhere/admin.sock"], "/nowhere/admin.sock (--admin)"),
        (&["--admin", "127.0.0.1:0", "--admin-token-file", wrong], "line 1: a token may have only letters"),
    ] {
        let output = refused(dir.path(), args);
        assert!(output.contains(expected), "{args:?}: {output}");
        assert!(!output.contains("panicked"), "{output}");
    }
}

#[tokio::test]
async fn a_full_disk_returns_503_until_there_is_space_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let server = Server::start_on(dir.path(), &["--origin", "https://push.example"]);
    let response = server.connect().await.post("/subscribe", &[], "").await;
    let urls = Subscription::from_response(&response);
    server.signal("TERM");
    assert!(server.wait().await);
    let server = Server::start_on_small_disk(dir.path(), &[], &log);
    let mut peer = server.connect_as("https://push.example").await;
    let large: &'static str = Box::leak("x".repeat(4096).into_boxed_str());
    let mut accepted = Vec::new();
    let refusal = loop {
        let response = peer.post(&urls.push, &[("ttl", "600")], large).await;
        if response.status() != StatusCode::CREATED {
            break response;
        }
        accepted.push(path(header(&response, "location")));
    };
    assert_eq!(refusal.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(header(&refusal, "retry-after"), "5");
    assert_eq!(crate::errors::problem(&server.origin, 503, refusal.body())["errno"], 201);
    server.make_room();
    // It recovers by itself, at an unknown time.
    soon("the store", async {
        while peer.post(&urls.push, &[("ttl", "600")], "after").await.status() != StatusCode::CREATED {}
    })
    .await;
    // It was logged before the store recovered.
    let output = std::fs::read_to_string(&log).unwrap();
    assert!(output.contains("storage unavailable") && output.contains("data/store"), "{output}");
    let (pushes, _) = peer.drain(&urls.subscription).await;
    let delivered: BTreeSet<_> = pushes.iter().map(|pushed| path(&pushed.url())).collect();
    assert!(accepted.len() > 100 && accepted.iter().all(|url| delivered.contains(url)));
}

#[tokio::test]
async fn r8030_8_5_a_no_log_holds_a_capability_or_a_payload() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let server = Server::start_logging(&log);
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let message = peer.push(&urls.push, "the secret payload").await;
    peer.drain(&urls.set).await;
    let path = urls.push.strip_prefix(&server.origin).unwrap();
    let request =
        format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    crate::support::raw_http1(&server.address, &request).await;
    assert_eq!(peer.delete(&message).await, StatusCode::NO_CONTENT);
    server.signal("TERM");
    assert!(server.wait().await);
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("shutting down") && log.contains("TRACE"), "the log is there");
    for url in [&urls.push, &urls.subscription, &urls.set, &message] {
        let token = url.rsplit('/').next().unwrap();
        assert!(!log.contains(&token[..16]), "the log holds {url}");
    }
    assert!(!log.contains("the secret payload"));
}

fn path(url: &str) -> String {
    url.parse::<http::Uri>().unwrap().path().to_owned()
}

/// B7f: nothing begins anew in place of a store that is missing, unless an administrator says so.
#[tokio::test]
async fn a_data_directory_whose_store_is_missing_is_refused() {
    let dir = in_memory();
    let origin = ["--origin", "https://push.example"];
    let server = Server::start_on(dir.path(), &origin);
    server.signal("TERM");
    assert!(server.wait().await);
    let data = dir.path().join("data");
    std::fs::remove_dir_all(data.join("store")).unwrap();
    let error = refused(dir.path(), &origin);
    assert!(error.contains("store is missing") && error.contains("--begin-anew"), "{error}");
    // As after a kill in the very first start.
    std::fs::remove_file(data.join("sealing-keys.copy")).unwrap();
    Server::start_on(dir.path(), &origin).kill();
    std::fs::remove_dir_all(data.join("store")).unwrap();
    assert!(refused(dir.path(), &origin).contains("--begin-anew"));
    Server::start_on(dir.path(), &["--begin-anew"]).kill();
}

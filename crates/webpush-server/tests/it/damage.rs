//! A store that has lost something, as senders, agents and operators see it.

use crate::copies::{run, run_ok};
use crate::support::{Server, refused, soon};
use http::StatusCode;
use std::fs;
use std::path::{Path, PathBuf};

const ORIGIN: &str = "https://push.example";
const ARGS: [&str; 4] = ["--origin", ORIGIN, "--admin", "127.0.0.1:0"];

fn journals(dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(dir.join("data/store/engine")).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "jnl")).collect()
}

/// B7e: until the store is repaired, what may be lost is 503, and no backup is written.
#[tokio::test]
async fn a_lost_journal_is_told_and_nothing_is_called_gone_before_a_repair() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_on(dir.path(), &ARGS);
    let mut peer = server.connect_as(ORIGIN).await;
    let urls = peer.subscribe().await;
    peer.push(&urls.push, "a message").await;
    drop(peer);
    server.signal("TERM");
    assert!(soon("the end", server.wait()).await);
    journals(dir.path()).iter().for_each(|path| fs::remove_file(path).unwrap());

    let server = Server::start_on(dir.path(), &ARGS);
    let mut peer = server.connect_as(ORIGIN).await;
    let answer = peer.post(&urls.push, &[("ttl", "60")], "another").await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let answer = peer.get(&urls.subscription, &[("prefer", "wait=0")]).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    // New agents are served.
    let new = peer.subscribe().await;
    peer.push(&new.push, "a message").await;
    let file = dir.path().join("backup");
    let (well, _, error) = run(Some(&server), &["backup", file.to_str().unwrap()]).await;
    assert!(!well && error.contains("webpush-server repair") && !file.exists(), "{error}");
    drop(peer);
    server.signal("TERM");
    assert!(soon("the end", server.wait()).await);

    let data = dir.path().join("data");
    let printed = run_ok(None, &["repair", "--data-dir", data.to_str().unwrap()]).await;
    assert!(printed.contains("kept: 1 inboxes, 1 subscriptions, 1 messages"), "{printed}");
    assert!(data.join("store.damaged-1").exists(), "{printed}");
    let server = Server::start_on(dir.path(), &ARGS);
    let mut peer = server.connect_as(ORIGIN).await;
    let answer = peer.post(&urls.push, &[("ttl", "60")], "another").await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    peer.push(&new.push, "another").await;
    run_ok(Some(&server), &["backup", file.to_str().unwrap()]).await;
}

/// B7f: with a missing file of the engine, the server starts only with `--repair`.
#[tokio::test]
async fn a_missing_manifest_is_named_and_a_start_repairs_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_on(dir.path(), &ARGS);
    let urls = server.connect_as(ORIGIN).await.subscribe().await;
    server.signal("TERM");
    assert!(soon("the end", server.wait()).await);
    let current = dir.path().join("data/store/engine/keyspaces/1/current");
    fs::remove_file(&current).unwrap();
    let error = refused(dir.path(), &[]);
    assert!(error.contains("keyspaces/1/current") && error.contains("--repair"), "{error}");
    for _ in 0..2 {
        // The second start has nothing to repair.
        let server = Server::start_on(dir.path(), &["--origin", ORIGIN, "--repair"]);
        server.connect_as(ORIGIN).await.push(&urls.push, "a message").await;
        server.signal("TERM");
        assert!(soon("the end", server.wait()).await);
    }
    assert!(dir.path().join("data/store.damaged-1").exists());
    assert!(!dir.path().join("data/store.damaged-2").exists());
}

/// A power cut can end a repair when the old store has been moved away, and the new one not yet.
#[tokio::test]
async fn a_repair_that_was_interrupted_at_its_end_is_finished() {
    for by_command in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start_on(dir.path(), &ARGS);
        let mut peer = server.connect_as(ORIGIN).await;
        let urls = peer.subscribe().await;
        peer.push(&urls.push, "a message").await;
        drop(peer);
        server.signal("TERM");
        assert!(soon("the end", server.wait()).await);
        let data = dir.path().join("data");
        fs::rename(data.join("store"), data.join("store.repaired")).unwrap();
        fs::create_dir(data.join("store.damaged-1")).unwrap();

        if by_command {
            let printed = run_ok(None, &["repair", "--data-dir", data.to_str().unwrap()]).await;
            assert!(printed.contains("kept: 1 inboxes, 1 subscriptions, 1 messages"), "{printed}");
        }
        let server = Server::start_on(dir.path(), &ARGS);
        server.connect_as(ORIGIN).await.push(&urls.push, "another").await;
        assert!(!data.join("store.repaired").exists());
    }
}

/// B7: nothing is accepted into a directory that is gone.
#[tokio::test]
async fn a_deleted_store_ends_the_server_and_is_not_begun_anew() {
    for emptied in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start_on(dir.path(), &[]);
        let mut peer = server.connect().await;
        let urls = peer.subscribe().await;
        peer.push(&urls.push, "a message").await;
        let store = dir.path().join("data/store");
        fs::remove_dir_all(&store).unwrap();
        if emptied {
            fs::create_dir(&store).unwrap();
        }
        if let Ok(answer) = peer.try_post(&urls.push, &[("ttl", "60")], "lost").await {
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        }
        assert!(!soon("the end", server.wait()).await, "it ends with an error");
        assert!(!store.join("engine").exists());
        assert!(refused(dir.path(), &[]).contains("--begin-anew"));
    }
}

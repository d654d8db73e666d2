//! The log: log IDs and formats.

use crate::support::{Server, soon};
use std::path::Path;
use std::process::{Command, Output};

fn ask(url: &str, dir: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_webpush-server"));
    command.args(["log-id", url, "--data-dir"]).arg(dir).output().unwrap()
}

/// Returns the log IDs of a URL.
fn names(url: &str, server: &Server) -> Vec<String> {
    let output = ask(url, &server.dir().join("data"));
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn an_agent_has_one_log_id_which_follows_from_its_url() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let server = Server::start_logging(&path);
    let mut peer = server.connect().await;
    let (urls, others) = (peer.subscribe().await, peer.subscribe().await);
    let message = peer.push(&urls.push, "x").await;
    peer.drain(&urls.set).await;
    server.signal("TERM");
    let (of_push, of_message) = (names(&urls.push, &server), names(&message, &server));
    assert_eq!(names(&urls.set, &server), of_push[..1], "the agent is one, whatever URL it is asked by");
    assert_ne!(names(&others.set, &server), of_push[..1]);
    let missing = String::from_utf8(ask(&urls.push, Path::new("/nowhere")).stderr).unwrap();
    assert!(missing.contains("cannot read /nowhere/sealing-keys (--data-dir)"), "{missing}");
    assert!(server.wait().await);

    let log = std::fs::read_to_string(path).unwrap();
    let accepted = log.lines().find(|line| line.contains("message accepted")).unwrap();
    assert!(of_push.iter().chain(&of_message).all(|name| accepted.contains(name)), "{accepted}");
    let listens = log.lines().find(|line| line.contains("an agent has connected")).unwrap();
    assert!(listens.contains(&of_push[0]), "{listens}");
}

/// E4: only accepted messages and new connections were in the debug log.
#[tokio::test]
async fn the_debug_log_follows_a_message_from_subscribing_to_the_end_of_the_session() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let server = Server::start_logging(&path);
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    let mut monitor = peer.monitor(&urls.subscription, &[]).await;
    let message = peer.push(&urls.push, "x").await;
    assert_eq!(monitor.next().await.url(), message);
    logged(&path, &["message delivered"]).await;
    assert_eq!(peer.delete(&message).await, http::StatusCode::NO_CONTENT);
    drop(monitor);
    peer.hang_up();
    let (of_push, of_message) = (names(&urls.push, &server), names(&message, &server));
    let id = |line: &str| line.split_once('=').unwrap().1.to_owned();
    let (agent, subscription, sent) = (id(&of_push[0]), id(&of_push[1]), id(of_message.last().unwrap()));
    for words in [
        &["an agent has subscribed", &*agent, &*subscription][..],
        &["an agent has connected", &agent],
        &["message accepted", &agent, &subscription, &sent],
        &["message delivered", &sent],
        &["message acknowledged", &agent, &sent],
        &["an agent has disconnected", &agent],
    ] {
        logged(&path, words).await;
    }
    let log = std::fs::read_to_string(&path).unwrap();
    for url in [&urls.push, &urls.subscription, &urls.set, &message] {
        assert!(!log.contains(url.rsplit('/').next().unwrap()), "{url}");
    }
}

/// Waits for a line of the log with all of these words.
async fn logged(path: &Path, words: &[&str]) {
    soon(words[0], async {
        let is_logged = |log: &str| log.lines().any(|line| words.iter().all(|word| line.contains(word)));
        while !is_logged(&std::fs::read_to_string(path).unwrap()) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

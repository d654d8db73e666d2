//! Backup under load, restore, export and import.

use crate::support::{Http2Client, Server, Subscription, header, in_memory, soon};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use tokio::sync::Semaphore;

const ORIGIN: &str = "https://push.example";
const SENDERS: usize = 8;
/// Number of senders whose messages are acknowledged immediately.
const ACKNOWLEDGED: usize = 2;
const ANSWERS: u32 = 400;

/// Runs a command; returns its success, standard output and standard error.
pub(crate) async fn run(server: Option<&Server>, args: &[&str]) -> (bool, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_webpush-server"));
    command.env("WEBPUSH_SERVER_CONFIG", "/dev/null").args(args);
    if let Some(server) = server {
        command.args(["--admin", &server.admin, "--data-dir"]).arg(server.dir().join("data"));
    }
    let ended = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = soon("the end of a command", ended).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

/// Runs a command that must succeed; returns its standard output.
pub(crate) async fn run_ok(server: Option<&Server>, args: &[&str]) -> String {
    let (well, printed, error) = run(server, args).await;
    assert!(well, "{args:?}: {error}");
    printed
}

fn start(dir: &Path) -> Server {
    Server::start_on(dir, &["--origin", ORIGIN, "--admin", "127.0.0.1:0"])
}

fn path(url: &str) -> String {
    url.strip_prefix(ORIGIN).unwrap().to_owned()
}

/// Messages with a 201, in the order of the responses.
#[derive(Default)]
struct AcceptedMessages {
    /// Paths of messages that wait for their agent.
    waiting: Vec<String>,
    /// Paths of messages that are acknowledged.
    acknowledged: Vec<String>,
}

async fn send(
    mut peer: Http2Client,
    number: usize,
    push: String,
    answered: Arc<Mutex<AcceptedMessages>>,
    enough: Arc<Semaphore>,
) {
    loop {
        let Ok(response) = peer.try_post(&push, &[("ttl", "3600")], "body").await else { return };
        if response.status() != StatusCode::CREATED {
            return;
        }
        let message = path(header(&response, "location"));
        if number < ACKNOWLEDGED {
            let gone = peer.begin(http::Method::DELETE, &message, &[], bytes::Bytes::new()).await;
            let Ok(gone) = gone else { return };
            let Ok(gone) = gone.await else { return };
            assert_eq!(gone.status(), StatusCode::NO_CONTENT);
            answered.lock().unwrap().acknowledged.push(message);
        } else {
            answered.lock().unwrap().waiting.push(message);
        }
        enough.add_permits(1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_has_all_accepted_messages_and_no_acknowledged_ones() {
    let (dir, elsewhere) = (in_memory(), in_memory());
    let server = start(dir.path());
    let urls = Subscription::from_response(&server.connect().await.post("/subscribe", &[], "").await);
    let (push, subscription) = (path(&urls.push), path(&urls.subscription));
    let (answered, enough) = (Arc::<Mutex<AcceptedMessages>>::default(), Arc::new(Semaphore::new(0)));
    let mut senders = Vec::new();
    for number in 0..SENDERS {
        let peer = server.connect().await;
        let (push, answered, enough) = (push.clone(), Arc::clone(&answered), Arc::clone(&enough));
        senders.push(tokio::spawn(send(peer, number, push, answered, enough)));
    }
    drop(soon("answers", enough.acquire_many(ANSWERS)).await.unwrap());
    let before = std::mem::take(&mut *answered.lock().unwrap());
    let file = dir.path().join("backup");
    let printed = run_ok(Some(&server), &["backup", file.to_str().unwrap()]).await;
    assert!(printed.contains("1 subscriptions"), "{printed}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    // The senders continued meanwhile.
    drop(soon("more answers", enough.acquire_many(ANSWERS)).await.unwrap());
    server.kill();
    for sender in senders {
        sender.await.unwrap();
    }

    let data = elsewhere.path().join("data");
    let restore = ["restore", file.to_str().unwrap(), "--data-dir", data.to_str().unwrap()];
    run_ok(None, &restore).await;
    let (well, _, error) = run(None, &restore).await;
    assert!(!well && error.contains("already contains store"), "{error}");
    let server = start(elsewhere.path());
    let mut peer = server.connect_as(ORIGIN).await;
    let (pushes, _) = peer.drain(&subscription).await;
    let mut places = BTreeMap::new();
    for (place, pushed) in pushes.iter().enumerate() {
        let message = pushed.request.uri().path().to_owned();
        assert!(places.insert(message, place).is_none(), "a message came twice");
    }
    for message in &before.waiting {
        assert!(places.contains_key(message), "a message is lost");
    }
    for message in &before.acknowledged {
        assert!(!places.contains_key(message), "an acknowledged message came again");
    }
    // Old URLs work, and new messages follow the old ones.
    assert_eq!(peer.delete(&pushes[0].url()).await, StatusCode::NO_CONTENT);
    let new = peer.push(&urls.push, "after").await;
    let (pushes, _) = peer.drain(&subscription).await;
    assert_eq!(pushes.len(), places.len(), "one is acknowledged and one is new");
    assert_eq!(pushes.last().unwrap().url(), new);
}

#[tokio::test]
async fn a_damaged_backup_is_not_restored() {
    let (server, dir) = (Server::start_with(&["--admin", "127.0.0.1:0"]), in_memory());
    server.connect().await.subscribe().await;
    let (file, data) = (dir.path().join("backup"), dir.path().join("data"));
    run_ok(Some(&server), &["backup", file.to_str().unwrap()]).await;
    let whole = std::fs::read(&file).unwrap();
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    for damaged in [&whole[..whole.len() - 100], &flipped] {
        std::fs::write(&file, damaged).unwrap();
        let args = ["restore", file.to_str().unwrap(), "--data-dir", data.to_str().unwrap()];
        let (well, printed, error) = run(None, &args).await;
        assert!(!well && printed.is_empty() && error.contains("cannot restore"), "{printed}{error}");
        assert!(!data.exists());
    }
}

#[tokio::test]
async fn a_backup_needs_the_admin_token_and_leaves_no_partial_file() {
    let (server, dir) = (Server::start_with(&["--admin", "127.0.0.1:0"]), in_memory());
    for path in ["/admin/backup", "/admin/export"] {
        let (status, _, body) = crate::admin::ask(&server.admin, "GET", path, "").await;
        assert_eq!(status, 403, "{body}");
    }
    let file = dir.path().join("backup");
    let admin = server.admin.clone();
    let args =
        ["backup", file.to_str().unwrap(), "--admin", &admin, "--data-dir", dir.path().to_str().unwrap()];
    let (well, _, error) = run(None, &args).await;
    assert!(!well && error.contains("permission denied"), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn imported_agents_keep_their_urls() {
    let (one, other, third) = (in_memory(), in_memory(), in_memory());
    for (dir, id, key) in [(&one, 1, [1; 32]), (&other, 2, [2; 32]), (&third, 1, [3; 32])] {
        let data = dir.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let line = format!("{id} {}\n", URL_SAFE_NO_PAD.encode(key));
        std::fs::write(data.join("sealing-keys"), line).unwrap();
    }
    let (from, to) = (start(one.path()), start(other.path()));
    let mut sender = from.connect_as(ORIGIN).await;
    let urls = Subscription::from_response(&sender.post("/subscribe", &[], "").await);
    let message = sender.push(&urls.push, "moved").await;
    let mut peer = to.connect_as(ORIGIN).await;
    let own = Subscription::from_response(&peer.post("/subscribe", &[], "").await);
    peer.push(&own.push, "stays").await;
    let file = one.path().join("export");
    run_ok(Some(&from), &["export", file.to_str().unwrap()]).await;
    let printed = run_ok(Some(&to), &["import", file.to_str().unwrap()]).await;
    assert!(printed.contains("imported 1 inboxes, 1 subscriptions, 1 messages"), "{printed}");
    let (pushes, _) = peer.drain(&urls.subscription).await;
    assert_eq!((pushes.len(), pushes[0].url(), pushes[0].text()), (1, message.clone(), "moved"));
    assert_eq!(peer.delete(&message).await, StatusCode::NO_CONTENT);
    let printed = run_ok(Some(&to), &["import", file.to_str().unwrap()]).await;
    assert!(printed.contains("imported 0 inboxes, 0 subscriptions, 0 messages"), "{printed}");
    assert_eq!(peer.drain(&urls.subscription).await.0.len(), 0, "it does not come again");
    assert_eq!(peer.drain(&own.subscription).await.0.len(), 1);
    peer.push(&urls.push, "new").await;
    assert_eq!(peer.drain(&urls.subscription).await.0.len(), 1);
    to.kill();
    let to = start(other.path());
    let mut peer = to.connect_as(ORIGIN).await;
    assert_eq!(peer.drain(&urls.subscription).await.0.len(), 1, "the next process has the keys");
    let (well, _, error) = run(Some(&start(third.path())), &["import", file.to_str().unwrap()]).await;
    assert!(!well && error.contains("he ID 1 belongs to a different sealing key"), "{error}");
    std::fs::write(&file, "{}\n").unwrap();
    let (well, _, error) = run(Some(&to), &["import", file.to_str().unwrap()]).await;
    assert!(!well && error.contains("(line 1: "), "{error}");
}

/// B3: an archive goes through pipes in both directions, and an input is read once.
#[tokio::test]
async fn archives_go_through_pipes() {
    let (server, dir) = (Server::start_with(&["--admin", "127.0.0.1:0"]), in_memory());
    server.connect().await.subscribe().await;
    let data = server.dir().join("data");
    let program = env!("CARGO_BIN_EXE_webpush-server");
    let script = format!(
        "set -e; cd {dir}; export WEBPUSH_SERVER_CONFIG=/dev/null; at='--admin {admin} --data-dir {data}'
        {program} backup - $at | {program} restore - --data-dir one
        {program} export /dev/stdout $at > export; {program} restore export --data-dir two
        mkfifo pipe; {program} backup pipe $at & {program} restore pipe --data-dir three; wait
        {program} import - $at < export",
        dir = dir.path().display(),
        admin = server.admin,
        data = data.display(),
    );
    let mut shell = Command::new("bash");
    let shell = shell.args(["-o", "pipefail", "-c", &script]);
    let output = shell.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    for name in ["one", "two", "three"] {
        assert!(dir.path().join(name).join("store/format").exists(), "{error}");
    }
}

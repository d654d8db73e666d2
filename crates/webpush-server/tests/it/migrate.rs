//! Moving a service to another store, and back.

use crate::cluster::{Cluster, ORIGIN};
use crate::copies::{run, run_ok};
use crate::support::{Server, Subscription, in_memory, link, texts};
use http::StatusCode;
use std::path::Path;

const RECEIPT: &str = "urn:ietf:params:push:receipt";
const NOTHING: &str = "0 inboxes, 0 subscriptions, 0 messages and 0 receipts";

fn start(dir: &Path) -> Server {
    Server::start_on(dir, &["--origin", ORIGIN, "--admin", "127.0.0.1:0"])
}

async fn stop(server: Server) {
    server.signal("TERM");
    assert!(server.wait().await);
}

fn data_dir(dir: &Path) -> String {
    dir.join("data").to_str().unwrap().to_owned()
}

/// Returns the records of a running server in the form of an archive, with its keys.
async fn content(server: &Server) -> Vec<String> {
    let archive = run_ok(Some(server), &["export", "-"]).await;
    let is_record = |line: &&str| !line.starts_with("{\"begin\"") && !line.starts_with("{\"position\"");
    archive.lines().filter(is_record).map(str::to_owned).collect()
}

/// A service with an agent that has messages, and a sender that waits for receipts.
struct Service {
    urls: Subscription,
    receipts: String,
    /// The URL of the first message.
    first: String,
}

impl Service {
    async fn new(server: &Server) -> Self {
        let mut peer = server.connect_as(ORIGIN).await;
        let urls = peer.subscribe().await;
        let headers = [("ttl", "3600"), ("prefer", "respond-async")];
        let response = peer.post(&urls.push, &headers, "first").await;
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        let first = crate::support::header(&response, "location").to_owned();
        let receipts = link(response.headers(), RECEIPT);
        peer.push_with(&urls.push, &[("ttl", "3600"), ("topic", "news")], "old news").await;
        Self { urls, receipts, first }
    }

    /// Changes the content after the first pass.
    async fn change(&self, server: &Server) {
        let mut peer = server.connect_as(ORIGIN).await;
        peer.push_with(&self.urls.push, &[("ttl", "3600"), ("topic", "news")], "new news").await;
        peer.push_with(&self.urls.push, &[("ttl", "3600")], "last").await;
        assert_eq!(peer.delete(&self.first).await, StatusCode::NO_CONTENT);
        peer.subscribe().await;
    }

    /// Checks that all URLs work, and that nothing is lost or sent twice.
    async fn verify(&self, server: &Server) {
        let mut peer = server.connect_as(ORIGIN).await;
        let (pushes, _) = peer.drain(&self.urls.subscription).await;
        assert_eq!(texts(&pushes), ["new news", "last"]);
        assert_eq!(peer.drain(&self.receipts).await.0[0].url(), self.first);
        let url = peer.push_with(&self.urls.push, &[("ttl", "3600"), ("topic", "news")], "newest").await;
        let (pushes, _) = peer.drain(&self.urls.subscription).await;
        assert_eq!(texts(&pushes), ["last", "newest"], "the topic is still outstanding");
        assert_eq!(pushes[1].url(), url);
        assert_eq!(peer.delete(&pushes[0].url()).await, StatusCode::NO_CONTENT);
    }
}

#[tokio::test]
async fn a_service_moves_while_it_serves() {
    let (here, there) = (in_memory(), in_memory());
    let server = start(here.path());
    let service = Service::new(&server).await;
    let backup = here.path().join("backup").to_str().unwrap().to_owned();
    run_ok(Some(&server), &["backup", &backup]).await;
    let (from, to) = (data_dir(here.path()), data_dir(there.path()));
    let (well, printed, note) = run(None, &["migrate", "--from", &backup, "--to", &to]).await;
    let first =
        format!("{to}: copied 2 inboxes, 1 subscriptions, 2 messages and 0 receipts; removed {NOTHING}; ");
    assert!(well && printed.starts_with(&first), "{printed}{note}");
    assert!(note.contains("this was a backup"), "{note}");

    service.change(&server).await;
    let (well, _, error) = run(None, &["migrate", "--from", &from, "--to", &to]).await;
    assert!(!well && error.contains("make a backup with webpush-server backup FILE"), "{error}");
    let before = content(&server).await;
    stop(server).await;
    let last = run_ok(None, &["migrate", "--from", &from, "--to", &to]).await;
    assert!(last.contains("removed 0 inboxes, 0 subscriptions, 2 messages and 0 receipts"), "{last}");
    let last = run_ok(None, &["migrate", "--from", &from, "--to", &to]).await;
    assert!(last.contains(&format!("copied {NOTHING}; removed {NOTHING}; unchanged 3 inboxes")), "{last}");

    let server = start(there.path());
    assert_eq!(content(&server).await, before);
    service.verify(&server).await;
    let (well, _, error) = run(None, &["migrate", "--from", &from, "--to", &to]).await;
    assert!(!well && error.contains("stop it before") && error.lines().count() == 1, "{error}");
}

#[tokio::test]
async fn a_migration_that_would_mix_services_is_refused() {
    let (here, there) = (in_memory(), in_memory());
    for dir in [&here, &there] {
        let server = start(dir.path());
        server.connect_as(ORIGIN).await.subscribe().await;
        if dir.path() == here.path() {
            run_ok(Some(&server), &["export", here.path().join("export").to_str().unwrap()]).await;
        }
        stop(server).await;
    }
    let (from, to) = (data_dir(here.path()), data_dir(there.path()));
    let refused = async |from: &str, to: &str, why: &str| {
        let (well, printed, error) = run(None, &["migrate", "--from", from, "--to", to]).await;
        assert!(!well && printed.is_empty() && error.contains(why), "{printed}{error}");
        assert!(error.lines().count() == 1 && !error.contains("sesame"), "{error}");
    };
    refused(&from, &to, "belongs to another service").await;
    refused(&from, &from, "the same").await;
    let export = here.path().join("export");
    refused(export.to_str().unwrap(), &to, "make a backup").await;
    refused(&from, export.to_str().unwrap(), "it is a file").await;
    let empty = in_memory();
    refused(empty.path().to_str().unwrap(), &to, "has no store").await;
    refused("postgres://push:sesame@db/push", &to, "--store-secret-file").await;
    refused(&from, "postgres://push:sesame@db/push", "--store-secret-file").await;
}

/// The command of a finished move must not be repeated by mistake.
#[tokio::test]
async fn a_target_that_was_used_later_is_kept() {
    let (here, there) = (in_memory(), in_memory());
    stop(start(here.path())).await;
    let (from, to) = (data_dir(here.path()), data_dir(there.path()));
    let pass = ["migrate", "--from", &from, "--to", &to];
    run_ok(None, &pass).await;
    let server = start(there.path());
    server.connect_as(ORIGIN).await.subscribe().await;
    stop(server).await;
    let (well, _, error) = run(None, &pass).await;
    assert!(!well && error.contains("--discard-newer"), "{error}");
    let printed = run_ok(None, &[&pass[..], &["--discard-newer"]].concat()).await;
    assert!(printed.contains("removed 1 inboxes, 1 subscriptions"), "{printed}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
async fn a_service_moves_to_a_cluster_and_back() {
    let cluster = Cluster::new();
    let (here, back) = (in_memory(), in_memory());
    let store = ["--store-schema", &cluster.schema, "--store-secret-file", &cluster.secret];
    let migrate = async |from: &str, to: &str| {
        run(None, &[&["migrate", "--from", from, "--to", to][..], &store].concat()).await
    };
    let migrate_ok = async |from: &str, to: &str| {
        let (well, printed, error) = migrate(from, to).await;
        assert!(well, "{error}");
        printed
    };
    let server = start(here.path());
    let service = Service::new(&server).await;
    let backup = cluster.dir.path().join("backup").to_str().unwrap().to_owned();
    run_ok(Some(&server), &["backup", &backup]).await;
    let from = data_dir(here.path());
    let printed = migrate_ok(&backup, &cluster.url).await;
    assert!(printed.contains("copied 2 inboxes, 1 subscriptions, 2 messages and 0 receipts"), "{printed}");
    service.change(&server).await;
    run_ok(Some(&server), &["sealing-keys", "rotate"]).await;
    server.connect_as(ORIGIN).await.subscribe().await;
    let before = content(&server).await;
    stop(server).await;
    migrate_ok(&from, &cluster.url).await;
    let printed = migrate_ok(&from, &cluster.url).await;
    assert!(
        printed.contains(&format!("copied {NOTHING}; removed {NOTHING}; unchanged 4 inboxes")),
        "{printed}"
    );

    let node = cluster.node();
    assert_eq!(content(&node).await, before);
    service.verify(&node).await;
    let (well, _, error) = migrate(&from, &cluster.url).await;
    assert!(!well && error.contains("stop all nodes"), "{error}");
    // A first pass back, while the node serves.
    let to = data_dir(back.path());
    let (well, _, note) = migrate(&cluster.url, &to).await;
    assert!(well && note.contains("nodes of the source are running"), "{note}");
    let late = node.connect_as(ORIGIN).await.subscribe().await;
    let before = content(&node).await;
    stop(node).await;
    for to in [&to, &from] {
        migrate_ok(&cluster.url, to).await;
    }
    for dir in [&here, &back] {
        let server = start(dir.path());
        assert_eq!(content(&server).await, before);
        let mut peer = server.connect_as(ORIGIN).await;
        peer.push_with(&late.push, &[("ttl", "3600")], "back").await;
        assert_eq!(texts(&peer.drain(&late.subscription).await.0), ["back"]);
        assert_eq!(texts(&peer.drain(&service.urls.subscription).await.0), ["newest"]);
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
async fn a_database_of_another_service_or_without_one_is_refused() {
    let cluster = Cluster::new();
    let dir = in_memory();
    let store = ["--store-schema", &cluster.schema, "--store-secret-file", &cluster.secret];
    let refused = async |from: &str, to: &str, why: &str| {
        let (well, _, error) =
            run(None, &[&["migrate", "--from", from, "--to", to][..], &store].concat()).await;
        assert!(!well && error.contains(why), "{error}");
    };
    let server = start(dir.path());
    server.connect_as(ORIGIN).await.subscribe().await;
    stop(server).await;
    let from = data_dir(dir.path());
    refused(&cluster.url, &from, "has no service").await;
    stop(cluster.node()).await;
    refused(&from, &cluster.url, "belongs to another service").await;
    refused(&cluster.url, &from, "belongs to another service").await;
}

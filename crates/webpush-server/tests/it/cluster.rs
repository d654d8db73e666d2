//! Nodes of a cluster on PostgreSQL.
//!
//! `cargo xtask postgres -- cargo test -p webpush-server --test it cluster -- --ignored` starts a server for them.

use crate::admin::ask;
use crate::agent::{self, Agent, Registered};
use crate::copies::{run, run_ok};
use crate::metrics;
use crate::support::{HERMETIC, Server, in_memory, refused, soon};
use http::StatusCode;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::sleep;
use tokio_postgres::NoTls;

pub(crate) const ORIGIN: &str = "http://push.example";

/// Schemas made so far.
static SCHEMAS: AtomicUsize = AtomicUsize::new(0);

/// A service without nodes yet.
pub(crate) struct Cluster {
    pub(crate) dir: TempDir,
    pub(crate) url: String,
    pub(crate) schema: String,
    pub(crate) secret: String,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        let url = std::env::var("WEBPUSH_TEST_POSTGRES").expect("run it by cargo xtask postgres");
        let number = SCHEMAS.fetch_add(1, Ordering::Relaxed);
        let schema = format!("test_{}_{number}", std::process::id());
        let dir = in_memory();
        let secret = secret_file(dir.path(), "secret", "0123456789abcdef0123456789abcdef");
        Self { dir, url, schema, secret }
    }

    /// Runs a command on the databases of the service.
    async fn cells(&self, args: &[&str]) -> String {
        let store = [
            "cells",
            "--store",
            &self.url,
            "--store-schema",
            &self.schema,
            "--store-secret-file",
            &self.secret,
        ];
        run_ok(None, &[&store, args].concat()).await
    }

    fn args<'a>(&'a self, more: &[&'a str]) -> Vec<&'a str> {
        let store =
            ["--store", &self.url, "--store-schema", &self.schema, "--store-secret-file", &self.secret];
        [&store, &["--origin", ORIGIN, "--admin", "127.0.0.1:0"][..], more].concat()
    }

    /// Starts a node.
    pub(crate) fn node(&self) -> Server {
        Server::start_with(&self.args(&[]))
    }

    /// Starts a node with further flags.
    pub(crate) fn node_with(&self, more: &[&str]) -> Server {
        Server::start_with(&self.args(more))
    }

    /// Starts a node on an existing directory.
    pub(crate) fn node_on(&self, dir: &Path) -> Server {
        Server::start_on(dir, &self.args(&[]))
    }
}

fn secret_file(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

async fn json(server: &Server, args: &[&str]) -> Value {
    serde_json::from_str(&run_ok(Some(server), &[args, &["--json"]].concat()).await).unwrap()
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
async fn a_push_at_any_node_reaches_an_agent_at_any_node() {
    let cluster = Cluster::new();
    let (here, there) = (cluster.node(), cluster.node());
    let mut agent = here.connect_as(ORIGIN).await;
    let mut sender = there.connect_as(ORIGIN).await;
    let urls = agent.subscribe().await;
    let early = sender.push(&urls.push, "early").await;
    let mut monitor = agent.monitor(&urls.subscription, &[]).await;
    let first = monitor.next().await;
    assert_eq!((first.url(), first.text()), (early, "early"));
    sender.push(&urls.push, "late").await;
    assert_eq!(monitor.next().await.text(), "late");
    let live = [("ttl", "0")];
    sender.push_with(&urls.push, &live, "live").await;
    assert_eq!(monitor.next().await.text(), "live");
    let topical = [("ttl", "0"), ("topic", "news")];
    sender.push_with(&urls.push, &topical, "live and stored").await;
    assert_eq!(monitor.next().await.text(), "live and stored");
    // Acknowledged at one node, it is sent by none.
    assert_eq!(sender.delete(&first.url()).await, StatusCode::NO_CONTENT);
    drop(monitor);
    let (left, _) = sender.drain(&urls.subscription).await;
    assert_eq!(left.iter().map(|pushed| pushed.text()).collect::<Vec<_>>(), ["late"]);
    assert_eq!(agent.delete(&urls.subscription).await, StatusCode::NO_CONTENT);
    assert_eq!(sender.post(&urls.push, &[("ttl", "60")], "x").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
async fn inboxes_move_to_another_database_while_nodes_serve_them() {
    let cluster = Cluster::new();
    let second = format!("cells_{}", cluster.schema);
    let (client, connection) = tokio_postgres::connect(&cluster.url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(&format!("CREATE DATABASE {second}")).await.unwrap();
    let (base, _) = cluster.url.rsplit_once('/').unwrap();
    let (here, there) = (cluster.node(), cluster.node());
    let mut agent = here.connect_as(ORIGIN).await;
    let mut sender = there.connect_as(ORIGIN).await;
    let mut agents = Vec::new();
    for _ in 0..8 {
        agents.push(agent.subscribe().await);
    }
    for urls in &agents {
        sender.push(&urls.push, "before").await;
    }
    let mut monitor = agent.monitor(&agents[0].subscription, &[]).await;
    let first = monitor.next().await;
    assert_eq!(first.text(), "before");
    cluster.cells(&["add", "second", &format!("{base}/{second}")]).await;
    let drained = cluster.cells(&["drain", "first"]).await;
    assert!(drained.starts_with("moved 8 inboxes in 65536 of 65536 shards"), "{drained}");
    assert!(drained.contains("first   closed") && drained.contains("second  open"), "{drained}");
    for urls in &agents {
        sender.push(&urls.push, "after").await;
    }
    // At an open session, and at new ones.
    assert_eq!(monitor.next().await.text(), "after");
    assert_eq!(agent.delete(&first.url()).await, StatusCode::NO_CONTENT);
    drop(monitor);
    let (left, _) = sender.drain(&agents[0].subscription).await;
    assert_eq!(left.iter().map(|pushed| pushed.text()).collect::<Vec<_>>(), ["after"]);
    for urls in &agents[1..] {
        let (left, _) = sender.drain(&urls.subscription).await;
        assert_eq!(left.iter().map(|pushed| pushed.text()).collect::<Vec<_>>(), ["before", "after"]);
    }
    let (_, _, metrics) = ask(&here.admin, "GET", "/metrics", "").await;
    for name in ["first", "second"] {
        assert!(metrics.contains(&format!("webpush_cell_up{{cell=\"{name}\"}} 1")), "{metrics}");
    }
    let (_, _, status) = ask(&here.admin, "GET", "/admin/status", "").await;
    let status: Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["cells"][1]["name"], "second");
    let (is_ok, _, error) = run(None, &["cells", "list"]).await;
    assert!(!is_ok && error.contains("set --store"), "{error}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
async fn a_removal_at_one_node_ends_the_session_at_another() {
    let cluster = Cluster::new();
    let (here, there) = (cluster.node(), cluster.node());
    let mut agent = here.connect_as(ORIGIN).await;
    let mut other = there.connect_as(ORIGIN).await;
    let urls = agent.subscribe().await;
    let monitor = agent.monitor(&urls.subscription, &[]).await;
    // The session is open once it delivers.
    assert_eq!(other.delete(&urls.subscription).await, StatusCode::NO_CONTENT);
    assert_eq!(monitor.end().await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
async fn a_browser_that_reconnects_at_another_node_ends_its_older_connection() {
    let cluster = Cluster::new();
    let (here, there) = (cluster.node(), cluster.node());
    let Registered { agent: mut older, uaid, push } = Registered::new(&here).await;
    let mut sender = here.connect_as(ORIGIN).await;
    let mut newer = Agent::again(&there, &uaid).await;
    older.assert_closed(1000, "newer connection").await;
    sender.push(&push, "hello").await;
    let notification = newer.notification().await;
    assert_eq!(agent::texts(std::slice::from_ref(&notification)), ["hello"]);
    newer.ack([&notification]).await;
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
async fn nothing_is_lost_with_a_node() {
    let cluster = Cluster::new();
    let (here, there) = (cluster.node(), cluster.node());
    let mut peer = here.connect_as(ORIGIN).await;
    let urls = peer.subscribe().await;
    peer.push(&urls.push, "kept").await;
    here.kill();
    let (pushes, _) = there.connect_as(ORIGIN).await.drain(&urls.subscription).await;
    assert_eq!(pushes.iter().map(|pushed| pushed.text()).collect::<Vec<_>>(), ["kept"]);
}

/// A key that one node has added opens URLs at all others at once, and seals when all have it.
#[tokio::test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
async fn nodes_share_their_sealing_keys() {
    let cluster = Cluster::new();
    let (here, there) = (cluster.node(), cluster.node());
    let before = json(&here, &["sealing-keys"]).await;
    assert_eq!(before, json(&there, &["sealing-keys"]).await);
    assert_eq!(before["pending"], Value::Null);
    let after = json(&here, &["sealing-keys", "rotate"]).await;
    assert_eq!((&after["current"], after["ids"].as_array().unwrap().len()), (&before["current"], 2));
    assert_eq!(json(&there, &["sealing-keys"]).await["pending"], after["pending"]);
    assert!(run_ok(Some(&here), &["sealing-keys"]).await.contains("when every node has it"));
    // Agents of a server without a cluster.
    let single = Server::start_with(&["--origin", ORIGIN, "--admin", "127.0.0.1:0"]);
    let urls = single.connect_as(ORIGIN).await.subscribe().await;
    let archive = cluster.dir.path().join("archive");
    let archive = archive.to_str().unwrap();
    run_ok(Some(&single), &["export", archive]).await;
    run_ok(Some(&here), &["import", archive]).await;
    there.connect_as(ORIGIN).await.push(&urls.push, "moved").await;
    let (pushes, _) = here.connect_as(ORIGIN).await.drain(&urls.subscription).await;
    assert_eq!(pushes.len(), 1);
    // A backup of the cluster has all keys.
    run_ok(Some(&there), &["backup", &format!("{archive}.backup")]).await;
    let backup = std::fs::read_to_string(format!("{archive}.backup")).unwrap();
    assert_eq!(backup.lines().filter(|line| line.starts_with("{\"key\":")).count(), 3);
}

#[tokio::test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
async fn a_node_with_another_secret_does_not_start() {
    let cluster = Cluster::new();
    let node = cluster.node();
    let wrong = secret_file(cluster.dir.path(), "wrong", "another secret of thirty-two bytes");
    let args = ["--store", &cluster.url, "--store-schema", &cluster.schema, "--store-secret-file", &wrong];
    let error = refused(cluster.dir.path(), &[&args[..], &["--origin", ORIGIN]].concat());
    assert!(error.contains("another secret") && error.lines().count() == 1, "{error}");
    // The node that is there has a health check and commands as any server.
    assert!(run(Some(&node), &["health"]).await.0);
    assert!(run_ok(Some(&node), &["agents", "count"]).await.contains('0'));
}

/// When all machines start again, the database may take longer than this program.
#[test]
fn a_start_that_waits_for_its_database_can_be_stopped() {
    let dir = in_memory();
    let secret = secret_file(dir.path(), "secret", "0123456789abcdef0123456789abcdef");
    // Nothing listens on port 1.
    let args = ["--store", "postgres://push:sesame@127.0.0.1:1/push", "--store-secret-file", &secret];
    let mut program = Command::new(env!("CARGO_BIN_EXE_webpush-server"));
    program.envs(HERMETIC).env("WEBPUSH_SERVER_LISTEN__PORT", "0").args(args);
    program.env("WEBPUSH_SERVER_STORAGE__DATA_DIR", dir.path()).stderr(Stdio::piped());
    let mut child = program.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let waits = lines.find(|line| line.contains("cannot use the database yet")).unwrap();
    assert!(!waits.contains("sesame"), "{waits}");
    let sent = Command::new("kill").arg(child.id().to_string()).status();
    assert!(sent.unwrap().success());
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_database_that_cannot_be_used_ends_the_start_without_showing_its_password() {
    let dir = in_memory();
    let secret = secret_file(dir.path(), "secret", "0123456789abcdef0123456789abcdef");
    let start = |url: &str, more: &[&str]| {
        let args = ["--store", url, "--store-secret-file", &secret, "--origin", ORIGIN];
        let error = refused(dir.path(), &[&args, more].concat());
        assert!(!error.contains("sesame") && error.lines().count() == 1, "{error}");
        error
    };
    assert!(start("mysql://push:sesame@db/push", &[]).contains("such as postgres://"));
    let wrong = start("postgres://push:sesame@127.0.0.1:1/push", &["--store-schema", "A"]);
    assert!(wrong.contains("push:***@127.0.0.1:1/push"), "{wrong}");
    assert!(
        start("postgres://push:sesame@127.0.0.1:1/push", &["--repair"]).contains("--begin-anew and --repair")
    );
    std::fs::create_dir_all(dir.path().join("data/store")).unwrap();
    std::fs::write(dir.path().join("data/store/x"), "").unwrap();
    assert!(start("postgres://push:sesame@127.0.0.1:1/push", &[]).contains("has messages"));
}

/// Returns the nodes that the dashboard shows, once they are as expected.
async fn nodes_when(server: &Server, is_expected: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    soon("the expected nodes", async {
        loop {
            let (_, _, status) = ask(&server.admin, "GET", "/admin/status", "").await;
            let status: Value = serde_json::from_str(&status).unwrap();
            let nodes = status["cluster"].as_array().unwrap();
            if is_expected(nodes) {
                return nodes.clone();
            }
            sleep(Duration::from_millis(100)).await;
        }
    })
    .await
}

/// A node finds out which settings of others differ, and which nodes there are.
#[tokio::test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
async fn nodes_with_other_settings_are_reported() {
    let cluster = Cluster::new();
    let (one, same) = (cluster.node(), cluster.node());
    let all_equal =
        |nodes: &[Value]| nodes.len() == 2 && nodes.iter().all(|node| node["differing"] == json!([]));
    let nodes = nodes_when(&one, all_equal).await;
    assert_eq!(nodes.iter().filter(|node| node["leads"] == true).count(), 1);
    assert_eq!((&nodes[0]["self"], &nodes[1]["self"]), (&json!(true), &json!(false)));
    same.kill();
    // An address of its own is no difference.
    let other = cluster.node_with(&["--max-ttl", "1d", "--max-connections", "900", "--push-rate", "off"]);
    let differing = json!(["messages.max_ttl", "rates.push"]);
    let differ = |nodes: &[Value]| nodes.iter().any(|node| node["differing"] == differing);
    nodes_when(&one, differ).await;
    nodes_when(&other, differ).await;
    let (_, _, metrics) = ask(&other.admin, "GET", "/metrics", "").await;
    assert!(!metrics.contains("webpush_cluster_nodes_differing 0\n"), "{metrics}");
    // The killed node is shown as such.
    nodes_when(&one, |nodes| nodes.len() == 3 && nodes.iter().any(|node| node["alive"] == false)).await;
}

/// The list of metrics has those of a cluster, and alerts use only these.
#[tokio::test]
#[ignore = "needs PostgreSQL: run it by cargo xtask postgres"]
async fn documents_of_a_cluster_use_existing_metrics() {
    let node = Cluster::new().node();
    nodes_when(&node, |nodes| nodes.len() == 1).await;
    let (_, _, metrics) = ask(&node.admin, "GET", "/metrics", "").await;
    metrics::compare_cluster_list(&metrics);
    for file in ["contrib/grafana/webpush-server.json", "contrib/prometheus/alerts.yml"] {
        let named = metrics::named(&std::fs::read_to_string(metrics::repository(file)).unwrap());
        let named: Vec<_> = named.iter().filter(|name| metrics::is_of_cluster(name)).collect();
        assert!(named.len() >= 4, "{file}: {named:?}");
        for name in named {
            assert!(metrics.contains(&format!("\n{name}")), "{file} names {name}, which there is not");
        }
    }
}

//! Metrics of known traffic, and the documents that list metrics.

use crate::admin::{ask, ask_with, owners};
use crate::agent::{Agent, Registered, push};
use crate::openmetrics::{Exposition, Family};
use crate::support::{Server, soon};
use crate::tls::files;
use http::StatusCode;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

async fn scrape(server: &Server) -> Exposition {
    let (status, head, body) = ask(&server.admin, "GET", "/metrics", "").await;
    let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(status == 200 && head.contains(kind), "{head}");
    Exposition::parse(&body)
}

/// Scrapes until a sample has this value, because acknowledgements are settled asynchronously.
async fn scrape_until(server: &Server, name: &str, labels: &[(&str, &str)], value: f64) -> Exposition {
    let scraping = async {
        loop {
            let metrics = scrape(server).await;
            if metrics.find(name, labels) == Some(value) {
                return metrics;
            }
        }
    };
    soon(name, scraping).await
}

#[tokio::test]
async fn known_traffic_is_counted_exactly() {
    let args =
        ["--admin", "127.0.0.1:0", "--rate-limit-loopback", "--push-rate", "1/h:6", "--quota-messages", "3"];
    let server = Server::start_with(&args);
    let mut peer = server.connect().await;
    let (one, two) = (peer.subscribe().await, peer.subscribe().await);

    // Three are stored; one of them is replaced and one acknowledged.
    let plain = peer.push(&one.push, "x").await;
    for _ in 0..2 {
        peer.push_with(&one.push, &[("ttl", "60"), ("topic", "a")], "x").await;
    }
    assert_eq!(peer.drain(&one.subscription).await.0.len(), 2);
    assert_eq!(peer.delete(&plain).await, StatusCode::NO_CONTENT);
    // One for an absent agent, and three that are refused.
    peer.push_with(&one.push, &[("ttl", "0")], "x").await;
    assert_eq!(peer.post(&one.push, &[], "x").await.status(), 400);
    let vapid = [("ttl", "60"), ("authorization", "vapid t=x")];
    assert_eq!(peer.post(&one.push, &vapid, "x").await.status(), 403);
    assert_eq!(peer.post(&one.push, &[("ttl", "60")], "x").await.status(), 429);
    assert_eq!(peer.get("/nowhere", &[]).await.status(), 404);
    // One more than the quota.
    for _ in 0..4 {
        peer.push(&two.push, "x").await;
    }
    // The remaining messages of the first are removed with it.
    assert_eq!(peer.delete(&one.subscription).await, StatusCode::NO_CONTENT);
    let stranger = json!({"notification": {"devices": [{"pushkey": "no URL"}]}}).to_string();
    let notified = peer.request(http::Method::POST, "/_matrix/push/v1/notify", &[], stranger).await;
    assert_eq!(notified.status(), 200);

    let Registered { mut agent, uaid, push: url } = Registered::new(&server).await;
    for _ in 0..3 {
        push(&mut peer, &url, &[("ttl", "60")], "x").await;
    }
    let heard = agent.notifications(3).await;
    agent.ack([&heard[0]]).await;
    agent.send_text(json!({"messageType": "nack", "version": heard[1].version, "code": 301})).await;
    let update = json!({"channelID": heard[2].channel, "version": heard[2].version, "code": 101});
    agent.send_text(json!({"messageType": "ack", "updates": [update]})).await;
    agent.leave().await;
    // Otherwise it would be replaced.
    let broke = [("by", "agent"), ("code", "none")];
    scrape_until(&server, "webpush_websocket_closes_total", &broke, 1.0).await;
    let mut agent = Agent::again(&server, &uaid).await;
    assert_eq!(agent.notification().await.version, heard[1].version);
    // TTL 0 for a connected agent.
    push(&mut peer, &url, &[("ttl", "0")], "x").await;
    agent.notification().await;
    let _listening = peer.monitor(&two.subscription, &[]).await;
    assert_eq!(ask_with(&server.admin, "PUT", "/broadcasts/a", &[&owners(&server)], "1").await.0, 204);

    let metrics = scrape_until(&server, "webpush_sessions", &[("protocol", "rfc8030")], 1.0).await;
    let delivered = [("outcome", "delivered")];
    assert_eq!(metrics.value("webpush_messages_ended_total", &delivered), 3.0);
    for (name, labels, value) in [
        ("webpush_messages_accepted_total", &[("protocol", "rfc8030")][..], 8.0),
        ("webpush_messages_accepted_total", &[("protocol", "autopush")], 4.0),
        ("webpush_messages_accepted_total", &[("protocol", "legacy")], 0.0),
        ("webpush_messages_live_total", &[("result", "nobody")], 1.0),
        ("webpush_messages_live_total", &[("result", "taken")], 1.0),
        ("webpush_messages_ended_total", &[("outcome", "replaced")], 1.0),
        ("webpush_messages_ended_total", &[("outcome", "dropped")], 1.0),
        ("webpush_messages_ended_total", &[("outcome", "canceled")], 1.0),
        ("webpush_messages_ended_total", &[("outcome", "expired")], 0.0),
        ("webpush_message_acknowledgement_seconds_count", &[], 3.0),
        ("webpush_requests_refused_total", &[("problem", "ttl-missing")], 1.0),
        ("webpush_requests_refused_total", &[("problem", "vapid-invalid")], 1.0),
        ("webpush_requests_refused_total", &[("problem", "too-many-requests")], 1.0),
        ("webpush_requests_refused_total", &[("problem", "not-found")], 1.0),
        ("webpush_requests_refused_total", &[("problem", "internal")], 0.0),
        ("webpush_rate_limited_total", &[("limit", "subscription")], 1.0),
        ("webpush_vapid_failures_total", &[("claim", "k")], 1.0),
        ("webpush_gateway_deliveries_total", &[("target", "elsewhere"), ("verdict", "rejected")], 1.0),
        ("webpush_agent_complaints_total", &[("code", "301")], 1.0),
        ("webpush_agent_complaints_total", &[("code", "101")], 1.0),
        ("webpush_agents_returned_total", &[], 1.0),
        ("webpush_websocket_closes_total", &[("by", "agent"), ("code", "1000")], 0.0),
        ("webpush_websocket_closes_total", &[("by", "service"), ("code", "1000")], 0.0),
        ("webpush_sessions", &[("protocol", "autopush")], 1.0),
        ("webpush_sessions_opened_total", &[("protocol", "autopush")], 2.0),
        ("webpush_broadcasts", &[], 1.0),
        ("webpush_connections", &[], 2.0),
        ("webpush_ready", &[], 1.0),
        ("webpush_draining", &[], 0.0),
        ("webpush_store_up", &[], 1.0),
        ("webpush_store_full", &[], 0.0),
        ("webpush_store_damaged_records_total", &[], 0.0),
        ("webpush_receipts_dropped_total", &[], 0.0),
    ] {
        assert_eq!(metrics.value(name, labels), value, "{name} {labels:?}");
    }
    // Two, three, one redelivered, one with TTL 0, and three for the last listener.
    scrape_until(&server, "webpush_message_delivery_seconds_count", &[], 10.0).await;
    let metrics = scrape_until(&server, "webpush_backlog_entries", &[], 4.0).await;
    let accepted = metrics.value("webpush_store_commit_seconds_count", &[]);
    assert!(accepted >= 12.0, "what is accepted is durable, but for TTL 0: {accepted}");
}

#[tokio::test]
async fn metrics_need_the_configured_token() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens");
    fs::write(&file, "0123456789abcdef\n").unwrap();
    let server =
        Server::start_with(&["--admin", "127.0.0.1:0", "--admin-token-file", file.to_str().unwrap()]);
    assert_eq!(ask(&server.admin, "GET", "/metrics", "").await.0, 401);
    let token = ["authorization: Bearer 0123456789abcdef"];
    assert_eq!(ask_with(&server.admin, "GET", "/metrics", &token, "").await.0, 200);
    assert_eq!(ask_with(&server.admin, "POST", "/metrics", &token, "").await.0, 405);
}

/// All metric names.
async fn all() -> Exposition {
    let dir = tempfile::tempdir().unwrap();
    let files = files(dir.path());
    let args = ["--host", "127.0.0.1", "--key", &files.key, "--cert", &files.cert, "--admin", "127.0.0.1:0"];
    let server = Server::start_on(dir.path(), &args);
    let metrics = scrape_until(&server, "webpush_backlog_entries", &[], 0.0).await;
    // Until 4096-01-01, the default of rcgen.
    assert_eq!(metrics.value("webpush_tls_certificate_expiry_timestamp_seconds", &[]), 67_090_118_400.0);
    metrics
}

pub(crate) fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

const HEAD: &str = "# Metrics

The metrics at `/metrics` of the [admin listener](admin.md#admin-listener), as OpenMetrics text; [monitoring](monitoring.md#metrics) says where to start.
This list is generated from the code and checked by a test (`UPDATE_DOCS=1 cargo test -p webpush-server --test it list_of_metrics`).

Names begin with `webpush_`. Times are in seconds, sizes in bytes. All values of labels are listed. Counters begin at 0 when the process
starts. A histogram has `_bucket`, `_sum` and `_count`.

| name | type | labels | meaning |
|---|---|---|---|
";

const CLUSTER_HEAD: &str = "
## In a cluster

Nodes with `--store postgres://…` have these instead of those of the log, the memtables and damage
([cluster](cluster.md)). Checked by a test with PostgreSQL.

| name | type | labels | meaning |
|---|---|---|---|
";

fn row(family: &Family) -> String {
    let mut labels: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in family.samples.iter().flat_map(|(_, labels, _)| labels) {
        let values = labels.entry(name).or_default();
        if name != "le" && !values.contains(&&**value) {
            values.push(value);
        }
    }
    labels.remove("le");
    let suffix = match &*family.kind {
        "counter" => "_total",
        "info" => "_info",
        _ => "",
    };
    let mut shown = String::new();
    for (name, values) in labels {
        let values: Vec<_> = values.iter().map(|value| format!("`{value}`")).collect();
        let values = match name {
            "version" => "of the program".to_owned(),
            "cell" => "its name".to_owned(),
            _ => values.join(" "),
        };
        let gap = if shown.is_empty() { "" } else { "; " };
        write!(shown, "{gap}`{name}`: {values}").unwrap();
    }
    format!("| `{}{suffix}` | {} | {shown} | {} |\n", family.name, family.kind, family.help)
}

#[tokio::test]
async fn the_list_of_metrics_is_up_to_date() {
    let metrics = all().await;
    let list: String = [HEAD.to_owned()].into_iter().chain(metrics.families.iter().map(row)).collect();
    compare_list(|_, cluster| (list, cluster.to_owned()));
}

/// Compares the lists in docs/metrics.md, of all servers and of clusters, with what `update` returns.
fn compare_list(update: impl FnOnce(&str, &str) -> (String, String)) {
    let file = repository("docs/metrics.md");
    let read = || fs::read_to_string(&file).unwrap();
    let written = read();
    let (all, cluster) = written.split_once(CLUSTER_HEAD).unwrap();
    let (all, cluster) = update(all, cluster);
    let list = all + CLUSTER_HEAD + &cluster;
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&file, &list).unwrap();
    }
    assert!(read() == list, "docs/metrics.md is out of date: UPDATE_DOCS=1 updates it");
}

/// Compares the list of the metrics that only nodes of a cluster have.
pub(crate) fn compare_cluster_list(metrics: &str) {
    let metrics = Exposition::parse(metrics);
    let families = metrics.families.iter().filter(|family| is_of_cluster(&family.name));
    let list = families.map(row).collect();
    compare_list(|all, _| (all.to_owned(), list));
}

/// Returns true for a metric that only nodes of a cluster have.
pub(crate) fn is_of_cluster(name: &str) -> bool {
    name.starts_with("webpush_cluster_") || name.starts_with("webpush_cell_")
}

#[tokio::test]
async fn dashboard_and_alerts_use_only_existing_metrics() {
    let names = all().await.names();
    for (file, least) in [("contrib/grafana/webpush-server.json", 25), ("contrib/prometheus/alerts.yml", 8)] {
        let text = fs::read_to_string(repository(file)).unwrap();
        let mut named = named(&text);
        // A test with a database has those of a cluster.
        named.retain(|name| !is_of_cluster(name));
        let unknown: Vec<_> = named.difference(&names).collect();
        assert!(unknown.is_empty(), "{file} names what there is not: {unknown:?}");
        assert!(named.len() >= least, "{file} names {} metrics", named.len());
    }
    let dashboard = fs::read_to_string(repository("contrib/grafana/webpush-server.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
}

/// Returns all words with the prefix of metrics.
pub(crate) fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|one: char| !(one.is_ascii_alphanumeric() || one == '_'));
    words.filter(|word| word.starts_with("webpush_")).map(str::to_owned).collect()
}

#[test]
fn words_that_begin_as_metrics_do_are_found() {
    let text = "sum(rate(webpush_a_total{x=\"y\"}[5m])) / webpush_b-webpush-server";
    assert_eq!(named(text), BTreeSet::from(["webpush_a_total".to_owned(), "webpush_b".to_owned()]));
}

/// C5: collectors that do not know OpenMetrics ask for the classic format.
#[tokio::test]
async fn metrics_honour_accept() {
    let server = Server::start_with(&["--admin", "127.0.0.1:0"]);
    let accept = ["accept: text/plain;version=0.0.4;q=1,*/*;q=0.1"];
    let (status, head, classic) = ask_with(&server.admin, "GET", "/metrics", &accept, "").await;
    let kind = "content-type: text/plain; version=0.0.4; charset=utf-8";
    assert!(status == 200 && head.contains(kind) && head.contains("vary: accept"), "{head}");
    // Both have the same series.
    let series = |text: &str| -> BTreeSet<String> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
    };
    let (_, _, open) = ask(&server.admin, "GET", "/metrics", "").await;
    assert_eq!(series(&classic), series(&open));
    // Each is described by its own name; those of a histogram have suffixes.
    let typed: BTreeSet<_> =
        classic.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    for name in series(&classic) {
        let name = name.split('{').next().unwrap();
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
        assert!(typed.contains(name) || family.is_some_and(|family| typed.contains(family)), "{name}");
    }
    assert!(!classic.contains("# EOF") && !classic.contains("# UNIT"));
}

//! The conformance suite, run against the program.

use crate::admin::ask;
use crate::support::{HERMETIC, Server, Subscription, soon};
use crate::tls;
use serde_json::Value;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use webpush_client::connection::Connector;
use webpush_client::url::CapabilityUrl;
use webpush_conformance::HttpChoice;
use webpush_conformance::options::{ConformError, Profile, Selection, ServiceOptions};
use webpush_conformance::report::{CheckOutcome, Report, text};
use webpush_conformance::runner::check_service;
use webpush_service::system;

/// Requirements of https.
const TLS: [&str; 3] = ["R8030-3-a", "R8030-3-c", "R8030-8-a"];

fn options(server: &Server) -> ServiceOptions {
    ServiceOptions::new(CapabilityUrl::parse(&server.origin).unwrap(), || system::env().now())
}

async fn check(options: ServiceOptions) -> Report {
    check_service(options, std::future::pending()).await.unwrap_or_else(|error| panic!("{error}"))
}

/// Returns the IDs of the skipped requirements; no others may fail.
fn skipped(report: &Report) -> Vec<&'static str> {
    assert_eq!(report.tally(None).failed, 0, "{}", text::write(report, text::TextDetail::Failures));
    let is_skipped = |outcome: &CheckOutcome| matches!(outcome, CheckOutcome::Skipped { .. });
    let results = report.results.iter().filter(|result| is_skipped(&result.outcome));
    results.map(|result| result.requirement.id).collect()
}

/// Returns the subscriptions of a server with an admin listener.
async fn subscriptions(server: &Server) -> Vec<Value> {
    let (status, _, list) = ask(&server.admin, "GET", "/admin/subscriptions?limit=100", "").await;
    assert_eq!(status, 200, "{list}");
    let list: Value = serde_json::from_str(&list).unwrap();
    list["subscriptions"].as_array().unwrap().clone()
}

fn run(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_webpush-server"));
    command.envs(HERMETIC).arg("conform").args(args).output().unwrap()
}

#[tokio::test]
async fn the_suite_passes_over_http_2() {
    let server = Server::start();
    let report = check(ServiceOptions { http: HttpChoice::Http2, ..options(&server) }).await;
    assert_eq!(skipped(&report), TLS);
    assert!(report.tally(None).passed >= 125, "{}", report.tally(None));
}

#[tokio::test]
async fn the_suite_passes_over_http_1_1_without_server_push() {
    let server = Server::start();
    let report = check(ServiceOptions { http: HttpChoice::Http1, ..options(&server) }).await;
    let without_push = [
        "R8030-3-a",
        "R8030-3-c",
        "R8030-5.1-f",
        "R8030-5.4-d",
        "R8030-6-a",
        "R8030-6-b",
        "R8030-6-c",
        "R8030-6-d",
        "R8030-6-h",
        "R8030-6.1-a",
        "R8030-6.1-b",
        "R8030-6.1-c",
        "R8030-6.1-d",
        "R8030-6.2-b",
        "R8030-6.2-e",
        "R8030-6.3-a",
        "R8030-6.3-b",
        "R8030-6.3-c",
        "R8030-7.3-d",
        "R8030-7.3.1-a",
        "R8030-7.3.1-b",
        "R8030-7.3.1-c",
        "R8030-8-a",
        "H2-a",
        "H2-c",
        "H2-d",
        "H2-f",
        "H2-g",
        "R7240-a",
        "D1-monitor-a",
    ];
    assert_eq!(skipped(&report), without_push);
}

#[tokio::test]
async fn the_suite_passes_over_tls_on_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let files = tls::files(dir.path());
    let server = Server::start_with(&["--key", &files.key, "--cert", &files.cert]);
    let badge = dir.path().join("badge.svg");
    let badge_path = badge.to_str().unwrap();
    let output = run(&[
        &server.origin,
        "--ca-file",
        &files.cert,
        "--format",
        "json",
        "--badge",
        badge_path,
        "--strict",
    ]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    assert_eq!(
        (&report["tally"]["failed"], &report["tally"]["skipped"]),
        (&0.into(), &0.into()),
        "{report:#}"
    );
    assert_eq!(report["subject"]["name"], *server.origin);
    assert!(std::fs::read_to_string(badge).unwrap().contains("conforms: "));
}

#[tokio::test]
async fn each_profile_passes() {
    let server = Server::start();
    for profile in [Profile::Autopush, Profile::UnifiedPush] {
        let report = check(ServiceOptions { profile: Some(profile), ..options(&server) }).await;
        assert_eq!(skipped(&report), [""; 0], "{profile}");
    }
    let wrong = ServiceOptions { profile: Some(Profile::Vendor), ..options(&server) };
    let error = check_service(wrong, std::future::pending()).await.unwrap_err();
    assert!(matches!(error, ConformError::NoSubscription));
}

/// For services whose subscriptions only browsers can make.
#[tokio::test]
async fn the_side_of_senders_is_checked_with_a_given_subscription() {
    let server = Server::start();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let key = webpush_client::vapid::VapidKey::generate().unwrap();
    std::fs::write(path("vapid.pem"), key.expose_pem().unwrap()).unwrap();
    let mut peer = server.connect().await;
    let options = [("content-type", "application/webpush-options+json")];
    let body = serde_json::json!({"vapid": key.public()}).to_string();
    let made = peer.request(http::Method::POST, "/subscribe", &options, body).await;
    let urls = Subscription::from_response(&made);
    let keys = webpush_client::encryption::AgentKeys::generate().unwrap().recipient().clone();
    let endpoint = CapabilityUrl::parse(&urls.push).unwrap();
    let subscription = webpush_client::subscription::PushSubscription { endpoint, keys };
    std::fs::write(path("s.json"), serde_json::to_string(&subscription.to_json()).unwrap()).unwrap();
    let output = run(&["--subscription", &path("s.json"), "--vapid-key", &path("vapid.pem"), "--verbose"]);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{printed}");
    assert!(printed.contains("pass  R8292-4.2-e") && printed.contains("profile: vendor"), "{printed}");
    // An error would show the exchange: a check of a requirement that this service does not fulfill.
    let token = urls.push.rsplit('/').next().unwrap();
    assert!(!printed.contains(token), "{printed}");
}

#[tokio::test]
async fn a_token_is_passed_on_and_its_lack_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    let tokens = dir.path().join("tokens");
    std::fs::write(&tokens, "a-token-of-a-test-with-32-characters\n").unwrap();
    let server = Server::start_with(&["--subscribe-token-file", tokens.to_str().unwrap()]);
    let refused = run(&[&server.origin, "--only", "R8030-4-a"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--subscribe-token"));
    let token = "a-token-of-a-test-with-32-characters";
    let output = run(&[&server.origin, "--only", "R8030-4-a", "--subscribe-token", token, "--verbose"]);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{printed}");
    assert!(printed.contains("1 passed, 0 failed, 0 skipped") && !printed.contains(token), "{printed}");
}

#[tokio::test]
async fn a_service_that_cannot_be_checked_is_one_sentence_and_status_2() {
    for (args, expected) in [
        (&["http://127.0.0.1:1/"][..], "cannot connect"),
        (&["ftp://x/"], "the URL"),
        (&["http://127.0.0.1:1/", "--proxy", "http://127.0.0.1:2/"], "cannot connect"),
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2));
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.lines().last().unwrap().contains(expected), "{errors}");
    }
    let listed = run(&["--list", "--only", "R8030-5.2", "--level", "must"]);
    assert!(String::from_utf8(listed.stdout).unwrap().starts_with("R8030-5.2-a"));
}

#[tokio::test]
async fn nothing_is_left_behind() {
    let server = Server::start_with(&["--admin", "127.0.0.1:0"]);
    check(options(&server)).await;
    assert_eq!(subscriptions(&server).await, [""; 0]);
}

/// Starts a proxy that knows CONNECT only; returns its URL and the number of tunnels.
async fn proxy() -> (CapabilityUrl, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let tunnels = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&tunnels);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).unwrap();
                let mut server = TcpStream::connect(target).await.unwrap();
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                // The test observes both ends.
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (CapabilityUrl::parse(&url).unwrap(), tunnels)
}

#[tokio::test]
async fn everything_goes_through_a_proxy() {
    let server = Server::start();
    let (proxy, tunnels) = proxy().await;
    let selection = Selection { only: vec!["R8030-4".to_owned(), "AP-hello".to_owned()], level: None };
    let connector = Connector::default().with_proxy(proxy);
    let report = check(ServiceOptions { connector, selection, ..options(&server) }).await;
    assert_eq!(skipped(&report), [""; 0]);
    assert!(tunnels.load(Ordering::Relaxed) > 5, "{tunnels:?}");
}

#[tokio::test]
async fn an_interrupted_run_removes_what_it_has_created() {
    let server = Server::start_with(&["--admin", "127.0.0.1:0"]);
    let interrupt = async {
        // Until the checks have subscriptions.
        while subscriptions(&server).await.len() < 3 {}
    };
    let error = check_service(options(&server), interrupt).await.unwrap_err();
    assert!(matches!(error, ConformError::Interrupted), "{error}");
    soon("the removal of the rest", async { while !subscriptions(&server).await.is_empty() {} }).await;
}

//! `webpush-server doctor` on healthy servers, and on others.

use crate::support::Server;
use crate::tls;
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::{TcpListener, TcpStream};

/// The exit status and the results.
struct Report {
    status: Option<i32>,
    findings: Vec<Value>,
}

impl Report {
    /// Returns the verdict of a check, and the whole result.
    fn check(&self, check: &str) -> (&str, String) {
        let found = self.findings.iter().find(|finding| finding["check"] == check);
        let found = found.unwrap_or_else(|| panic!("no result for {check}: {:?}", self.findings));
        (found["verdict"].as_str().unwrap(), found.to_string())
    }

    fn verdicts(&self) -> Vec<(&str, &str)> {
        self.findings
            .iter()
            .map(|finding| (finding["check"].as_str().unwrap(), finding["verdict"].as_str().unwrap()))
            .collect()
    }
}

fn doctor_blocking(data: &Path, args: &[String]) -> Report {
    let output = Command::new(env!("CARGO_BIN_EXE_webpush-server"))
        .env("WEBPUSH_SERVER_CONFIG", "/dev/null")
        .args(["doctor", "--json", "--data-dir", data.to_str().unwrap()])
        .args(args)
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let findings = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    Report { status: output.status.code(), findings }
}

async fn doctor(data: &Path, args: &[&str]) -> Report {
    let (data, args) = (data.to_owned(), args.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>());
    tokio::task::spawn_blocking(move || doctor_blocking(&data, &args)).await.unwrap()
}

#[tokio::test]
async fn a_healthy_server_has_no_problems() {
    let server = Server::start_with(&["--admin", "127.0.0.1:0"]);
    let data = server.dir().join("data");
    let report = doctor(&data, &[&server.origin, "--idle", "1"]).await;
    assert_eq!(report.status, Some(0), "{:?}", report.findings);
    assert_eq!(
        report.verdicts(),
        [
            ("name", "warning"),
            ("connection", "good"),
            ("certificate", "skipped"),
            ("HTTP/1.1", "good"),
            ("clock", "good"),
            ("HTTP/2", "good"),
            ("server push", "good"),
            ("WebSocket", "good"),
            ("origin", "good"),
            ("message", "good"),
            ("idle", "good"),
        ]
    );
    assert!(report.check("origin").1.contains("sealed with the keys of the data directory"));
    let port = server.address.rsplit_once(':').unwrap().1;
    let config = server.dir().join("c.toml");
    std::fs::write(&config, format!("listen.port = {port}\nadmin.listen = '{}'\n", server.admin)).unwrap();
    let here = doctor(&data, &["--config", config.to_str().unwrap(), "--idle", "0"]).await;
    assert_eq!(here.check("origin").0, "good", "{:?}", here.findings);
    assert_eq!(here.check("data dir").0, "good");
    assert!(here.check("descriptors").1.contains(" are open"), "{:?}", here.findings);
}

#[tokio::test]
async fn another_origin_and_another_server_are_detected() {
    let (server, other) = (Server::start_with(&["--origin", "https://push.example"]), Server::start());
    let url = format!("http://{}", server.address);
    let report = doctor(&server.dir().join("data"), &[&url, "--idle", "0"]).await;
    let (verdict, origin) = report.check("origin");
    assert!(
        verdict == "bad" && origin.contains("--origin") && origin.contains("https://push.example"),
        "{origin}"
    );
    assert_eq!(report.status, Some(1));
    let report = doctor(&server.dir().join("data"), &[&other.origin, "--idle", "0"]).await;
    let (verdict, origin) = report.check("origin");
    assert!(verdict == "bad" && origin.contains("another server"), "{origin}");
}

#[tokio::test]
async fn unreachable_and_unknown_servers_are_reported() {
    let data = tempfile::tempdir().unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let report = doctor(data.path(), &[&format!("http://{address}")]).await;
    assert_eq!((report.status, report.check("connection").0), (Some(1), "bad"));
    let report = doctor(data.path(), &["http://no-such-name.invalid"]).await;
    assert!(report.check("name").1.contains("cannot resolve"));
}

#[tokio::test]
async fn a_certificate_must_be_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let files = tls::files(dir.path());
    let args = ["--host", "127.0.0.1", "--key", &files.key, "--cert", &files.cert];
    let server = Server::start_with(&args);
    let port = server.address.rsplit_once(':').unwrap().1;
    let url = format!("https://localhost:{port}");
    let report = doctor(dir.path(), &[&url, "--idle", "0"]).await;
    let (verdict, certificate) = report.check("certificate");
    assert!(verdict == "bad" && certificate.contains("fullchain.pem"), "{certificate}");
    let report = doctor(dir.path(), &[&url, "--idle", "0", "--ca-file", &files.cert]).await;
    assert_eq!(report.check("certificate").0, "good", "{:?}", report.findings);
    assert_eq!(report.check("HTTP/2").0, "good");
}

#[tokio::test]
async fn if_subscribing_needs_a_token_the_url_must_have_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens");
    std::fs::write(&file, "0123456789abcdef\n").unwrap();
    let server = Server::start_with(&["--subscribe-token-file", file.to_str().unwrap()]);
    let data = server.dir().join("data");
    let report = doctor(&data, &[&server.origin, "--idle", "0"]).await;
    assert_eq!(report.check("server push").0, "skipped");
    let (verdict, socket) = report.check("WebSocket");
    assert!(verdict == "bad" && socket.contains("/t/TOKEN"), "{socket}");
    let url = format!("{}/t/0123456789abcdef/", server.origin);
    let report = doctor(&data, &[&url, "--idle", "0"]).await;
    assert_eq!((report.status, report.check("message").0), (Some(0), "good"), "{:?}", report.findings);
}

/// A proxy that closes a WebSocket after the fourth message of the agent, the acknowledgement.
async fn impatient_proxy(listener: TcpListener, to: String) {
    loop {
        let (agent, _) = listener.accept().await.unwrap();
        let service = TcpStream::connect(&to).await.unwrap();
        tokio::spawn(pass_on(agent, service));
    }
}

async fn pass_on(mut agent: TcpStream, mut service: TcpStream) {
    let (mut from_service, mut to_service) = service.split();
    let (mut from_agent, mut to_agent) = agent.split();
    let there = async {
        let (mut printed, mut is_websocket, mut room) = (0, false, vec![0; 65536]);
        loop {
            let length = from_agent.read(&mut room).await.unwrap_or(0);
            is_websocket |= room[..length].windows(9).any(|part| part == b"websocket");
            printed += 1;
            let lost = length == 0 || to_service.write_all(&room[..length]).await.is_err();
            if lost || is_websocket && printed == 4 {
                return;
            }
        }
    };
    tokio::select! {
        () = there => {}
        _ = copy(&mut from_service, &mut to_agent) => {}
    }
}

#[tokio::test]
async fn a_proxy_that_closes_idle_connections_is_detected() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let server = Server::start_with(&["--origin", &origin]);
    tokio::spawn(impatient_proxy(listener, server.address.clone()));
    let report = doctor(&server.dir().join("data"), &[&origin, "--idle", "30"]).await;
    assert_eq!(report.check("message").0, "good", "{:?}", report.findings);
    let (verdict, idle) = report.check("idle");
    assert!(verdict == "bad" && idle.contains("proxy_read_timeout"), "{idle}");
}

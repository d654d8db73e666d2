//! `webpush-server doctor`: what it says of services that are as they should be, and of others.

use crate::support::Server;
use crate::tls;
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::{TcpListener, TcpStream};

/// Exit status, and the findings.
struct Said {
    status: Option<i32>,
    findings: Vec<Value>,
}

impl Said {
    /// The verdict on something, and all that is said of it.
    fn of(&self, check: &str) -> (&str, String) {
        let found = self.findings.iter().find(|finding| finding["check"] == check);
        let found = found.unwrap_or_else(|| panic!("nothing is said of {check}: {:?}", self.findings));
        (found["verdict"].as_str().unwrap(), found.to_string())
    }

    fn verdicts(&self) -> Vec<(&str, &str)> {
        self.findings
            .iter()
            .map(|finding| (finding["check"].as_str().unwrap(), finding["verdict"].as_str().unwrap()))
            .collect()
    }
}

fn doctor_blocking(data: &Path, args: &[String]) -> Said {
    let output = Command::new(env!("CARGO_BIN_EXE_webpush-server"))
        .env("WEBPUSH_SERVER_CONFIG", "/dev/null")
        .args(["doctor", "--json", "--data-dir", data.to_str().unwrap()])
        .args(args)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let findings = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    Said { status: output.status.code(), findings }
}

async fn doctor(data: &Path, args: &[&str]) -> Said {
    let (data, args) = (data.to_owned(), args.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>());
    tokio::task::spawn_blocking(move || doctor_blocking(&data, &args)).await.unwrap()
}

#[tokio::test]
async fn a_service_that_is_as_it_should_be_has_nothing_wrong() {
    let server = Server::start_with(&["--admin", "127.0.0.1:0"]);
    let data = server.folder().join("data");
    let said = doctor(&data, &[&server.origin, "--silence", "1"]).await;
    assert_eq!(said.status, Some(0), "{:?}", said.findings);
    assert_eq!(
        said.verdicts(),
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
            ("silence", "good"),
        ]
    );
    assert!(said.of("origin").1.contains("sealed with the keys of the data directory"));
    let port = server.address.rsplit_once(':').unwrap().1;
    let config = server.folder().join("c.toml");
    std::fs::write(&config, format!("listen.port = {port}\nadmin.listen = '{}'\n", server.admin)).unwrap();
    let here = doctor(&data, &["--config", config.to_str().unwrap(), "--silence", "0"]).await;
    assert_eq!(here.of("origin").0, "good", "{:?}", here.findings);
    assert_eq!(here.of("data dir").0, "good");
    assert!(here.of("descriptors").1.contains(" are open"), "{:?}", here.findings);
}

#[tokio::test]
async fn another_origin_and_another_service_are_told_apart_from_ours() {
    let (server, other) = (Server::start_with(&["--origin", "https://push.example"]), Server::start());
    let url = format!("http://{}", server.address);
    let said = doctor(&server.folder().join("data"), &[&url, "--silence", "0"]).await;
    let (verdict, origin) = said.of("origin");
    assert!(
        verdict == "bad" && origin.contains("--origin") && origin.contains("https://push.example"),
        "{origin}"
    );
    assert_eq!(said.status, Some(1));
    let said = doctor(&server.folder().join("data"), &[&other.origin, "--silence", "0"]).await;
    let (verdict, origin) = said.of("origin");
    assert!(verdict == "bad" && origin.contains("another server"), "{origin}");
}

#[tokio::test]
async fn what_is_not_there_or_something_else_is_said() {
    let data = tempfile::tempdir().unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let said = doctor(data.path(), &[&format!("http://{address}")]).await;
    assert_eq!((said.status, said.of("connection").0), (Some(1), "bad"));
    let said = doctor(data.path(), &["http://no-such-name.invalid"]).await;
    assert!(said.of("name").1.contains("cannot resolve"));
}

#[tokio::test]
async fn a_certificate_must_be_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let files = tls::files(folder.path());
    let args = ["--host", "127.0.0.1", "--key", &files.key, "--cert", &files.cert];
    let server = Server::start_with(&args);
    let port = server.address.rsplit_once(':').unwrap().1;
    let url = format!("https://localhost:{port}");
    let said = doctor(folder.path(), &[&url, "--silence", "0"]).await;
    let (verdict, certificate) = said.of("certificate");
    assert!(verdict == "bad" && certificate.contains("fullchain.pem"), "{certificate}");
    let said = doctor(folder.path(), &[&url, "--silence", "0", "--ca-file", &files.cert]).await;
    assert_eq!(said.of("certificate").0, "good", "{:?}", said.findings);
    assert_eq!(said.of("HTTP/2").0, "good");
}

#[tokio::test]
async fn where_subscribers_need_a_token_it_asks_for_the_url_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    std::fs::write(&file, "0123456789abcdef\n").unwrap();
    let server = Server::start_with(&["--subscribe-token-file", file.to_str().unwrap()]);
    let data = server.folder().join("data");
    let said = doctor(&data, &[&server.origin, "--silence", "0"]).await;
    assert_eq!(said.of("server push").0, "skipped");
    let (verdict, socket) = said.of("WebSocket");
    assert!(verdict == "bad" && socket.contains("/t/TOKEN"), "{socket}");
    let url = format!("{}/t/0123456789abcdef/", server.origin);
    let said = doctor(&data, &[&url, "--silence", "0"]).await;
    assert_eq!((said.status, said.of("message").0), (Some(0), "good"), "{:?}", said.findings);
}

/// Passes everything on, and closes a WebSocket when its agent has said the fourth thing: the acknowledgement.
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
        let (mut said, mut is_websocket, mut room) = (0, false, vec![0; 65536]);
        loop {
            let length = from_agent.read(&mut room).await.unwrap_or(0);
            is_websocket |= room[..length].windows(9).any(|part| part == b"websocket");
            said += 1;
            let lost = length == 0 || to_service.write_all(&room[..length]).await.is_err();
            if lost || is_websocket && said == 4 {
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
async fn a_proxy_that_closes_silent_connections_is_found() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let server = Server::start_with(&["--origin", &origin]);
    tokio::spawn(impatient_proxy(listener, server.address.clone()));
    let said = doctor(&server.folder().join("data"), &[&origin, "--silence", "30"]).await;
    assert_eq!(said.of("message").0, "good", "{:?}", said.findings);
    let (verdict, silence) = said.of("silence");
    assert!(verdict == "bad" && silence.contains("proxy_read_timeout"), "{silence}");
}

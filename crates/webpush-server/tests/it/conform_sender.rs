//! `conform sender`, with `send` and hand-made requests as senders.

use crate::support::HERMETIC;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use webpush_client::vapid::VapidKey;

const PROGRAM: &str = env!("CARGO_BIN_EXE_webpush-server");

fn conform(args: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.envs(HERMETIC).args(["conform", "sender"]).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Starts a run without a command, and returns it with its first line.
fn start(args: &[&str]) -> (Child, BufReader<std::process::ChildStdout>, Value) {
    let mut child = conform(args).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    (child, stdout, serde_json::from_str(&line).unwrap())
}

/// Stops a run, and returns its exit status and its report.
fn stop(mut child: Child, mut stdout: BufReader<std::process::ChildStdout>) -> (Option<i32>, Value) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let mut report = String::new();
    stdout.read_to_string(&mut report).unwrap();
    (child.wait().unwrap().code(), serde_json::from_str(&report).unwrap())
}

fn send(subscription: &Value) -> Output {
    let mut command = Command::new(PROGRAM);
    command.envs(HERMETIC).arg("send").arg(subscription.to_string()).args(["text", "--ttl", "60"]);
    command.output().unwrap()
}

fn outcome<'a>(report: &'a Value, id: &str) -> &'a str {
    let results = report["results"].as_array().unwrap();
    results.iter().find(|result| result["id"] == id).unwrap()["outcome"].as_str().unwrap()
}

#[test]
fn send_conforms_over_tls() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("vapid.pem");
    std::fs::write(&key, VapidKey::generate().unwrap().expose_pem().unwrap()).unwrap();
    let report = dir.path().join("report.json");
    let script = r#"
        for text in one two; do
            "$0" send "$WEBPUSH_CONFORM_SUBSCRIPTION" "$text" --ttl 60 --urgency high --topic topic \
                --vapid-key "$1" --vapid-subject mailto:ops@example.net --ca-file "$WEBPUSH_CONFORM_CA" || exit
        done"#;
    let args = ["--strict", "--name", "send", "--format", "json", "--output", report.to_str().unwrap(), "--"];
    let mut command = conform(&args);
    let output = command.args(["sh", "-c", script, PROGRAM]).arg(&key).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let report: Value = serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap();
    assert_eq!(report["subject"]["name"], "send");
    assert_eq!((&report["tally"]["failed"], &report["conforms"]), (&0.into(), &true.into()), "{report:#}");
    for id in ["S8030-5.4-a", "S8291-3.1-a", "S8291-4-d", "S8188-2.1-c", "S8292-2-b", "S8292-4.2-b"] {
        assert_eq!(outcome(&report, id), "passed", "{id}");
    }
    assert_eq!(outcome(&report, "S8292-4.2-a"), "skipped");
}

#[test]
fn send_stops_at_errors() {
    let (child, stdout, ready) = start(&["--plain-http", "--format", "json"]);
    for (name, subscription) in ready["subscriptions"].as_object().unwrap() {
        assert_eq!(send(subscription).status.success(), name == "201", "{name}");
    }
    let ca = Path::new(ready["ca"].as_str().unwrap()).to_owned();
    assert!(ca.exists());
    let (status, report) = stop(child, stdout);
    assert_eq!((status, &report["tally"]["failed"]), (Some(0), &0.into()), "{report:#}");
    for id in ["S8030-7.2-b", "S8030-7.3-a", "S8030-7.3-b", "S8030-8.4-a", "S8030-8.4-b", "S8030-8.4-c"] {
        assert_eq!(outcome(&report, id), "passed", "{id}");
    }
    assert!(!ca.exists());
}

#[test]
fn a_request_without_ttl_fails() {
    let (child, stdout, ready) = start(&["--plain-http", "--format", "json"]);
    let address = ready["api"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
    let request = |head: &str| {
        let mut stream = TcpStream::connect(&address).unwrap();
        let fields = "host: localhost\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(format!("{head} HTTP/1.1\r\n{fields}").as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    };
    let made = request("GET /subscriptions/429");
    let made: Value = serde_json::from_str(made.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(made["contentEncodings"][0], "aes128gcm");
    let endpoint = made["endpoint"].as_str().unwrap();
    let target = &endpoint[endpoint.find("/push/").unwrap()..];
    let refused = request(&format!("POST {target}")).to_ascii_lowercase();
    assert!(refused.starts_with("http/1.1 429") && refused.contains("retry-after: 2"), "{refused}");
    assert!(request("GET /subscriptions/418").contains("there is no subscription named"));
    assert!(request("GET /report").contains("S8030-5.2-a"));
    let (status, report) = stop(child, stdout);
    assert_eq!((status, outcome(&report, "S8030-5.2-a")), (Some(1), "failed"));
}

#[test]
fn without_a_request_there_is_no_report() {
    let output = conform(&["--", "true"]).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    assert!(String::from_utf8(output.stderr).unwrap().contains("the command sent nothing"));
}

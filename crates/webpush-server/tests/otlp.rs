//! Traces, as a collector receives them, with the feature `otlp`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;
use tokio::net::TcpSocket;

const TRACE: [u8; 16] =
    [0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36];
const PARENT: [u8; 8] = [0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7];
const TRACEPARENT: &str = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";
/// Timeout of every wait, which only a hang reaches.
const TIMEOUT: Duration = Duration::from_secs(60);

#[test]
fn a_push_and_its_delivery_are_spans_of_the_senders_trace_without_a_capability() {
    let (collector, exports) = collector();
    let server = Server::start(&collector);
    let subscribed = server.ask("POST", "/subscribe", "", "");
    let push = link(&subscribed, "urn:ietf:params:push");
    let set = link(&subscribed, "urn:ietf:params:push:set");
    let headers =
        format!("ttl: 60\r\ntraceparent: 00-{TRACEPARENT}-01\r\ntracestate: vendor=told-to-nobody\r\n");
    let pushed = server.ask("POST", &push, &headers, "the payload");
    assert!(pushed.starts_with("HTTP/1.1 201"), "{pushed}");
    let message = header(&pushed, "location");
    server.wait_for_event(&set);
    assert!(server.ask("DELETE", &message, "", "").starts_with("HTTP/1.1 204"));
    let refused = server.ask("POST", &push, &format!("traceparent: 00-{TRACEPARENT}-01\r\n"), "no TTL");
    assert!(refused.starts_with("HTTP/1.1 400"), "{refused}");
    // The last spans are exported before it exits.
    server.stop();

    let exported: Vec<u8> = exports.into_iter().flatten().collect();
    assert_eq!(count(&exported, &TRACE), 3, "two requests and a delivery");
    assert_eq!(count(&exported, &PARENT), 2, "the delivery is a child of its request");
    for word in [
        "webpush-server",
        "push",
        "deliver",
        "written",
        "delivered",
        "webpush.protocol",
        "rfc8030",
        "webpush.message.size",
    ] {
        assert!(count(&exported, word.as_bytes()) > 0, "{word}");
    }
    for url in [&push, &set, &message] {
        let secret = url.rsplit('/').next().unwrap();
        assert_eq!((count(&exported, secret.as_bytes()), secret.len() > 20), (0, true), "a capability");
    }
    for word in ["the payload", "told-to-nobody"] {
        assert_eq!(count(&exported, word.as_bytes()), 0, "{word}");
    }
}

#[test]
fn unsampled_requests_are_not_traced() {
    let (collector, exports) = collector();
    let server = Server::start(&collector);
    let push = link(&server.ask("POST", "/subscribe", "", ""), "urn:ietf:params:push");
    let headers = format!("ttl: 60\r\ntraceparent: 00-{TRACEPARENT}-00\r\n");
    assert!(server.ask("POST", &push, &headers, "quiet").starts_with("HTTP/1.1 201"));
    server.stop();
    assert_eq!(exports.into_iter().count(), 0);
}

#[test]
fn without_a_collector_messages_are_accepted_and_shutdown_is_graceful() {
    // Bound so that nothing else gets it, but not listening.
    let nobody = TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let server = Server::start(&format!("http://{}", nobody.local_addr().unwrap()));
    let push = link(&server.ask("POST", "/subscribe", "", ""), "urn:ietf:params:push");
    for _ in 0..200 {
        assert!(server.ask("POST", &push, "ttl: 60\r\n", "on its way").starts_with("HTTP/1.1 201"));
    }
    let log = server.stop();
    assert!((1..=2).contains(&log.matches("cannot export traces").count()), "{log}");
    assert!(!log.contains(&push), "{log}");
}

/// Starts a collector; returns its origin, and the bodies until the server exits.
fn collector() -> (String, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let (send, exports) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let head = read_head(&mut stream);
            if head.is_empty() {
                // The connection of `Server::stop`.
                return;
            }
            assert!(head.starts_with("POST /v1/traces HTTP/1.1"), "{head}");
            assert_eq!(header(&head, "content-type"), "application/x-protobuf");
            let mut body = vec![0; header(&head, "content-length").parse().unwrap()];
            stream.read_exact(&mut body).unwrap();
            stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
            send.send(body).unwrap();
        }
    });
    (origin, exports)
}

struct Server {
    child: Child,
    address: String,
    collector: String,
    _dir: tempfile::TempDir,
}

impl Server {
    fn start(collector: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_webpush-server"))
            // Many small batches.
            .envs([("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4"), ("OTEL_BSP_SCHEDULE_DELAY", "5")])
            .env("WEBPUSH_SERVER_CONFIG", "/dev/null")
            .args(["--port", "0", "--admin", "off", "--log-format", "text", "--drain-window", "0s"])
            .args(["--otlp-endpoint", collector, "--data-dir"])
            .arg(dir.path().join("data"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split("http://").nth(1).and_then(|rest| rest.split(' ').next());
        let address = address.unwrap_or_else(|| panic!("no address in '{line}'")).to_owned();
        Self { child, address, collector: collector.trim_start_matches("http://").to_owned(), _dir: dir }
    }

    /// Sends a request on a new connection, and returns the whole response.
    fn ask(&self, method: &str, url: &str, headers: &str, body: &str) -> String {
        let mut answer = String::new();
        self.open(method, url, headers, body).read_to_string(&mut answer).unwrap();
        answer
    }

    /// Listens until a message arrives.
    fn wait_for_event(&self, set: &str) {
        let mut events = BufReader::new(self.open("GET", set, "accept: text/event-stream\r\n", ""));
        let mut line = String::new();
        while !line.contains("data:") {
            line.clear();
            assert!(events.read_line(&mut line).unwrap() > 0, "no message");
        }
    }

    fn open(&self, method: &str, url: &str, headers: &str, body: &str) -> TcpStream {
        let path = url.strip_prefix(&format!("http://{}", self.address)).unwrap_or(url);
        let (address, length) = (&self.address, body.len());
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}");
        stream.write_all(format!("{head}content-length: {length}\r\n\r\n{body}").as_bytes()).unwrap();
        stream
    }

    /// Shuts it down, and returns its log.
    fn stop(mut self) -> String {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert!(self.child.wait().unwrap().success(), "{log}");
        // Ends the collector.
        drop(TcpStream::connect(&self.collector));
        log
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_head(stream: &mut impl BufRead) -> String {
    let mut head = String::new();
    while stream.read_line(&mut head).unwrap() > 0 && !head.ends_with("\r\n\r\n") {}
    head
}

fn header(head: &str, name: &str) -> String {
    let mut headers = head.lines().filter_map(|line| line.split_once(": "));
    let found = headers.find(|(found, _)| found.eq_ignore_ascii_case(name));
    found.unwrap_or_else(|| panic!("no {name} in {head}")).1.to_owned()
}

fn link(head: &str, rel: &str) -> String {
    let rel = format!("rel=\"{rel}\"");
    let links = head.lines().filter(|line| line.to_ascii_lowercase().starts_with("link: "));
    let found = links.flat_map(|line| line[6..].split(", ")).find(|link| link.ends_with(&rel));
    let url = found.and_then(|link| link.strip_prefix('<')?.split('>').next());
    url.unwrap_or_else(|| panic!("no {rel} in {head}")).to_owned()
}

fn count(bytes: &[u8], what: &[u8]) -> usize {
    bytes.windows(what.len()).filter(|window| *window == what).count()
}

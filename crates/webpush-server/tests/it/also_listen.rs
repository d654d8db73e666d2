//! D: more than one public listener, and a Unix socket for a proxy.

use crate::support::{HERMETIC, Http2Client, Server, refused, soon};
use crate::tls::files;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

/// A rate of one registration per address.
const ONE_EACH: [&str; 2] = ["--register-rate", "1/h:1"];

/// Subscribes over HTTP/1.1 on a connection of its own. A missing response is empty.
async fn subscribe(mut stream: impl AsyncRead + AsyncWrite + Unpin, prefix: &str, headers: &str) -> String {
    let head = format!(
        "{prefix}POST /subscribe HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // A connection that the server refuses may be reset.
    let _ = soon("an answer or the end", stream.read_to_string(&mut answer)).await;
    answer
}

fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or_default()
}

/// The socket, and the flag that makes the server listen there.
fn socket(dir: &Path) -> (std::path::PathBuf, String) {
    let path = dir.join("push.sock");
    let flag = format!("--also-listen=unix:{}", path.display());
    (path, flag)
}

#[tokio::test]
async fn d_the_client_behind_a_unix_socket_is_whom_the_proxy_names_and_never_this_machine() {
    let dir = tempfile::tempdir().unwrap();
    let (path, flag) = socket(dir.path());
    let server = Server::start_with(&[&ONE_EACH[..], &[&flag]].concat());
    for (headers, expected) in [
        ("X-Forwarded-For: 192.0.2.1\r\n", "201"),
        ("X-Forwarded-For: 192.0.2.1\r\n", "429"),
        ("X-Forwarded-For: 192.0.2.1, 192.0.2.2\r\n", "201"),
        // One for all that are not known, or that are called this machine.
        ("", "201"),
        ("", "429"),
        ("X-Forwarded-For: 127.0.0.1\r\n", "429"),
        ("X-Forwarded-For: unknown\r\n", "429"),
    ] {
        let answer = subscribe(UnixStream::connect(&path).await.unwrap(), "", headers).await;
        assert_eq!(status(&answer), expected, "{headers} {answer}");
    }
    for _ in 0..2 {
        let direct = subscribe(TcpStream::connect(&server.address).await.unwrap(), "", "").await;
        assert_eq!(status(&direct), "201", "programs of this machine are not limited");
    }
}

#[tokio::test]
async fn d_a_unix_socket_takes_the_proxy_protocol_if_the_other_listeners_do() {
    let dir = tempfile::tempdir().unwrap();
    let (path, flag) = socket(dir.path());
    let args = [&ONE_EACH[..], &[&flag, "--proxy-protocol", "--trusted-proxies", "10.0.0.1"]].concat();
    let _server = Server::start_with(&args);
    for (header, expected) in [
        ("PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n", "201"),
        ("PROXY TCP4 192.0.2.1 198.51.100.1 4711 443\r\n", "429"),
        ("PROXY TCP4 192.0.2.2 198.51.100.1 4711 443\r\n", "201"),
        ("PROXY UNKNOWN\r\n", "201"),
        ("PROXY UNKNOWN\r\n", "429"),
        ("PROXY TCP4 127.0.0.1 127.0.0.1 4711 443\r\n", "429"),
        ("", ""),
    ] {
        let answer = subscribe(UnixStream::connect(&path).await.unwrap(), header, "").await;
        assert_eq!(status(&answer), expected, "{header} {answer}");
    }
}

#[tokio::test]
async fn d_all_listeners_are_one_server_and_end_together() {
    let dir = tempfile::tempdir().unwrap();
    let (path, flag) = socket(dir.path());
    let server =
        Server::start_with_log(&["--also-listen", "http://127.0.0.1:0", &flag, "--socket-mode=0600"]);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let [second, unix] = &server.also[..] else { panic!("{:?}", server.also) };
    assert_eq!(*unix, format!("unix:{}", path.display()));
    for address in [second, unix] {
        server.logged(&["also serving", address]).await;
    }
    let mut one = Http2Client::over(UnixStream::connect(&path).await.unwrap(), &server.origin).await;
    let mut other = Http2Client::over(
        TcpStream::connect(second.strip_prefix("http://").unwrap()).await.unwrap(),
        &server.origin,
    )
    .await;
    let urls = one.subscribe().await;
    assert!(urls.push.starts_with(&server.origin), "{}", urls.push);
    let mut monitor = one.monitor(&urls.subscription, &[]).await;
    other.push(&urls.push, "hello").await;
    assert_eq!(monitor.next().await.text(), "hello");
    server.signal("TERM");
    assert_eq!(monitor.end().await.status(), 200);
    // The client writes to its closed Unix socket in vain, which TCP does not tell it.
    let (_, over_tcp) = tokio::join!(one.closed(), other.closed());
    over_tcp.unwrap();
    assert!(server.wait().await);
    assert!(!path.exists());
}

#[tokio::test]
async fn d_connection_limits_hold_over_all_listeners() {
    let dir = tempfile::tempdir().unwrap();
    let (path, flag) = socket(dir.path());
    let server = Server::start_with(&[&flag, "--max-connections", "2"]);
    let mut held = server.connect().await;
    held.subscribe().await;
    let mut second = Http2Client::over(UnixStream::connect(&path).await.unwrap(), &server.origin).await;
    second.subscribe().await;
    let mut third = UnixStream::connect(&path).await.unwrap();
    let mut nothing = [0];
    assert!(matches!(soon("the end", third.read(&mut nothing)).await, Ok(0) | Err(_)));
}

#[tokio::test]
async fn d_only_the_socket_of_a_dead_server_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let (path, flag) = socket(dir.path());
    Server::start_with(&[&flag]).kill();
    assert!(path.exists(), "a killed server leaves its socket");
    let server = Server::start_with(&[&flag]);
    let error = refused(&dir.path().join("other"), &[&flag]);
    assert!(error.contains("push.sock (--also-listen)") && error.contains("in use"), "{error}");
    let answer = subscribe(UnixStream::connect(&path).await.unwrap(), "", "").await;
    assert_eq!(status(&answer), "201");
    drop(server);
}

#[tokio::test]
async fn d_each_listener_has_tls_or_not_as_its_scheme_says() {
    let dir = tempfile::tempdir().unwrap();
    files(dir.path());
    let file = |name: &str| dir.path().join(name).display().to_string();
    let (path, flag) = socket(dir.path());
    let also = "--also-listen=https://127.0.0.1:0,http://127.0.0.1:0";
    let tls = ["--host", "127.0.0.1", "--cert", &file("cert.pem"), "--key", &file("key.pem")];
    let server = Server::start_with(&[&tls[..], &[also, &flag]].concat());
    for address in &server.also[..2] {
        let (scheme, address) = address.split_once("://").unwrap();
        let answer = subscribe(TcpStream::connect(address).await.unwrap(), "", "").await;
        assert_eq!(answer.contains("This port speaks HTTPS"), scheme == "https", "{answer}");
        assert_eq!(status(&answer) == "201", scheme == "http", "{answer}");
    }
    let answer = subscribe(UnixStream::connect(&path).await.unwrap(), "", "").await;
    assert_eq!(status(&answer), "201");
}

#[test]
fn d_config_check_finds_addresses_that_cannot_work() {
    let dir = tempfile::tempdir().unwrap();
    let check = |also: &str| {
        std::fs::write(dir.path().join("c.toml"), format!("[listen]\nalso = [{also}]\n")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_webpush-server"));
        let command = command.current_dir(dir.path()).envs(HERMETIC);
        let checked = command.args(["config", "check", "--config", "c.toml"]).output().unwrap();
        (checked.status.code(), String::from_utf8(checked.stderr).unwrap())
    };
    for (also, named) in [
        ("'127.0.0.1:80'", "'127.0.0.1:80' is not an address such as http://"),
        ("'https://127.0.0.1:1'", "https://127.0.0.1:1 (--also-listen) needs a certificate"),
        ("'http://192.0.2.1:1'", "http://192.0.2.1:1 (--also-listen) can be reached from other machines"),
        ("'unix:/a', 'unix:/a'", "unix:/a (--also-listen) is listed twice"),
    ] {
        let (code, error) = check(also);
        assert!(code == Some(2) && error.contains("c.toml:2") && error.contains(named), "{error}");
    }
    assert_eq!(check("'unix:/a', 'http://127.0.0.1:1'").0, Some(0));
}

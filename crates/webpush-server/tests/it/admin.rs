//! The admin listener: access and responses.

use crate::support::{Server, raw_http1, refused, soon};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

const LOOPBACK: [&str; 2] = ["--admin", "127.0.0.1:0"];

/// Sends a request on a new connection; returns status, head and body.
pub(crate) async fn ask(admin: &str, method: &str, path: &str, body: &str) -> (u16, String, String) {
    ask_with(admin, method, path, &[], body).await
}

/// Returns the header with the admin token.
pub(crate) fn owners(server: &Server) -> String {
    let token = std::fs::read_to_string(server.dir().join("data/admin-token")).unwrap();
    format!("authorization: Bearer {}", token.trim())
}

pub(crate) async fn ask_with(
    admin: &str,
    method: &str,
    path: &str,
    headers: &[&str],
    body: &str,
) -> (u16, String, String) {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let host = if headers.starts_with("host:") { "" } else { "host: 127.0.0.1\r\n" };
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\n{host}{headers}connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let answer = match admin.strip_prefix("unix:") {
        Some(path) => exchange(UnixStream::connect(path).await.unwrap(), &request).await,
        None => exchange(TcpStream::connect(admin).await.unwrap(), &request).await,
    };
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_owned(), body.to_owned())
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon("an answer", stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

fn detail(body: &str) -> String {
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    body["detail"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn admin_resources_are_not_on_the_public_port() {
    let server = Server::start_with(&LOOPBACK);
    for (method, path) in [("GET", "/broadcasts"), ("PUT", "/broadcasts/a"), ("DELETE", "/broadcasts/a")] {
        let request =
            format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 1\r\n\r\n1");
        let answer = raw_http1(&server.address, &request).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    }
    assert_eq!(ask(&server.admin, "GET", "/broadcasts", "").await.2, "{}");
    // Nor the other way around.
    assert_eq!(ask(&server.admin, "POST", "/subscribe", "").await.0, 404);
    assert_eq!(Server::start().admin, "", "there is none unless it is asked for");
}

#[tokio::test]
async fn invalid_requests_are_explained() {
    let server = Server::start_with(&LOOPBACK);
    let long = "x".repeat(300);
    for (method, path, body, status, expected) in [
        ("PUT", "/broadcasts/a", "", 400, "The version of a broadcast must be 1 to 256"),
        ("PUT", "/broadcasts/a", &*long, 400, "The version of a broadcast must be 1 to 256"),
        ("PUT", "/broadcasts/a", "1\n2", 400, "on one line."),
        ("PUT", "/broadcasts/a", "ä", 400, "ASCII"),
        ("PUT", "/broadcasts/", "1", 400, "The name of a broadcast must be 1 to 128"),
        ("PUT", &format!("/broadcasts/{long}"), "1", 400, "The name of a broadcast"),
        ("PUT", "/broadcasts/a%20b", "1", 400, "without spaces"),
        ("PUT", "/broadcasts/errors", "1", 400, "The name errors is reserved"),
        ("PUT", "/broadcasts/a%2", "1", 400, "hexadecimal"),
        ("PUT", "/broadcasts/a?b", "1", 400, "%3F"),
        ("DELETE", "/broadcasts/a", "", 404, "There is no broadcast with this name."),
        ("GET", "/broadcasts/a", "", 405, "PUT, DELETE"),
        ("PUT", "/broadcasts", "1", 405, "GET, HEAD"),
        ("GET", "/nothing", "", 404, "/broadcasts"),
    ] {
        let (found, head, answer) = ask_with(&server.admin, method, path, &[&owners(&server)], body).await;
        assert_eq!(found, status, "{method} {path}: {answer}");
        assert!(
            head.contains("application/problem+json") && detail(&answer).contains(expected),
            "{head} {answer}"
        );
    }
    assert_eq!(ask(&server.admin, "GET", "/broadcasts", "").await.2, "{}");
}

#[tokio::test]
async fn a_page_cannot_use_the_listener_by_a_foreign_name() {
    let server = Server::start_with(&LOOPBACK);
    let owner = owners(&server);
    let put = async |host| ask_with(&server.admin, "PUT", "/broadcasts/a", &[host, &*owner], "1").await;
    let (status, _, body) = put("host: evil.example").await;
    assert_eq!(status, 403, "{body}");
    assert_eq!(put("host: localhost:8079").await.0, 204);
}

#[tokio::test]
async fn changes_need_the_admin_token() {
    let server = Server::start_with(&LOOPBACK);
    for (method, path) in [("PUT", "/broadcasts/a"), ("DELETE", "/broadcasts/a"), ("GET", "/admin/backup")] {
        let (status, _, body) = ask(&server.admin, method, path, "1").await;
        assert!(status == 403 && detail(&body).contains("admin-token"), "{method} {path}: {status} {body}");
    }
}

#[tokio::test]
async fn with_a_token_it_may_be_reached_from_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let output = refused(dir.path(), &["--admin", "0.0.0.0:0"]);
    assert!(output.contains("can be reached from other machines") && output.lines().count() == 1, "{output}");

    let file = dir.path().join("tokens");
    std::fs::write(&file, "# operator\n0123456789abcdef\n").unwrap();
    let file = file.to_str().unwrap();
    let server = Server::start_with(&["--admin", "0.0.0.0:0", "--admin-token-file", file]);
    let port = server.admin.rsplit(':').next().unwrap();
    let admin = format!("127.0.0.1:{port}");
    for (headers, status, challenge) in [
        (&[][..], 401, "www-authenticate: Bearer\r"),
        (&["authorization: Basic Ojo="], 401, "www-authenticate: Bearer\r"),
        (&["authorization: Bearer 0123456789abcdeF"], 401, "error=\"invalid_token\""),
        (&["host: push.example", "authorization: Bearer 0123456789abcdef"], 204, ""),
    ] {
        let (found, head, _) = ask_with(&admin, "PUT", "/broadcasts/a", headers, "1").await;
        assert!(found == status && format!("{head}\r").contains(challenge), "{headers:?}: {head}");
    }
    assert_eq!(ask(&admin, "GET", "/broadcasts", "").await.0, 401);
}

#[tokio::test]
async fn a_unix_socket_exists_while_the_server_runs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("admin.sock");
    let admin = format!("unix:{}", path.display());
    let server = Server::start_on(dir.path(), &["--admin", &admin]);
    assert_eq!(server.admin, admin);
    assert_eq!(ask(&admin, "PUT", "/broadcasts/a/b", "1").await.0, 204);
    let output = refused(&dir.path().join("other"), &["--admin", &admin]);
    assert!(output.contains("in use"), "{output}");

    server.kill();
    assert!(path.exists(), "nobody has removed it");
    let server = Server::start_on(dir.path(), &["--admin", &admin]);
    assert_eq!(ask(&admin, "GET", "/broadcasts", "").await.2, "{\"a/b\":\"1\"}");
    // An idle connection does not delay shutdown.
    let _idle = UnixStream::connect(&path).await.unwrap();
    server.signal("TERM");
    assert!(server.wait().await);
    assert!(!path.exists());
}

//! E6: a program that listens on the admin address in place of the server gets neither tokens nor data.

use crate::support::Server;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;

/// A listener that keeps what it is sent.
struct Squatter {
    address: String,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Squatter {
    /// Listens on `address`, and answers every connection through `serve`.
    fn start(address: &str, serve: impl Fn(TcpStream, &Mutex<Vec<u8>>) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let received = Arc::<Mutex<Vec<u8>>>::default();
        let (kept, serve) = (Arc::clone(&received), Arc::new(serve));
        // It ends with the test.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (kept, serve) = (Arc::clone(&kept), Arc::clone(&serve));
                thread::spawn(move || serve(stream.unwrap(), &kept));
            }
        });
        Self { address, received }
    }

    fn received(&self) -> String {
        String::from_utf8_lossy(&self.received.lock().unwrap()).into_owned()
    }
}

/// Answers every request with 200 and JSON.
fn agree(mut stream: TcpStream, received: &Mutex<Vec<u8>>) {
    let mut bytes = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut bytes) {
        received.lock().unwrap().extend_from_slice(&bytes[..length]);
        let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
        if stream.write_all(answer).is_err() {
            return;
        }
    }
}

/// Passes everything on to the server at another address.
fn relay(server: String) -> impl Fn(TcpStream, &Mutex<Vec<u8>>) + Send + Sync {
    move |mut client: TcpStream, received: &Mutex<Vec<u8>>| {
        let mut server = TcpStream::connect(&server).unwrap();
        let (mut answers, mut answered) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        thread::spawn(move || {
            // Ends when either side does.
            let _ = std::io::copy(&mut answers, &mut answered);
            let _ = answered.shutdown(Shutdown::Both);
        });
        let mut bytes = [0; 4096];
        while let Ok(length @ 1..) = client.read(&mut bytes) {
            received.lock().unwrap().extend_from_slice(&bytes[..length]);
            server.write_all(&bytes[..length]).unwrap();
        }
        let _ = server.shutdown(Shutdown::Both);
    }
}

fn run(data_dir: &Path, admin: &str, command: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_webpush-server"));
    program.env("WEBPUSH_SERVER_CONFIG", "/dev/null").args(command);
    program.args(["--admin", admin, "--data-dir"]).arg(data_dir).output().unwrap()
}

fn token(data_dir: &Path) -> String {
    std::fs::read_to_string(data_dir.join("admin-token")).unwrap().trim().to_owned()
}

/// E6: the token went to whatever program had the port.
#[tokio::test]
async fn commands_send_nothing_to_who_listens_in_place_of_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_on(dir.path(), &["--admin", "127.0.0.1:0"]);
    let data_dir = dir.path().join("data");
    let backup = dir.path().join("backup");
    let saved = run(&data_dir, &server.admin, &["backup", backup.to_str().unwrap()]);
    assert!(saved.status.success(), "{saved:?}");
    let address = server.admin.clone();
    server.signal("TERM");
    assert!(server.wait().await);
    let squatter = Squatter::start(&address, agree);
    let file = backup.to_str().unwrap();
    for command in [
        &["backlog"][..],
        &["agents"],
        &["agents", "revoke", "--yes", "0123456789abcdef0123456789abcdef"],
        &["trace", "http://127.0.0.1:8080/message/secret"],
        &["sealing-keys", "rotate"],
        &["backup", dir.path().join("other").to_str().unwrap()],
        &["import", file],
    ] {
        let output = run(&data_dir, &address, command);
        let printed = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{command:?}");
        let holder = format!("pid {}", std::process::id());
        for part in [&*holder, &address, "does not know the admin token", "Nothing was sent to it"] {
            assert!(printed.contains(part), "{command:?}: {printed}");
        }
    }
    let received = squatter.received();
    assert!(received.contains("POST /admin/proof"), "{received}");
    for secret in [&*token(&data_dir), "message/secret", "/admin/agents", "/admin/import", "sealing"] {
        assert!(!received.contains(secret), "{secret}: {received}");
    }
    // Without a token there is nothing to prove, and nothing is uploaded.
    std::fs::remove_file(data_dir.join("admin-token")).unwrap();
    let output = run(&data_dir, &address, &["import", file]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("no admin token"), "{output:?}");
    assert_eq!(squatter.received(), received);
}

#[tokio::test]
async fn a_proof_that_is_passed_on_from_another_address_is_not_trusted() {
    let server = Server::start_with(&["--admin", "127.0.0.1:0"]);
    let data_dir = server.dir().join("data");
    let squatter = Squatter::start("127.0.0.1:0", relay(server.admin.clone()));
    let output = run(&data_dir, &squatter.address, &["backlog"]);
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && printed.contains(&server.admin), "{printed}");
    assert!(printed.contains("--admin-forwarded"), "{printed}");
    assert!(!squatter.received().contains(&token(&data_dir)));
    // The operator may have forwarded the port.
    let output = run(&data_dir, &squatter.address, &["backlog", "--admin-forwarded"]);
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test]
async fn a_proof_needs_a_token() {
    let server = Server::start_with(&["--admin", "127.0.0.1:0"]);
    for (body, status) in [("{}", 401), (r#"{"nonce":"AA","proof":"AA"}"#, 401), (&"x".repeat(5_000), 400)] {
        let (answered, _, text) = crate::admin::ask(&server.admin, "POST", "/admin/proof", body).await;
        assert_eq!(answered, status, "{text}");
    }
    assert_eq!(crate::admin::ask(&server.admin, "GET", "/admin/proof", "").await.0, 405);
}

//! Service managers such as systemd: sockets, readiness, reloads, the watchdog.

use crate::support::managed::refused_to_listen_on;
use crate::support::{Server, soon};
use http::StatusCode;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixDatagram};

fn open() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Sends a request on a new connection, which must get a response.
async fn ask(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon("an answer", stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

#[tokio::test]
async fn who_connects_while_there_is_no_process_is_answered_by_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let (listener, address) = open();
    let start = || Server::start_listening_on(dir.path(), &["--port", "1"], listener.try_clone().unwrap());
    let server = start();
    assert_eq!(server.origin, format!("http://{address}"), "the port is that of the socket");
    let mut peer = server.connect().await;
    let urls = peer.subscribe().await;
    peer.push(&urls.push, "before").await;
    server.signal("TERM");
    assert!(server.wait().await);

    let asked = tokio::spawn(ask(address, "/__lbheartbeat__"));
    // Connected and written while no process reads it.
    let mut early = TcpStream::connect(address).await.unwrap();
    early.write_all(b"GET /__version__ HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let server = start();
    assert!(asked.await.unwrap().starts_with("HTTP/1.1 200 "));
    let mut answer = [0; 13];
    soon("an answer", early.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 ");
    let (pushes, _) = server.connect().await.drain(&urls.subscription).await;
    assert_eq!(crate::support::texts(&pushes), ["before"]);
}

#[tokio::test]
async fn no_connection_is_refused_during_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (listener, address) = open();
    let start = || Server::start_listening_on(dir.path(), &[], listener.try_clone().unwrap());
    let server = start();
    let (answered, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (answered, over) = (Arc::clone(&answered), Arc::clone(&over));
            tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    let answer = ask(address, "/__version__").await;
                    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let more = |than: usize| {
        let answered = Arc::clone(&answered);
        soon("answers", async move {
            while answered.load(Ordering::Relaxed) < than {
                tokio::task::yield_now().await;
            }
        })
    };
    more(20).await;
    server.signal("TERM");
    assert!(server.wait().await);
    let before = answered.load(Ordering::Relaxed);
    let _server = start();
    more(before + 20).await;
    over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
}

#[tokio::test]
async fn the_admin_socket_is_inherited_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let ((public, address), (admin, admin_address)) = (open(), open());
    let args = ["--admin", "127.0.0.1:0", "--origin", "https://push.example"];
    let server = Server::start_listening_on_both(dir.path(), &args, public, admin);
    assert_eq!(
        (server.address.as_str(), server.admin.as_str()),
        (&*address.to_string(), &*admin_address.to_string())
    );
    assert!(ask(admin_address, "/ready").await.starts_with("HTTP/1.1 200 "));
    assert!(ask(address, "/metrics").await.starts_with("HTTP/1.1 404 "));

    let other = tempfile::tempdir().unwrap();
    let path = other.path().join("admin.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let server = Server::start_listening_on_both(other.path(), &args, open().0, listener);
    assert_eq!(server.admin, format!("unix:{}", path.display()));
    server.signal("TERM");
    assert!(server.wait().await);
    assert!(path.exists(), "it is not the service's");
}

#[test]
fn unsuitable_sockets_are_refused_with_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    let datagrams = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    for error in [refused_to_listen_on(dir.path(), file), refused_to_listen_on(dir.path(), datagrams)] {
        assert!(error.contains("named 'public', is not a listening TCP or Unix socket"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    let everywhere = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let output = refused_to_listen_on(dir.path(), everywhere);
    assert!(output.contains("without TLS they would send push URLs unencrypted"), "{output}");
}

/// Waits for the next notification with this prefix.
async fn next_notification(manager: &UnixDatagram, beginning: &str) -> String {
    soon(beginning, async {
        loop {
            let mut output = vec![0; 4096];
            let length = manager.recv(&mut output).await.unwrap();
            let output = String::from_utf8(output[..length].to_vec()).unwrap();
            if output.starts_with(beginning) {
                return output;
            }
            assert!(output.starts_with("WATCHDOG=1\n"), "{output} instead of {beginning}");
        }
    })
    .await
}

#[tokio::test]
async fn the_manager_is_notified_of_the_state() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    let server = Server::start_telling(&path, "200000", &["--drain-delay", "1s"]);
    let ready = next_notification(&manager, "READY=1\n").await;
    assert!(ready.contains(&format!("STATUS=serves {} on {}\n", server.origin, server.address)), "{ready}");
    for _ in 0..3 {
        let output = next_notification(&manager, "WATCHDOG=1\n").await;
        assert!(output.ends_with("; 0 sessions\n"), "{output}");
    }
    server.signal("HUP");
    let reloading = next_notification(&manager, "RELOADING=1\n").await;
    let micros = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
    assert!(micros.parse::<u64>().unwrap() > 0);
    assert_eq!(next_notification(&manager, "READY=1\n").await, "READY=1\n");
    server.signal("TERM");
    let stopping = next_notification(&manager, "STOPPING=1\n").await;
    // The delay, two graces, and closing the store; tests have no window.
    assert!(stopping.contains("EXTEND_TIMEOUT_USEC=31000000\n"), "{stopping}");
    assert!(server.wait().await);
}

#[tokio::test]
async fn a_manager_that_does_not_read_blocks_nothing() {
    let server = Server::start_telling("/nowhere/notify".as_ref(), "1000000", &[]);
    let mut peer = server.connect().await;
    peer.subscribe().await;
    assert_eq!(peer.get("/__lbheartbeat__", &[]).await.status(), StatusCode::OK);
    server.signal("TERM");
    assert!(server.wait().await);
}

use super::*;
use tokio::task::JoinHandle;

const ESTABLISHED: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

/// A proxy, the listener that stands for the TLS one, and a listener that must never be connected to.
struct Setup {
    proxy: SocketAddr,
    https: TcpListener,
    other: TcpListener,
    report: Arc<ProxyReport>,
    task: JoinHandle<()>,
}

async fn setup() -> Setup {
    let bind = || TcpListener::bind("127.0.0.1:0");
    let (listener, https, other) = (bind().await.unwrap(), bind().await.unwrap(), bind().await.unwrap());
    let (proxy, report) = (listener.local_addr().unwrap(), Arc::new(ProxyReport::default()));
    let rules = HostRules::new(&["push".to_owned()]);
    let task = start(listener, https.local_addr().unwrap(), rules, Arc::clone(&report));
    Setup { proxy, https, other, report, task }
}

impl Setup {
    fn https_port(&self) -> u16 {
        self.https.local_addr().unwrap().port()
    }

    fn other_port(&self) -> u16 {
        self.other.local_addr().unwrap().port()
    }

    async fn send(&self, request: &[u8]) -> TcpStream {
        let mut client = TcpStream::connect(self.proxy).await.unwrap();
        client.write_all(request).await.unwrap();
        client
    }

    /// Returns the response to a request that is not forwarded.
    async fn refusal(&self, request: &[u8]) -> String {
        let mut client = self.send(request).await;
        let mut response = String::new();
        client.read_to_string(&mut response).await.unwrap();
        response
    }

    /// Panics if the proxy opened a connection: then the next one to be accepted is not that of this test.
    async fn assert_nothing_was_forwarded(&self) {
        for listener in [&self.https, &self.other] {
            let probe = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (_, peer) = listener.accept().await.unwrap();
            assert_eq!(peer, probe.local_addr().unwrap(), "the proxy opened a connection");
        }
        assert_eq!(self.report.forwarded(), 0);
    }
}

#[tokio::test]
async fn push_services_are_led_to_the_listener_with_early_bytes() {
    let setup = setup().await;
    let own = format!("localhost:{}", setup.https_port());
    let hosts = ["fcm.googleapis.com:443", "FCM.googleapis.com.:443", "web.push.apple.com:443", &own];
    for (number, host) in hosts.into_iter().enumerate() {
        for version in ["1.1", "1.0"] {
            let request =
                format!("CONNECT {host} HTTP/{version}\r\nHost: {host}\r\nProxy-Connection: x\r\n\r\nearly");
            let mut client = setup.send(request.as_bytes()).await;
            let (mut listener, _) = setup.https.accept().await.unwrap();
            client.write_all(b" late").await.unwrap();
            let mut received = [0; 10];
            listener.read_exact(&mut received).await.unwrap();
            assert_eq!(&received, b"early late");
            listener.write_all(b"answer").await.unwrap();
            drop(listener);
            let mut response = String::new();
            client.read_to_string(&mut response).await.unwrap();
            assert_eq!(response, format!("{ESTABLISHED}answer"));
        }
        assert_eq!(setup.report.forwarded(), 2 * (number as u64 + 1));
    }
    assert!(setup.report.refused().is_empty());
}

#[tokio::test]
async fn everything_else_is_refused_and_counted() {
    let setup = setup().await;
    let other = setup.other_port();
    for (target, host, port) in [
        ("CONNECT example.org:443".to_owned(), "example.org", 443),
        ("CONNECT fcm.googleapis.com:80".to_owned(), "fcm.googleapis.com", 80),
        (format!("CONNECT fcm.googleapis.com:{other}"), "fcm.googleapis.com", other),
        (format!("CONNECT localhost:{other}"), "localhost", other),
        (format!("CONNECT localhost.:{other}"), "localhost", other),
        (format!("CONNECT 127.0.0.1:{other}"), "127.0.0.1", other),
        (format!("CONNECT 127.1:{other}"), "127.1", other),
        (format!("CONNECT 2130706433:{other}"), "2130706433", other),
        (format!("CONNECT 0x7f.0.0.1:{other}"), "0x7f.0.0.1", other),
        (format!("CONNECT [::ffff:127.0.0.1]:{other}"), "::ffff:127.0.0.1", other),
        (format!("CONNECT push:{other}"), "push", other),
        (format!("GET http://127.0.0.1:{other}/"), "127.0.0.1", other),
        (format!("GET http://user@127.0.0.1:{other}/"), "127.0.0.1", other),
        ("POST https://fcm.googleapis.com/fcm/send/x".to_owned(), "fcm.googleapis.com", 443),
        (format!("connect fcm.googleapis.com:{other}"), "", 0),
    ] {
        setup.report.reset();
        let response =
            setup.refusal(format!("{target} HTTP/1.1\r\nHost: fcm.googleapis.com\r\n\r\n").as_bytes()).await;
        if host.is_empty() {
            assert!(response.starts_with("HTTP/1.1 400 "), "{target}: {response}");
            continue;
        }
        assert!(response.starts_with("HTTP/1.1 403 "), "{target}: {response}");
        let sentence = format!("This proxy answers only for push services, not for {host} port {port}.");
        assert!(response.ends_with(&format!("{{\"error\":\"{sentence}\"}}")), "{response}");
        let method = target.split(' ').next().unwrap().to_owned();
        let row = RefusedHost { host: host.to_owned(), port, method, count: 1 };
        assert_eq!(setup.report.refused(), [row], "{target}");
    }
    setup.assert_nothing_was_forwarded().await;
}

#[tokio::test]
async fn malformed_requests_open_no_connection() {
    let setup = setup().await;
    let other = setup.other_port();
    let long = format!("CONNECT fcm.googleapis.com:443 HTTP/1.1\r\nA: {}", "a".repeat(HEAD_BYTES));
    for request in [
        format!("CONNECT fcm.googleapis.com:443@127.0.0.1:{other} HTTP/1.1\r\n\r\n"),
        format!("CONNECT user@127.0.0.1:{other} HTTP/1.1\r\n\r\n"),
        format!("CONNECT http://127.0.0.1:{other}/ HTTP/1.1\r\n\r\n"),
        format!("CONNECT fcm.googleapis.com:443  127.0.0.1:{other} HTTP/1.1\r\n\r\n"),
        format!("CONNECT  127.0.0.1:{other} HTTP/1.1\r\n\r\n"),
        format!("CONNECT fcm.googleapis.com:443\0.127.0.0.1:{other} HTTP/1.1\r\n\r\n"),
        format!("CONNECT fcm.googleapis.com\0:443 HTTP/1.1\r\nHost: 127.0.0.1:{other}\r\n\r\n"),
        format!("CONNECT 127.0.0.1:{other} HTTP/2.0\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: 127.0.0.1:{other}\r\n\r\n"),
        format!("{long}\r\n\r\n"),
        long,
        "\x16\x03\x01 not a request\r\n\r\n".to_owned(),
    ] {
        let response = setup.refusal(request.as_bytes()).await;
        assert!(response.starts_with("HTTP/1.1 400 "), "{request}: {response}");
    }
    setup.assert_nothing_was_forwarded().await;
    assert!(setup.report.refused().is_empty());
}

#[tokio::test]
async fn only_the_first_request_of_a_connection_decides() {
    let setup = setup().await;
    let second = format!("CONNECT 127.0.0.1:{} HTTP/1.1\r\n\r\n", setup.other_port());
    let request = format!("CONNECT fcm.googleapis.com:443 HTTP/1.1\r\n\r\n{second}");
    let _client = setup.send(request.as_bytes()).await;
    let (mut listener, _) = setup.https.accept().await.unwrap();
    let mut received = vec![0; second.len()];
    listener.read_exact(&mut received).await.unwrap();
    assert_eq!(received, second.as_bytes());
    assert_eq!((setup.report.forwarded(), setup.report.refused().len()), (1, 0));
}

#[tokio::test]
async fn the_head_may_arrive_byte_by_byte() {
    let setup = setup().await;
    let mut client = TcpStream::connect(setup.proxy).await.unwrap();
    client.set_nodelay(true).unwrap();
    for byte in b"CONNECT jmt17.google.com:443 HTTP/1.1\r\n\r\n" {
        client.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let (_listener, _) = setup.https.accept().await.unwrap();
    let mut response = [0; ESTABLISHED.len()];
    client.read_exact(&mut response).await.unwrap();
    assert_eq!(response, ESTABLISHED.as_bytes());
}

#[tokio::test]
async fn a_listener_that_is_gone_is_a_bad_gateway() {
    let Setup { proxy, https, .. } = setup().await;
    drop(https);
    let mut client = TcpStream::connect(proxy).await.unwrap();
    client.write_all(b"CONNECT fcm.googleapis.com:443 HTTP/1.1\r\n\r\n").await.unwrap();
    let mut response = String::new();
    client.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 502 "), "{response}");
}

#[tokio::test]
async fn aborting_the_task_ends_its_tunnels() {
    let setup = setup().await;
    let mut client = setup.send(b"CONNECT fcm.googleapis.com:443 HTTP/1.1\r\n\r\n").await;
    let (mut listener, _) = setup.https.accept().await.unwrap();
    let mut established = [0; ESTABLISHED.len()];
    client.read_exact(&mut established).await.unwrap();
    setup.task.abort();
    // End or reset, but not silence.
    assert!(matches!(client.read(&mut [0]).await, Ok(0) | Err(_)));
    assert!(matches!(listener.read(&mut [0]).await, Ok(0) | Err(_)));
    assert!(setup.task.await.unwrap_err().is_cancelled());
}

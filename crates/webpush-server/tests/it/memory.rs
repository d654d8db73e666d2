//! A2: the memory of the process has a limit, and what frees memory goes on above it.

use crate::inside::LoopbackClient;
use crate::support::{Http2Client, Server, header, raw_http1, soon};
use bytes::Bytes;
use futures_util::future::join_all;
use http::{Method, Request, Response, StatusCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use webpush_service::limits::{Limits, Timeouts};
use webpush_service::memory_watch;

/// Interval of PINGs, at which idle connections end.
const KEEPALIVE: Duration = Duration::from_millis(50);

fn assert_refused(response: &Response<Bytes>) {
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{:?}", response.body());
    assert!(header(response, "retry-after").parse::<u32>().unwrap() > 0);
    let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(body["type"], "/errors#memory-low");
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    soon(what, async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A service whose memory is what the test says, with a limit of 1,000 bytes.
struct MeteredService {
    inside: LoopbackClient,
    used: Arc<AtomicU64>,
    address: String,
}

impl MeteredService {
    async fn start(keepalive: Duration) -> Self {
        let timeouts = Timeouts { keepalive, ..Timeouts::default() };
        let inside = LoopbackClient::with(Limits { timeouts, ..Limits::default() });
        let used = Arc::new(AtomicU64::new(0));
        let gauge = {
            let used = Arc::clone(&used);
            move || Some(used.load(Ordering::Relaxed))
        };
        drop(memory_watch::start(Arc::clone(&inside.service), gauge, Some(1000)));
        let address = inside.listen().await;
        Self { inside, used, address }
    }

    async fn connect(&self) -> Http2Client {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        Http2Client::over(stream, &self.inside.service.origin).await
    }

    async fn use_memory(&self, bytes: u64, is_low: bool) {
        self.used.store(bytes, Ordering::Relaxed);
        until("a measurement", || self.inside.service.memory.is_low() == is_low).await;
    }
}

#[tokio::test]
async fn a2_while_memory_is_low_what_needs_it_is_refused_and_what_frees_it_goes_on() {
    let measured = MeteredService::start(Duration::from_secs(60)).await;
    let mut peer = measured.connect().await;
    let urls = peer.subscribe().await;
    let messages = [peer.push(&urls.push, "one").await, peer.push(&urls.push, "two").await];
    let mut agent = measured.connect().await;
    let mut monitor = agent.monitor(&urls.subscription, &[]).await;
    assert_eq!(monitor.next().await.text(), "one");
    measured.use_memory(1001, true).await;

    assert_refused(&peer.post(&urls.push, &[("ttl", "60")], "three").await);
    assert_refused(&peer.post("/subscribe", &[], "").await);
    assert_refused(&peer.get(&urls.subscription, &[("prefer", "wait=0")]).await);
    assert_refused(&peer.get(&urls.subscription, &[("accept", "text/event-stream")]).await);
    let notification = "{\"notification\": {\"devices\": []}}";
    assert_refused(&peer.post("/_matrix/push/v1/notify", &[], notification).await);
    let websocket = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    assert!(raw_http1(&measured.address, websocket).await.starts_with("HTTP/1.1 503 "));

    assert_eq!(monitor.next().await.text(), "two", "an open session goes on");
    for path in ["/", "/health", "/errors", &messages[0]] {
        assert_eq!(peer.get(path, &[]).await.status(), StatusCode::OK, "{path}");
    }
    let options = peer.request(Method::OPTIONS, &urls.push, &[], Bytes::new()).await;
    assert!(options.status().is_success(), "{options:?}");
    for url in [&messages[0], &messages[1], &urls.subscription] {
        assert_eq!(peer.delete(url).await, StatusCode::NO_CONTENT, "{url}");
    }
    let metrics = webpush_service::metrics::report::open_metrics(Arc::clone(&measured.inside.service), true);
    let metrics = metrics.unwrap();
    for line in ["webpush_memory_low 1", "webpush_memory_limit_bytes 1000", "problem=\"memory-low\"} 6"] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }

    measured.use_memory(951, true).await;
    measured.use_memory(950, false).await;
    let urls = peer.subscribe().await;
    peer.push(&urls.push, "three").await;
}

#[tokio::test]
async fn a2_while_memory_is_low_idle_connections_end_in_order() {
    let measured = MeteredService::start(KEEPALIVE).await;
    let mut idle = measured.connect().await;
    let urls = idle.subscribe().await;
    let mut agent = measured.connect().await;
    let mut monitor = agent.monitor(&urls.subscription, &[]).await;
    measured.use_memory(1001, true).await;
    assert!(idle.closed().await.is_ok(), "GOAWAY without an error");
    measured.use_memory(0, false).await;
    measured.connect().await.push(&urls.push, "to the session that went on").await;
    assert_eq!(monitor.next().await.text(), "to the session that went on");
}

/// Requests of one connection whose bodies never end.
struct EndlessBodies {
    _streams: Vec<h2::SendStream<Bytes>>,
    connection: JoinHandle<()>,
}

impl EndlessBodies {
    async fn send(server: &Server, url: &str) -> Self {
        let stream = TcpStream::connect(&server.address).await.unwrap();
        let (send, connection) = h2::client::handshake(stream).await.unwrap();
        let connection = tokio::spawn(async move { drop(connection.await) });
        let mut streams = Vec::new();
        for _ in 0..128 {
            let Ok(mut send) = send.clone().ready().await else { break };
            let request = Request::post(url).header("ttl", "60").body(()).unwrap();
            let Ok((_, mut stream)) = send.send_request(request, false) else { break };
            let _ = stream.send_data(Bytes::from_static(&[7; 4000]), false);
            streams.push(stream);
        }
        Self { _streams: streams, connection }
    }
}

impl Drop for EndlessBodies {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// Returns the anonymous memory of a process.
fn memory_of(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

/// All that honest clients do to free memory succeeds while bodies that never end take it.
#[tokio::test]
async fn a2_a_process_sheds_load_before_its_memory_ends() {
    const ROOM: u64 = 16 * 1024 * 1024;
    const MOST_CONNECTIONS: usize = 256;
    let unlimited = Server::start_with(&["--memory", "0"]);
    unlimited.connect().await.subscribe().await;
    let limit = memory_of(&unlimited) + ROOM;
    drop(unlimited);

    let server = Server::start_with_log(&["--memory", &limit.to_string()]);
    let mut honest = server.connect().await;
    let urls = honest.subscribe().await;
    let mut messages = Vec::new();
    for _ in 0..20 {
        messages.push(honest.push(&urls.push, "hello").await);
    }
    let mut attack = Vec::new();
    while honest.post("/subscribe", &[], "").await.status() == StatusCode::CREATED {
        assert!(attack.len() < MOST_CONNECTIONS, "nothing is refused at {} bytes", memory_of(&server));
        attack.push(EndlessBodies::send(&server, &urls.push).await);
    }
    server.logged(&["memory is low"]).await;
    for _ in 0..32 {
        attack.push(EndlessBodies::send(&server, &urls.push).await);
    }
    for message in &messages {
        assert_eq!(honest.delete(message).await, StatusCode::NO_CONTENT);
        assert_eq!(honest.get("/health", &[]).await.status(), StatusCode::OK);
        assert_refused(&honest.post(&urls.push, &[("ttl", "60")], "more").await);
    }
    let used = memory_of(&server);
    assert!(used < limit + 3 * ROOM, "{used} of {limit}");

    drop(attack);
    // The allocator returns freed memory to the system after ten seconds.
    let recovered = async {
        let mut peers = Vec::new();
        for _ in 0..8 {
            peers.push(server.connect().await);
        }
        let is_refused = async |peer: &mut Http2Client| {
            peer.post("/subscribe", &[], "").await.status() != StatusCode::CREATED
        };
        while join_all(peers.iter_mut().map(is_refused)).await.contains(&true) {}
    };
    soon("the end of the shortage", recovered).await;
    honest.push(&urls.push, "hello again").await;
}

//! Limits of the Matrix gateway for unresponsive push services.

use crate::gateway::{NOTIFY, assert_error, notification, notify, rejected};
use crate::push_service::PushService;
use crate::support::{Http2Client, Monitor, Server, Subscription, header, soon};
use futures_util::FutureExt as _;
use h2::client::ResponseFuture;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use webpush_http::gateway::{
    GATEWAY_CLIENT_NOTIFICATIONS, GATEWAY_CLIENT_REQUESTS, GATEWAY_NOTIFICATIONS, GATEWAY_REQUESTS,
};

/// A long timeout, so that slow machines do not reach it.
const PATIENT: [&str; 4] = ["--matrix-allow-address", "127.0.0.0/8", "--matrix-timeout", "1h"];

/// A server, another push service, a homeserver, and a connected agent.
struct Fixture {
    server: Server,
    elsewhere: PushService,
    homeserver: Http2Client,
    urls: Subscription,
    monitor: Monitor,
    _agent: Http2Client,
}

impl Fixture {
    async fn start(args: &[&str]) -> Self {
        let elsewhere = PushService::start().await;
        let server = Server::start_trusting(&elsewhere.certificate(), &[&PATIENT[..], args].concat());
        let (homeserver, mut agent) = (server.connect().await, server.connect().await);
        let urls = agent.subscribe().await;
        let monitor = agent.monitor(&urls.subscription, &[]).await;
        Self { server, elsewhere, homeserver, urls, monitor, _agent: agent }
    }

    /// Builds a notification for a device of another service and for the agent.
    fn for_two(&self, path: &str) -> Value {
        notification(&[&self.elsewhere.url(path), &self.urls.push])
    }

    /// Sends notifications that wait for the other service. The agent's part shows that each was handled.
    async fn wait_for_silence(&mut self, number: usize) -> Vec<ResponseFuture> {
        let body = self.for_two("silent").to_string();
        let mut waiting = Vec::new();
        for _ in 0..number {
            let response = self.homeserver.begin(Method::POST, NOTIFY, &[], body.clone().into()).await;
            waiting.push(response.unwrap());
            self.monitor.next().await;
        }
        waiting
    }
}

fn assert_unanswered(waiting: Vec<ResponseFuture>) {
    for response in waiting {
        assert!(response.now_or_never().is_none());
    }
}

#[tokio::test]
async fn over_the_limit_notifications_are_refused_except_for_own_devices() {
    let mut fixture = Fixture::start(&[]).await;
    let waiting = fixture.wait_for_silence(GATEWAY_NOTIFICATIONS).await;
    let one_more = fixture.for_two("silent");
    let response = notify(&mut fixture.homeserver, &one_more).await;
    assert_error(&response, 503, "gateway-busy", "M_UNKNOWN");
    assert_eq!(header(&response, "retry-after"), "5");
    fixture.monitor.next().await;
    let own = notification(&[&fixture.urls.push]);
    assert_eq!(rejected(&notify(&mut fixture.homeserver, &own).await), json!([]));
    fixture.monitor.next().await;
    for _ in 0..GATEWAY_REQUESTS {
        fixture.elsewhere.next().await;
    }
    assert_eq!(fixture.elsewhere.waiting(), 0, "the rest have not begun");
    assert_unanswered(waiting);

    fixture.homeserver.hang_up();
    let mut other = fixture.server.connect().await;
    let prompt = notification(&[&fixture.elsewhere.url("201")]);
    let let_in = async {
        while notify(&mut other, &prompt).await.status() != StatusCode::OK {
            // The server takes a moment to notice that they have disconnected.
            tokio::task::yield_now().await;
        }
    };
    soon("room", let_in).await;
}

/// A1: notifications that are completed together have a share for each network.
#[tokio::test]
async fn each_network_has_a_share_of_the_limit() {
    let mut fixture = Fixture::start(&["--rate-limit-loopback"]).await;
    let waiting = fixture.wait_for_silence(GATEWAY_CLIENT_NOTIFICATIONS).await;
    let one_more = fixture.for_two("silent");
    let response = notify(&mut fixture.homeserver, &one_more).await;
    assert_error(&response, 429, "too-many-requests", "M_LIMIT_EXCEEDED");
    assert_eq!(header(&response, "retry-after"), "10");
    fixture.monitor.next().await;
    for _ in 0..GATEWAY_CLIENT_REQUESTS {
        fixture.elsewhere.next().await;
    }
    assert_eq!(fixture.elsewhere.waiting(), 0, "the rest have not begun");

    let body = notification(&[&fixture.elsewhere.url("201")]).to_string();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut client = socket.connect(fixture.server.address.parse().unwrap()).await.unwrap();
    let head = format!("POST {NOTIFY} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
    let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon("an answer", client.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(fixture.elsewhere.next().await.head.starts_with("post /201 "));
    assert_unanswered(waiting);
}

#[tokio::test]
async fn messages_to_other_services_have_a_rate_limit() {
    let mut fixture = Fixture::start(&["--rate-limit-loopback", "--matrix-rate", "1/h:1"]).await;
    let both = fixture.for_two("201");
    assert_eq!(rejected(&notify(&mut fixture.homeserver, &both).await), json!([]));
    let response = notify(&mut fixture.homeserver, &both).await;
    assert_error(&response, 429, "too-many-requests", "M_LIMIT_EXCEEDED");
    assert_eq!(header(&response, "retry-after"), "3600");
    for _ in 0..2 {
        fixture.monitor.next().await;
    }
    fixture.elsewhere.next().await;
    assert_eq!(fixture.elsewhere.waiting(), 0);
}

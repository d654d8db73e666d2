//! The network between clients and nodes: sockets in memory, and requests without one.

use crate::executor::{Executor, TaskOwner};
use bytes::Bytes;
use http::header::{HeaderMap, HeaderValue};
use http::{Method, Request, StatusCode};
use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use tokio::io::{DuplexStream, duplex};
use tokio::sync::{mpsc, oneshot};
use webpush_http::body::Body;
use webpush_http::connection::http2;
use webpush_http::delivery::events::{EventRequest, EventStream};
use webpush_http::delivery::mcs;
use webpush_http::delivery::websocket::{self, Handshake};
use webpush_http::resources::outcome::RouteOutcome;
use webpush_http::resources::route;
use webpush_http::server::HttpServer;
use webpush_http::transport::connections::Connections;
use webpush_http::transport::proxies::DirectPeer;
use webpush_service::client_addr::ClientAddr;
use webpush_service::drain::{CloseDeadline, Draining};

/// The public origin of all nodes.
pub const ORIGIN: &str = "https://push.example";

/// Bytes that a socket holds in each direction.
const SOCKET_BYTES: usize = 16 * 1024;

/// The nodes that can be reached.
pub struct Network {
    nodes: RefCell<Vec<Option<Endpoint>>>,
    executor: Executor,
}

/// A node that accepts connections.
#[derive(Clone)]
pub struct Endpoint {
    /// The server.
    pub server: Arc<HttpServer>,
    /// Tells connections of a shutdown.
    pub draining: Draining,
    /// Permits for connections.
    pub connections: Rc<Connections>,
}

/// A response without its body, unless it is short.
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Response {
    /// Returns a header that names a URL of the service, as a path.
    #[must_use]
    pub fn location(&self) -> Option<String> {
        let location = self.headers.get(http::header::LOCATION)?.to_str().ok()?;
        Some(path_of(location).to_owned())
    }

    /// Returns the path of the link with this relation.
    #[must_use]
    pub fn link(&self, relation: &str) -> Option<String> {
        let links = self.headers.get_all(http::header::LINK);
        links.iter().filter_map(|link| link.to_str().ok()).find_map(|link| {
            let (url, parameters) = link.strip_prefix('<')?.split_once('>')?;
            parameters.contains(relation).then(|| path_of(url).to_owned())
        })
    }
}

/// Returns a URL of the service without its origin.
#[must_use]
pub fn path_of(url: &str) -> &str {
    url.strip_prefix(ORIGIN).unwrap_or(url)
}

/// A stream of server-sent events, or the response that came in its place.
pub enum Events {
    /// The parts of the stream.
    Stream(mpsc::Receiver<Bytes>),
    /// The status of another response.
    Refused(StatusCode),
}

impl Network {
    /// Creates a network with this number of nodes, none of which is up.
    #[must_use]
    pub fn new(nodes: usize, executor: Executor) -> Self {
        Self { nodes: RefCell::new((0..nodes).map(|_| None).collect()), executor }
    }

    /// Makes a node reachable, or unreachable for new connections.
    pub fn set(&self, node: usize, endpoint: Option<Endpoint>) {
        let before = std::mem::replace(&mut self.nodes.borrow_mut()[node], endpoint);
        drop(before);
    }

    /// Returns true if a node accepts connections.
    #[must_use]
    pub fn is_up(&self, node: usize) -> bool {
        self.nodes.borrow()[node].is_some()
    }

    fn endpoint(&self, node: usize) -> Option<Endpoint> {
        self.nodes.borrow()[node].clone()
    }

    /// Sends a request; `None` if no response arrives. A client that stops waiting cancels it.
    pub async fn request(&self, node: usize, request: Request<Bytes>) -> Option<Response> {
        let Endpoint { server, draining, .. } = self.endpoint(node)?;
        let (mut sender, receiver) = oneshot::channel();
        self.executor.spawn(TaskOwner::Node(node), async move {
            let _draining = draining;
            let (head, body) = request.into_parts();
            let peer = peer();
            let handling = pin!(route::handle(&server, &peer, &head, Body::whole(body)));
            let outcome = tokio::select! {
                biased;
                () = sender.closed() => return,
                outcome = handling => outcome,
            };
            if let RouteOutcome::Answer(answer) = outcome {
                let (head, body) = answer.into_parts();
                let response = Response { status: head.status, headers: head.headers, body };
                drop(sender.send(response));
            }
        });
        receiver.await.ok()
    }

    /// Requests server-sent events; `None` if no response arrives.
    pub async fn events(&self, node: usize, path: &str, headers: HeaderMap) -> Option<Events> {
        let Endpoint { server, draining, .. } = self.endpoint(node)?;
        let mut request = Request::get(path).body(Bytes::new()).ok()?;
        *request.headers_mut() = headers;
        let accept = HeaderValue::from_static("text/event-stream");
        request.headers_mut().insert(http::header::ACCEPT, accept);
        let (sender, receiver) = oneshot::channel();
        self.executor.spawn(TaskOwner::Node(node), async move {
            let (head, body) = request.into_parts();
            match route::handle(&server, &peer(), &head, Body::whole(body)).await {
                RouteOutcome::Events(request) => stream(server, *request, draining, sender).await,
                RouteOutcome::Answer(answer) => drop(sender.send(Events::Refused(answer.status()))),
                RouteOutcome::ServerPush(..) | RouteOutcome::WebSocket(_) | RouteOutcome::Stream(_) => {}
            }
        });
        receiver.await.ok()
    }

    /// Opens a WebSocket, after its opening handshake.
    #[must_use]
    pub fn websocket(&self, node: usize) -> Option<DuplexStream> {
        let Endpoint { server, draining, .. } = self.endpoint(node)?;
        let (theirs, ours) = duplex(SOCKET_BYTES);
        let handshake = Handshake { client: client(), may_subscribe: true, early: Vec::new(), permit: None };
        self.executor.spawn(TaskOwner::Node(node), websocket::run(theirs, handshake, server, draining));
        Some(ours)
    }

    /// Opens an MCS connection.
    #[must_use]
    pub fn mcs(&self, node: usize) -> Option<DuplexStream> {
        let Endpoint { server, draining, connections } = self.endpoint(node)?;
        let permit = connections.admit()?;
        let (theirs, ours) = duplex(SOCKET_BYTES);
        self.executor.spawn(TaskOwner::Node(node), mcs::run(theirs, client(), server, draining, permit));
        Some(ours)
    }

    /// Opens an HTTP/2 connection.
    #[must_use]
    pub fn http2(&self, node: usize) -> Option<DuplexStream> {
        let Endpoint { server, draining, connections } = self.endpoint(node)?;
        let permit = connections.admit()?;
        let (theirs, ours) = duplex(SOCKET_BYTES);
        self.executor.spawn(TaskOwner::Node(node), http2::serve(theirs, peer(), server, draining, permit));
        Some(ours)
    }
}

/// Sends a stream of events, of which a part is rendered when the client has taken the one before.
async fn stream(
    server: Arc<HttpServer>,
    request: EventRequest,
    draining: Draining,
    answer: oneshot::Sender<Events>,
) {
    let mut stream = match EventStream::begin(server, request, None, CloseDeadline::new(draining)).await {
        Ok((_, stream)) => stream,
        Err(whole) => return drop(answer.send(Events::Refused(whole.status()))),
    };
    let (parts, receiver) = mpsc::channel(1);
    if answer.send(Events::Stream(receiver)).is_err() {
        return;
    }
    loop {
        let part = tokio::select! {
            biased;
            () = parts.closed() => return,
            part = stream.next() => part,
        };
        let Some(part) = part else { return };
        if parts.send(part).await.is_err() {
            return;
        }
    }
}

/// Creates a request without a body.
#[must_use]
pub fn bare(method: Method, path: &str) -> Request<Bytes> {
    let mut request = Request::new(Bytes::new());
    *request.method_mut() = method;
    if let Ok(uri) = path.parse() {
        *request.uri_mut() = uri;
    }
    request
}

fn client() -> ClientAddr {
    ClientAddr::new(Ipv4Addr::LOCALHOST.into())
}

fn peer() -> DirectPeer {
    DirectPeer::itself(client())
}

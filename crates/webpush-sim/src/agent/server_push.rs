//! An agent that gets messages by HTTP/2 server push.

use super::{Agent, requests};
use crate::executor::TaskOwner;
use crate::network::ORIGIN;
use crate::shared::Shared;
use bytes::Bytes;
use h2::client::{PushPromise, PushPromises, ResponseFuture, SendRequest};
use http::{Request, Response, StatusCode};
use std::pin::Pin;
use std::rc::Rc;
use tokio::time::{Instant, sleep_until};
use webpush_core::urgency::Urgency;

/// Runs a session until `end`; `None` if the connection is lost before.
pub(super) async fn session(agent: &Agent, shared: &Rc<Shared>, node: usize, end: Instant) -> Option<()> {
    let set = requests::prepare(agent, shared, node).await?;
    let urgency = agent.choose_urgency(shared);
    let c = agent.begin_connection(shared, urgency);
    let mut monitor = Monitor::start(shared, TaskOwner::Agent(agent.number), node, &set, urgency).await?;
    loop {
        let next = tokio::select! {
            biased;
            next = monitor.next() => next,
            () = sleep_until(end) => return Some(()),
        };
        match next {
            Next::Push { path, response, body } if response.status() == StatusCode::OK => {
                let m = agent.receive(shared, c, &body, None);
                requests::acknowledge(agent, shared, c, m, &path);
            }
            Next::End(StatusCode::NOT_FOUND) => {
                agent.forget(shared);
                return None;
            }
            Next::Push { .. } | Next::End(_) | Next::Lost => return None,
        }
    }
}

/// A monitoring request, during which messages or receipts are pushed.
pub(crate) struct Monitor {
    response: ResponseFuture,
    pushes: PushPromises,
    /// The push that is being received.
    current: Option<Pin<Box<dyn Future<Output = Option<Next>>>>>,
    _requests: SendRequest<Bytes>,
}

/// The next event of a monitoring request.
pub(crate) enum Next {
    /// A message or a receipt.
    Push {
        /// The path of the promised request.
        path: String,
        /// The head of its response.
        response: Response<()>,
        /// The body.
        body: Vec<u8>,
    },
    /// The response of the request itself.
    End(StatusCode),
    /// The connection is lost.
    Lost,
}

impl Monitor {
    /// Connects to a node and sends the request; `None` if the connection is lost.
    pub(crate) async fn start(
        shared: &Shared,
        owner: TaskOwner,
        node: usize,
        path: &str,
        urgency: Urgency,
    ) -> Option<Self> {
        let stream = shared.network.http2(node)?;
        let (requests, connection) = h2::client::handshake(stream).await.ok()?;
        shared.executor.spawn(owner, async move { drop(connection.await) });
        let mut requests: SendRequest<Bytes> = requests.ready().await.ok()?;
        let request = Request::get(format!("{ORIGIN}{path}")).header("urgency", urgency.as_str());
        let (mut response, _) = requests.send_request(request.body(()).ok()?, true).ok()?;
        let pushes = response.push_promises();
        Some(Self { response, pushes, current: None, _requests: requests })
    }

    /// Returns the next event. Cancel safe.
    pub(crate) async fn next(&mut self) -> Next {
        loop {
            if let Some(current) = &mut self.current {
                let push = current.as_mut().await;
                self.current = None;
                return push.unwrap_or(Next::Lost);
            }
            let promise = tokio::select! {
                biased;
                promise = self.pushes.push_promise() => promise,
                response = &mut self.response => {
                    return response.map_or(Next::Lost, |response| Next::End(response.status()));
                }
            };
            match promise {
                Some(Ok(promise)) => self.current = Some(Box::pin(receive(promise))),
                Some(Err(_)) => return Next::Lost,
                None => {
                    let response = (&mut self.response).await;
                    return response.map_or(Next::Lost, |response| Next::End(response.status()));
                }
            }
        }
    }
}

async fn receive(promise: PushPromise) -> Option<Next> {
    let (request, response) = promise.into_parts();
    let (head, mut stream) = response.await.ok()?.into_parts();
    let mut body = Vec::new();
    while let Some(part) = stream.data().await {
        let part = part.ok()?;
        stream.flow_control().release_capacity(part.len()).ok()?;
        body.extend_from_slice(&part);
    }
    let path = request.uri().path().to_owned();
    Some(Next::Push { path, response: Response::from_parts(head, ()), body })
}

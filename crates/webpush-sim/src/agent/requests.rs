//! Requests of agents that speak RFC 8030.

use super::Agent;
use super::acks::delays;
use crate::executor::TaskOwner;
use crate::history::Event;
use crate::network::{ORIGIN, bare};
use crate::shared::Shared;
use http::header::{HeaderValue, LINK};
use http::{Method, StatusCode};
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use webpush_store::simulation::Random;

/// How long an agent waits for a response.
const PATIENCE: Duration = Duration::from_secs(60);

/// Creates or removes subscriptions at the beginning of a session; `None` if the agent has none.
pub(super) async fn prepare(agent: &Agent, shared: &Shared, node: usize) -> Option<String> {
    if let Some(unwanted) = agent.unwanted(shared) {
        let request = bare(Method::DELETE, &unwanted.name);
        let response = shared.network.request(node, request).await;
        let status = response.map_or(0, |response| response.status.as_u16());
        shared.record(&Event::Unsubscribed { s: unwanted.number, status });
    } else if agent.lacks_subscription() {
        subscribe(agent, shared, node).await;
    }
    agent.identity()
}

async fn subscribe(agent: &Agent, shared: &Shared, node: usize) -> Option<()> {
    let mut request = bare(Method::POST, "/subscribe");
    let set = agent.identity();
    if let Some(set) = &set {
        let link = format!("<{ORIGIN}{set}>; rel=\"urn:ietf:params:push:set\"");
        request.headers_mut().insert(LINK, HeaderValue::try_from(link).ok()?);
    }
    let response = timeout(PATIENCE, shared.network.request(node, request)).await.ok()??;
    if response.status != StatusCode::CREATED {
        if set.is_some() && response.status.is_client_error() {
            agent.forget(shared);
        }
        return None;
    }
    let (own, push) = (response.location()?, response.link("urn:ietf:params:push\"")?);
    *agent.identity.borrow_mut() = Some(response.link("urn:ietf:params:push:set")?);
    agent.subscribed(shared, own, push);
    Some(())
}

/// Acknowledges a message with DELETE to its URL: in time, late, twice or never, at any node.
pub(super) fn acknowledge(agent: &Agent, shared: &Rc<Shared>, c: u32, m: u32, path: &str) {
    for delay in delays(agent, shared) {
        let seed = agent.random.borrow_mut().number();
        let (shared_state, path) = (Rc::clone(shared), path.to_owned());
        shared.executor.spawn(TaskOwner::Agent(agent.number), async move {
            let mut random = Random::new(seed);
            sleep(delay).await;
            while delete(&shared_state, &mut random, c, m, &path).await.is_none() {
                if !shared_state.is_settling.get() && random.one_in(2) {
                    break;
                }
                sleep(Duration::from_secs(1 + random.below(5))).await;
            }
        });
    }
}

/// Sends one request, and records its result; `None` if it is unknown whether it succeeded.
async fn delete(shared: &Shared, random: &mut Random, c: u32, m: u32, path: &str) -> Option<()> {
    let node = shared.node(random)?;
    shared.record(&Event::Ack { c, m });
    let response = timeout(PATIENCE, shared.network.request(node, bare(Method::DELETE, path))).await;
    let status = response.ok().flatten().map_or(0, |response| response.status.as_u16());
    shared.record(&Event::Acked { m, status });
    (200..500).contains(&status).then_some(())
}

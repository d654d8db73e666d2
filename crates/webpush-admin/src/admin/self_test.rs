//! «Try it»: one message sent through the service, step by step, to an agent of its own or to the browser that looks at the
//! page. What happens is told as it happens, a line of JSON each.
//!
//! | to find | look in |
//! |---|---|
//! | what is told, and to whom | `told.rs` |
//! | an agent inside of the service: subscribes, listens, decrypts, acknowledges | `agent.rs` |
//! | a sender: encrypts, signs, pushes; and the stages that the trace knows | `push.rs` |

mod agent;
mod error;
mod push;
mod told;

use super::Admin;
use super::refusal::Refusal;
use super::reply::Reply;
use error::SelfTestError;
use http::HeaderMap;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use told::Told;
use webpush_client::subscription::PushSubscription;
use webpush_http::body::Body;

/// Attempts at once: each is a message of somebody who looks at it.
pub(super) const AT_ONCE: usize = 4;
/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// More than a subscription has, with what a browser adds to it.
const MOST_BODY_BYTES: usize = 8 * 1024;

/// What is asked for.
#[derive(Deserialize)]
struct Asked {
    /// A subscription that a browser has made here; without one an agent of our own gets the message.
    subscription: Option<serde_json::Value>,
}

/// `POST /admin/try`: begins an attempt.
pub(super) async fn begin(
    admin: &Arc<Admin>,
    headers: &HeaderMap,
    body: &mut Body,
) -> Result<Reply, Refusal> {
    let body = body.read(headers, MOST_BODY_BYTES).await;
    let body = body.map_err(|_| Refusal::wrong("the body did not arrive whole, or is no subscription"))?;
    let asked: Asked = match &*body {
        [] => Asked { subscription: None },
        body => serde_json::from_slice(body)
            .map_err(|_| Refusal::wrong("the body is {} or {\"subscription\": …} as a browser writes it"))?,
    };
    let browser = match asked.subscription {
        Some(json) => Some(of_this_service(admin, &json.to_string())?),
        None => None,
    };
    let place = Arc::clone(&admin.attempts).try_acquire_owned();
    let place =
        place.map_err(|_| Refusal::Busy("as many messages are tried as may be at once; try again"))?;
    let (told, lines) = told::channel(Arc::clone(&admin.service));
    let admin = Arc::clone(admin);
    tokio::spawn(async move {
        let tried = timeout(PATIENCE, attempt(&admin, browser, &told)).await;
        let ended = tried.unwrap_or(Err(SelfTestError::NotDelivered(PATIENCE.as_secs())));
        told.end(ended).await;
        drop(place);
    });
    Ok(told::answer(lines))
}

/// Only messages to this service can be followed, and nothing is sent elsewhere from here.
fn of_this_service(admin: &Admin, json: &str) -> Result<PushSubscription, Refusal> {
    let subscription = PushSubscription::read(json).map_err(|error| Refusal::wrong(error.to_string()))?;
    let (theirs, ours) = (subscription.endpoint.origin(), &admin.service.origin);
    if theirs.eq_ignore_ascii_case(ours) {
        return Ok(subscription);
    }
    Err(Refusal::wrong(format!("this browser takes its pushes from {theirs}, and this service is {ours}")))
}

async fn attempt(admin: &Admin, browser: Option<PushSubscription>, told: &Told) -> Result<(), SelfTestError> {
    match browser {
        Some(subscription) => {
            let message = push::push(admin, &subscription, told).await?;
            push::follow(admin, message, told).await
        }
        None => agent::attempt(admin, told).await,
    }
}

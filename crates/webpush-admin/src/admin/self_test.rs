//! The self-test: sends one message through the server, to a built-in agent or the user's browser.
//!
//! Each step is reported as it happens, as a line of JSON.
//!
//! | Topic | File |
//! |---|---|
//! | the reported steps | `progress.rs` |
//! | built-in agent: subscribes, listens, decrypts, acknowledges | `agent.rs` |
//! | sender: encrypts, signs, pushes; stages of the trace | `push.rs` |

mod agent;
mod error;
mod progress;
mod push;

use super::Admin;
use super::error::AdminError;
use super::reply::Reply;
use error::SelfTestError;
use http::HeaderMap;
use progress::StepReporter;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use webpush_client::subscription::PushSubscription;
use webpush_http::body::Body;

/// Maximum number of concurrent self-tests.
pub(super) const MAX_CONCURRENT: usize = 4;
/// Time limit of a self-test.
const PATIENCE: Duration = Duration::from_secs(20);
/// More than a subscription has, with what a browser adds to it.
const MOST_BODY_BYTES: usize = 8 * 1024;

/// The request body.
#[derive(Deserialize)]
struct SelfTestRequest {
    /// The browser's subscription; without one, a built-in agent receives the message.
    subscription: Option<serde_json::Value>,
}

/// Serves `POST /admin/try`: starts a self-test.
pub(super) async fn start(
    admin: &Arc<Admin>,
    headers: &HeaderMap,
    body: &mut Body,
) -> Result<Reply, AdminError> {
    let body = body.read(headers, MOST_BODY_BYTES).await;
    let body =
        body.map_err(|_| AdminError::bad_request("the body did not arrive whole, or is no subscription"))?;
    let asked: SelfTestRequest = match &*body {
        [] => SelfTestRequest { subscription: None },
        body => serde_json::from_slice(body).map_err(|_| {
            AdminError::bad_request("the body is {} or {\"subscription\": …} as a browser writes it")
        })?,
    };
    let browser = match asked.subscription {
        Some(json) => Some(of_this_service(admin, &json.to_string())?),
        None => None,
    };
    let place = Arc::clone(&admin.self_tests).try_acquire_owned();
    let place = place.map_err(|_| AdminError::Busy("too many self-tests are running; try again later"))?;
    let (reporter, lines) = progress::channel(Arc::clone(&admin.service));
    let admin = Arc::clone(admin);
    tokio::spawn(async move {
        let tried = timeout(PATIENCE, attempt(&admin, browser, &reporter)).await;
        let ended = tried.unwrap_or(Err(SelfTestError::NotDelivered(PATIENCE.as_secs())));
        reporter.end(ended).await;
        drop(place);
    });
    Ok(progress::answer(lines))
}

/// Only messages to this service can be followed, and nothing is sent elsewhere from here.
fn of_this_service(admin: &Admin, json: &str) -> Result<PushSubscription, AdminError> {
    let subscription =
        PushSubscription::read(json).map_err(|error| AdminError::bad_request(error.to_string()))?;
    let (theirs, ours) = (subscription.endpoint.origin(), &admin.service.origin);
    if theirs.eq_ignore_ascii_case(ours) {
        return Ok(subscription);
    }
    Err(AdminError::bad_request(format!(
        "this browser takes its pushes from {theirs}, and this service is {ours}"
    )))
}

async fn attempt(
    admin: &Admin,
    browser: Option<PushSubscription>,
    reporter: &StepReporter,
) -> Result<(), SelfTestError> {
    match browser {
        Some(subscription) => {
            let message = push::push(admin, &subscription, reporter).await?;
            push::follow(admin, message, reporter).await
        }
        None => agent::attempt(admin, reporter).await,
    }
}

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
const TIMEOUT: Duration = Duration::from_secs(20);
/// Maximum length of the request body, more than that of a subscription with the additions of browsers.
const MAX_BODY_BYTES: usize = 8 * 1024;

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
    let body = body.read(headers, MAX_BODY_BYTES).await;
    let body = body.map_err(|_| AdminError::bad_request("the request body is incomplete or too large"))?;
    let request: SelfTestRequest = match &*body {
        [] => SelfTestRequest { subscription: None },
        body => serde_json::from_slice(body).map_err(|_| {
            AdminError::bad_request(
                "the body must be {} or {\"subscription\": …} with a subscription as browsers serialize it",
            )
        })?,
    };
    let browser = match request.subscription {
        Some(json) => Some(parse_own_subscription(admin, &json.to_string())?),
        None => None,
    };
    let permit = Arc::clone(&admin.self_tests).try_acquire_owned();
    let permit = permit.map_err(|_| AdminError::Busy("too many self-tests are running; try again later"))?;
    let (reporter, lines) = progress::channel(Arc::clone(&admin.service));
    let admin = Arc::clone(admin);
    tokio::spawn(async move {
        let result = timeout(TIMEOUT, run(&admin, browser, &reporter)).await;
        let result = result.unwrap_or(Err(SelfTestError::NotDelivered(TIMEOUT.as_secs())));
        reporter.end(result).await;
        drop(permit);
    });
    Ok(progress::answer(lines))
}

/// Parses a subscription. Rejects those of other push services, so that nothing is sent to them.
fn parse_own_subscription(admin: &Admin, json: &str) -> Result<PushSubscription, AdminError> {
    let subscription =
        PushSubscription::read(json).map_err(|error| AdminError::bad_request(error.to_string()))?;
    let (theirs, ours) = (subscription.endpoint.origin(), admin.service.site());
    if theirs.eq_ignore_ascii_case(ours) {
        return Ok(subscription);
    }
    Err(AdminError::bad_request(format!(
        "this browser receives its pushes from {theirs}, and this server is {ours}"
    )))
}

async fn run(
    admin: &Admin,
    browser: Option<PushSubscription>,
    reporter: &StepReporter,
) -> Result<(), SelfTestError> {
    match browser {
        Some(subscription) => {
            let message = push::push(admin, &subscription, reporter).await?;
            push::follow(admin, message, reporter).await
        }
        None => agent::run(admin, reporter).await,
    }
}

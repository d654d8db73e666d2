//! HTTP/2 server push (RFC 8030 §6), which proxies that terminate HTTP/2 drop.

use super::check_result::CheckResult;
use super::error::CheckError;
use super::transport::WITHOUT_HTTP2;
use super::{Diagnosis, with_timeout};
use webpush_client::connection::Protocols;
use webpush_client::error::{ClientError, ProtocolError};
use webpush_client::monitor::{Monitor, Via, Wait};
use webpush_client::subscribe::{subscribe, unsubscribe};

const CHECK: &str = "server push";
/// Advice where subscribing needs a token.
pub(super) const WITH_TOKEN: &str =
    "pass the URL that agents use, with the token: https://push.example.net/t/TOKEN";

pub(super) async fn server_push(diagnosis: &Diagnosis) -> CheckResult {
    match with_timeout(listen_once(diagnosis)).await {
        Ok(()) => CheckResult::good(CHECK, "supported"),
        Err(error) if error.needs_token() => CheckResult::skipped(
            CHECK,
            format!("not checked, because subscribing needs a token: {WITH_TOKEN}"),
        ),
        Err(error) if is_foreign(&error) => CheckResult::skipped(CHECK, error.sentence()),
        Err(error) => CheckResult::warning(CHECK, error.sentence(), WITHOUT_HTTP2),
    }
}

/// Returns true if the server gave a URL at another origin, which the check of the origin explains.
fn is_foreign(error: &CheckError) -> bool {
    use ProtocolError::{ForeignRedirect, ForeignUrl};
    matches!(error.client(), Some(ClientError::Protocol { error: ForeignUrl(_) | ForeignRedirect(_), .. }))
}

/// Requests stored messages. There are none, but the server refuses if it could not push them.
async fn listen_once(diagnosis: &Diagnosis) -> Result<(), CheckError> {
    let Diagnosis { connector, url, .. } = diagnosis;
    let subscribed = subscribe(connector, url, Protocols::Any).await?;
    let monitor = Monitor::start(connector, &subscribed.subscription, Wait::Stored, Via::Push).await;
    let mut connection = connector.connect(&subscribed.subscription, Protocols::Any).await?;
    // Removing the set removes the agent.
    unsubscribe(&mut connection, subscribed.set.as_ref().unwrap_or(&subscribed.subscription)).await?;
    Ok(monitor.map(drop)?)
}

//! HTTP/2 server push, which delivers messages to agents of RFC 8030 (§6). Proxies that terminate HTTP/2 drop it.

use super::error::CheckError;
use super::finding::Finding;
use super::transport::WITHOUT_HTTP2;
use super::{Examination, soon};
use webpush_client::connection::Protocols;
use webpush_client::monitor::{Monitor, Via, Wait};
use webpush_client::subscribe::{subscribe, unsubscribe};

const CHECK: &str = "server push";
/// Advice where subscribing needs a token.
pub(super) const WITH_TOKEN: &str =
    "pass the URL that agents use, with the token: https://push.example.net/t/TOKEN";

pub(super) async fn server_push(examination: &Examination) -> Finding {
    match soon(listen_once(examination)).await {
        Ok(()) => Finding::good(CHECK, "supported"),
        Err(error) if error.needs_token() => {
            Finding::skipped(CHECK, format!("not checked, because subscribing needs a token: {WITH_TOKEN}"))
        }
        Err(error) => Finding::warning(CHECK, error.sentence(), WITHOUT_HTTP2),
    }
}

/// Requests stored messages. There are none, but the server refuses if it could not push them.
async fn listen_once(examination: &Examination) -> Result<(), CheckError> {
    let Examination { connector, url, .. } = examination;
    let held = subscribe(connector, url, Protocols::Any).await?;
    let listened = Monitor::start(connector, &held.subscription, Wait::Stored, Via::Push).await;
    let mut connection = connector.connect(&held.subscription, Protocols::Any).await?;
    // With its set goes the agent.
    unsubscribe(&mut connection, held.set.as_ref().unwrap_or(&held.subscription)).await?;
    Ok(listened.map(drop)?)
}

//! Server push, as agents of RFC 8030 have messages brought (§6). Proxies that speak HTTP/2 on both sides drop it.

use super::finding::Finding;
use super::transport::WITHOUT_HTTP2;
use super::{Examination, soon};
use webpush_client::connection::Protocols;
use webpush_client::error::ClientError;
use webpush_client::monitor::{Monitor, Via, Wait};
use webpush_client::subscribe::{subscribe, unsubscribe};

const CHECK: &str = "server push";
/// Where subscribers need a token.
pub(super) const WITH_TOKEN: &str = "give the URL as agents have it, https://push.example.net/t/TOKEN";

pub(super) async fn server_push(examination: &Examination) -> Finding {
    match soon(listen_once(examination)).await {
        Ok(()) => Finding::good(CHECK, "the service may push on this connection"),
        Err(error) if error.sentence().contains("401 Unauthorized") => {
            Finding::skipped(CHECK, format!("not looked at, as subscribing takes a token: {WITH_TOKEN}"))
        }
        Err(error) => Finding::warning(CHECK, error.sentence(), WITHOUT_HTTP2),
    }
}

/// Asks for what is stored, which is nothing: the answer says whether it could have been pushed.
async fn listen_once(examination: &Examination) -> Result<(), ClientError> {
    let Examination { connector, url, .. } = examination;
    let held = subscribe(connector, url, Protocols::Any).await?;
    let listened = Monitor::start(connector, &held.subscription, Wait::Stored, Via::Push).await;
    let mut connection = connector.connect(&held.subscription, Protocols::Any).await?;
    // With its set goes the agent.
    unsubscribe(&mut connection, held.set.as_ref().unwrap_or(&held.subscription)).await?;
    listened.map(drop)
}

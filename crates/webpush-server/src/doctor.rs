//! Diagnoses a server from outside, as its agents and senders see it, and the machine that it runs on.
//!
//! | to find | look in |
//! |---|---|
//! | the data directory, disk space, file descriptors | [`machine`] |
//! | the name: its addresses, and a connection to each | [`name`] |
//! | TLS and its certificate, both versions of HTTP, the clock | [`transport`] |
//! | HTTP/2 server push | [`push`] |
//! | the WebSocket, a message from end to end, the origin, an idle connection | [`socket`] |
//! | the result of a check | [`check_result`] |
//! | why a check failed | [`error`] |
//!
//! Each check has a time limit, and removes the subscriptions that it creates.

pub mod check_result;
pub mod error;
pub mod machine;
pub mod name;
pub mod push;
pub mod socket;
pub mod transport;

use check_result::CheckResult;
use error::CheckError;
use std::time::Duration;
use tokio::time::timeout;
use webpush_client::connection::Connector;
use webpush_client::url::CapabilityUrl;
use webpush_core::capability::Keyring;

/// Time limit of one check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(15);

/// A server to check, and how.
pub struct Diagnosis {
    /// The URL that agents are configured with: the origin, perhaps with `/t/TOKEN`.
    pub url: CapabilityUrl,
    /// Opens the connections.
    pub connector: Connector,
    /// The keys that its URLs should be sealed with, if the data directory can be read.
    pub keyring: Option<Keyring>,
    /// How long to leave a WebSocket idle; zero skips that check.
    pub idle: Duration,
}

impl Diagnosis {
    /// Runs all checks, and reports each result. Stops early if a check fails that the others need.
    pub async fn run(&self, mut report: impl FnMut(CheckResult)) {
        let Some(certificate) = self.reach(&mut report).await else { return };
        certificate.into_iter().for_each(&mut report);
        let Some(answers) = transport::answers(self, &mut report).await else { return };
        report(transport::clock(&answers, webpush_service::system::env().now()));
        let http2 = transport::http2(self).await;
        let has_http2 = http2.verdict == check_result::CheckStatus::Good;
        report(http2);
        if has_http2 {
            report(push::server_push(self).await);
        }
        socket::examine(self, &mut report).await;
    }

    /// Checks name, connection and certificate; `None` if the server cannot be reached.
    async fn reach(&self, report: &mut impl FnMut(CheckResult)) -> Option<Vec<CheckResult>> {
        let name = name::examine(self).await;
        let reachable = name.iter().all(|result| result.verdict != check_result::CheckStatus::Bad);
        name.into_iter().for_each(&mut *report);
        if !reachable {
            return None;
        }
        match transport::certificate(self).await {
            Ok(results) => Some(results),
            Err(result) => {
                report(result);
                None
            }
        }
    }
}

/// Applies the time limit of a check.
async fn with_timeout<T, E: Into<CheckError>>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, CheckError> {
    match timeout(CHECK_TIMEOUT, work).await {
        Ok(done) => done.map_err(Into::into),
        Err(_) => Err(CheckError::TimedOut(CHECK_TIMEOUT)),
    }
}

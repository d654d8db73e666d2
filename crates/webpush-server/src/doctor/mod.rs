//! Looking at a service from outside, as its agents and senders see it, and at the machine that it runs on.
//!
//! | what is looked at | look in |
//! |---|---|
//! | the data folder, the disk, file descriptors | [`machine`] |
//! | the name: addresses, and whether each can be connected to | [`name`] |
//! | TLS and its certificate, both versions of HTTP, the clock | [`transport`] |
//! | server push, as agents of RFC 8030 need it | [`push`] |
//! | the WebSocket, a message on its whole way, the origin, silence | [`socket`] |
//! | what is said of each | [`finding`] |
//!
//! Each look has an end in time, and what it subscribes it takes back.

pub mod finding;
pub mod machine;
pub mod name;
pub mod push;
pub mod socket;
pub mod transport;

use finding::Finding;
use std::time::Duration;
use tokio::time::timeout;
use webpush_client::connection::Connector;
use webpush_client::error::ClientError;
use webpush_client::url::CapabilityUrl;
use webpush_core::capability::Keyring;

/// The longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// What is looked at from outside.
pub struct Examination {
    /// The URL that agents are given: the origin, perhaps with `/t/TOKEN`.
    pub url: CapabilityUrl,
    /// How it is connected to.
    pub connector: Connector,
    /// The keys that its URLs should be sealed with, if they are known here.
    pub keyring: Option<Keyring>,
    /// For how long a WebSocket is left silent; not at all if zero.
    pub silence: Duration,
}

impl Examination {
    /// Looks at everything, and tells each finding as it is made. Where one thing is missing that all others need, they are
    /// left out.
    pub async fn run(&self, mut tell: impl FnMut(Finding)) {
        let Some(certificate) = self.reach(&mut tell).await else { return };
        certificate.into_iter().for_each(&mut tell);
        let Some(answers) = transport::answers(self, &mut tell).await else { return };
        tell(transport::clock(&answers, webpush_service::fresh::now()));
        let http2 = transport::http2(self).await;
        let has_http2 = http2.verdict == finding::Verdict::Good;
        tell(http2);
        if has_http2 {
            tell(push::server_push(self).await);
        }
        socket::examine(self, &mut tell).await;
    }

    /// What was seen of the certificate, if there is anything at all to talk to.
    async fn reach(&self, tell: &mut impl FnMut(Finding)) -> Option<Vec<Finding>> {
        let name = name::examine(self).await;
        let reachable = name.iter().all(|finding| finding.verdict != finding::Verdict::Bad);
        name.into_iter().for_each(&mut *tell);
        if !reachable {
            return None;
        }
        match transport::certificate(self).await {
            Ok(findings) => Some(findings),
            Err(finding) => {
                tell(finding);
                None
            }
        }
    }
}

/// An answer in time, or that there was none.
async fn soon<T>(work: impl Future<Output = Result<T, ClientError>>) -> Result<T, ClientError> {
    timeout(PATIENCE, work).await.unwrap_or_else(|_| {
        Err(ClientError::Unavailable(format!("nothing came in {} s", PATIENCE.as_secs())))
    })
}

//! What only the operator of the service may ask, on a listener apart from the public one.
//!
//! | step of a request | look in |
//! |---|---|
//! | where it may come in | [`address`], `listen.rs` |
//! | a connection, and its requests | `connection.rs` |
//! | who may ask | `gate.rs`; the owner of the data folder [`owner_token`] |
//! | which resource | `route.rs` |
//! | what is below `/admin/` | `resources.rs`: `agents.rs`, `subscriptions.rs` and how they are found `find.rs`, `backlog.rs`, `copies.rs`, `import.rs`, `sealing_keys.rs`; where a message is `messages.rs`; what the page shows `status.rs` and `history.rs`, its «try it» `attempt/`; long answers `reply.rs` |
//! | the other resources | `broadcasts.rs`, `metrics.rs`; the page `pages.rs`; whether the service is there and can work: `http/health.rs` |
//! | errors | `refusal.rs` |

pub mod address;
mod agents;
mod auth;
mod backlog;
mod broadcasts;
mod connection;
mod copies;
mod find;
mod history;
mod import;
mod json;
mod listen;
mod messages;
mod metrics;
pub mod owner_token;
mod pages;
mod refusal;
mod reply;
mod resources;
mod route;
mod sealing_keys;
mod self_test;
mod status;
mod subscriptions;

use crate::broadcasts::Sources;
use address::Address;
use auth::AdminAuth;
use history::History;
pub use listen::AdminSocket;
use listen::Listener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::sleep;
use webpush_core::env::Env;
use webpush_http::transport::loopback::LoopbackClient;
use webpush_service::bearer_tokens::{BearerTokens, TokenSource};
use webpush_service::drain::Draining;
use webpush_service::service::Service;

/// Connections at once; the next ones wait.
const CONNECTIONS: usize = 64;

/// Snapshots of the store at once; the next ones wait.
const PICTURES: usize = 2;

/// The pause after the operating system refused a connection.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// What an admin listener is run with.
#[derive(Clone, Debug)]
pub struct AdminConfig {
    /// Where it listens.
    pub address: Address,
    /// The tokens that those who ask need.
    pub tokens: Option<TokenSource>,
    /// Nobody asked for this address: if somebody else has it, the service does without.
    pub may_be_taken: bool,
}

impl AdminConfig {
    /// Whether it may listen there, as far as that can be said without asking for the addresses of a name.
    ///
    /// # Errors
    /// When it would let everybody in.
    pub fn check(&self) -> anyhow::Result<()> {
        match &self.address {
            Address::Tcp(text) if self.tokens.is_none() => {
                text.parse().map_or(Ok(()), |bound| listen::check(&self.address, bound))
            }
            Address::Tcp(_) | Address::Unix(_) => Ok(()),
        }
    }
}

/// A listener that is open, and whom it lets ask.
pub struct AdminServer {
    listener: Listener,
    gate: AdminAuth,
    data_dir: PathBuf,
}

/// What the resources share.
struct Admin {
    service: Arc<Service>,
    gate: AdminAuth,
    /// Locked while a file is written: for threads that may block only.
    broadcasts: Arc<Mutex<Sources>>,
    /// The folder of the keys.
    data_dir: PathBuf,
    /// Who reads all of the store; a snapshot takes memory.
    snapshots: Arc<Semaphore>,
    /// Whoever imports or changes keys.
    changing: tokio::sync::Mutex<()>,
    /// What was counted in the last minutes.
    history: History,
    /// How an agent of our own comes in.
    inside: LoopbackClient,
    /// The places of those who try it.
    attempts: Arc<Semaphore>,
}

impl AdminServer {
    /// Opens the listener, or takes the socket that was passed on in its place. What only the owner of the data folder may
    /// do takes the token in it, where nothing else says who asks.
    ///
    /// # Errors
    /// When that can't be done, or would let everybody in.
    pub async fn open(
        settings: &AdminConfig,
        inherited: Option<AdminSocket>,
        data_dir: &Path,
        env: &Env,
    ) -> anyhow::Result<Option<Self>> {
        let tokens = settings.tokens.as_ref().map(|source| BearerTokens::load(source, env)).transpose()?;
        let bound = match inherited {
            Some(socket) => Listener::inherit(socket, tokens.is_some()),
            None => Listener::bind(&settings.address, tokens.is_some()).await,
        };
        let listener = match bound {
            Ok(listener) => listener,
            Err(error) if settings.may_be_taken => {
                tracing::warn!(
                    "there is no admin listener: {error:#}; --admin names another address, or says off"
                );
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let gate = match (tokens, &listener) {
            (Some(tokens), _) => AdminAuth::Token(Box::new(tokens)),
            (None, Listener::Tcp(..)) => {
                AdminAuth::ThisMachine { owner: Box::new(owner_token::make(data_dir, env)?) }
            }
            (None, Listener::Unix(..)) => AdminAuth::Open,
        };
        Ok(Some(Self { listener, gate, data_dir: data_dir.to_owned() }))
    }

    /// Where it listens, for people to read.
    #[must_use]
    pub fn shown(&self) -> String {
        self.listener.shown()
    }

    /// Takes connections until the service stops.
    pub async fn serve(
        self,
        service: Arc<Service>,
        broadcasts: Arc<Mutex<Sources>>,
        inside: LoopbackClient,
        draining: Draining,
    ) {
        let Self { listener, gate, data_dir } = self;
        let admin = Arc::new(Admin {
            service,
            gate,
            broadcasts,
            data_dir,
            snapshots: Arc::new(Semaphore::new(PICTURES)),
            changing: tokio::sync::Mutex::default(),
            history: History::default(),
            inside,
            attempts: Arc::new(Semaphore::new(self_test::AT_ONCE)),
        });
        tokio::select! {
            () = admin.history.run(&admin.service) => {}
            () = accept(&listener, &admin, draining) => {}
        }
    }
}

/// Takes connections until the service stops.
async fn accept(listener: &Listener, admin: &Arc<Admin>, mut draining: Draining) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut refused = false;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept(&places) => accepted,
            () = draining.begun() => return,
        };
        match accepted {
            Ok((stream, place)) => {
                refused = false;
                tokio::spawn(connection::serve(stream, Arc::clone(admin), draining.clone(), place));
            }
            Err(error) => {
                if !std::mem::replace(&mut refused, true) {
                    tracing::warn!(%error, "a connection to the admin listener could not be accepted");
                }
                sleep(REFUSED_PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_an_address_that_nobody_asked_for_may_be_taken() {
        let (folder, other) =
            (tempfile::tempdir().unwrap(), std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        let address = Address::Tcp(other.local_addr().unwrap().to_string());
        let mut settings = AdminConfig { address, tokens: None, may_be_taken: true };
        assert!(
            AdminServer::open(&settings, None, folder.path(), &webpush_service::system::env())
                .await
                .unwrap()
                .is_none()
        );
        settings.may_be_taken = false;
        let error = format!(
            "{:#}",
            AdminServer::open(&settings, None, folder.path(), &webpush_service::system::env())
                .await
                .err()
                .unwrap()
        );
        assert!(error.contains("--admin"), "{error}");
        drop(other);
        assert!(
            AdminServer::open(&settings, None, folder.path(), &webpush_service::system::env())
                .await
                .unwrap()
                .is_some()
        );
    }
}

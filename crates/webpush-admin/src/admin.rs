//! The admin API and dashboard, on a listener of their own.
//!
//! | Topic | Files |
//! |---|---|
//! | listener | [`address`], `listen.rs`, [`port_holder`] |
//! | connections | `connection.rs` |
//! | access | `auth.rs`, [`admin_token`], [`proof`] |
//! | routing | `route.rs` |
//! | resources below `/admin/` | `resources.rs`, `query.rs`; `agents.rs`, `subscriptions.rs`, `removal.rs`, `find.rs`, `backlog.rs`, `backlog/`, `archives.rs`, `import.rs`, `keys.rs`, `messages.rs`, `status.rs`, `history.rs`, `self_test/` |
//! | snapshots for lists and archives | `snapshots.rs` |
//! | other resources | `broadcasts.rs`, `metrics.rs`, `pages.rs` (the dashboard) |
//! | responses | `reply.rs`, `error.rs` |

pub mod address;
pub mod admin_token;
mod agents;
mod archives;
mod auth;
mod backlog;
mod broadcasts;
mod connection;
mod connections;
mod error;
mod find;
mod history;
mod import;
mod keys;
mod listen;
mod messages;
mod metrics;
mod pages;
pub mod port_holder;
pub mod proof;
mod query;
mod removal;
mod reply;
mod resources;
mod route;
mod self_test;
mod snapshots;
mod status;
mod subscriptions;

use crate::broadcasts::BroadcastSources;
use crate::sealing_keys::KeySource;
use address::Address;
use auth::{AdminAuth, AdminTokens};
use backlog::largest::LargestBacklogs;
use connections::AdminConnections;
use history::History;
pub use listen::AdminSocket;
use listen::Listener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use webpush_core::env::Env;
use webpush_http::transport::loopback::LoopbackClient;
use webpush_service::bearer_tokens::TokenSource;
use webpush_service::drain::Draining;
use webpush_service::service::Service;

/// Maximum number of concurrent store snapshots; others wait.
const SNAPSHOTS: usize = 2;

/// Pause after a connection could not be accepted.
const ACCEPT_RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Configuration of the admin listener.
#[derive(Clone, Debug)]
pub struct AdminConfig {
    /// The address to listen on.
    pub address: Address,
    /// The tokens that clients need; without them, only local clients are allowed.
    pub tokens: Option<TokenSource>,
    /// True if the server starts without the listener when the address is in use.
    pub is_optional: bool,
}

impl AdminConfig {
    /// Checks that the address is safe without a token. Does not resolve host names.
    ///
    /// # Errors
    /// Fails if the listener would be open to everyone.
    pub fn check(&self) -> anyhow::Result<()> {
        match &self.address {
            Address::Tcp(text) if self.tokens.is_none() => {
                text.parse().map_or(Ok(()), |bound| listen::check(&self.address, bound))
            }
            Address::Tcp(_) | Address::Unix(_) => Ok(()),
        }
    }
}

/// An open admin listener.
pub struct AdminServer {
    listener: Listener,
    auth: AdminAuth,
}

/// State shared by the resources.
struct Admin {
    service: Arc<Service>,
    auth: AdminAuth,
    /// Locked while the file or the database is written, so only blocking threads may lock it.
    broadcasts: Arc<Mutex<BroadcastSources>>,
    keys: KeySource,
    /// Limits store snapshots, which take memory.
    snapshots: Arc<Semaphore>,
    /// Serializes imports and rotations, which both write the sealing keys.
    key_lock: tokio::sync::Mutex<()>,
    history: History,
    largest_backlogs: LargestBacklogs,
    /// Connects the self-test to the server.
    loopback: LoopbackClient,
    /// Limits concurrent self-tests.
    self_tests: Arc<Semaphore>,
}

impl AdminServer {
    /// Opens the listener, or takes an inherited socket.
    ///
    /// Without other tokens, a TCP listener gets an admin token in the data directory.
    ///
    /// # Errors
    /// Fails if the listener cannot be opened or would be open to everyone.
    pub async fn open(
        config: &AdminConfig,
        inherited: Option<AdminSocket>,
        data_dir: &Path,
        env: &Env,
    ) -> anyhow::Result<Option<Self>> {
        let tokens = config.tokens.as_ref().map(|source| AdminTokens::load(source, env)).transpose()?;
        let bound = match inherited {
            Some(socket) => Listener::inherit(socket, tokens.is_some()),
            None => Listener::bind(&config.address, tokens.is_some()).await,
        };
        let listener = match bound {
            Ok(listener) => listener,
            Err(error) if config.is_optional => {
                tracing::warn!(
                    "the admin listener is off: {error:#}. Without it there is no dashboard, and no metrics, health \
                     checks and commands that query the server (agents, trace, backup and others). Free the address, or \
                     choose another one with --admin"
                );
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let auth = match (tokens, &listener) {
            (Some(tokens), _) => AdminAuth::Token(Box::new(tokens)),
            (None, Listener::Tcp(..)) => {
                AdminAuth::LocalClients { admin_token: Box::new(admin_token::create(data_dir, env)?) }
            }
            (None, Listener::Unix(..)) => AdminAuth::Open,
        };
        Ok(Some(Self { listener, auth }))
    }

    /// Returns the address for display.
    #[must_use]
    pub fn display_address(&self) -> String {
        self.listener.display_address()
    }

    /// Accepts connections until the server drains.
    #[must_use]
    pub fn start(
        self,
        service: Arc<Service>,
        keys: KeySource,
        broadcasts: Arc<Mutex<BroadcastSources>>,
        loopback: LoopbackClient,
        draining: Draining,
    ) -> JoinHandle<()> {
        tokio::spawn(self.serve(service, keys, broadcasts, loopback, draining))
    }

    async fn serve(
        self,
        service: Arc<Service>,
        keys: KeySource,
        broadcasts: Arc<Mutex<BroadcastSources>>,
        loopback: LoopbackClient,
        draining: Draining,
    ) {
        let Self { listener, auth } = self;
        let admin = Arc::new(Admin {
            service,
            auth,
            broadcasts,
            keys,
            snapshots: Arc::new(Semaphore::new(SNAPSHOTS)),
            key_lock: tokio::sync::Mutex::default(),
            history: History::default(),
            largest_backlogs: LargestBacklogs::default(),
            loopback,
            self_tests: Arc::new(Semaphore::new(self_test::MAX_CONCURRENT)),
        });
        tokio::select! {
            () = admin.history.run(&admin.service) => {}
            () = accept(&listener, &admin, draining) => {}
        }
    }
}

/// Accepts connections until the server drains.
async fn accept(listener: &Listener, admin: &Arc<Admin>, mut draining: Draining) {
    let connections = Arc::<AdminConnections>::default();
    let mut is_failing = false;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = draining.begun() => return,
        };
        match accepted {
            Ok(stream) => {
                is_failing = false;
                let Some(permit) = connections.admit().await else { return };
                tokio::spawn(connection::serve(stream, Arc::clone(admin), draining.clone(), permit));
            }
            Err(error) => {
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::warn!(%error, "cannot accept connections on the admin listener");
                }
                sleep(ACCEPT_RETRY_PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_in_use_is_an_error_unless_optional() {
        let (data_dir, other) =
            (tempfile::tempdir().unwrap(), std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        let address = Address::Tcp(other.local_addr().unwrap().to_string());
        let mut config = AdminConfig { address, tokens: None, is_optional: true };
        assert!(
            AdminServer::open(&config, None, data_dir.path(), &webpush_service::system::env())
                .await
                .unwrap()
                .is_none()
        );
        config.is_optional = false;
        let error = format!(
            "{:#}",
            AdminServer::open(&config, None, data_dir.path(), &webpush_service::system::env())
                .await
                .err()
                .unwrap()
        );
        let holder = format!("pid {}", std::process::id());
        assert!(error.contains("--admin") && error.contains(&holder), "{error}");
        drop(other);
        assert!(
            AdminServer::open(&config, None, data_dir.path(), &webpush_service::system::env())
                .await
                .unwrap()
                .is_some()
        );
    }
}

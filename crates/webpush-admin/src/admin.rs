//! The admin API and dashboard, on a listener of their own.
//!
//! | Topic | Files |
//! |---|---|
//! | listener | [`address`], `listen.rs` |
//! | connections | `connection.rs` |
//! | access | `auth.rs`, [`admin_token`] |
//! | routing | `route.rs` |
//! | resources below `/admin/` | `resources.rs`, `query.rs`; `agents.rs`, `subscriptions.rs`, `find.rs`, `backlog.rs`, `copies.rs`, `import.rs`, `sealing_keys.rs`, `messages.rs`, `status.rs`, `history.rs`, `self_test/` |
//! | other resources | `broadcasts.rs`, `metrics.rs`, `pages.rs` (the dashboard) |
//! | responses | `reply.rs`, `error.rs` |

pub mod address;
pub mod admin_token;
mod agents;
mod auth;
mod backlog;
mod broadcasts;
mod connection;
mod copies;
mod error;
mod find;
mod history;
mod import;
mod listen;
mod messages;
mod metrics;
mod pages;
mod query;
mod reply;
mod resources;
mod route;
mod sealing_keys;
mod self_test;
mod status;
mod subscriptions;

use crate::broadcasts::BroadcastSources;
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

/// Maximum number of concurrent connections; others wait.
const CONNECTIONS: usize = 64;

/// Maximum number of concurrent store snapshots; others wait.
const SNAPSHOTS: usize = 2;

/// The pause after the operating system refused a connection.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// Configuration of the admin listener.
#[derive(Clone, Debug)]
pub struct AdminConfig {
    /// The address to listen on.
    pub address: Address,
    /// The tokens that clients need.
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
    data_dir: PathBuf,
}

/// State shared by the resources.
struct Admin {
    service: Arc<Service>,
    auth: AdminAuth,
    /// Locked while a file is written, so only for blocking threads.
    broadcasts: Arc<Mutex<BroadcastSources>>,
    /// The directory of the keys.
    data_dir: PathBuf,
    /// Limits store snapshots, which take memory.
    snapshots: Arc<Semaphore>,
    /// Serializes imports and key changes.
    changing: tokio::sync::Mutex<()>,
    /// Samples of the last minutes.
    history: History,
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
            Err(error) if settings.is_optional => {
                tracing::warn!(
                    "there is no admin listener: {error:#}; --admin names another address, or says off"
                );
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let auth = match (tokens, &listener) {
            (Some(tokens), _) => AdminAuth::Token(Box::new(tokens)),
            (None, Listener::Tcp(..)) => {
                AdminAuth::ThisMachine { owner: Box::new(admin_token::create(data_dir, env)?) }
            }
            (None, Listener::Unix(..)) => AdminAuth::Open,
        };
        Ok(Some(Self { listener, auth, data_dir: data_dir.to_owned() }))
    }

    /// Returns the address for display.
    #[must_use]
    pub fn shown(&self) -> String {
        self.listener.shown()
    }

    /// Accepts connections until the server drains.
    pub async fn serve(
        self,
        service: Arc<Service>,
        broadcasts: Arc<Mutex<BroadcastSources>>,
        loopback: LoopbackClient,
        draining: Draining,
    ) {
        let Self { listener, auth, data_dir } = self;
        let admin = Arc::new(Admin {
            service,
            auth,
            broadcasts,
            data_dir,
            snapshots: Arc::new(Semaphore::new(SNAPSHOTS)),
            changing: tokio::sync::Mutex::default(),
            history: History::default(),
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
    async fn an_address_in_use_is_an_error_unless_optional() {
        let (data_dir, other) =
            (tempfile::tempdir().unwrap(), std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        let address = Address::Tcp(other.local_addr().unwrap().to_string());
        let mut settings = AdminConfig { address, tokens: None, is_optional: true };
        assert!(
            AdminServer::open(&settings, None, data_dir.path(), &webpush_service::system::env())
                .await
                .unwrap()
                .is_none()
        );
        settings.is_optional = false;
        let error = format!(
            "{:#}",
            AdminServer::open(&settings, None, data_dir.path(), &webpush_service::system::env())
                .await
                .err()
                .unwrap()
        );
        assert!(error.contains("--admin"), "{error}");
        drop(other);
        assert!(
            AdminServer::open(&settings, None, data_dir.path(), &webpush_service::system::env())
                .await
                .unwrap()
                .is_some()
        );
    }
}

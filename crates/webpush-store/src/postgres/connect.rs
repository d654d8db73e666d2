//! Connections to the server that accepts writes.

use super::options::{DatabaseError, HOST_TIMEOUT, PostgresOptions};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_postgres::error::Severity;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, Notification};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Settings of every connection.
///
/// A transaction whose node was suspended must not hold its locks. All statements look up keys, in tables that were perhaps
/// empty when the statement was prepared; and rows must be locked in the order of keys.
const SETTINGS: &str = "SET lock_timeout = '4s'; SET statement_timeout = '8s'; \
    SET idle_in_transaction_session_timeout = '8s'; SET plan_cache_mode = force_generic_plan; \
    SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_seqscan = off; \
    SET jit = off; SET max_parallel_workers_per_gather = 0; SET client_min_messages = warning";

/// Connects to the first host that accepts writes.
pub(super) struct DatabaseConnector {
    hosts: Vec<Config>,
    tls: MakeRustlsConnect,
    /// The host that accepted writes last.
    last: AtomicUsize,
}

/// A connection to PostgreSQL.
pub(super) struct DatabaseConnection {
    pub(super) client: Client,
    /// Warnings received so far.
    ///
    /// A commit with a warning may not be replicated: PostgreSQL ends the wait when it is canceled.
    warnings: Arc<AtomicU64>,
    driver: AbortHandle,
}

impl DatabaseConnection {
    pub(super) fn warnings(&self) -> u64 {
        self.warnings.load(Ordering::Acquire)
    }
}

impl Drop for DatabaseConnection {
    fn drop(&mut self) {
        // Closes the socket even if the server does not respond.
        self.driver.abort();
    }
}

impl DatabaseConnector {
    /// Reads the options.
    ///
    /// # Errors
    /// Fails with [`DatabaseError::Option`].
    pub(super) fn new(options: &PostgresOptions) -> Result<Self, DatabaseError> {
        let hosts = options.hosts()?;
        let tls = hosts.iter().any(PostgresOptions::may_use_tls);
        let roots = match &options.ca {
            Some(pem) => own_roots(pem)?,
            None if tls => system_roots(),
            None => RootCertStore::empty(),
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| DatabaseError::Option(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { hosts, tls: MakeRustlsConnect::new(config), last: AtomicUsize::new(0) })
    }

    /// Opens a connection for statements.
    ///
    /// # Errors
    /// Fails with [`DatabaseError::Connect`] if no host accepts writes.
    pub(super) async fn connect(&self, name: &str) -> Result<DatabaseConnection, DatabaseError> {
        self.connect_with(name, None).await
    }

    /// Opens a connection whose notifications go to `notifications`, which closes with the connection.
    ///
    /// # Errors
    /// Fails with [`DatabaseError::Connect`] if no host accepts writes.
    pub(super) async fn listen(
        &self,
        name: &str,
        notifications: mpsc::UnboundedSender<Notification>,
    ) -> Result<DatabaseConnection, DatabaseError> {
        self.connect_with(name, Some(notifications)).await
    }

    async fn connect_with(
        &self,
        name: &str,
        notifications: Option<mpsc::UnboundedSender<Notification>>,
    ) -> Result<DatabaseConnection, DatabaseError> {
        let first = self.last.load(Ordering::Relaxed);
        let mut failure = String::new();
        for step in 0..self.hosts.len() {
            let index = (first + step) % self.hosts.len();
            match timeout(HOST_TIMEOUT, self.host(index, name, notifications.clone())).await {
                Ok(Ok(connection)) => {
                    self.last.store(index, Ordering::Relaxed);
                    return Ok(connection);
                }
                Ok(Err(error)) => failure = error,
                Err(_) => "the server does not respond".clone_into(&mut failure),
            }
            // The caller may not have the time to wait for all hosts: then it goes on here.
            self.last.store((index + 1) % self.hosts.len(), Ordering::Relaxed);
        }
        Err(DatabaseError::Connect(failure))
    }

    async fn host(
        &self,
        index: usize,
        name: &str,
        notifications: Option<mpsc::UnboundedSender<Notification>>,
    ) -> Result<DatabaseConnection, String> {
        let mut config = self.hosts[index].clone();
        config.application_name(name);
        let warnings = Arc::new(AtomicU64::new(0));
        let (client, driver) = if PostgresOptions::may_use_tls(&config) {
            let (client, connection) = config.connect(self.tls.clone()).await.map_err(describe)?;
            (client, drive(connection, Arc::clone(&warnings), notifications))
        } else {
            let (client, connection) = config.connect(NoTls).await.map_err(describe)?;
            (client, drive(connection, Arc::clone(&warnings), notifications))
        };
        let connection = DatabaseConnection { client, warnings, driver };
        prepare(&connection.client).await?;
        Ok(connection)
    }
}

/// Makes sure that the server accepts writes and that commits are durable.
async fn prepare(client: &Client) -> Result<(), String> {
    client.batch_execute(SETTINGS).await.map_err(describe)?;
    // Set even if it is right: a setting of the session is not changed when the server reads its files again.
    let row = client
        .query_typed_one(
            "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::bool,
                 set_config('synchronous_commit', CASE WHEN current_setting('synchronous_commit') IN ('off', 'local')
                     THEN 'on' ELSE current_setting('synchronous_commit') END, false)",
            &[],
        )
        .await
        .map_err(describe)?;
    if row.try_get(0).unwrap_or(true) {
        return Err("the server accepts only reads".to_owned());
    }
    Ok(())
}

/// Starts the task that moves the data of a connection.
fn drive<S, T>(
    mut connection: tokio_postgres::Connection<S, T>,
    warnings: Arc<AtomicU64>,
    notifications: Option<mpsc::UnboundedSender<Notification>>,
) -> AbortHandle
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let driver = tokio::spawn(async move {
        while let Some(Ok(message)) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
            match message {
                AsyncMessage::Notice(notice) if notice.parsed_severity() == Some(Severity::Warning) => {
                    tracing::warn!(code = notice.code().code(), "PostgreSQL warns: {}", notice.message());
                    warnings.fetch_add(1, Ordering::AcqRel);
                }
                AsyncMessage::Notification(notification) => {
                    if let Some(notifications) = &notifications {
                        // The receiver may have ended with its store.
                        drop(notifications.send(notification));
                    }
                }
                _ => {}
            }
        }
    });
    driver.abort_handle()
}

fn own_roots(pem: &[u8]) -> Result<RootCertStore, DatabaseError> {
    let unusable =
        || DatabaseError::Option("the file of its authorities has no certificate in PEM form".to_owned());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.map_err(|_| unusable())?).map_err(|_| unusable())?;
    }
    if roots.is_empty() { Err(unusable()) } else { Ok(roots) }
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// Returns the text of an error with that of its cause, which has what the server said.
pub(super) fn describe(error: tokio_postgres::Error) -> String {
    match (error.as_db_error(), std::error::Error::source(&error)) {
        (Some(db), _) => db.message().to_owned(),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

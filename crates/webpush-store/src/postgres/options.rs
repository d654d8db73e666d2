//! Options of a store on PostgreSQL, and errors of opening it.

use crate::{Quota, system};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr as _;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use webpush_core::env::Env;

/// Time for one host to accept a connection and to authenticate.
pub(super) const HOST_TIMEOUT: Duration = Duration::from_secs(3);
/// Time after which a peer that does not acknowledge data is given up.
const PEER_TIMEOUT: Duration = Duration::from_secs(8);

/// Options of a [`PostgresStore`](super::PostgresStore).
#[derive(Clone)]
pub struct PostgresOptions {
    /// `postgres://user@host1,host2:5433/database?sslmode=require`.
    ///
    /// With the parameters of [`tokio_postgres::Config`]. Of several hosts, the one that accepts writes is used. Without
    /// `sslmode`, hosts on other machines need TLS, and those on this one are reached without.
    pub url: String,
    /// The password, if it is not in the URL.
    pub password: Option<String>,
    /// Certificates of the authorities that sign those of the servers, as PEM.
    ///
    /// Without it, those of the system.
    pub ca: Option<Vec<u8>>,
    /// The schema of the tables. It is created if it does not exist.
    pub schema: String,
    /// Connections for commits.
    pub connections: usize,
    /// True for a server, which may run the sweep of all nodes; false for a command.
    pub is_server: bool,
    /// The name of this node, for operators.
    pub node_name: String,
    /// The name of the cell, for logs; empty for the first one.
    pub cell: String,
    /// Limits of each inbox.
    pub quota: Quota,
    /// The clock and the source of random bytes.
    pub env: Env,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            url: String::new(),
            password: None,
            ca: None,
            schema: "webpush".to_owned(),
            connections: 4,
            is_server: true,
            node_name: String::new(),
            cell: String::new(),
            quota: Quota::default(),
            env: system::env(),
        }
    }
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions").field("schema", &self.schema).finish_non_exhaustive()
    }
}

/// Bytes of a schema's name: the limit of PostgreSQL.
const SCHEMA_BYTES: usize = 63;

impl PostgresOptions {
    /// Checks the options, and returns the configuration of a connection to each host.
    ///
    /// # Errors
    /// Fails with [`DatabaseError::Option`].
    pub(super) fn hosts(&self) -> Result<Vec<Config>, DatabaseError> {
        let is_name = |name: &str| {
            name.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase() || byte.is_ascii_digit())
                && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
        };
        if !is_name(&self.schema) || self.schema.len() > SCHEMA_BYTES {
            return Err(DatabaseError::Option(format!(
                "'{}' is not a name of a schema: use at most 63 lower-case letters, digits and underscores",
                self.schema
            )));
        }
        let unreadable = || {
            DatabaseError::Option(
                "it must be a URL such as postgres://webpush@db1.example,db2.example/webpush".to_owned(),
            )
        };
        if !["postgres://", "postgresql://"].iter().any(|scheme| self.url.starts_with(scheme)) {
            return Err(unreadable());
        }
        let all = Config::from_str(&with_known_modes(&self.url)).map_err(|_| unreadable())?;
        if all.get_hosts().is_empty() {
            return Err(unreadable());
        }
        let ports = all.get_ports();
        let port = |index: usize| ports.get(index).or_else(|| ports.first()).copied();
        let mode = has_ssl_mode(&self.url).then(|| all.get_ssl_mode());
        Ok((0..all.get_hosts().len()).map(|index| self.host(&all, index, port(index), mode)).collect())
    }

    /// Returns the configuration of a connection to one host. `mode` is that of the URL, if it has one.
    fn host(&self, all: &Config, index: usize, port: Option<u16>, mode: Option<SslMode>) -> Config {
        let mut config = Config::new();
        match &all.get_hosts()[index] {
            Host::Tcp(name) => config.host(name),
            Host::Unix(path) => config.host_path(path),
        };
        if let Some(port) = port {
            config.port(port);
        }
        let user = all.get_user().unwrap_or("webpush");
        config.user(user).dbname(all.get_dbname().unwrap_or(user));
        if let Some(password) = self.password.as_deref().map(str::as_bytes).or_else(|| all.get_password()) {
            config.password(password);
        }
        if let Some(options) = all.get_options() {
            config.options(options);
        }
        config
            .ssl_mode(ssl_mode(mode, &all.get_hosts()[index]))
            .ssl_negotiation(all.get_ssl_negotiation())
            .channel_binding(all.get_channel_binding())
            .connect_timeout(HOST_TIMEOUT)
            .tcp_user_timeout(PEER_TIMEOUT)
            .keepalives_idle(PEER_TIMEOUT / 2)
            .keepalives_interval(PEER_TIMEOUT / 4);
        config
    }

    /// Returns true if a connection may use TLS.
    pub(super) fn may_use_tls(config: &Config) -> bool {
        config.get_ssl_mode() != SslMode::Disable
    }
}

/// Replaces modes of TLS by the one that says the same here, where certificates are always verified.
fn with_known_modes(url: &str) -> String {
    url.replace("sslmode=verify-full", "sslmode=require").replace("sslmode=verify-ca", "sslmode=require")
}

/// Returns true if a URL has a mode of TLS: [`Config`] has one in any case.
///
/// A name that is written with percent signs is not recognized, so that TLS is required.
fn has_ssl_mode(url: &str) -> bool {
    // As Config reads it: user and password end at the first '@', and may contain anything else.
    let after_user = url.split_once('@').map_or(url, |(_, rest)| rest);
    let (_, parameters) = after_user.split_once('?').unwrap_or_default();
    parameters.split('&').any(|parameter| parameter.starts_with("sslmode="))
}

/// Returns the mode of TLS for a host. On this machine it is off unless it is required.
///
/// Certificates are always verified, and those that a package makes for a local server are not signed. Elsewhere it is
/// required: a man in the middle could pretend that the server has no TLS.
fn ssl_mode(mode: Option<SslMode>, host: &Host) -> SslMode {
    let is_local = match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        Host::Unix(_) => true,
    };
    match mode {
        None | Some(SslMode::Prefer) if is_local => SslMode::Disable,
        None => SslMode::Require,
        Some(mode) => mode,
    }
}

/// Why a store on PostgreSQL cannot be opened.
#[derive(Debug)]
pub enum DatabaseError {
    /// An option is wrong; the text says which values are accepted.
    Option(String),
    /// No server could be reached, or none accepts writes. The text is of the last one.
    Connect(String),
    /// The server refused a statement.
    Refused(String),
    /// The schema has a newer version than this program knows.
    Newer {
        /// The version of the schema.
        found: i32,
        /// The newest version that this program knows.
        known: i32,
    },
    /// A connection pooler in transaction mode is in between.
    Pooler,
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(text) => write!(f, "the address of the database is not usable: {text}"),
            Self::Connect(text) => write!(f, "no PostgreSQL server accepts writes: {text}"),
            Self::Refused(text) => write!(f, "PostgreSQL refused a statement: {text}"),
            Self::Newer { found, known } => write!(
                f,
                "the tables have version {found}, and this program knows up to {known}: use the program that made them, \
                 or a newer one"
            ),
            Self::Pooler => f.write_str(
                "notifications do not arrive, as through a connection pooler in transaction mode: connect to \
                 PostgreSQL directly, or set pool_mode = session",
            ),
        }
    }
}

impl std::error::Error for DatabaseError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str) -> PostgresOptions {
        PostgresOptions { url: url.to_owned(), ..PostgresOptions::default() }
    }

    #[test]
    fn each_host_gets_its_port_and_the_common_settings() {
        let hosts =
            options("postgres://push:secret@a:1,b:2/db?sslmode=require").hosts().expect("it is valid");
        assert_eq!(hosts.iter().map(|host| host.get_ports()[0]).collect::<Vec<_>>(), [1, 2]);
        for host in &hosts {
            assert_eq!((host.get_user(), host.get_dbname()), (Some("push"), Some("db")));
            assert_eq!(host.get_password(), Some(&b"secret"[..]));
            assert_eq!((host.get_hosts().len(), host.get_ssl_mode()), (1, SslMode::Require));
        }
        let verified = options("postgres://push@a/db?sslmode=verify-full").hosts().expect("it is valid");
        assert_eq!(verified[0].get_ssl_mode(), SslMode::Require);
        let with_file =
            PostgresOptions { password: Some("other".to_owned()), ..options("postgres://push:secret@a/db") };
        assert_eq!(with_file.hosts().expect("it is valid")[0].get_password(), Some(&b"other"[..]));
    }

    #[test]
    fn other_machines_need_tls_unless_the_url_says_otherwise() {
        let modes = |url: &str| -> Vec<SslMode> {
            options(url).hosts().expect("it is valid").iter().map(Config::get_ssl_mode).collect()
        };
        for (url, expected) in [
            ("postgres://push@db.example/push", vec![SslMode::Require]),
            ("postgres://db.example", vec![SslMode::Require]),
            ("postgres://push@10.0.0.1,127.0.0.1/push", vec![SslMode::Require, SslMode::Disable]),
            ("postgres://push@[2001:db8::1]/push?connect_timeout=3", vec![SslMode::Require]),
            ("postgres://push:a?sslmode=disable@db.example/push", vec![SslMode::Require]),
            ("postgres://push@db.example/push?options=-c%20sslmode=x", vec![SslMode::Require]),
            ("postgres://push@db.example/push?sslmode=prefer", vec![SslMode::Prefer]),
            ("postgres://db.example/push?user=a&sslmode=disable", vec![SslMode::Disable]),
            ("postgres://push@db.example/push?sslmode=verify-full", vec![SslMode::Require]),
            ("postgres://push@localhost,[::1]/push", vec![SslMode::Disable, SslMode::Disable]),
            ("postgres://push@%2Frun%2Fpostgresql/push", vec![SslMode::Disable]),
            ("postgres://push@127.0.0.1/push?sslmode=prefer", vec![SslMode::Disable]),
            ("postgres://push@127.0.0.1/push?sslmode=require", vec![SslMode::Require]),
        ] {
            assert_eq!(modes(url), expected, "{url}");
        }
    }

    #[test]
    fn wrong_options_are_explained() {
        for url in ["", "mysql://a/b", "postgres://", "postgres://a/b?no_such_parameter=1", "host=a"] {
            let error = options(url).hosts().expect_err("it is wrong").to_string();
            assert!(error.contains("postgres://webpush@"), "{error}");
        }
        for schema in ["", "1st", "a-b", "Upper", &"a".repeat(64)] {
            let error = PostgresOptions { schema: schema.to_owned(), ..options("postgres://a/b") }.hosts();
            assert!(error.is_err(), "{schema}");
        }
    }
}

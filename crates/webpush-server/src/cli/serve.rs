//! `webpush-server`: serve. The flags of 2015 work as they did.

use super::admin_args::AdminArgs;
use super::limit_args::LimitArgs;
use super::matrix_args::MatrixArgs;
use super::report;
use super::storage_args::StorageArgs;
use super::values::{parse_origin, parse_time};
use crate::config::Config;
use crate::http::problem::VapidErrorStatus;
use crate::http::tls::Identity;
use crate::serve::{self, Settings};
use clap::ArgGroup;
use clap::builder::BoolishValueParser;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tracing_subscriber::EnvFilter;
use webpush_core::limits::Limits;

/// Settings of the service. Each flag is also an environment variable.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("tls").args(["cert", "pfx"]))]
pub struct Args {
    /// Address or name to listen on [default: 127.0.0.1, with TLS all addresses (::)]
    #[arg(long, env = "WEBPUSH_SERVER_HOST", value_name = "ADDRESS")]
    host: Option<String>,

    /// Port to listen on; 0 picks a free one
    #[arg(long, env = "WEBPUSH_SERVER_PORT", default_value_t = 8080)]
    port: u16,

    /// Private key for TLS, PEM
    #[arg(long, env = "WEBPUSH_SERVER_KEY", value_name = "FILE", requires = "cert", conflicts_with = "pfx")]
    key: Option<PathBuf>,

    /// Certificate for TLS with its chain, PEM
    #[arg(long, env = "WEBPUSH_SERVER_CERT", value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,

    /// Key and certificate for TLS in one PKCS#12 file, instead of --key and --cert
    #[arg(long, env = "WEBPUSH_SERVER_PFX", value_name = "FILE")]
    pfx: Option<PathBuf>,

    /// File that holds the password of --pfx
    #[arg(long, env = "WEBPUSH_SERVER_PFX_PASSWORD_FILE", value_name = "FILE", requires = "pfx")]
    pfx_password_file: Option<PathBuf>,

    /// Speak plain text on addresses that other machines reach: a proxy in front terminates TLS
    #[arg(
        long,
        env = "WEBPUSH_SERVER_PLAINTEXT",
        conflicts_with = "tls",
        value_parser = BoolishValueParser::new(),
    )]
    plaintext: bool,

    /// Public origin, as it goes into URLs [default: what is listened on]
    #[arg(long, env = "WEBPUSH_SERVER_ORIGIN", value_name = "URL", value_parser = parse_origin)]
    origin: Option<String>,

    /// Longest time that a message is kept: seconds, or a number with s, m, h or d
    #[arg(long, env = "WEBPUSH_SERVER_MAX_TTL", value_name = "TIME", default_value = "30d", value_parser = parse_time)]
    max_ttl: Duration,

    /// What a sender is answered whose VAPID header does not hold
    #[arg(
        long,
        env = "WEBPUSH_SERVER_VAPID_ERROR_STATUS",
        value_name = "HOW",
        value_enum,
        default_value_t = VapidErrorStatus::Rfc,
    )]
    vapid_error_status: VapidErrorStatus,
    /// Longest time that a message is kept which a client of the 2015 API sends without a TTL
    #[arg(long, env = "WEBPUSH_SERVER_THOMSON_DEFAULT_TTL", value_name = "TIME", default_value = "24h", value_parser = parse_time)]
    thomson_default_ttl: Duration,

    /// Folder for messages and keys; made if it is not there
    #[arg(long, env = "WEBPUSH_SERVER_DATA_DIR", value_name = "FOLDER", default_value = "webpush-data")]
    data_dir: PathBuf,

    #[command(flatten)]
    storage: StorageArgs,

    #[command(flatten)]
    limits: LimitArgs,

    #[command(flatten)]
    matrix: MatrixArgs,

    #[command(flatten)]
    admin: AdminArgs,
}

/// Serves until a signal.
#[must_use]
pub fn run(args: Args) -> ExitCode {
    start_log();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            report(&anyhow::Error::new(error).context("the threads can't be started"));
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(async { serve::run(args.settings()?).await });
    // What is still under way after a second signal is not waited for.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

impl Args {
    fn settings(self) -> anyhow::Result<Settings> {
        let config = self.admin.config.as_deref().map(Config::load).transpose()?.unwrap_or_default();
        let identity = match (self.key, self.cert, self.pfx) {
            (Some(key), Some(cert), _) => Some(Identity::Pem { key, cert }),
            (_, _, Some(file)) => Some(Identity::Pfx { file, password_file: self.pfx_password_file }),
            _ => None,
        };
        let (max_ttl, thomson_default_ttl) = (self.max_ttl, self.thomson_default_ttl);
        let limits = self.storage.apply(Limits { max_ttl, thomson_default_ttl, ..Limits::default() });
        Ok(Settings {
            host: self.host,
            port: self.port,
            identity,
            plaintext: self.plaintext,
            origin: self.origin,
            data_dir: self.data_dir,
            subscribe_token_file: self.limits.subscribe_token_file.clone(),
            vapid_status: self.vapid_error_status,
            max_connections: self.limits.max_connections(),
            quota: self.storage.quota(),
            limits: self.limits.apply(limits),
            gateway: self.matrix.settings(),
            broadcasts: config.broadcasts,
            admin: self.admin.settings(),
        })
    }
}

/// Logs go to standard error; `RUST_LOG` chooses what. `h2` warns of each flood that it ends, which would be one of lines.
const LOGGED: &str = "info,h2=error";

/// Begins to log.
fn start_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOGGED));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .init();
}

//! `webpush-server`: serve. The flags of 2015 work as they did.

use super::acme_args::AcmeArgs;
use super::admin_args::AdminArgs;
use super::limit_args::LimitArgs;
use super::log_args::LogArgs;
use super::matrix_args::MatrixArgs;
use super::otlp_args::OtlpArgs;
use super::proxy_args::ProxyArgs;
use super::report;
use super::secret_args::SecretArgs;
use super::storage_args::StorageArgs;
use super::trace_args::TraceArgs;
use super::values::{parse_origin, parse_time};
use crate::inherited::Inherited;
use crate::log::Log;
use crate::reload::{ReadAgain, Reread};
use crate::serve::{self, ServerConfig};
use clap::builder::BoolishValueParser;
use clap::{ArgMatches, Args as _, Command, CommandFactory as _, Parser};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use webpush_config::layers::{Layers, Resolved};
use webpush_config::rules::Rule;
use webpush_config::setting::{self, Setting};
use webpush_config::source::Source;
use webpush_http::problem::VapidErrorStatus;
use webpush_http::transport::tls::{Identity, Password};
use webpush_service::limits::Limits;

/// The exit status for a command line that is wrong (clap's own), and for other sources of settings.
pub(super) const WRONG_SETTINGS: u8 = 2;

/// ServerConfig of the service. Each flag is also a variable, which is its key in the file: `WEBPUSH_SERVER_SECTION__KEY`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address or name to listen on [default: 127.0.0.1, with TLS all addresses (::)]
    #[arg(long, env = "WEBPUSH_SERVER_LISTEN__HOST", value_name = "ADDRESS")]
    host: Option<String>,

    /// Port to listen on; 0 picks a free one [default: 8080, with certificates by ACME 443]
    #[arg(long, env = "WEBPUSH_SERVER_LISTEN__PORT")]
    port: Option<u16>,

    /// Private key for TLS, PEM
    #[arg(long, env = "WEBPUSH_SERVER_TLS__KEY", value_name = "FILE")]
    key: Option<PathBuf>,

    /// Certificate for TLS with its chain, PEM
    #[arg(long, env = "WEBPUSH_SERVER_TLS__CERT", value_name = "FILE")]
    cert: Option<PathBuf>,

    /// Key and certificate for TLS in one PKCS#12 file, instead of --key and --cert
    #[arg(long, env = "WEBPUSH_SERVER_TLS__PFX", value_name = "FILE")]
    pfx: Option<PathBuf>,

    /// File that holds the password of --pfx
    #[arg(long, env = "WEBPUSH_SERVER_TLS__PFX_PASSWORD_FILE", value_name = "FILE")]
    pfx_password_file: Option<PathBuf>,

    /// Speak plain text on addresses that other machines reach: a proxy in front terminates TLS
    #[arg(
        long,
        env = "WEBPUSH_SERVER_LISTEN__PLAINTEXT",
        value_name = "BOOL",
        default_value = "false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new(),
    )]
    plaintext: bool,

    /// Public origin, as it goes into URLs [default: what is listened on]
    #[arg(long, env = "WEBPUSH_SERVER_LISTEN__ORIGIN", value_name = "URL", value_parser = parse_origin)]
    origin: Option<String>,

    /// Longest time that a message is kept: seconds, or a number with s, m, h or d
    #[arg(long, env = "WEBPUSH_SERVER_MESSAGES__MAX_TTL", value_name = "TIME", default_value = "30d", value_parser = parse_time)]
    max_ttl: Duration,

    /// What a sender is answered whose VAPID header does not hold
    ///
    /// 403 with rfc, and 401 with autopush, as autopush-rs answers. Without a header where one is needed it is always 401.
    /// «explain» says 403 all the same.
    #[arg(
        long,
        env = "WEBPUSH_SERVER_MESSAGES__VAPID_ERROR_STATUS",
        value_name = "HOW",
        value_enum,
        default_value_t = VapidErrorStatus::Rfc,
    )]
    vapid_error_status: VapidErrorStatus,
    /// Longest time that a message is kept which a client of the 2015 API sends without a TTL
    #[arg(long, env = "WEBPUSH_SERVER_MESSAGES__THOMSON_DEFAULT_TTL", value_name = "TIME", default_value = "24h", value_parser = parse_time)]
    thomson_default_ttl: Duration,

    /// Folder for messages and keys; made if it is not there
    #[arg(
        long,
        env = "WEBPUSH_SERVER_STORAGE__DATA_DIR",
        value_name = "FOLDER",
        default_value = "webpush-data"
    )]
    data_dir: PathBuf,

    #[command(flatten)]
    acme: AcmeArgs,

    #[command(flatten)]
    proxy: ProxyArgs,

    #[command(flatten)]
    storage: StorageArgs,

    #[command(flatten)]
    limits: LimitArgs,

    #[command(flatten)]
    matrix: MatrixArgs,

    #[command(flatten)]
    admin: AdminArgs,

    #[command(flatten)]
    trace: TraceArgs,

    #[command(flatten)]
    log: LogArgs,

    #[command(flatten)]
    otlp: OtlpArgs,
}

/// Everything that can be set.
#[derive(Debug, Parser)]
#[command(no_binary_name = true)]
struct Declared {
    #[command(flatten)]
    flags: Args,
    #[command(flatten)]
    secrets: SecretArgs,
}

/// What holds between settings, whatever sources they are from.
pub(super) const RULES: &[Rule] = &[
    Rule::Needs("tls.key", "tls.cert"),
    Rule::Needs("tls.cert", "tls.key"),
    Rule::Excludes("tls.pfx", "tls.cert"),
    Rule::Excludes("tls.pfx", "tls.key"),
    Rule::Needs("tls.pfx_password", "tls.pfx"),
    Rule::Needs("tls.pfx_password_file", "tls.pfx"),
    Rule::Excludes("listen.plaintext", "tls.cert"),
    Rule::Excludes("listen.plaintext", "tls.pfx"),
    Rule::Needs("listen.proxy_protocol", "listen.trusted_proxies"),
    Rule::Excludes("acme.domains", "tls.cert"),
    Rule::Excludes("acme.domains", "tls.key"),
    Rule::Excludes("acme.domains", "tls.pfx"),
    Rule::Excludes("listen.plaintext", "acme.domains"),
    Rule::Needs("acme.contact", "acme.domains"),
    Rule::Needs("acme.staging", "acme.domains"),
    Rule::Needs("acme.directory", "acme.domains"),
    Rule::Needs("acme.directory_ca_file", "acme.directory"),
    Rule::Excludes("acme.staging", "acme.directory"),
];

/// What can't be changed while the service runs; the rest is what [`crate::reload`] puts in force.
const AT_START: &[&str] = &[
    "listen.",
    "acme.",
    "messages.vapid_error_status",
    "storage.data_dir",
    "storage.quota_",
    "matrix.",
    "admin.",
    "trace.",
    "log.format",
    "otlp.",
    "advanced.matrix_timeout",
];

/// What can be changed all the same.
const AT_ONCE: &[&str] = &["listen.trusted_proxies", "listen.forwarded_header"];

/// Whether a setting takes effect when the configuration is read again.
pub(super) fn takes_effect_at_once(name: &str) -> bool {
    AT_ONCE.contains(&name) || !AT_START.iter().any(|start| name.starts_with(start))
}

/// A command that takes the flags as well; what it is about stays its own.
pub(super) fn with_flags(command: Command) -> Command {
    let about = command.get_about().cloned().unwrap_or_default();
    Args::augment_args(command).about(about)
}

/// All that can be set, table by table.
pub(super) fn declared() -> Vec<Setting> {
    setting::settings_of(&Declared::command())
}

/// Where settings come from: this command line, and the environment of the process.
pub(super) fn layers(line: &ArgMatches) -> Layers {
    Layers::new(declared(), RULES, line, std::env::vars_os())
}

/// What a service is run with under a configuration.
///
/// # Errors
/// When the parser of flags does not take what it took before, one by one.
pub(super) fn settings(resolved: &Resolved) -> anyhow::Result<ServerConfig> {
    let Declared { flags, secrets } = Declared::try_parse_from(resolved.command_line())?;
    Ok(flags.settings(secrets, resolved))
}

/// Serves until a signal.
#[must_use]
pub fn run(layers: Layers) -> ExitCode {
    let resolved = match layers.resolve() {
        Ok(resolved) => resolved,
        Err(faults) => {
            faults.iter().for_each(|fault| eprintln!("webpush-server: {fault}"));
            return ExitCode::from(WRONG_SETTINGS);
        }
    };
    let settings = match settings(&resolved) {
        Ok(settings) => settings,
        Err(error) => {
            report(&error);
            return ExitCode::FAILURE;
        }
    };
    // Before anything else is opened.
    let inherited = match Inherited::take() {
        Ok(inherited) => inherited,
        Err(error) => {
            report(&error);
            return ExitCode::FAILURE;
        }
    };
    let log = Log::start(&settings.log);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            report(&anyhow::Error::new(error).context("the threads can't be started"));
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(serve::run(settings, inherited, log, read_again(layers, resolved)));
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

/// Reads all sources again, and compares them with what the service began with.
fn read_again(layers: Layers, at_start: Resolved) -> ReadAgain {
    Box::new(move || {
        let resolved = layers.resolve()?;
        let mut later = at_start.differing(&resolved);
        later.retain(|name| !takes_effect_at_once(name));
        Ok(Reread { settings: settings(&resolved)?, later })
    })
}

impl Args {
    fn settings(self, secrets: SecretArgs, resolved: &Resolved) -> ServerConfig {
        let password = match (self.pfx_password_file, secrets.pfx_password) {
            (Some(file), _) => Password::File(file),
            (None, Some(secret)) => Password::Given(secret),
            (None, None) => Password::None,
        };
        let identity = match (self.key, self.cert, self.pfx) {
            (Some(key), Some(cert), _) => Some(Identity::Pem { key, cert }),
            (_, _, Some(file)) => Some(Identity::Pfx { file, password }),
            _ => None,
        };
        let acme = self.acme.settings();
        let (max_ttl, legacy_default_ttl) = (self.max_ttl, self.thomson_default_ttl);
        let limits = self.storage.apply(Limits { max_ttl, legacy_default_ttl, ..Limits::default() });
        ServerConfig {
            host: self.host,
            port: self.port.unwrap_or_else(|| if acme.is_some() { 443 } else { 8080 }),
            identity,
            acme,
            plaintext: self.plaintext,
            origin: self.origin,
            proxies: self.proxy.proxies(),
            proxy_protocol: self.proxy.proxy_protocol(),
            data_dir: self.data_dir,
            subscribe_tokens: self.limits.subscribe_tokens(secrets.subscribe_tokens),
            vapid_status: self.vapid_error_status,
            max_connections: self.limits.max_connections(),
            max_connections_per_address: self.limits.max_connections_per_address(),
            quota: self.storage.quota(),
            limits: self.limits.apply(limits),
            gateway: self.matrix.settings(),
            broadcasts: resolved.broadcasts.clone(),
            admin: self
                .admin
                .settings(secrets.admin_tokens, resolved.source("admin.listen") == Source::Default),
            shown: resolved.to_toml(),
            trace: self.trace.settings(),
            log: self.log.settings(),
            otlp_endpoint: self.otlp.endpoint(),
        }
    }
}

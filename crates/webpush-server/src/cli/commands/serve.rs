//! `serve`: runs the server. The flags of 2015 still work.

use crate::cli::args::acme::AcmeArgs;
use crate::cli::args::admin::AdminArgs;
use crate::cli::args::also::AlsoArgs;
use crate::cli::args::chromium::ChromiumArgs;
use crate::cli::args::limits::LimitArgs;
use crate::cli::args::log::LogArgs;
use crate::cli::args::matrix::MatrixArgs;
use crate::cli::args::otlp::OtlpArgs;
use crate::cli::args::proxy::ProxyArgs;
use crate::cli::args::secrets::SecretArgs;
use crate::cli::args::storage::StorageArgs;
use crate::cli::args::store::StoreArgs;
use crate::cli::args::trace::TraceArgs;
use crate::cli::args::values::{parse_leeway, parse_origin, parse_time};
use crate::cli::exit::print_error;
use crate::inherited::Inherited;
use crate::log::Log;
use crate::reload::{NewConfig, ReadConfig};
use crate::serve;
use crate::server_config::{DamageHandling, ServerConfig};
use clap::builder::BoolishValueParser;
use clap::{ArgMatches, Args as _, Command, CommandFactory as _, Parser};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use webpush_config::broadcasts::BroadcastRules;
use webpush_config::layers::{ConfigLayers, EffectiveConfig};
use webpush_config::rules::Rule;
use webpush_config::setting::{self, FormerKey, NeedsRestart, Setting};
use webpush_config::source::Source;
use webpush_core::protocol::autopush::{self, Broadcast};
use webpush_http::problem::VapidErrorStatus;
use webpush_http::transport::tls::{Identity, Password};
use webpush_service::limits::Limits;

/// The exit status for an invalid configuration, as for an invalid command line.
pub(crate) const INVALID_CONFIGURATION: u8 = 2;

/// The end of `serve --help`.
pub(crate) const HELP: &str = "\
Every flag is also an environment variable (see --help) and a key of the TOML file (--config).
'config check' validates the configuration, 'config print' shows it; see docs/configuration.md.";

/// Flags of the server.
///
/// Each has a variable, `WEBPUSH_SERVER_SECTION__KEY`, which names its key in the file.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Address or name to listen on [default: 127.0.0.1; with --cert, --pfx or ACME ::, all addresses]
    #[arg(long, env = "WEBPUSH_SERVER_LISTEN__HOST", add = NeedsRestart, value_name = "ADDRESS")]
    host: Option<String>,

    /// Port to listen on; 0 picks a free one [default: 8080; with ACME 443, with --dev-tls 8443]
    #[arg(long, env = "WEBPUSH_SERVER_LISTEN__PORT", add = NeedsRestart)]
    port: Option<u16>,

    /// Private key for TLS (PEM)
    #[arg(long, env = "WEBPUSH_SERVER_TLS__KEY", value_name = "FILE")]
    key: Option<PathBuf>,

    /// Certificate chain for TLS (PEM)
    #[arg(long, env = "WEBPUSH_SERVER_TLS__CERT", value_name = "FILE")]
    cert: Option<PathBuf>,

    /// Private key and certificate chain for TLS (PKCS#12), instead of --key and --cert
    #[arg(long, env = "WEBPUSH_SERVER_TLS__PFX", value_name = "FILE")]
    pfx: Option<PathBuf>,

    /// File with the password of --pfx
    #[arg(long, env = "WEBPUSH_SERVER_TLS__PFX_PASSWORD_FILE", value_name = "FILE")]
    pfx_password_file: Option<PathBuf>,

    /// Use TLS with a certificate for localhost, from a CA that is created in the data directory
    ///
    /// For development. Prints the CA certificate that clients have to trust.
    #[arg(
        long,
        env = "WEBPUSH_SERVER_TLS__DEV", add = NeedsRestart,
        value_name = "BOOL",
        default_value = "false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new(),
    )]
    dev_tls: bool,

    /// Serve without TLS on addresses that other machines can reach, behind a proxy that terminates TLS
    #[arg(
        long,
        env = "WEBPUSH_SERVER_LISTEN__PLAINTEXT", add = NeedsRestart,
        value_name = "BOOL",
        default_value = "false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new(),
    )]
    plaintext: bool,

    /// Public origin in URLs [default: the address listened on]
    #[arg(long, env = "WEBPUSH_SERVER_LISTEN__ORIGIN", add = NeedsRestart, value_name = "URL", value_parser = parse_origin)]
    origin: Option<String>,

    /// Maximum TTL of a message: seconds, or a number with s, m, h or d
    #[arg(long, env = "WEBPUSH_SERVER_MESSAGES__MAX_TTL", value_name = "TIME", default_value = "30d", value_parser = parse_time)]
    max_ttl: Duration,

    /// Status code for an invalid VAPID header: 403 (rfc) or 401 (autopush)
    ///
    /// A missing header, where one is required, always returns 401. The command explain always reports 403.
    #[arg(
        long,
        env = "WEBPUSH_SERVER_MESSAGES__VAPID_ERROR_STATUS", add = NeedsRestart,
        value_name = "MODE",
        value_enum,
        default_value_t = VapidErrorStatus::Rfc,
    )]
    vapid_error_status: VapidErrorStatus,

    /// Tolerance for the times of VAPID tokens, as the clocks of senders differ; at most 1h
    #[arg(long, env = "WEBPUSH_SERVER_MESSAGES__VAPID_LEEWAY", value_name = "TIME", default_value = "60s", value_parser = parse_leeway)]
    vapid_leeway: Duration,

    /// Default TTL of messages that are sent without a TTL header, which are refused without this
    #[arg(long, env = "WEBPUSH_SERVER_MESSAGES__DEFAULT_TTL", value_name = "TIME", value_parser = parse_time)]
    default_ttl: Option<Duration>,

    /// Accept PUT at push URLs, as Telegram's simple push sends it; kept for 24h without a TTL
    #[arg(
        long,
        env = "WEBPUSH_SERVER_MESSAGES__SIMPLE_PUSH",
        value_name = "BOOL",
        default_value = "false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new(),
    )]
    simple_push: bool,

    /// Write the Encryption and Crypto-Key of aesgcm messages into their body, for UnifiedPush applications
    ///
    /// In the form of UnifiedPush's common-proxies. Browsers cannot read such messages.
    #[arg(
        long,
        env = "WEBPUSH_SERVER_MESSAGES__AESGCM_IN_BODY",
        value_name = "BOOL",
        default_value = "false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new(),
    )]
    aesgcm_in_body: bool,

    /// Default TTL of messages that are sent through the legacy (2015) API without a TTL header
    #[arg(
        long,
        alias = "thomson-default-ttl",
        env = "WEBPUSH_SERVER_MESSAGES__LEGACY_DEFAULT_TTL", add = FormerKey("thomson_default_ttl"),
        value_name = "TIME",
        default_value = "24h",
        value_parser = parse_time
    )]
    legacy_default_ttl: Duration,

    /// Data directory for messages and keys; created if it does not exist
    #[arg(
        long,
        env = "WEBPUSH_SERVER_STORAGE__DATA_DIR", add = NeedsRestart,
        value_name = "DIR",
        default_value = "webpush-data"
    )]
    data_dir: PathBuf,

    /// Begin with an empty store if that of the data directory is missing; its keys are kept
    ///
    /// Without this the server does not start then. A flag only, for one start.
    #[arg(long)]
    begin_anew: bool,

    /// Repair the store first if it is damaged, like the command repair
    ///
    /// Does nothing to a store that is not damaged. A flag only, for one start.
    #[arg(long)]
    repair: bool,

    #[command(flatten)]
    also: AlsoArgs,

    #[command(flatten)]
    acme: AcmeArgs,

    #[command(flatten)]
    proxy: ProxyArgs,

    #[command(flatten)]
    storage: StorageArgs,

    #[command(flatten)]
    store: StoreArgs,

    #[command(flatten)]
    limits: LimitArgs,

    #[command(flatten)]
    matrix: MatrixArgs,

    #[command(flatten)]
    chromium: ChromiumArgs,

    #[command(flatten)]
    admin: AdminArgs,

    #[command(flatten)]
    trace: TraceArgs,

    #[command(flatten)]
    log: LogArgs,

    #[command(flatten)]
    otlp: OtlpArgs,
}

/// All settings.
#[derive(Debug, Parser)]
#[command(no_binary_name = true)]
struct AllSettings {
    #[command(flatten)]
    flags: Args,
    #[command(flatten)]
    secrets: SecretArgs,
}

/// Rules between settings, whatever their sources.
pub(crate) const RULES: &[Rule] = &[
    Rule::Needs("tls.key", "tls.cert"),
    Rule::Needs("tls.cert", "tls.key"),
    Rule::Excludes("tls.pfx", "tls.cert"),
    Rule::Excludes("tls.pfx", "tls.key"),
    Rule::Needs("tls.pfx_password", "tls.pfx"),
    Rule::Needs("tls.pfx_password_file", "tls.pfx"),
    Rule::Excludes("listen.plaintext", "tls.cert"),
    Rule::Excludes("listen.plaintext", "tls.pfx"),
    Rule::Needs("listen.proxy_protocol", "listen.trusted_proxies"),
    Rule::Excludes("tls.dev", "tls.cert"),
    Rule::Excludes("tls.dev", "tls.key"),
    Rule::Excludes("tls.dev", "tls.pfx"),
    Rule::Excludes("tls.dev", "acme.domains"),
    Rule::Excludes("tls.dev", "listen.plaintext"),
    Rule::Excludes("acme.domains", "tls.cert"),
    Rule::Excludes("acme.domains", "tls.key"),
    Rule::Excludes("acme.domains", "tls.pfx"),
    Rule::Excludes("listen.plaintext", "acme.domains"),
    Rule::Needs("acme.contact", "acme.domains"),
    Rule::Needs("acme.staging", "acme.domains"),
    Rule::Needs("acme.directory", "acme.domains"),
    Rule::Needs("acme.directory_ca_file", "acme.directory"),
    Rule::Excludes("acme.staging", "acme.directory"),
    Rule::Needs("acme.http_listen", "acme.domains"),
    Rule::Needs("acme.eab_key_id", "acme.eab_key_file"),
    Rule::Needs("acme.eab_key_file", "acme.eab_key_id"),
    Rule::Needs("acme.eab_key_id", "acme.directory"),
    Rule::Needs("storage.url", "storage.secret_file"),
    Rule::Needs("storage.secret_file", "storage.url"),
    Rule::Needs("storage.password_file", "storage.url"),
    Rule::Needs("storage.ca_file", "storage.url"),
];

/// Limits of broadcasts.
pub(crate) const BROADCASTS: BroadcastRules =
    BroadcastRules { check: check_broadcast, max: autopush::broadcasts::BROADCASTS };

fn check_broadcast(name: &str, version: &str) -> Result<(), String> {
    Broadcast::new(name, version).map(drop).map_err(|error| error.to_string())
}

/// Returns true if a reload applies the setting.
pub(crate) fn takes_effect_at_once(name: &str) -> bool {
    declared().iter().any(|setting| setting.name == name && !setting.needs_restart)
}

/// Adds the flags to a command, and leaves its description.
pub(crate) fn with_flags(command: Command) -> Command {
    let (about, long_about) = (command.get_about().cloned(), command.get_long_about().cloned());
    let command = Args::augment_args(command);
    let command = about.into_iter().fold(command, Command::about);
    long_about.into_iter().fold(command.long_about(None), Command::long_about)
}

/// Returns all settings, table by table.
pub(crate) fn declared() -> Vec<Setting> {
    setting::settings_of(&AllSettings::command())
}

/// Returns the sources of settings: this command line, and the environment of the process.
pub(crate) fn layers(line: &ArgMatches) -> ConfigLayers {
    ConfigLayers::new(declared(), RULES, BROADCASTS, line, std::env::vars_os())
}

/// Returns the server configuration of resolved settings.
///
/// # Errors
/// Fails if the values are invalid together, although each of them is valid.
pub(crate) fn settings(resolved: &EffectiveConfig) -> anyhow::Result<ServerConfig> {
    let AllSettings { flags, secrets } = AllSettings::try_parse_from(resolved.command_line())?;
    Ok(flags.settings(secrets, resolved))
}

/// Returns what the flags of this start allow.
pub(crate) fn recovery(flags: &ArgMatches) -> DamageHandling {
    DamageHandling { begin_anew: flags.get_flag("begin_anew"), repair: flags.get_flag("repair") }
}

/// Runs the server until a signal.
#[must_use]
pub(crate) fn run(layers: ConfigLayers, recovery: DamageHandling) -> ExitCode {
    let resolved = match layers.resolve() {
        Ok(resolved) => resolved,
        Err(faults) => {
            faults.iter().for_each(|fault| eprintln!("webpush-server: {fault}"));
            return ExitCode::from(INVALID_CONFIGURATION);
        }
    };
    let settings = match settings(&resolved) {
        Ok(settings) => ServerConfig { recovery, ..settings },
        Err(error) => {
            print_error(&error);
            return ExitCode::FAILURE;
        }
    };
    // Before anything else is opened.
    let inherited = match Inherited::take() {
        Ok(inherited) => inherited,
        Err(error) => {
            print_error(&error);
            return ExitCode::FAILURE;
        }
    };
    let log = Log::start(&settings.log);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            print_error(&anyhow::Error::new(error).context("cannot start the threads"));
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(serve::run(settings, inherited, log, read_config(layers, resolved)));
    // After a second signal, unfinished work is not waited for.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&error);
            ExitCode::FAILURE
        }
    }
}

/// Reads all sources, and compares them with those at the start.
fn read_config(layers: ConfigLayers, at_start: EffectiveConfig) -> ReadConfig {
    Box::new(move || {
        let resolved = layers.resolve()?;
        let mut needs_restart = at_start.differing(&resolved);
        needs_restart.retain(|name| !takes_effect_at_once(name));
        Ok(NewConfig { settings: settings(&resolved)?, needs_restart })
    })
}

impl Args {
    fn settings(self, secrets: SecretArgs, resolved: &EffectiveConfig) -> ServerConfig {
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
        let limits = self.storage.apply(Limits {
            max_ttl: self.max_ttl,
            default_ttl: self.default_ttl,
            simple_push: self.simple_push,
            aesgcm_in_body: self.aesgcm_in_body,
            legacy_default_ttl: self.legacy_default_ttl,
            vapid_leeway: self.vapid_leeway,
            ..Limits::default()
        });
        ServerConfig {
            host: self.host,
            port: self.port.unwrap_or_else(|| match (acme.is_some(), self.dev_tls) {
                (true, _) => 443,
                (false, true) => 8443,
                (false, false) => 8080,
            }),
            also_listen: self.also.addresses(),
            socket_mode: self.also.socket_mode(),
            identity,
            dev_tls: self.dev_tls,
            acme,
            plaintext: self.plaintext,
            origin: self.origin,
            proxies: self.proxy.proxies(),
            proxy_protocol: self.proxy.proxy_protocol(),
            data_dir: self.data_dir,
            subscribe_tokens: self.limits.subscribe.tokens(secrets.subscribe_tokens),
            vapid_status: self.vapid_error_status,
            max_connections: self.limits.connections.max_connections(),
            max_connections_per_address: self.limits.connections.max_connections_per_address(),
            quota: self.storage.quota(),
            row_cache: self.storage.row_cache(),
            memtable: self.limits.memtable(),
            reserve: self.storage.reserve(),
            store: self.store.settings(),
            recovery: DamageHandling { begin_anew: self.begin_anew, repair: self.repair },
            limits: self.limits.apply(limits),
            gateway: self.matrix.settings(),
            chromium: self.chromium.listen(),
            broadcasts: resolved.broadcasts.clone(),
            admin: self
                .admin
                .settings(secrets.admin_tokens, resolved.source("admin.listen") == Source::Default),
            effective: resolved.clone(),
            trace: self.trace.settings(),
            log: self.log.settings(),
            otlp_endpoint: self.otlp.endpoint(),
        }
    }
}

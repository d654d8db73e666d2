//! Running the service: from checked settings to a listening socket, and back down in order.

use crate::acme::{self, Renewal};
use crate::inherited::Inherited;
use crate::log::rate_limit::WINDOW;
use crate::log::{self, Log};
use crate::otlp;
use crate::reload::{self, ReadAgain, Reload};
use crate::service_manager;
use crate::stop_signals::StopSignals;
use anyhow::{Context as _, bail};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout};
use webpush_admin::admin::{self, AdminServer};
use webpush_admin::broadcasts::Sources;
use webpush_admin::data_dir::{STORE_FOLDER, make_data_folder};
use webpush_admin::keys_file;
use webpush_core::env::Env;
use webpush_core::protocol::autopush::Versions;
use webpush_http::gateway::{self, Gateway};
use webpush_http::problem::VapidErrorStatus;
use webpush_http::server::{HttpConfig, HttpServer};
use webpush_http::transport::certificate::{self, Certificate};
use webpush_http::transport::connections::Connections;
use webpush_http::transport::listen;
use webpush_http::transport::listen::Front;
use webpush_http::transport::loopback::LoopbackClient;
use webpush_http::transport::proxies::Proxies;
use webpush_http::transport::tls;
use webpush_service::bearer_tokens::TokenSource;
use webpush_service::drain::{Drain, GRACE};
use webpush_service::limits::Limits;
use webpush_service::service::{ConfigSummary, Service, Setup};
use webpush_service::subscribe_tokens::SubscribeTokens;
use webpush_service::{idle, settling, sweep, system, trace};
use webpush_store::embedded::{EmbeddedStore, Options};
use webpush_store::{Backend, Quota, Store};

/// What a service is run with.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// The address or name to listen on; the default depends on TLS.
    pub host: Option<String>,
    /// The port; 0 lets the system pick one.
    pub port: u16,
    /// The certificate, for TLS.
    pub identity: Option<tls::Identity>,
    /// What certificates are ordered for instead.
    pub acme: Option<acme::AcmeConfig>,
    /// Plain text is meant, also on addresses that others reach: a proxy terminates TLS.
    pub plaintext: bool,
    /// The public origin; the default is what is listened on.
    pub origin: Option<String>,
    /// Which proxies are believed.
    pub proxies: Proxies,
    /// They say by the PROXY protocol for whom they connect.
    pub proxy_protocol: bool,
    /// The data folder.
    pub data_dir: PathBuf,
    /// The bounds in force.
    pub limits: Limits,
    /// How much one inbox may hold.
    pub quota: Quota,
    /// The tokens that subscribers need.
    pub subscribe_tokens: Option<TokenSource>,
    /// What invalid VAPID is answered.
    pub vapid_status: VapidErrorStatus,
    /// What Matrix homeservers may have delivered.
    pub gateway: gateway::GatewayConfig,
    /// The most connections at once; the default is what the process may have open.
    pub max_connections: Option<usize>,
    /// The most of one address; the default is all.
    pub max_connections_per_address: Option<usize>,
    /// The versions of broadcasts, as far as nothing else was set.
    pub broadcasts: Versions,
    /// The listener for the operator.
    pub admin: Option<admin::AdminConfig>,
    /// How much is kept of the way of messages.
    pub trace: trace::TraceConfig,
    /// The log.
    pub log: log::LogConfig,
    /// The origin of an OpenTelemetry collector.
    pub otlp_endpoint: Option<String>,
    /// All of this for people to read, without secrets.
    pub shown: String,
}

impl ServerConfig {
    /// Whether what is listened on may be, as far as that can be said without asking for the addresses of a name.
    ///
    /// # Errors
    /// When others would send push URLs in the clear.
    pub fn check_host(&self) -> anyhow::Result<()> {
        let (host, bare) = self.host();
        match bare.parse() {
            Ok(address) => self.check_address(&host, address),
            Err(_) => Ok(()),
        }
    }

    fn check_address(&self, host: &str, address: IpAddr) -> anyhow::Result<()> {
        if !self.has_tls() && !self.plaintext && !address.to_canonical().is_loopback() {
            bail!(
                "{host} can be reached from other machines, and without TLS they would send push URLs in the clear: give \
                 --key and --cert (or --pfx, or --acme-domains), listen on 127.0.0.1, or say --plaintext if a proxy in front terminates TLS"
            );
        }
        Ok(())
    }

    /// The origin that it has on this machine without another one, unless the port is yet to be picked.
    #[must_use]
    pub fn likely_origin(&self) -> Option<String> {
        (self.port != 0).then(|| self.default_origin(&self.host().1, self.port))
    }

    fn has_tls(&self) -> bool {
        self.identity.is_some() || self.acme.is_some()
    }

    /// The first domain if certificates are ordered, at the port that they are had for; else what is listened on.
    fn default_origin(&self, host: &str, port: u16) -> String {
        match self.acme.as_ref().and_then(|acme| acme.domains.first()) {
            Some(domain) => format!("https://{domain}"),
            None => listened_on(if self.has_tls() { "https" } else { "http" }, host, port),
        }
    }

    /// The host as it is written, and without brackets.
    fn host(&self) -> (String, String) {
        let host = match &self.host {
            Some(host) => host.clone(),
            None if self.has_tls() => "::".to_owned(),
            None => "127.0.0.1".to_owned(),
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        (host, bare)
    }
}

/// The longest that closing the store may take. What it would still write is in its log.
const CLOSING: Duration = Duration::from_secs(10);

/// Serves until a signal asks to stop, on sockets that were passed on where there are any. SIGHUP has the settings read again.
///
/// # Errors
/// When something that is needed to begin is not there or not as it should be.
pub async fn run(
    settings: ServerConfig,
    inherited: Inherited,
    log: Log,
    read_again: ReadAgain,
) -> anyhow::Result<()> {
    let mut signals = StopSignals::catch().context("signals can't be caught")?;
    let hangups = signal(SignalKind::hangup()).context("signals can't be caught")?;
    let certificate = settings.identity.as_ref().map(tls::load).transpose()?;
    let expiry = certificate.as_ref().and_then(certificate::expiry);
    let certificate = certificate.map(Certificate::new);
    let challenged = settings.acme.as_ref().map(|_| Certificate::challenged());
    let acceptor = certificate.clone().or_else(|| challenged.clone()).map(tls::acceptor).transpose()?;
    let subscribe_tokens = SubscribeTokens::load(settings.subscribe_tokens.as_ref())?;
    let (listener, host) = listen_on(&settings, inherited.public).await?;
    let port = listener.local_addr().context("the socket has no address")?.port();
    let origin = settings.origin.clone().unwrap_or_else(|| settings.default_origin(&host, port));

    let spans = otlp::start(settings.otlp_endpoint.as_deref())?;
    let env = system::env();
    let (store, keyring) = open_data_folder(&settings.data_dir, settings.quota, env.clone())?;
    // After the folder is ours, since its token is made anew.
    let door = match (&settings.admin, inherited.admin) {
        (Some(admin), socket) => AdminServer::open(admin, socket, &settings.data_dir).await?,
        (None, None) => None,
        (None, Some(_)) => bail!(
            "LISTEN_FDS has a socket named 'admin', but the admin listener is off: pass --admin, or \
             stop its socket unit"
        ),
    };
    let service = Service::new(Setup {
        env,
        store: Arc::clone(&store),
        keyring,
        origin,
        limits: settings.limits,
        subscribe_tokens,
        trace: settings.trace,
        spans,
    });
    let server = HttpServer::new(
        Arc::clone(&service),
        HttpConfig {
            proxies: settings.proxies,
            vapid_status: settings.vapid_status,
            gateway: Gateway::new(settings.gateway),
        },
    );
    service
        .configuration
        .store(Arc::new(ConfigSummary { toml: settings.shown, pending_restart: Vec::new() }));
    let broadcasts = Sources::open(&settings.data_dir, settings.broadcasts)?;
    service.broadcasts.replace(broadcasts.in_force());
    let broadcasts = Arc::new(Mutex::new(broadcasts));
    service.metrics.process.set_data_dir(&settings.data_dir);
    service.metrics.process.set_certificate_expiry(expiry);
    let renewal = match (settings.acme, challenged) {
        (Some(acme), Some(certificate)) => {
            Some(Renewal::open(acme, &settings.data_dir, certificate, Arc::clone(&service))?)
        }
        _ => None,
    };
    let address = listener.local_addr()?.to_string();
    announce(&service, &address, &settings.data_dir, door.as_ref());

    let drain = Drain::default();
    let connections = Arc::new(Connections::new(
        settings.max_connections,
        settings.max_connections_per_address,
        Arc::clone(&service.metrics),
    ));
    let front = Front {
        connections: Arc::clone(&connections),
        proxy_protocol: settings.proxy_protocol,
        tls: acceptor,
    };
    let listening = tokio::spawn(listen::run(listener, front, Arc::clone(&server), drain.draining()));
    let renewing = renewal.map(|renewal| tokio::spawn(renewal.run()));
    // The operator can ask until all else is done.
    let admin_drain = Drain::default();
    let administering = door.map(|door| {
        let inside = LoopbackClient::new(Arc::clone(&server), connections, admin_drain.draining());
        tokio::spawn(door.serve(
            Arc::clone(&service),
            Arc::clone(&broadcasts),
            inside,
            admin_drain.draining(),
        ))
    });
    let floods = log.floods();
    let reporting = tokio::spawn({
        let floods = Arc::clone(&floods);
        async move {
            loop {
                sleep(WINDOW).await;
                floods.report();
            }
        }
    });
    let reload = Reload { read_again, log, server: Arc::clone(&server), certificate, broadcasts };
    let reloading = tokio::spawn(reload::run(reload, hangups));
    let sweeping = tokio::spawn({
        let service = Arc::clone(&service);
        async move { sweep::run(&service).await }
    });

    let settling = tokio::spawn({
        let service = Arc::clone(&service);
        async move { settling::run(&service).await }
    });

    let removing_idle = tokio::spawn({
        let service = Arc::clone(&service);
        async move { idle::run(&service).await }
    });

    let status = format!("serves {} on {address}", service.origin);
    service_manager::ready(&status);
    let vouching = tokio::spawn(service_manager::keep_watchdog(Arc::clone(&service), status));

    let signal = signals.next().await;
    tracing::info!(signal, "stopping: finishing what is under way; another signal ends it at once");
    service.readiness.set_draining();
    let (delay, window) = {
        let limits = service.limits.load();
        (limits.timeouts.drain_delay, limits.timeouts.drain)
    };
    service_manager::stopping(delay + window + GRACE + GRACE + CLOSING + service.spans.flush_timeout());
    let stop = async {
        reloading.abort();
        sleep(delay).await;
        if let Some(renewing) = renewing {
            renewing.abort();
        }
        if !drain.finish(service.env(), &service.registry, window).await {
            tracing::warn!("some connections did not finish in time and were cut");
        }
        sweeping.abort();
        removing_idle.abort();
        settling.abort();
        // Their end is an abort or nothing.
        let _ = (listening.await, sweeping.await, removing_idle.await, settling.await, reloading.await);
        service.settle_now();
        admin_drain.finish(service.env(), &service.registry, Duration::ZERO).await;
        if let Some(administering) = administering {
            let _ = administering.await;
        }
        let closing = tokio::task::spawn_blocking(move || store.close());
        let closed = timeout(CLOSING, closing).await;
        service.spans.close().await;
        vouching.abort();
        reporting.abort();
        floods.report();
        closed
    };
    tokio::select! {
        closed = stop => closed
            .context("the store did not close in time, which loses nothing: the next start reads its log")?
            .context("the store could not be closed"),
        signal = signals.next() => bail!("stopped at once by a second signal ({signal})"),
    }
}

/// Opens the socket, or takes the one that was passed on. Returns with it the host as it goes into a default origin.
async fn listen_on(
    settings: &ServerConfig,
    inherited: Option<std::net::TcpListener>,
) -> anyhow::Result<(TcpListener, String)> {
    match inherited {
        Some(listener) => inherit(settings, listener),
        None => bind(settings).await,
    }
}

/// What is listened on is for those to say who have opened it; what is said of the host is what the world calls it.
fn inherit(
    settings: &ServerConfig,
    listener: std::net::TcpListener,
) -> anyhow::Result<(TcpListener, String)> {
    let cannot = "can't listen on the socket that was passed on (LISTEN_FDS)";
    listener.set_nonblocking(true).context(cannot)?;
    let address = listener.local_addr().context(cannot)?;
    settings.check_address(&address.to_string(), address.ip())?;
    let host =
        if settings.host.is_some() { settings.host().1 } else { address.ip().to_canonical().to_string() };
    Ok((TcpListener::from_std(listener).context(cannot)?, host))
}

async fn bind(settings: &ServerConfig) -> anyhow::Result<(TcpListener, String)> {
    let (host, bare_host) = settings.host();
    let port = settings.port;
    let listener = listen::bind(&bare_host, port)
        .await
        .with_context(|| format!("can't listen on {host} port {port} (--host, --port)"))?;
    let address = listener.local_addr().context("the socket has no address")?.ip();
    settings.check_address(&host, address)?;
    Ok((listener, bare_host))
}

/// What is listened on, as an origin that can be connected to.
fn listened_on(scheme: &str, host: &str, port: u16) -> String {
    let host = match host.parse::<IpAddr>() {
        Ok(address) if address.is_unspecified() => "localhost".to_owned(),
        Ok(IpAddr::V6(address)) => format!("[{address}]"),
        Ok(IpAddr::V4(_)) | Err(_) => host.to_owned(),
    };
    match (scheme, port) {
        ("https", 443) | ("http", 80) => format!("{scheme}://{host}"),
        _ => format!("{scheme}://{host}:{port}"),
    }
}

fn open_data_folder(
    folder: &Path,
    quota: Quota,
    env: Env,
) -> anyhow::Result<(Arc<Backend>, webpush_core::capability::Keyring)> {
    let shown = folder.display();
    make_data_folder(folder)?;
    // Keys before the store: a folder with a store and no keys is one whose keys were lost.
    let store_folder = folder.join(STORE_FOLDER);
    let keyring = keys_file::load_or_create(folder, store_folder.exists())?;
    let store = EmbeddedStore::open(&store_folder, Options { quota, env, ..Options::default() })
        .with_context(|| format!("the data folder {shown} can't be used (--data-dir)"))?;
    Ok((store.into(), keyring))
}

/// The one line on standard output; scripts read the origin from it.
fn announce(service: &Service, address: &str, data_dir: &Path, door: Option<&AdminServer>) {
    let (origin, token) = (&service.origin, service.subscribe_tokens.load().example_prefix());
    let admin = door.map(|door| format!(", admin on {}", door.shown())).unwrap_or_default();
    let line = format!(
        "webpush-server {} serves {origin} on {address}, data in {}{admin}; try: webpush-server listen {origin}{token}\n",
        env!("CARGO_PKG_VERSION"),
        data_dir.display(),
    );
    let mut out = io::stdout().lock();
    // Nobody may be reading; the service runs all the same.
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_origins_can_be_connected_to() {
        for (scheme, host, port, origin) in [
            ("http", "127.0.0.1", 8080, "http://127.0.0.1:8080"),
            ("https", "::", 8443, "https://localhost:8443"),
            ("https", "::1", 443, "https://[::1]"),
            ("http", "0.0.0.0", 80, "http://localhost"),
            ("https", "push.example", 443, "https://push.example"),
        ] {
            assert_eq!(listened_on(scheme, host, port), origin);
        }
    }
}

//! Starts the server, and shuts it down in order.

use crate::acme::Renewal;
use crate::acme::http_challenge::HttpChallenges;
use crate::acme::order::Challenges;
use crate::certificate_files::CertificateFiles;
use crate::dev_tls;
use crate::inherited::Inherited;
use crate::log::Log;
use crate::log::rate_limit::WINDOW;
use crate::open_store::{self, OpenStore};
use crate::otlp;
use crate::reload::{self, ReadConfig, Reload};
use crate::server_config::ServerConfig;
use crate::service_manager;
use crate::shared_settings::SharedSettings;
use crate::stop_signals::StopSignals;
use anyhow::{Context as _, bail};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use webpush_admin::admin::AdminServer;
use webpush_admin::broadcasts::{self, BroadcastSources};
use webpush_admin::data_dir::{STORE_DIR, create_data_dir};
use webpush_admin::last_origin;
use webpush_http::gateway::Gateway;
use webpush_http::server::{HttpConfig, HttpServer};
use webpush_http::transport::bind;
use webpush_http::transport::certificate::Certificate;
use webpush_http::transport::connections::Connections;
use webpush_http::transport::listen::{self, Front, FrontProtocol};
use webpush_http::transport::loopback::LoopbackClient;
use webpush_http::transport::public_address::PublicAddress;
use webpush_http::transport::socket::PublicListener;
use webpush_http::transport::tls;
use webpush_service::drain::{Drain, GRACE};
use webpush_service::service::{ConfigSummary, Service, Setup};
use webpush_service::subscribe_tokens::SubscribeTokens;
use webpush_service::{catch_up, idle, key_refresh, memory_watch, settling, sweep, system};
use webpush_store::{Backend, Store};

/// Timeout for closing the store. Whatever it has not flushed by then is in its log.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Nothing is accepted meanwhile: the store refuses everything once it finds its files deleted.
const DELETED_POLL: Duration = Duration::from_millis(250);

/// Serves until SIGTERM or SIGINT. SIGHUP reloads the configuration.
///
/// # Errors
/// Fails if the server cannot start, or if it cannot shut down cleanly.
pub async fn run(
    settings: ServerConfig,
    inherited: Inherited,
    log: Log,
    read_config: ReadConfig,
) -> anyhow::Result<()> {
    let mut signals = StopSignals::catch().context("cannot install signal handlers")?;
    let hangups = signal(SignalKind::hangup()).context("cannot install signal handlers")?;
    if settings.dev_tls {
        create_data_dir(&settings.data_dir)?;
    }
    let now = system::env().now();
    let loaded = settings.load_certificate(now)?;
    let warnings = settings.warnings(loaded.as_ref().map(|loaded| &loaded.certificate), now);
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let certificate = loaded.as_ref().map(|loaded| Certificate::new(loaded.certificate.clone()));
    let challenged = settings.acme.as_ref().map(|_| Certificate::challenged());
    let tls_certificate = certificate.clone().or_else(|| challenged.clone());
    let acceptor = tls_certificate.clone().map(tls::acceptor).transpose()?;
    let mcs_acceptor = tls_certificate.map(tls::mcs_acceptor).transpose()?;
    let env = system::env();
    let subscribe_tokens = SubscribeTokens::load(settings.subscribe_tokens.as_ref(), &env)?;
    let (listener, host) = listen_on(&settings, inherited.public).await?;
    let port = listener.local_addr().context("cannot read the address of the socket")?.port();
    let further = listen_also(&settings).await?;
    let mcs_listener = listen_for_chromium(&settings).await?;
    let origin = settings.origin.clone().unwrap_or_else(|| settings.default_origin(&host, port));

    let spans = otlp::start(settings.otlp_endpoint.as_deref())?;
    let OpenStore { store, keyring, keys } = tokio::select! {
        opened = open_store::open(&settings, &env) => opened?,
        // It may wait for a database.
        _ = signals.next() => return Ok(()),
    };
    if let Some(warning) = settings.origin_warning(&origin) {
        tracing::warn!("{warning}");
    }
    if let Err(error) = last_origin::record(&settings.data_dir, &origin) {
        // On a full disk the server still starts.
        tracing::warn!("cannot keep the origin for the next start: {error:#}");
    }
    // Replaces the admin token, so the lock of the data directory must be held.
    let admin_server = match (&settings.admin, inherited.admin) {
        (Some(admin), socket) => AdminServer::open(admin, socket, &settings.data_dir, &env).await?,
        (None, None) => None,
        (None, Some(_)) => bail!(
            "LISTEN_FDS has a socket named 'admin', but the admin listener is disabled: set --admin, or stop the \
             socket unit"
        ),
    };
    let shared_settings = match &settings.store {
        Some(config) => {
            Some(SharedSettings::publish(&settings, &origin, &config.secret()?, Arc::clone(&store))?)
        }
        None => None,
    };
    let toml = settings.toml(Some(&origin));
    let service = Service::new(Setup {
        env,
        store: Arc::clone(&store),
        keyring,
        shared_keys: keys.shared(),
        origin,
        other_origins: Vec::new(),
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
            speaks_chromium: mcs_listener.is_some(),
            ..HttpConfig::default()
        },
    );
    service.configuration.store(Arc::new(ConfigSummary { toml, pending_restart: Vec::new() }));
    let broadcasts = match store.broadcasts() {
        Some(table) => BroadcastSources::open_shared(table, &settings.data_dir, settings.broadcasts).await?,
        None => BroadcastSources::open(&settings.data_dir, settings.broadcasts)?,
    };
    service.broadcasts.replace(broadcasts.effective());
    let broadcasts = Arc::new(Mutex::new(broadcasts));
    service.metrics.process.set_data_dir(&settings.data_dir);
    let certificate_files = certificate.clone().zip(loaded).map(|(certificate, loaded)| {
        Arc::new(CertificateFiles::new(certificate, loaded, Arc::clone(&service)))
    });
    let renewal = match (settings.acme, challenged) {
        (Some(acme), Some(certificate)) => {
            let challenges = match &acme.http_listen {
                Some(address) => {
                    let challenges = HttpChallenges::default();
                    challenges.listen(address, service.origin.clone()).await?;
                    Challenges::Http(challenges)
                }
                None => Challenges::TlsAlpn(Arc::clone(&certificate)),
            };
            Some(Renewal::open(acme, &settings.data_dir, certificate, challenges, Arc::clone(&service))?)
        }
        _ => None,
    };
    let address = listener.local_addr()?.to_string();
    let mcs_address = mcs_listener.as_ref().map(TcpListener::local_addr).transpose()?;
    let ca_file = settings.dev_tls.then(|| dev_tls::ca_file(&settings.data_dir));
    let addresses = Addresses {
        main: address.clone(),
        further: further.iter().map(|(address, _)| address.to_string()).collect(),
        mcs: mcs_address,
        admin: admin_server.as_ref().map(AdminServer::display_address),
    };
    let place = match &settings.store {
        None => settings.data_dir.display().to_string(),
        Some(store) => store.display_url(),
    };
    announce(&service, &addresses, &place, ca_file.as_deref());

    let drain = Drain::default();
    let connections = Arc::new(Connections::new(
        settings.max_connections,
        settings.max_connections_per_address,
        Arc::clone(&service.metrics),
    ));
    let front = Front {
        connections: Arc::clone(&connections),
        proxy_protocol: settings.proxy_protocol,
        tls: acceptor.clone(),
        protocol: FrontProtocol::Http,
    };
    let mut listening = vec![listen::start(listener, front, Arc::clone(&server), drain.draining())];
    for (address, listener) in further {
        let front = Front {
            connections: Arc::clone(&connections),
            proxy_protocol: settings.proxy_protocol,
            tls: acceptor.clone().filter(|_| address.has_tls()),
            protocol: FrontProtocol::Http,
        };
        listening.push(listen::start(listener, front, Arc::clone(&server), drain.draining()));
    }
    if let Some(listener) = mcs_listener {
        let front = Front {
            connections: Arc::clone(&connections),
            proxy_protocol: settings.proxy_protocol,
            tls: mcs_acceptor,
            protocol: FrontProtocol::Mcs,
        };
        listening.push(listen::start(listener, front, Arc::clone(&server), drain.draining()));
    }
    let renewing = match (renewal, &certificate) {
        (Some(renewal), _) => Some(tokio::spawn(renewal.run())),
        (None, Some(certificate)) if settings.dev_tls => Some(tokio::spawn(dev_tls::keep_valid(
            settings.data_dir.clone(),
            Arc::clone(certificate),
            Arc::clone(&service),
        ))),
        (None, _) => None,
    };
    // The admin listener is the last to stop.
    let admin_drain = Drain::default();
    let administering = admin_server.map(|admin_server| {
        let client = LoopbackClient::new(Arc::clone(&server), connections, admin_drain.draining());
        admin_server.start(
            Arc::clone(&service),
            keys,
            Arc::clone(&broadcasts),
            client,
            admin_drain.draining(),
        )
    });
    let rate_limits = log.rate_limits();
    let reporting = tokio::spawn({
        let rate_limits = Arc::clone(&rate_limits);
        async move {
            loop {
                sleep(WINDOW).await;
                rate_limits.report();
            }
        }
    });
    let watching = certificate_files.clone().map(CertificateFiles::watch);
    let reload = Reload {
        read_config,
        log,
        server: Arc::clone(&server),
        certificate: certificate_files,
        broadcasts: Arc::clone(&broadcasts),
        shared_settings,
    };
    let reloading = tokio::spawn(reload::run(reload, hangups));
    let sweeping = sweep::start(Arc::clone(&service));
    let settling = settling::start(Arc::clone(&service));
    let removing_idle = idle::start(Arc::clone(&service));
    let shared = service.is_shared().then(|| {
        [
            catch_up::start(Arc::clone(&service)),
            key_refresh::start(Arc::clone(&service)),
            broadcasts::follow(broadcasts, Arc::clone(&service)),
        ]
    });
    let measuring = memory_watch::start(
        Arc::clone(&service),
        memory_watch::resident_bytes,
        memory_watch::default_limit(),
    );

    let status = format!("serves {} on {address}", service.origin);
    service_manager::ready(&status);
    let watchdog = tokio::spawn(service_manager::keep_watchdog(Arc::clone(&service), status));

    let signal = tokio::select! {
        signal = signals.next() => signal,
        () = deleted(&store) => bail!(
            "{} was deleted while the server was using it: messages since then were refused. Restore the data directory \
             from a backup",
            settings.data_dir.join(STORE_DIR).display()
        ),
    };
    tracing::info!(signal, "shutting down gracefully; signal again to exit immediately");
    service.readiness.set_draining();
    let (delay, window) = {
        let limits = service.limits.load();
        (limits.timeouts.drain_delay, limits.timeouts.drain)
    };
    service_manager::stopping(delay + window + GRACE + GRACE + CLOSE_TIMEOUT + service.spans.flush_timeout());
    let stop = async {
        reloading.abort();
        if let Some(watching) = watching {
            watching.abort();
        }
        sleep(delay).await;
        if let Some(renewing) = renewing {
            renewing.abort();
        }
        if !drain.finish(service.env(), &service.registry, window).await {
            tracing::warn!("some connections did not finish in time and were closed");
        }
        sweeping.abort();
        removing_idle.abort();
        measuring.abort();
        settling.abort();
        shared.iter().flatten().for_each(JoinHandle::abort);
        // Each was aborted or has returned.
        let _ = (sweeping.await, removing_idle.await, settling.await, reloading.await);
        for listening in listening {
            let _ = listening.await;
        }
        service.settle_now();
        admin_drain.finish(service.env(), &service.registry, Duration::ZERO).await;
        if let Some(administering) = administering {
            let _ = administering.await;
        }
        let closing = tokio::task::spawn_blocking(move || store.close());
        let closed = timeout(CLOSE_TIMEOUT, closing).await;
        service.spans.close().await;
        watchdog.abort();
        reporting.abort();
        rate_limits.report();
        closed
    };
    let late = match settings.store {
        None => "the store did not close in time; no data is lost, because the next start replays its log",
        Some(_) => "the database did not respond in time; messages that were not confirmed may not be stored",
    };
    tokio::select! {
        closed = stop => closed
            .context(late)?
            .context("cannot close the store"),
        signal = signals.next() => bail!("exited immediately after a second signal ({signal})"),
    }
}

/// Returns the inherited socket or binds one, and the host for the default origin.
async fn listen_on(
    settings: &ServerConfig,
    inherited: Option<std::net::TcpListener>,
) -> anyhow::Result<(TcpListener, String)> {
    match inherited {
        Some(listener) => inherit(settings, listener),
        None => bind(settings).await,
    }
}

/// The socket unit decides the address; a configured host is only the name in the default origin.
fn inherit(
    settings: &ServerConfig,
    listener: std::net::TcpListener,
) -> anyhow::Result<(TcpListener, String)> {
    let cannot = "cannot listen on the inherited socket (LISTEN_FDS)";
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
    settings.check_host()?;
    let listener = bind::bind(&bare_host, port)
        .await
        .with_context(|| format!("cannot listen on {host} port {port} (--host, --port){}", hint(port)))?;
    let address = listener.local_addr().context("cannot read the address of the socket")?.ip();
    settings.check_address(&host, address)?;
    Ok((listener, bare_host))
}

/// Opens the further public listeners.
async fn listen_also(settings: &ServerConfig) -> anyhow::Result<Vec<(PublicAddress, PublicListener)>> {
    settings.check_also_listen()?;
    let mut listeners = Vec::new();
    for address in &settings.also_listen {
        let port = match address {
            PublicAddress::Tcp { port, .. } => *port,
            PublicAddress::Unix(_) => 0,
        };
        let listener = address
            .bind(settings.socket_mode)
            .await
            .with_context(|| format!("cannot listen on {address} (--also-listen){}", hint(port)))?;
        if let PublicListener::Tcp(listener) = &listener
            && !address.has_tls()
        {
            let ip = listener.local_addr().context("cannot read the address of the socket")?.ip();
            settings.check_address(&format!("{address} (--also-listen)"), ip)?;
        }
        listeners.push((address.clone().bound(&listener), listener));
    }
    Ok(listeners)
}

/// Opens the MCS listener, if there is one.
async fn listen_for_chromium(settings: &ServerConfig) -> anyhow::Result<Option<TcpListener>> {
    settings.check_chromium()?;
    let Some(address) = settings.chromium else { return Ok(None) };
    let listener = TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address} for Chromium (--chromium){}", hint(address.port()))
    })?;
    Ok(Some(listener))
}

/// Returns what a port below 1024 needs, from which the system keeps ordinary users.
const fn hint(port: u16) -> &'static str {
    match port {
        1..1024 => {
            "; ports below 1024 are for root or need the capability CAP_NET_BIND_SERVICE (AmbientCapabilities= in a \
             systemd unit)"
        }
        _ => "",
    }
}

/// Waits until the files of the store are found deleted.
async fn deleted(store: &Backend) {
    while !store.is_deleted() {
        sleep(DELETED_POLL).await;
    }
}

/// The addresses of the listeners.
struct Addresses {
    main: String,
    further: Vec<String>,
    mcs: Option<SocketAddr>,
    admin: Option<String>,
}

/// Logs the start, and prints the startup line, from which scripts read the origin.
///
/// Behind it is what clients need to trust `ca_file`.
fn announce(service: &Service, addresses: &Addresses, place: &str, ca_file: Option<&Path>) {
    let Addresses { main: address, further, mcs, admin } = addresses;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), origin = %service.origin, address, data = place, "serving");
    for address in further {
        tracing::info!(address, "also serving");
    }
    if let Some(address) = mcs {
        tracing::info!(%address, "serving Chromium (experimental)");
    }
    let (origin, token) = (&service.origin, service.subscribe_tokens.load().example_prefix());
    let further: String = further.iter().map(|address| format!(", also on {address}")).collect();
    let admin = admin.as_ref().map(|address| format!(", admin on {address}")).unwrap_or_default();
    let chromium = mcs.map(|address| format!(", Chromium on {address}")).unwrap_or_default();
    let (flag, trust) = ca_file.map(|file| (ca_flag(file), trust(file))).unwrap_or_default();
    let line = format!(
        "webpush-server {} serves {origin} on {address}{further}, data in {place}{chromium}{admin}; try: \
         webpush-server listen {origin}{token}{flag}\n{trust}",
        env!("CARGO_PKG_VERSION"),
    );
    let mut out = io::stdout().lock();
    // Standard output may be closed.
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
}

fn ca_flag(ca_file: &Path) -> String {
    format!(" --ca-file {}", ca_file.display())
}

/// Returns how clients are told to trust a CA.
fn trust(ca_file: &Path) -> String {
    // Clients may run in another directory.
    let absolute = ca_file.canonicalize().unwrap_or_else(|_| ca_file.to_owned());
    let file = absolute.display();
    format!(
        "for development only: clients have to trust the CA of this server, {file}\n  \
         Node     NODE_EXTRA_CA_CERTS={file}\n  \
         Python   REQUESTS_CA_BUNDLE={file} (requests, pywebpush), SSL_CERT_FILE={file} (others)\n  \
         curl     --cacert {file}\n"
    )
}

//! Starts a server for development.

pub(crate) mod ca_file;
pub(crate) mod listeners;

use crate::authority::TestAuthority;
use crate::clock::DevClock;
use crate::host_name;
use crate::intercept::DevInterceptor;
use crate::observer::RecordObserver;
use crate::proxy::{self, HostRules, ProxyReport};
use crate::ready::Addresses;
use crate::records::Records;
use crate::state::{Dev, follow_offered};
use crate::vendor::Vendor;
use anyhow::Context as _;
use ca_file::CaFile;
use listeners::Listeners;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use webpush_core::capability::{KeyId, Keyring};
use webpush_core::env::{Clock as _, Env};
use webpush_http::server::{HttpConfig, HttpServer};
use webpush_http::transport::certificate::Certificate;
use webpush_http::transport::connections::{Connections, NetworkLimit};
use webpush_http::transport::listen::{self, Front, FrontProtocol};
use webpush_http::transport::tls;
use webpush_http::transport::tls_stream::TlsAcceptor;
use webpush_service::drain::Drain;
use webpush_service::sealing_cipher::Aes256GcmSiv;
use webpush_service::service::{Service, Setup};
use webpush_service::system::SystemEntropy;
use webpush_service::{settling, sweep};
use webpush_store::memory::MemoryStore;
use webpush_store::{Backend, Store as _};

/// Maximum number of requests that wait for messages.
const MAX_WAITS: usize = 512;

/// How to start.
#[derive(Clone, Debug)]
pub struct DevConfig {
    /// The address to listen on.
    pub host: IpAddr,
    /// The port without TLS; 0 for a free one, here and below.
    pub port: u16,
    /// The port with TLS.
    pub https_port: u16,
    /// The port of the proxy.
    pub proxy_port: u16,
    /// The port of MCS.
    pub mcs_port: u16,
    /// Where to write the certificate of the authority; `None` for a temporary directory.
    pub ca_file: Option<PathBuf>,
    /// Gives Firefox endpoints of this server rather than of Mozilla's.
    pub local_endpoints: bool,
    /// Further host names of this server.
    pub names: Vec<String>,
    /// Listens on port 443 as well, for the names of vendors that are mapped to this server.
    pub map_hosts: bool,
}

impl Default for DevConfig {
    fn default() -> Self {
        Self {
            host: IpAddr::from([127, 0, 0, 1]),
            port: 0,
            https_port: 0,
            proxy_port: 0,
            mcs_port: 0,
            ca_file: None,
            local_endpoints: false,
            names: Vec::new(),
            map_hosts: false,
        }
    }
}

/// A running server. It serves as long as the runtime runs, and removes its files when dropped.
pub struct DevServer {
    dev: Arc<Dev>,
    ready_line: String,
    /// Observes commits as long as it is open.
    _store: Backend,
    _drain: Drain,
    _ca_file: CaFile,
}

impl DevServer {
    /// Starts a server. It is ready when this returns.
    ///
    /// # Errors
    /// If a port is taken or a file cannot be written.
    pub async fn start(config: DevConfig) -> anyhow::Result<Self> {
        config.names.iter().try_for_each(|name| host_name::check(name).map_err(anyhow::Error::msg))?;
        if !config.host.is_loopback() {
            tracing::warn!(
                "everybody who reaches {} can control this server: use it in a closed network",
                config.host
            );
        }
        let listeners = Listeners::bind(&config).await?;
        let clock = Arc::new(DevClock::default());
        let authority = TestAuthority::create(&config.names, clock.now())?;
        let ca_file = CaFile::write(config.ca_file.as_deref(), &authority)?;
        let addresses = listeners.addresses(&config, &ca_file, authority.spki_sha256())?;

        let env = Env::new(Arc::clone(&clock) as _, Arc::new(SystemEntropy));
        let store = MemoryStore::default();
        let records = Arc::<Records>::default();
        let observed = Backend::from(store.handle());
        observed.watch(Arc::new(RecordObserver { records: Arc::clone(&records), env: env.clone() }));
        let service = Service::new(setup(store, env, &addresses, &config.names)?);
        let dev = Arc::new(Dev {
            service: Arc::clone(&service),
            clock,
            names: config.names.clone(),
            records,
            subscriptions: Default::default(),
            faults: Default::default(),
            held: Default::default(),
            client_hashes: Default::default(),
            proxy: Arc::<ProxyReport>::default(),
            changing: Default::default(),
            waits: Semaphore::new(MAX_WAITS),
            addresses,
        });
        let endpoints = (!config.local_endpoints).then(|| Vendor::Mozilla.endpoint(""));
        let interceptor = Arc::new(DevInterceptor::new(Arc::clone(&dev)));
        let http = HttpConfig {
            speaks_chromium: true,
            interceptor: Some(Arc::clone(&interceptor) as _),
            autopush_endpoints: endpoints,
            ..HttpConfig::default()
        };
        let drain = Drain::default();
        let server = HttpServer::new(service, http);
        interceptor.attach(&server);
        serve(listeners, &config, &dev, server, authority, &drain)?;
        Ok(Self {
            ready_line: dev.addresses.ready_line()?,
            dev,
            _store: observed,
            _drain: drain,
            _ca_file: ca_file,
        })
    }

    /// Returns the ready line, one JSON object without a line break.
    #[must_use]
    pub fn ready_line(&self) -> &str {
        &self.ready_line
    }

    /// Returns the addresses of this server.
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.dev.addresses
    }
}

fn setup(store: MemoryStore, env: Env, addresses: &Addresses, names: &[String]) -> anyhow::Result<Setup> {
    let sealing_key = env.random().context("cannot create a sealing key")?;
    let keyring =
        Keyring::new::<Aes256GcmSiv>(&[(KeyId(1), sealing_key)]).context("the sealing key is unusable")?;
    let mut other_origins = addresses.other_origins(names);
    other_origins.extend(Vendor::ALL.map(Vendor::usual_origin));
    // Builds of Chromium without Google's keys.
    other_origins.push(Vendor::origin_for("jmt17.google.com"));
    Ok(Setup { env, other_origins, ..Setup::new(store, keyring, addresses.origin()) })
}

/// Starts all listeners and the tasks of the service.
fn serve(
    listeners: Listeners,
    config: &DevConfig,
    dev: &Arc<Dev>,
    server: Arc<HttpServer>,
    authority: TestAuthority,
    drain: &Drain,
) -> anyhow::Result<()> {
    let metrics = Arc::clone(&dev.service.metrics);
    let connections = Arc::new(Connections::new(None, NetworkLimit::Off, metrics));
    let certificate = Certificate::new(authority.certified());
    let https = tls::acceptor(Arc::clone(&certificate))?;
    let mcs = tls::mcs_acceptor(certificate)?;
    let start = |listeners: Vec<TcpListener>, tls: Option<&TlsAcceptor>, protocol| {
        for listener in listeners {
            let front = Front {
                connections: Arc::clone(&connections),
                proxy_protocol: false,
                tls: tls.cloned(),
                protocol,
            };
            // It runs as long as the runtime.
            drop(listen::start(listener, front, Arc::clone(&server), drain.draining()));
        }
    };
    let https_address = listeners.https[0].local_addr()?;
    start(listeners.http, None, FrontProtocol::Http);
    start(listeners.https, Some(&https), FrontProtocol::Http);
    start(listeners.mcs, Some(&mcs), FrontProtocol::Mcs);
    for listener in listeners.proxy {
        let rules = HostRules::new(&config.names);
        drop(proxy::start(listener, https_address, rules, Arc::clone(&dev.proxy)));
    }
    drop((sweep::start(Arc::clone(&dev.service)), settling::start(Arc::clone(&dev.service))));
    drop(tokio::spawn(follow_offered(Arc::clone(dev))));
    Ok(())
}

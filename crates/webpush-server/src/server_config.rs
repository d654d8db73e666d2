//! The configuration of a server.

use crate::certificate_files::Loaded;
use crate::store_config::StoreConfig;
use crate::{acme, dev_tls, log};
use anyhow::bail;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use webpush_admin::admin;
use webpush_config::layers::EffectiveConfig;
use webpush_core::protocol::autopush::Versions;
use webpush_core::time::Timestamp;
use webpush_http::gateway;
use webpush_http::problem::VapidErrorStatus;
use webpush_http::transport::connections::NetworkLimit;
use webpush_http::transport::proxies::Proxies;
use webpush_http::transport::public_address::PublicAddress;
use webpush_http::transport::tls;
use webpush_service::bearer_tokens::TokenSource;
use webpush_service::limits::Limits;
use webpush_service::trace;
use webpush_store::Quota;

/// The permissions of one start for a damaged data directory.
#[derive(Clone, Copy, Debug, Default)]
pub struct DamageHandling {
    /// Begin with an empty store if it is missing.
    pub begin_anew: bool,
    /// Repair the store first if it is damaged.
    pub repair: bool,
}

/// The configuration of a server.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Address or name to listen on; the default depends on TLS.
    pub host: Option<String>,
    /// Port to listen on; 0 picks a free one.
    pub port: u16,
    /// Further addresses to listen on.
    pub also_listen: Vec<PublicAddress>,
    /// Mode of the files of Unix sockets among them.
    pub socket_mode: u32,
    /// TLS certificate and key from files.
    pub identity: Option<tls::Identity>,
    /// TLS with a certificate for this machine, in the data directory.
    pub dev_tls: bool,
    /// Certificates by ACME, instead of files.
    pub acme: Option<acme::AcmeConfig>,
    /// Allows plain HTTP on addresses that other machines can reach.
    pub plaintext: bool,
    /// Public origin; the default is the address listened on.
    pub origin: Option<String>,
    /// Trusted proxies.
    pub proxies: Proxies,
    /// Trusted proxies send a PROXY protocol header on each connection.
    pub proxy_protocol: bool,
    /// Data directory.
    pub data_dir: PathBuf,
    /// Limits that a reload can change.
    pub limits: Limits,
    /// Quota of each inbox.
    pub quota: Quota,
    /// Limit of the store's row cache, in bytes.
    pub row_cache: u64,
    /// Size at which the store flushes a memtable, in bytes.
    pub memtable: u64,
    /// The permissions of this start for a damaged data directory.
    pub recovery: DamageHandling,
    /// Room to keep free on the volume of the store, in bytes.
    pub reserve: u64,
    /// The database of a cluster; `None` for the store in the data directory.
    pub store: Option<StoreConfig>,
    /// Tokens that subscribers need.
    pub subscribe_tokens: Option<TokenSource>,
    /// Status code for invalid VAPID headers.
    pub vapid_status: VapidErrorStatus,
    /// Matrix gateway.
    pub gateway: gateway::GatewayConfig,
    /// Address of the MCS listener, which Chromium needs.
    pub chromium: Option<SocketAddr>,
    /// Maximum number of connections; the default follows from the file descriptor limit.
    pub max_connections: Option<usize>,
    /// Maximum number of connections per client address; `None` is unlimited.
    pub max_connections_per_address: NetworkLimit,
    /// Configured versions of broadcasts.
    pub broadcasts: Versions,
    /// Admin listener.
    pub admin: Option<admin::AdminConfig>,
    /// Message traces.
    pub trace: trace::TraceConfig,
    /// Log.
    pub log: log::LogConfig,
    /// Origin of an OpenTelemetry collector.
    pub otlp_endpoint: Option<String>,
    /// The values of all settings.
    pub effective: EffectiveConfig,
}

impl ServerConfig {
    /// Checks that clients on other machines will not send push URLs unencrypted.
    ///
    /// # Errors
    /// Fails if they would. A host name is not resolved; its address is checked when it is bound.
    pub fn check_host(&self) -> anyhow::Result<()> {
        let (host, bare) = self.host();
        if let Ok(address) = host.parse::<SocketAddr>() {
            bail!("--host {host} has a port: set --host {} and --port {}", address.ip(), address.port());
        }
        bare.parse().map_or(Ok(()), |address| self.check_address(&host, address))
    }

    pub(crate) fn check_address(&self, host: &str, address: IpAddr) -> anyhow::Result<()> {
        if !self.has_tls() && !self.plaintext && !address.to_canonical().is_loopback() {
            bail!(
                "{host} can be reached from other machines, and without TLS they would send push URLs unencrypted: set \
                 --key and --cert (or --pfx, or --acme-domains), listen on 127.0.0.1, or set --plaintext if a reverse proxy \
                 terminates TLS"
            );
        }
        Ok(())
    }

    /// Checks the further addresses to listen on.
    ///
    /// # Errors
    /// Fails if one is there twice, or needs a certificate or a permission that is missing.
    pub fn check_also_listen(&self) -> anyhow::Result<()> {
        for (index, address) in self.also_listen.iter().enumerate() {
            if address.has_tls() && !self.has_tls() {
                bail!(
                    "{address} (--also-listen) needs a certificate: set --key and --cert (or --pfx, or --acme-domains), or \
                     write http:// if a reverse proxy terminates TLS"
                );
            }
            let is_free_port = matches!(address, PublicAddress::Tcp { port: 0, .. });
            if self.also_listen[..index].contains(address) && !is_free_port {
                bail!("{address} (--also-listen) is listed twice");
            }
            if let PublicAddress::Tcp { tls: false, host, .. } = address
                && let Ok(ip) = host.parse()
            {
                self.check_address(&format!("{address} (--also-listen)"), ip)?;
            }
        }
        Ok(())
    }

    /// Returns the effective configuration as TOML, without secrets.
    ///
    /// `origin` is that of a running server; otherwise it is the one that it would have.
    #[must_use]
    pub fn toml(&self, origin: Option<&str>) -> String {
        let effective = self.effective.clone();
        let effective = effective.with_default("listen.host", self.host().0);
        let effective = effective.with_default("listen.port", self.port.to_string());
        match origin.map(str::to_owned).or_else(|| self.likely_origin()) {
            Some(origin) => effective.with_default("listen.origin", origin).to_toml(),
            None => effective.to_toml(),
        }
    }

    /// Loads the certificate, except for one by ACME. That of `--dev-tls` is created if necessary.
    ///
    /// # Errors
    /// Fails if a file cannot be used or created.
    pub fn load_certificate(&self, now: Timestamp) -> anyhow::Result<Option<Loaded>> {
        match &self.identity {
            Some(identity) => Loaded::load(identity).map(Some),
            None if self.dev_tls => {
                dev_tls::load_or_create(&self.data_dir, now)?;
                Loaded::load(&dev_tls::identity(&self.data_dir)).map(Some)
            }
            None => Ok(None),
        }
    }

    /// Checks that Chromium can connect to the MCS listener, which takes TLS.
    ///
    /// # Errors
    /// Fails if it cannot.
    pub fn check_chromium(&self) -> anyhow::Result<()> {
        if let Some(address) = self.chromium
            && !self.has_tls()
            && !self.plaintext
        {
            bail!(
                "Chromium connects to {address} (--chromium) with TLS: set --key and --cert (or --pfx, or \
                 --acme-domains), or set --plaintext if a reverse proxy terminates TLS"
            );
        }
        Ok(())
    }

    /// Returns the origin as this machine sees it; `None` if the port is picked at the start.
    #[must_use]
    pub fn likely_origin(&self) -> Option<String> {
        (self.port != 0).then(|| self.default_origin(&self.host().1, self.port))
    }

    pub(crate) const fn has_tls(&self) -> bool {
        self.identity.is_some() || self.dev_tls || self.acme.is_some()
    }

    /// Returns the origin of the first ACME domain, which uses port 443, or of the address listened on.
    pub(crate) fn default_origin(&self, host: &str, port: u16) -> String {
        match self.acme.as_ref().and_then(|acme| acme.domains.first()) {
            Some(domain) => format!("https://{domain}"),
            None => local_origin(if self.has_tls() { "https" } else { "http" }, host, port),
        }
    }

    /// Returns the host as configured, and without brackets.
    pub(crate) fn host(&self) -> (String, String) {
        let host = match &self.host {
            Some(host) => host.clone(),
            None if self.has_tls() && !self.dev_tls => "::".to_owned(),
            None => "127.0.0.1".to_owned(),
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        (host, bare)
    }
}

/// Returns an origin that clients on this machine can connect to.
fn local_origin(scheme: &str, host: &str, port: u16) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_on_this_machine_can_connect_to_default_origins() {
        for (scheme, host, port, origin) in [
            ("http", "127.0.0.1", 8080, "http://127.0.0.1:8080"),
            ("https", "::", 8443, "https://localhost:8443"),
            ("https", "::1", 443, "https://[::1]"),
            ("http", "0.0.0.0", 80, "http://localhost"),
            ("https", "push.example", 443, "https://push.example"),
        ] {
            assert_eq!(local_origin(scheme, host, port), origin);
        }
    }
}

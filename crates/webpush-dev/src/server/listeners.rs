//! The sockets of a server.

use super::DevConfig;
use super::ca_file::CaFile;
use crate::ready::{Addresses, LOCALHOST};
use anyhow::{Context as _, bail};
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::TcpListener;

/// How often another free port is tried.
const ATTEMPTS: usize = 20;

/// The port of HTTPS, for `--map-hosts`.
const HTTPS: u16 = 443;

/// Bound sockets. The first of each list has the address that clients are told.
pub(super) struct Listeners {
    pub(super) http: Vec<TcpListener>,
    pub(super) https: Vec<TcpListener>,
    pub(super) mcs: Vec<TcpListener>,
    pub(super) proxy: Vec<TcpListener>,
}

impl Listeners {
    pub(super) async fn bind(config: &DevConfig) -> anyhow::Result<Self> {
        let mut https = bind(config.host, config.https_port, "--https-port").await?;
        if config.map_hosts {
            https.extend(bind(config.host, HTTPS, "--map-hosts").await?);
        }
        Ok(Self {
            http: bind(config.host, config.port, "--port").await?,
            https,
            mcs: bind(config.host, config.mcs_port, "--mcs-port").await?,
            proxy: bind(config.host, config.proxy_port, "--proxy-port").await?,
        })
    }

    pub(super) fn addresses(
        &self,
        config: &DevConfig,
        ca_file: &CaFile,
        spki_sha256: String,
    ) -> anyhow::Result<Addresses> {
        let port = |listeners: &[TcpListener]| anyhow::Ok(listeners[0].local_addr()?.port());
        // Clients on this machine reach an unspecified address by loopback.
        let host = match config.host {
            IpAddr::V4(host) if host.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
            IpAddr::V6(host) if host.is_unspecified() => format!("[{}]", Ipv6Addr::LOCALHOST),
            IpAddr::V4(host) => host.to_string(),
            IpAddr::V6(host) => format!("[{host}]"),
        };
        Ok(Addresses {
            http_port: port(&self.http)?,
            tls_host: LOCALHOST.to_owned(),
            https_port: port(&self.https)?,
            proxy_port: port(&self.proxy)?,
            mcs_port: port(&self.mcs)?,
            host,
            ca_file: ca_file.path().to_owned(),
            java_trust_store: ca_file.java_trust_store().to_owned(),
            spki_sha256,
        })
    }
}

/// Returns what helps if a port cannot be bound.
const fn hint(port: u16) -> &'static str {
    match port {
        0 => "",
        1..1024 => ": is it free? Ports below 1024 are for root, or need the capability CAP_NET_BIND_SERVICE",
        _ => ": choose another port, or 0 for a free one",
    }
}

/// Binds a port, on the other loopback address as well, since some clients prefer one for `localhost`.
pub(crate) async fn bind(host: IpAddr, port: u16, flag: &str) -> anyhow::Result<Vec<TcpListener>> {
    for _ in 0..ATTEMPTS {
        let first = TcpListener::bind(SocketAddr::new(host, port))
            .await
            .with_context(|| failure(host, port, flag))?;
        let other = match host {
            IpAddr::V4(Ipv4Addr::LOCALHOST) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            _ => return Ok(vec![first]),
        };
        let bound = first.local_addr()?.port();
        match TcpListener::bind(SocketAddr::new(other, bound)).await {
            Ok(second) => return Ok(vec![first, second]),
            // Another program would get a part of the connections to localhost.
            Err(error) if error.kind() == ErrorKind::AddrInUse && port != 0 => {
                return Err(error).with_context(|| failure(other, port, flag));
            }
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            // The machine does not have the other family.
            Err(_) => return Ok(vec![first]),
        }
    }
    bail!("no port is free on both loopback addresses ({flag})")
}

fn failure(host: IpAddr, port: u16, flag: &str) -> String {
    format!("cannot listen on {host} port {port} ({flag}){}", hint(port))
}

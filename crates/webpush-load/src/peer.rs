//! autopush-rs for comparison: its two processes and a Redis, on loopback ports of this run.

use anyhow::{Context as _, ensure};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long to wait for each process to listen.
const START: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);
/// The URLs and databases are only used for this run, so the key is no secret.
const KEY: &str = "[AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=]";
const AUTH_KEYS: &str = r#"["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]"#;

/// A running autopush-rs.
pub struct Peer {
    /// The address for agents.
    pub origin: String,
    /// Its own two processes, without Redis.
    pub pids: Vec<u32>,
    /// Killed in this order.
    _children: Vec<KilledOnDrop>,
}

/// A child process that is killed when this is dropped.
struct KilledOnDrop(Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Peer {
    /// Starts the builds in a directory, and Redis from the PATH without persistence.
    ///
    /// # Errors
    /// If one of them does not start.
    pub fn start(directory: &Path) -> anyhow::Result<Self> {
        let [redis_port, port, router_port, endpoint_port] = free_ports()?;
        let shown = |number: u16| number.to_string();
        let mut redis = Command::new("redis-server");
        redis.args(["--port", &shown(redis_port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        let redis = started(redis, redis_port)?;

        let database = format!("redis://127.0.0.1:{redis_port}");
        let mut connect = Command::new(directory.join("autoconnect"));
        connect.env("RUST_LOG", "error").envs([
            ("AUTOCONNECT__DB_DSN", database.as_str()),
            ("AUTOCONNECT__HOSTNAME", "127.0.0.1"),
            ("AUTOCONNECT__ROUTER_HOSTNAME", "127.0.0.1"),
            ("AUTOCONNECT__PORT", &shown(port)),
            ("AUTOCONNECT__ROUTER_PORT", &shown(router_port)),
            ("AUTOCONNECT__ENDPOINT_SCHEME", "http"),
            ("AUTOCONNECT__ENDPOINT_HOSTNAME", "127.0.0.1"),
            ("AUTOCONNECT__ENDPOINT_PORT", &shown(endpoint_port)),
            ("AUTOCONNECT__CRYPTO_KEY", KEY),
            ("AUTOCONNECT__DISABLE_SENTRY", "true"),
        ]);
        let connect = started(connect, port)?;
        let mut endpoint = Command::new(directory.join("autoendpoint"));
        endpoint.env("RUST_LOG", "error").envs([
            ("AUTOEND__DB_DSN", database.as_str()),
            ("AUTOEND__HOST", "127.0.0.1"),
            ("AUTOEND__PORT", &shown(endpoint_port)),
            ("AUTOEND__ENDPOINT_URL", &format!("http://127.0.0.1:{endpoint_port}")),
            ("AUTOEND__CRYPTO_KEYS", KEY),
            ("AUTOEND__AUTH_KEYS", AUTH_KEYS),
            ("AUTOEND__DISABLE_SENTRY", "true"),
        ]);
        let endpoint = started(endpoint, endpoint_port)?;
        Ok(Self {
            origin: format!("http://127.0.0.1:{port}"),
            pids: vec![connect.0.id(), endpoint.0.id()],
            _children: vec![endpoint, connect, redis],
        })
    }
}

/// Starts a program and waits until it listens.
fn started(mut command: Command, port: u16) -> anyhow::Result<KilledOnDrop> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = KilledOnDrop(command.spawn().with_context(|| format!("cannot start {name}"))?);
    let (address, begun) = (SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Instant::now());
    while TcpStream::connect(address).is_err() {
        ensure!(child.0.try_wait()?.is_none(), "{name} has ended at once");
        ensure!(begun.elapsed() < START, "{name} does not listen");
        thread::sleep(LOOK);
    }
    Ok(child)
}

/// Returns ports that are unused now.
fn free_ports<const N: usize>() -> anyhow::Result<[u16; N]> {
    let listeners =
        (0..N).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<Result<Vec<_>, _>>()?;
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}

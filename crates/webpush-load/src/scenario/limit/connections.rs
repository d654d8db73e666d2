//! The cost of a connection to a server that does nothing.

use super::started;
use crate::audience::all;
use crate::dial::Dialer;
use crate::figures::Figures;
use crate::h2_client::Client;
use crate::null::Null;
use crate::process::Process;
use crate::scenario::idle::{FIRST, descriptors};
use crate::websocket::WebSocket;
use anyhow::ensure;

/// The window of a stream that the RFC sets (RFC 9113 §6.9.2).
const WINDOW: u32 = 65_535;

/// Options.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Number of connections
    #[arg(long, value_name = "N", default_value_t = 4000)]
    agents: usize,
}

/// Opens WebSockets, and sends nothing on them.
pub(super) async fn connect(args: &Args) -> anyhow::Result<Figures> {
    cost(args, Null::WebSocket, |dialer| async move { WebSocket::open(&dialer).await }).await
}

/// Opens connections with a request each, as agents do whose GET is held.
pub(super) async fn held(args: &Args) -> anyhow::Result<Figures> {
    cost(args, Null::Held, |dialer| async move {
        let client = Client::connect(&dialer, WINDOW).await?;
        let request = client.begin("GET", "/", &[], false).await?;
        Ok((client, request))
    })
    .await
}

/// Measures processor time and memory for each connection, as `idle` does.
async fn cost<T: Send + 'static, F: Future<Output = anyhow::Result<T>> + Send + 'static>(
    args: &Args,
    null: Null,
    open: impl Fn(Dialer) -> F,
) -> anyhow::Result<Figures> {
    let descriptors = descriptors()?;
    ensure!(args.agents > 0, "--agents: at least one");
    ensure!(args.agents + FIRST < descriptors, "--agents: this process may have {descriptors} descriptors");
    let running = started(null)?;
    let process = Process::new(vec![running.pid()]);
    let dialer = Dialer::new(&running.origin, None)?;
    let first = all(FIRST, |_| open(dialer.clone())).await?;
    process.wait_until_quiet()?;
    let (before, memory) = (process.sample()?, process.memory()?);
    let connections = all(args.agents, |_| open(dialer.clone())).await?;
    process.wait_until_quiet()?;
    let mut figures = Figures::default();
    figures.note_cpu(&process.usage_since(&before)?, "connect", args.agents as u64);
    let grown = process.memory()?.anonymous - memory.anonymous;
    figures.note("user_memory_kib_per_agent", grown / args.agents as f64);
    drop((first, connections));
    Ok(figures)
}

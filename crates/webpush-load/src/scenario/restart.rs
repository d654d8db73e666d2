//! Recovery after a crash with many stored messages, up to the first accepted message.

use super::absent::gone;
use crate::body::Beginning;
use crate::dial::Dialer;
use crate::figures::Figures;
use crate::post::{Http1, Push};
use crate::running::Running;
use crate::senders::SendArgs;
use crate::target::directory_in;
use anyhow::{Context as _, ensure};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long storing all messages may take.
const MOST_FILLING: Duration = Duration::from_secs(540);

/// Options.
#[derive(clap::Args)]
pub struct Args {
    /// The webpush-server to start
    #[arg(long, value_name = "PATH")]
    server: PathBuf,
    /// Directory for its data directory [default: the temporary directory]
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
    /// Number of stored messages when it is killed
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    stored: u64,
    /// Number of their user agents
    #[arg(long, value_name = "N", default_value_t = 1000)]
    agents: usize,
    /// Number of restarts
    #[arg(long, value_name = "N", default_value_t = 5)]
    times: u32,
    #[command(flatten)]
    send: SendArgs,
}

/// Runs the measurement.
///
/// # Errors
/// If an operation fails, or a message is refused.
pub async fn run(args: &Args) -> anyhow::Result<Figures> {
    ensure!((1..=100).contains(&args.times), "--times: 1 to 100");
    let directory = directory_in(args.directory.as_deref())?;
    let start = || Running::webpush_server(&args.server, &directory.path().join("data"), &[]);
    let mut running = start()?;
    let dialer = Dialer::new(&running.origin, None)?;
    let endpoints: Vec<_> = gone(std::slice::from_ref(&dialer), args.agents)
        .await?
        .into_iter()
        .map(|(_, endpoint)| endpoint)
        .collect();
    let uri: http::Uri = endpoints.first().context("--agents: at least one")?.parse()?;
    let senders = args.send.senders(vec![dialer], &endpoints, Beginning::now())?;
    let posted = senders.run(MOST_FILLING, args.stored).await?.all_accepted()?;
    ensure!(posted.accepted == args.stored, "only {} messages could be stored in time", posted.accepted);

    let mut times = Vec::new();
    for _ in 0..args.times {
        drop(running);
        let begun = Instant::now();
        running = start()?;
        let mut sender = Http1::connect(&Dialer::new(&running.origin, None)?).await?;
        let push = Push { path: uri.path(), authorization: None, ttl: 3600, body: &[0x5a; 200] };
        let status = sender.push(&push).await?;
        ensure!(status == 201, "the first message was answered {status}");
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    // The first restart follows a crash under load; the others show whether that left anything behind.
    let mut figures = Figures::default();
    figures.note("stored", args.stored as f64);
    figures.note("restart_first_ms", times.first().copied().unwrap_or_default());
    times.sort_by(f64::total_cmp);
    figures.note("restart_p50_ms", times.get(times.len() / 2).copied().unwrap_or_default());
    figures.note("restart_max_ms", times.last().copied().unwrap_or_default());
    Ok(figures)
}

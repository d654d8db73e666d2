//! Messages to agents that are not connected: the cost of storing one.

use crate::audience::{all, registered};
use crate::body::Beginning;
use crate::dial::Dialer;
use crate::figures::Figures;
use crate::senders::SendArgs;
use crate::target::TargetArgs;
use anyhow::Context as _;
use std::time::Duration;

const WARM_UP: Duration = Duration::from_millis(500);

/// Options.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: TargetArgs,
    /// Number of user agents that have registered and disconnected
    #[arg(long, value_name = "N", default_value_t = 1000)]
    agents: usize,
    #[command(flatten)]
    send: SendArgs,
}

/// Runs the measurement.
///
/// # Errors
/// If an operation fails, or a message is refused.
pub async fn run(args: &Args) -> anyhow::Result<Figures> {
    let target = args.target.target()?;
    let agents = gone(&target.dialer, args.agents).await?;
    let endpoints: Vec<String> = agents.into_iter().map(|(_, endpoint)| endpoint).collect();
    let dialer = target.push_dialer(endpoints.first().context("--agents: at least one")?)?;
    let senders = args.send.senders(dialer, &endpoints, Beginning::now())?;

    senders.run(WARM_UP, u64::MAX).await?.all_accepted()?;
    let before = target.process.sample()?;
    let posted = senders.run(args.send.length(), u64::MAX).await?.all_accepted()?;
    let spent = target.process.usage_since(&before)?;

    let mut figures = Figures::default();
    figures.note("posts", posted.accepted as f64);
    figures.note("posts_per_second", posted.rate());
    let kind = if args.send.is_open() { "open_loop" } else { "closed_loop" };
    figures.note_latency(&format!("{kind}_post"), &posted.latency);
    figures.note_cpu(&spent, "post", posted.accepted);
    figures.note("server_rss_kib", target.process.memory()?.resident);
    Ok(figures)
}

/// Registers agents that then disconnect; returns their IDs and push URLs.
///
/// # Errors
/// If the server refuses one.
pub async fn gone(dialer: &Dialer, count: usize) -> anyhow::Result<Vec<(String, String)>> {
    all(count, |number| {
        let dialer = dialer.clone();
        async move {
            let (agent, endpoint) = registered(dialer, number).await?;
            let name = agent.name.clone();
            agent.leave().await;
            Ok((name, endpoint))
        }
    })
    .await
}

//! Messages to agents that are not connected: the cost of storing one.

use crate::audience::{all, one_of, registered};
use crate::body::Beginning;
use crate::dial::Dialer;
use crate::figures::Figures;
use crate::senders::SendArgs;
use crate::target::TargetArgs;
use anyhow::Context as _;

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
    let target = args.target.target().await?;
    let agents = gone(&target.dialers, args.agents).await?;
    let endpoints: Vec<String> = agents.into_iter().map(|(_, endpoint)| endpoint).collect();
    let dialers = target.push_dialers(endpoints.first().context("--agents: at least one")?)?;
    let senders = args.send.senders(dialers, &endpoints, Beginning::now())?;

    senders.run(args.send.warm_up(), u64::MAX).await?.all_accepted()?;
    let before = target.sample().await?;
    let posted = senders.run(args.send.length(), u64::MAX).await?.all_accepted()?;

    let mut figures = Figures::default();
    target.note_usage(&mut figures, &before, "post", posted.accepted).await?;
    figures.note("posts", posted.accepted as f64);
    figures.note("posts_per_second", posted.rate());
    let kind = if args.send.is_open() { "open_loop" } else { "closed_loop" };
    figures.note_latency(&format!("{kind}_post"), &posted.latency);
    figures.note("server_rss_kib", target.process.memory()?.resident);
    Ok(figures)
}

/// Registers agents that then disconnect; returns their IDs and push URLs.
///
/// # Errors
/// If the server refuses one.
pub async fn gone(dialers: &[Dialer], count: usize) -> anyhow::Result<Vec<(String, String)>> {
    all(count, |number| {
        let dialer = one_of(dialers, number);
        async move {
            let (agent, endpoint) = registered(dialer?, number).await?;
            let name = agent.name.clone();
            agent.leave().await;
            Ok((name, endpoint))
        }
    })
    .await
}

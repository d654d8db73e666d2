//! Many agents at once.

use crate::autopush::{Agent, Habits};
use crate::body::uuid;
use crate::dial::Dialer;
use crate::monitors::{Connection, Subscription};
use crate::tally::Tally;
use anyhow::{Context as _, ensure};
use clap::ValueEnum;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Concurrent connection attempts.
const AT_ONCE: usize = 64;
/// If an agent takes longer than this to connect, the run fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// How agents receive messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Via {
    /// Autopush, on a WebSocket per agent.
    Websocket,
    /// RFC 8030, by a request over HTTP/2 that stays open.
    Push,
}

/// The agents of a run.
#[derive(clap::Args)]
pub struct AudienceArgs {
    /// User agents
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub agents: usize,
    /// How they receive messages
    #[arg(long, value_enum, default_value_t = Via::Websocket)]
    pub via: Via,
    /// Open requests on each connection, with --via push
    #[arg(long, value_name = "N", default_value_t = 1)]
    monitors_per_connection: usize,
    /// Percentage of slow agents, with --via websocket
    #[arg(long, value_name = "PERCENT", default_value_t = 0)]
    slow: usize,
    /// Milliseconds that a slow agent pauses after each message it reads
    #[arg(long, value_name = "MS", default_value_t = 50)]
    slow_rest: u64,
    /// Milliseconds after which a slow agent acknowledges a message
    #[arg(long, value_name = "MS", default_value_t = 500)]
    slow_delay: u64,
}

/// Connected agents, until this is dropped.
pub struct Audience {
    /// Their push URLs.
    pub endpoints: Vec<String>,
    agents: JoinSet<anyhow::Result<()>>,
}

impl AudienceArgs {
    /// Connects all agents, each with a subscription.
    ///
    /// # Errors
    /// If one of them fails.
    pub async fn gather(&self, dialers: &[Dialer], tally: &Arc<Tally>) -> anyhow::Result<Audience> {
        ensure!(self.slow <= 100, "--slow: of a hundred");
        let audience = match self.via {
            Via::Websocket => self.sockets(dialers, tally).await?,
            Via::Push => self.monitors(dialers, tally).await?,
        };
        ensure!(!audience.endpoints.is_empty(), "--agents: at least one");
        Ok(audience)
    }

    async fn sockets(&self, dialers: &[Dialer], tally: &Arc<Tally>) -> anyhow::Result<Audience> {
        let registered = all(self.agents, |number| {
            let dialer = one_of(dialers, number);
            async move { registered(dialer?, number).await }
        })
        .await?;
        let (mut endpoints, mut agents) = (Vec::with_capacity(self.agents), JoinSet::new());
        for (number, (agent, endpoint)) in registered.into_iter().enumerate() {
            let (habits, tally) = (self.habits(number), Arc::clone(tally));
            agents.spawn(async move { agent.listen(habits, &tally).await });
            endpoints.push(endpoint);
        }
        Ok(Audience { endpoints, agents })
    }

    async fn monitors(&self, dialers: &[Dialer], tally: &Arc<Tally>) -> anyhow::Result<Audience> {
        let subscriptions = subscribe(dialers, self.agents).await?;
        let endpoints = subscriptions.iter().map(|subscription| subscription.push.clone()).collect();
        Ok(Audience { endpoints, agents: self.hold(dialers, subscriptions, tally).await? })
    }

    /// Connects agents that have subscribed, each with an open request.
    ///
    /// # Errors
    /// If one of them fails.
    pub async fn hold(
        &self,
        dialers: &[Dialer],
        subscriptions: Vec<Subscription>,
        tally: &Arc<Tally>,
    ) -> anyhow::Result<JoinSet<anyhow::Result<()>>> {
        let each = self.monitors_per_connection.max(1);
        let connections = all(subscriptions.len().div_ceil(each), |number| {
            let dialer = one_of(dialers, number);
            async move { Connection::open(&dialer?).await }
        });
        let (connections, mut agents) = (connections.await?, JoinSet::new());
        for (number, subscription) in subscriptions.into_iter().enumerate() {
            if let Some(connection) = connections.get(number / each) {
                agents.spawn(connection.clone().listen(subscription, Arc::clone(tally)));
            }
        }
        Ok(agents)
    }

    fn habits(&self, number: usize) -> Habits {
        if number % 100 >= self.slow {
            return Habits::default();
        }
        Habits { rest: Duration::from_millis(self.slow_rest), delay: Duration::from_millis(self.slow_delay) }
    }
}

impl Audience {
    /// Returns the number of agents that have disconnected, and the error of one of them.
    pub fn lost(&mut self) -> (usize, Option<anyhow::Error>) {
        let (mut lost, mut reason) = (0, None);
        while let Some(ended) = self.agents.try_join_next() {
            lost += 1;
            reason = reason.or_else(|| ended.ok().and_then(Result::err));
        }
        (lost, reason)
    }
}

/// Returns the dialer of a connection, of which each gets the same share.
///
/// # Errors
/// If there is none.
pub fn one_of(dialers: &[Dialer], number: usize) -> anyhow::Result<Dialer> {
    dialers.get(number % dialers.len().max(1)).cloned().context("there is no server to connect to")
}

/// Connects a new agent with one channel, and returns its push URL.
///
/// # Errors
/// If the server refuses.
pub async fn registered(dialer: Dialer, number: usize) -> anyhow::Result<(Agent, String)> {
    let mut agent = Agent::hello(&dialer, None).await?;
    let endpoint = agent.register(&uuid(number as u64)).await?;
    Ok((agent, endpoint))
}

/// Creates `count` subscriptions on one connection, then closes it.
///
/// # Errors
/// If the server refuses.
pub async fn subscribe(dialers: &[Dialer], count: usize) -> anyhow::Result<Vec<Subscription>> {
    let connection = Connection::open(&one_of(dialers, 0)?).await?;
    all(count, |_| {
        let connection = connection.clone();
        async move { connection.subscribe().await }
    })
    .await
}

/// Runs a task `count` times, with limited concurrency. Returns the results in any order.
///
/// # Errors
/// The first error, or a timeout of a minute.
pub async fn all<T, F>(count: usize, mut begin: impl FnMut(usize) -> F) -> anyhow::Result<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = anyhow::Result<T>> + Send + 'static,
{
    let (mut under_way, mut done) = (JoinSet::new(), Vec::with_capacity(count));
    for number in 0..count {
        if under_way.len() == AT_ONCE
            && let Some(one) = under_way.join_next().await
        {
            done.push(one???);
        }
        under_way.spawn(timeout(PATIENCE, begin(number)));
    }
    while let Some(one) = under_way.join_next().await {
        done.push(one???);
    }
    Ok(done)
}

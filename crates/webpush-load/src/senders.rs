//! Many senders at once.

use crate::audience::one_of;
use crate::body::{self, Beginning, Sizes, Stamp};
use crate::dial::Dialer;
use crate::histogram::Histogram;
use crate::post::{Http, Http1, Http2, Push};
use crate::send_rate::SendRate;
use crate::tokens::{Tokens, Vapid};
use anyhow::{Context as _, ensure};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long to wait for responses after the end of the run.
const PATIENCE: Duration = Duration::from_secs(60);
/// New tokens signed for each second of a run, more than any service here verifies.
const TOKENS_A_SECOND: usize = 15_000;
/// Prime, so that consecutive messages go to unrelated agents.
const STRIDE: u64 = 7919;

/// The messages to send.
#[derive(clap::Args, Clone)]
pub struct SendArgs {
    /// Version of HTTP that senders use
    #[arg(long, value_enum, value_name = "VERSION", default_value = "1.1")]
    pub http: Http,
    /// Messages in flight; the maximum in an open loop
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub in_flight: usize,
    /// Streams on each connection over HTTP/2
    #[arg(long, value_name = "N", default_value_t = 16)]
    streams: usize,
    /// Bytes of each body, or `mixed`: 200 half of the time, up to 4,000
    #[arg(long, value_name = "BYTES", default_value = "200")]
    size: Sizes,
    /// How senders identify themselves (VAPID)
    #[arg(long, value_enum, default_value_t = Vapid::None)]
    vapid: Vapid,
    /// Seconds to measure
    #[arg(long, value_name = "N", default_value_t = 10)]
    seconds: u64,
    /// Seconds to send before that, which are not measured
    #[arg(long, value_name = "N", default_value_t = 0.5)]
    warm_up: f64,
    /// Messages per second in an open loop, with latencies from due times [default: a closed loop]
    #[arg(long, value_name = "RATE")]
    rate: Option<f64>,
    /// TTL of messages in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    ttl: u32,
}

/// Senders with their push URLs.
pub struct Senders {
    dialers: Vec<Dialer>,
    paths: Vec<String>,
    tokens: Tokens,
    beginning: Beginning,
    args: SendArgs,
}

/// The results of all requests.
#[derive(Default)]
pub struct PostResults {
    /// Responses 201 and 202.
    pub accepted: u64,
    /// Other responses, by status.
    pub refused: BTreeMap<u16, u64>,
    /// Latency from the due time to the response.
    pub latency: Histogram,
    /// Duration of the run.
    pub time: Duration,
}

impl SendArgs {
    /// Returns the length of the measurement.
    #[must_use]
    pub const fn length(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// Returns the time to send before the measurement.
    #[must_use]
    pub fn warm_up(&self) -> Duration {
        Duration::from_secs_f64(self.warm_up)
    }

    /// Returns true if each message has a due time (open loop).
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.rate.is_some()
    }

    /// Returns the same with `rate` messages per second in an open loop.
    #[must_use]
    pub fn at_rate(&self, rate: f64) -> Self {
        Self { rate: Some(rate), ..self.clone() }
    }

    /// Returns the same without due times: each response triggers the next message.
    #[must_use]
    pub fn in_a_closed_loop(&self) -> Self {
        Self { rate: None, ..self.clone() }
    }

    /// Prepares senders for these push URLs, with connections spread over the dialers.
    ///
    /// # Errors
    /// If an argument is invalid.
    pub fn senders(
        &self,
        dialers: Vec<Dialer>,
        endpoints: &[String],
        beginning: Beginning,
    ) -> anyhow::Result<Arc<Senders>> {
        ensure!((1..=4096).contains(&self.in_flight), "--in-flight: 1 to 4096");
        ensure!((1..=256).contains(&self.streams), "--streams: 1 to 256");
        ensure!((1..=600).contains(&self.seconds), "--seconds: 1 to 600");
        ensure!((0.1..=600.0).contains(&self.warm_up), "--warm-up: 0.1 to 600");
        ensure!(self.rate.is_none_or(|rate| (0.1..=1e6).contains(&rate)), "--rate: 0.1 to 1,000,000");
        let paths = endpoints.iter().map(|url| path(url)).collect::<anyhow::Result<_>>()?;
        let seconds = usize::try_from(self.seconds).unwrap_or(usize::MAX);
        let tokens =
            Tokens::prepare(self.vapid, &one_of(&dialers, 0)?.origin(), (seconds + 1) * TOKENS_A_SECOND)?;
        Ok(Arc::new(Senders { dialers, paths, tokens, beginning, args: self.clone() }))
    }
}

impl Senders {
    /// Sends for a time, or until `count` messages are sent.
    ///
    /// # Errors
    /// If a connection breaks, or a response is missing.
    pub async fn run(self: &Arc<Self>, length: Duration, most: u64) -> anyhow::Result<PostResults> {
        let workers = self.connect().await?;
        let start = self.beginning.elapsed();
        let pace = Arc::new(SendRate::new(self.beginning, length, most, self.args.rate));
        let mut working = JoinSet::new();
        for worker in workers {
            working.spawn(Arc::clone(self).work(worker, Arc::clone(&pace)));
        }
        let mut posted = PostResults::default();
        let all = async {
            while let Some(one) = working.join_next().await {
                posted.add(&one??);
            }
            anyhow::Ok(())
        };
        timeout(length + PATIENCE, all).await.context("the server no longer answers")??;
        posted.time = self.beginning.elapsed().saturating_sub(start);
        Ok(posted)
    }

    /// A connection per worker, or per group of workers.
    async fn connect(&self) -> anyhow::Result<Vec<Worker>> {
        let (mut workers, mut shared) = (Vec::new(), None);
        for number in 0..self.args.in_flight {
            workers.push(match self.args.http {
                Http::One => Worker::One(Http1::connect(&one_of(&self.dialers, number)?).await?),
                Http::Two => {
                    let connection = match shared.take() {
                        Some(connection) if number % self.args.streams != 0 => connection,
                        _ => Http2::connect(&one_of(&self.dialers, number / self.args.streams)?).await?,
                    };
                    Worker::Two(shared.insert(connection).clone())
                }
            });
        }
        Ok(workers)
    }

    async fn work(self: Arc<Self>, mut worker: Worker, pace: Arc<SendRate>) -> anyhow::Result<PostResults> {
        let (mut posted, mut body) = (PostResults::default(), Vec::new());
        while let Some(turn) = pace.next().await {
            let Ok(authorization) = self.tokens.next() else {
                pace.stop();
                break;
            };
            body.clear();
            body::write(
                &mut body,
                Stamp { number: turn.number, due: turn.due },
                self.args.size.length(turn.number),
            );
            let path = self.path_of(turn.number);
            let push = Push { path, authorization, ttl: self.args.ttl, body: &body };
            let status = match &mut worker {
                Worker::One(connection) => connection.push(&push).await?,
                Worker::Two(connection) => connection.push(&push).await?,
            };
            posted.count(status, self.beginning.elapsed().saturating_sub(turn.due));
        }
        Ok(posted)
    }

    fn path_of(&self, number: u64) -> &str {
        let index = number.wrapping_mul(STRIDE) % self.paths.len().max(1) as u64;
        self.paths.get(usize::try_from(index).unwrap_or_default()).map_or("/", String::as_str)
    }
}

enum Worker {
    One(Http1),
    Two(Http2),
}

impl PostResults {
    fn count(&mut self, status: u16, latency: Duration) {
        if matches!(status, 201 | 202) {
            self.accepted += 1;
            self.latency.record(latency);
        } else {
            *self.refused.entry(status).or_default() += 1;
        }
    }

    fn add(&mut self, other: &Self) {
        self.accepted += other.accepted;
        other.refused.iter().for_each(|(status, count)| *self.refused.entry(*status).or_default() += count);
        self.latency.add(&other.latency);
    }

    /// Returns the accepted messages per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.accepted as f64 / self.time.as_secs_f64()
    }

    /// Fails if a message was refused, because figures of a server that refuses are useless.
    ///
    /// # Errors
    /// If a message was refused.
    pub fn all_accepted(self) -> anyhow::Result<Self> {
        ensure!(self.refused.is_empty(), "some messages were refused, by status: {:?}", self.refused);
        ensure!(self.accepted > 0, "no message was sent");
        Ok(self)
    }
}

fn path(url: &str) -> anyhow::Result<String> {
    let uri: http::Uri = url.parse().context("a push URL is none")?;
    Ok(uri.path().to_owned())
}

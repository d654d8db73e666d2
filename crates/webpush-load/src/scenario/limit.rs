//! The limits of this machine: its disk without a store, HTTP and WebSockets without a service.

mod connections;

use crate::audience::all;
use crate::body::Beginning;
use crate::dial::Dialer;
use crate::figures::Figures;
use crate::histogram::Histogram;
use crate::null::Null;
use crate::post::Http;
use crate::process::Process;
use crate::running::Running;
use crate::scenario::store::{self, bare};
use crate::senders::SendArgs;
use crate::target::directory_in;
use crate::websocket::WebSocket;
use anyhow::ensure;
use clap::{Subcommand, ValueEnum as _};
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Bytes of a stored message with its keys and index rows.
const RECORD_BYTES: usize = 320;

/// Options.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    limit: Limit,
}

#[derive(Subcommand)]
enum Limit {
    /// Append one record to a file and sync it, repeatedly
    Fdatasync {
        /// Directory for the file [default: the temporary directory]
        #[arg(long, value_name = "DIRECTORY")]
        directory: Option<PathBuf>,
        /// Seconds to measure
        #[arg(long, value_name = "N", default_value_t = 5)]
        seconds: u64,
    },
    /// Append records to a file and sync them in groups, on one thread
    Append(store::LoopArgs),
    /// Put records into the engine of our store and sync them in groups, on one thread
    Engine(store::LoopArgs),
    /// Send requests to a server that always returns 201
    Http(SendArgs),
    /// Open WebSockets to that server
    Connect(connections::Args),
    /// Open connections to a server that never responds, each with a request over HTTP/2
    Held(connections::Args),
    /// Send text messages to a server that echoes them
    Websocket {
        /// Connections, each with one message in flight
        #[arg(long, value_name = "N", default_value_t = 64)]
        in_flight: usize,
        /// Bytes of each message
        #[arg(long, value_name = "BYTES", default_value_t = 400)]
        size: usize,
        /// Seconds to measure
        #[arg(long, value_name = "N", default_value_t = 5)]
        seconds: u64,
    },
}

/// Runs the measurement.
///
/// # Errors
/// If an operation fails.
pub async fn run(args: &Args) -> anyhow::Result<Figures> {
    match &args.limit {
        Limit::Fdatasync { directory, seconds } => {
            fdatasync(directory.as_deref(), Duration::from_secs(*seconds))
        }
        Limit::Append(args) => bare::file(args),
        Limit::Engine(args) => bare::engine(args),
        Limit::Http(send) => http(send).await,
        Limit::Connect(args) => connections::connect(args).await,
        Limit::Held(args) => connections::held(args).await,
        Limit::Websocket { in_flight, size, seconds } => {
            websocket(*in_flight, *size, Duration::from_secs(*seconds)).await
        }
    }
}

fn fdatasync(directory: Option<&std::path::Path>, length: Duration) -> anyhow::Result<Figures> {
    let directory = directory_in(directory)?;
    let mut file = File::create(directory.path().join("log"))?;
    let (mut latency, begun) = (Histogram::default(), Instant::now());
    while begun.elapsed() < length {
        file.write_all(&[0x5a; RECORD_BYTES])?;
        let syncing = Instant::now();
        file.sync_data()?;
        latency.record(syncing.elapsed());
    }
    let mut figures = Figures::default();
    figures.note("syncs_per_second", latency.total() as f64 / length.as_secs_f64());
    figures.note_latency("fdatasync", &latency);
    Ok(figures)
}

async fn http(send: &SendArgs) -> anyhow::Result<Figures> {
    let null = match send.http {
        Http::One => Null::Http1,
        Http::Two => Null::Http2,
    };
    let running = started(null)?;
    let process = Process::new(vec![running.pid()]);
    // The length of a push URL.
    let endpoint = format!("{}/push/{}", running.origin, "x".repeat(66));
    let senders = send.senders(vec![Dialer::new(&running.origin, None)?], &[endpoint], Beginning::now())?;
    senders.run(Duration::from_millis(500), u64::MAX).await?.all_accepted()?;
    let before = process.sample()?;
    let posted = senders.run(send.length(), u64::MAX).await?.all_accepted()?;
    let spent = process.usage_since(&before)?;
    let mut figures = Figures::default();
    figures.note("posts_per_second", posted.rate());
    figures.note_latency("closed_loop_post", &posted.latency);
    figures.note_cpu(&spent, "post", posted.accepted);
    Ok(figures)
}

async fn websocket(in_flight: usize, size: usize, length: Duration) -> anyhow::Result<Figures> {
    ensure!(
        (1..=4096).contains(&in_flight) && (1..=65_536).contains(&size),
        "--in-flight, --size: too much, or none"
    );
    let running = started(Null::WebSocket)?;
    let process = Process::new(vec![running.pid()]);
    let dialer = Dialer::new(&running.origin, None)?;
    let sockets = all(in_flight, |_| {
        let dialer = dialer.clone();
        async move { WebSocket::open(&dialer).await }
    });
    let (mut echoing, text) = (JoinSet::new(), "x".repeat(size));
    let sockets = sockets.await?;
    let (before, begun) = (process.sample()?, Instant::now());
    for mut socket in sockets {
        let text = text.clone();
        echoing.spawn(async move {
            let mut echoes = 0;
            while begun.elapsed() < length {
                socket.send(&text).await?;
                socket.next(|_| ()).await?;
                echoes += 1;
            }
            anyhow::Ok(echoes)
        });
    }
    let mut echoes: u64 = 0;
    while let Some(one) = echoing.join_next().await {
        echoes += one??;
    }
    let spent = process.usage_since(&before)?;
    let mut figures = Figures::default();
    figures.note("echoes_per_second", echoes as f64 / spent.time.as_secs_f64());
    figures.note_cpu(&spent, "echo", echoes);
    Ok(figures)
}

fn started(null: Null) -> anyhow::Result<Running> {
    let name = null.to_possible_value().map(|value| value.get_name().to_owned());
    Running::null(&[name.as_deref().unwrap_or_default()])
}

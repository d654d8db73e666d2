//! Startup with an empty data directory until it reports that it is serving; size of the program.

use crate::figures::Figures;
use crate::histogram::Histogram;
use crate::process::Process;
use crate::running::Running;
use crate::target::directory_in;
use anyhow::ensure;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

/// Options.
#[derive(clap::Args)]
pub struct Args {
    /// The webpush-server to start
    #[arg(long, value_name = "PATH")]
    server: PathBuf,
    /// Directory for its data directories [default: the temporary directory]
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
    /// Number of starts
    #[arg(long, value_name = "N", default_value_t = 11)]
    times: u32,
}

/// Runs the measurement.
///
/// # Errors
/// If it does not start.
pub fn run(args: &Args) -> anyhow::Result<Figures> {
    ensure!((1..=1000).contains(&args.times), "--times: 1 to 1000");
    let directory = directory_in(args.directory.as_deref())?;
    let (mut starts, mut memory) = (Histogram::default(), 0.0);
    for number in 0..args.times {
        let data = directory.path().join(number.to_string());
        let begun = Instant::now();
        let running = Running::webpush_server(&args.server, &data, &[])?;
        starts.record(begun.elapsed());
        memory = Process::new(vec![running.pid()]).memory()?.resident;
    }
    let mut figures = Figures::default();
    figures.note("starts", f64::from(args.times));
    figures.note("start_p50_ms", starts.per_mille(500).as_secs_f64() * 1e3);
    figures.note("start_max_ms", starts.largest().as_secs_f64() * 1e3);
    figures.note("server_rss_kib", memory);
    figures.note("binary_mb", fs::metadata(&args.server)?.len() as f64 / 1e6);
    Ok(figures)
}

//! The cost of a message, appended and acknowledged, in a store with many messages.
//!
//! Background work of the engine for these messages, compaction above all, counts as well. That for the subscriptions
//! is over before.

use super::seed::{fill, message, store_with};
use super::{PATIENCE, note_cpu};
use crate::figures::Figures;
use crate::process::Process;
use crate::target::directory_in;
use anyhow::ensure;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::time::Instant;
use webpush_core::id::EntryRef;
use webpush_core::message::Outcome;
use webpush_store::embedded::{EmbeddedStore, Options};
use webpush_store::{Applied, Durability, Op, Store as _};

const IN_FLIGHT: u64 = 64;
/// Acknowledgements settled at once, as in the service.
const SETTLED_AT_ONCE: usize = 64;
/// Measurements of each kind with `--few`.
const TURNS: usize = 5;

/// Options.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Directory for the store [default: the temporary directory]
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
    /// Messages stored throughout
    #[arg(long, value_name = "N", default_value_t = 1000)]
    stored: u64,
    /// Subscriptions, each in an inbox of its own
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    subscriptions: u64,
    /// Messages to measure
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    messages: u64,
    /// Measure messages to this many of the subscriptions too, in turns with those to all
    #[arg(long, value_name = "N")]
    few: Option<u64>,
    /// Memory for cached rows, in MiB; 3000 has room for 10,000,000 subscriptions
    #[arg(long, value_name = "MIB", default_value_t = 256)]
    row_cache: u64,
}

/// Runs the measurement.
pub(super) fn run(args: &Args) -> anyhow::Result<Figures> {
    ensure!(args.subscriptions > 0 && args.messages > 0, "--subscriptions, --messages: at least one");
    let directory = directory_in(args.directory.as_deref())?;
    let options = Options { row_cache_bytes: args.row_cache << 20, ..Options::default() };
    let store = store_with(&directory.path().join("store"), options, args.subscriptions)?;
    fill(&store, 0..args.stored, args.subscriptions)?;
    store.flush();
    let process = Process::this();
    process.wait_until_quiet()?;

    let mut figures = Figures::default();
    let mut next = args.stored;
    let mut measure = |each: &str, subscriptions| {
        let (before, begun) = (process.sample()?, Instant::now());
        come_and_go(&store, next..next + args.messages, subscriptions)?;
        next += args.messages;
        let time = begun.elapsed();
        // Background work for these messages.
        process.wait_until_quiet()?;
        note_cpu(&mut figures, &process, &before, each, args.messages)?;
        anyhow::Ok(args.messages as f64 / time.as_secs_f64())
    };
    let rate = measure("message", args.subscriptions)?;
    if let Some(few) = args.few {
        ensure!((1..=args.subscriptions).contains(&few), "--few: 1 to the number of subscriptions");
        for turn in 1..=TURNS {
            measure(&format!("message_to_few_{turn}"), few)?;
            measure(&format!("message_to_all_{turn}"), args.subscriptions)?;
        }
    }
    figures.note("messages", args.messages as f64);
    figures.note("messages_per_second", rate);
    figures.note("rss_kib", process.memory()?.resident);
    store.close();
    Ok(figures)
}

/// Appends and settles the messages with these numbers, to some of the subscriptions.
fn come_and_go(store: &EmbeddedStore, numbers: Range<u64>, subscriptions: u64) -> anyhow::Result<()> {
    let (sender, receiver) = channel();
    let (mut begun, mut settling) = (numbers.start, Vec::new());
    for done in numbers.clone() {
        while begun - done < IN_FLIGHT && begun < numbers.end {
            let sender = sender.clone();
            let stored = Box::new(move |result: Result<Vec<Applied>, _>| {
                // A failed message drops its sender, which ends the loop.
                let mut entries = result.into_iter().flatten().filter_map(entry);
                let _ = entries.try_for_each(|entry| sender.send(entry));
            });
            store.commit(vec![Op::Append(message(begun, subscriptions))], Durability::Durable, stored);
            begun += 1;
        }
        settling.push(Op::Settle(receiver.recv_timeout(PATIENCE)?, Outcome::Delivered));
        if settling.len() == SETTLED_AT_ONCE || done + 1 == numbers.end {
            store.commit(std::mem::take(&mut settling), Durability::Lazy, Box::new(drop));
        }
    }
    Ok(())
}

fn entry(applied: Applied) -> Option<EntryRef> {
    match applied {
        Applied::Appended(appended) => Some(appended.message.entry_ref()),
        _ => None,
    }
}

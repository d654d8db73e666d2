//! Measures how many messages a second the embedded store makes durable.
//!
//! For comparison, the same threads append records of the same size to a file and sync them in groups. Then come messages
//! that are settled as soon as they are stored, an inbox that is too full, and the time to open the store after a kill.
//!
//! `cargo run --release -p webpush-store --example durable_puts [directory [puts|pairs|flood|open]]`

#![allow(clippy::expect_used, clippy::panic, reason = "a measurement that fails has no result")]
#![allow(clippy::disallowed_methods, reason = "it measures the machine itself")]

use bytes::Bytes;
use std::fs::File;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::{InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::{Inbox, Owner};
use webpush_core::message::Draft;
use webpush_core::message::Outcome;
use webpush_core::session::Scope;
use webpush_core::subscription::{Protocol, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::topic::Topic;
use webpush_core::urgency::Urgency;
use webpush_store::contract::{block_on, commit_blocking};
use webpush_store::embedded::{EmbeddedStore, Options};
use webpush_store::{Applied, Durability, Op, Store};

const ROUND: Duration = Duration::from_secs(5);
const AGENTS: u64 = 10_000;
const BODY_BYTES: usize = 300;
const RECORD_BYTES: usize = BODY_BYTES + 120;
const GROUP: usize = 1024;
const SUBSCRIPTION: SubscriptionId = SubscriptionId::from_bytes([2; 16]);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let what = arguments.next();
    if let Some(count) = arguments.next() {
        fill_and_die(&directory, count.parse().expect("a number of messages"));
    }
    let directory = tempfile::tempdir_in(directory).expect("a directory");
    let is_wanted = |name| what.as_deref().is_none_or(|what| what == name);
    if is_wanted("puts") {
        measure_puts(directory.path());
    }
    if is_wanted("pairs") {
        measure_pairs(directory.path());
    }
    if is_wanted("flood") {
        measure_flood(&directory.path().join("flood"));
    }
    if is_wanted("open") {
        for count in [100_000, 1_000_000] {
            measure_open(&directory.path().join(count.to_string()), count);
        }
    }
}

fn measure_puts(directory: &Path) {
    println!(
        "{:>9} {:>12} {:>12} {:>6} {:>14} {:>14} {:>14}",
        "in flight", "bare/s", "store/s", "ratio", "bare us/put", "store us/put", "writer us/put"
    );
    let store = seeded(&directory.join("puts"));
    let mut next = 0;
    for in_flight in [1, 64, 512] {
        let bare = bare(&directory.join("bare"), in_flight);
        let put = drive(in_flight, &mut next, |number, sender| append(&store, number, sender));
        println!(
            "{in_flight:>9} {:>12.0} {:>12.0} {:>6.2} {:>14.1} {:>14.1} {:>14.1}",
            bare.rate,
            put.rate,
            put.rate / bare.rate,
            bare.cpu,
            put.cpu,
            put.writer_cpu
        );
    }
}

/// Each message is settled lazily as soon as it was stored.
fn measure_pairs(directory: &Path) {
    println!("{:>9} {:>12} {:>14} {:>14}", "in flight", "pairs/s", "store us/pair", "writer us/pair");
    let store = Arc::new(seeded(&directory.join("pairs")));
    let mut next = 0;
    for in_flight in [1, 64, 512] {
        let pair = drive(in_flight, &mut next, |number, sender| append_and_settle(&store, number, sender));
        println!("{in_flight:>9} {:>12.0} {:>14.1} {:>14.1}", pair.rate, pair.cpu, pair.writer_cpu);
    }
    let mut left = 0;
    for number in 0..AGENTS {
        let scope = Scope { inbox: agent(number), subscription: None, min_urgency: Urgency::VeryLow };
        let page = block_on(store.fetch(&scope, Position::START, Timestamp::from_millis(1)))
            .expect("the store works");
        left += page.entries.len();
    }
    assert_eq!(left, 0, "all are settled");
}

fn append(store: &EmbeddedStore, number: u64, sender: &Sender<()>) {
    let sender = sender.clone();
    let done = Box::new(move |result: Result<_, _>| {
        result.expect("the store works");
        let _ = sender.send(());
    });
    store.commit(vec![Op::Append(message(number))], Durability::Durable, done);
}

fn append_and_settle(store: &Arc<EmbeddedStore>, number: u64, sender: &Sender<()>) {
    let (sender, then) = (sender.clone(), Arc::clone(store));
    let done = Box::new(move |result: Result<Vec<Applied>, _>| {
        let applied = result.expect("the store works");
        let Some(Applied::Appended(appended)) = applied.first() else { panic!("it was stored") };
        let settle = vec![Op::Settle(appended.message.entry_ref(), Outcome::Delivered)];
        let done = Box::new(move |result: Result<_, _>| {
            result.expect("the store works");
            let _ = sender.send(());
        });
        then.commit(settle, Durability::Lazy, done);
    });
    let message = Draft { topic: None, ..message(number) };
    store.commit(vec![Op::Append(message)], Durability::Durable, done);
}

/// The result of a round: puts per second, and microseconds of processor time for each.
struct Round {
    rate: f64,
    cpu: f64,
    /// The part of the store's writing thread.
    writer_cpu: f64,
}

/// Runs a round with `in_flight` commits in flight.
fn drive(in_flight: u64, next: &mut u64, submit: impl Fn(u64, &Sender<()>)) -> Round {
    let (sender, receiver) = channel();
    let (start, cpu, writer_cpu) = (Instant::now(), cpu_time(), writer_cpu_time());
    let mut puts = 0;
    for _ in 0..in_flight {
        submit(*next, &sender);
        *next += 1;
    }
    while start.elapsed() < ROUND {
        receiver.recv().expect("an answer");
        puts += 1;
        submit(*next, &sender);
        *next += 1;
    }
    for _ in 0..in_flight {
        receiver.recv().expect("an answer");
        puts += 1;
    }
    let puts = f64::from(puts);
    Round {
        rate: puts / start.elapsed().as_secs_f64(),
        cpu: (cpu_time() - cpu).as_secs_f64() * 1e6 / puts,
        writer_cpu: writer_cpu_time().saturating_sub(writer_cpu).as_secs_f64() * 1e6 / puts,
    }
}

/// The limit: one thread appends waiting records to a file and syncs it.
fn bare(path: &Path, in_flight: u64) -> Round {
    let mut file = File::create(path).expect("a file");
    let (jobs, queue) = sync_channel::<(Vec<u8>, Sender<()>)>(GROUP);
    let writer = thread::spawn(move || {
        while let Ok(first) = queue.recv() {
            let group: Vec<_> = std::iter::once(first).chain(queue.try_iter().take(GROUP - 1)).collect();
            let records: Vec<&[u8]> = group.iter().map(|(record, _)| &record[..]).collect();
            file.write_all(&records.concat()).expect("room on the disk");
            file.sync_data().expect("a working disk");
            for (_, done) in group {
                let _ = done.send(());
            }
        }
    });
    let result = drive(in_flight, &mut 0, |number, sender| {
        let mut record = vec![0x5a; RECORD_BYTES];
        record[..8].copy_from_slice(&number.to_le_bytes());
        jobs.send((record, sender.clone())).expect("the writer works");
    });
    drop(jobs);
    writer.join().expect("the writer works");
    result
}

/// One inbox over its quota: the cost of a message then, and of the scan that the first one causes.
fn measure_flood(directory: &Path) {
    let store = seeded(directory);
    let full = Options::default().quota.messages;
    let put = |numbers: Range<u64>| {
        let start = Instant::now();
        let to_one = |number| Op::Append(Draft { agent: agent(0), topic: None, ..message(number) });
        commit_blocking(&store, numbers.map(to_one).collect());
        start.elapsed()
    };
    let rate = |numbers: Range<u64>| {
        let count = numbers.end - numbers.start;
        let time: Duration = numbers.step_by(500).map(|first| put(first..first + 500)).sum();
        time.as_micros() as f64 / count as f64
    };
    let before = rate(0..full);
    let first = put(full..full + 1);
    let after = rate(full + 1..2 * full + 1);
    println!(
        "one inbox: {before:.1} us/put until it is full, {} ms for the next, then {after:.1} us/put",
        first.as_millis()
    );
}

fn measure_open(directory: &Path, count: u64) {
    let program = std::env::current_exe().expect("this program");
    let status =
        Command::new(program).arg(directory).arg("fill").arg(count.to_string()).status().expect("a child");
    assert!(!status.success(), "it kills itself");
    let start = Instant::now();
    let store = EmbeddedStore::open(directory, Options::default()).expect("the store opens");
    let time = start.elapsed();
    assert_eq!(store.recovery().batches_lost, 0);
    println!("opened {count} messages after a kill in {} ms", time.as_millis());
    let start = Instant::now();
    store.close();
    let closed = start.elapsed();
    let start = Instant::now();
    drop(EmbeddedStore::open(directory, Options::default()).expect("the store opens"));
    println!("closed in {} ms, opened again in {} ms", closed.as_millis(), start.elapsed().as_millis());
}

/// Leaves a directory as a killed process does.
///
/// Messages were submitted one by one, with 64 in flight, and nothing was closed.
fn fill_and_die(directory: &Path, count: u64) -> ! {
    let store = seeded(directory);
    let (sender, receiver) = channel();
    let (start, cpu) = (Instant::now(), cpu_time());
    for number in 0..count {
        append(&store, number, &sender);
        if number >= 64 {
            receiver.recv().expect("an answer");
        }
    }
    for _ in 0..64 {
        receiver.recv().expect("an answer");
    }
    let cpu = (cpu_time() - cpu).as_secs_f64() * 1e6 / count as f64;
    println!("grew to {count} messages in {:.1} s, {cpu:.1} us/put", start.elapsed().as_secs_f64());
    std::process::abort();
}

fn seeded(directory: &Path) -> EmbeddedStore {
    let store = EmbeddedStore::open(directory, Options::default()).expect("the store opens");
    let created = Timestamp::from_millis(1);
    for first in (0..AGENTS).step_by(500) {
        let ops = (first..first + 500).flat_map(|number| {
            let (id, key) = (agent(number), KeyId(1));
            let protocol = Protocol::Rfc8030;
            let subscription =
                Subscription { agent: id, id: SUBSCRIPTION, created, key, sender: None, protocol };
            [Op::CreateInbox(Inbox { id, owner: Owner::Agent, created, key }), Op::Subscribe(subscription)]
        });
        commit_blocking(&store, ops.collect());
    }
    store
}

/// Spread like random IDs.
fn agent(number: u64) -> InboxId {
    InboxId::from_bytes(spread(number % AGENTS))
}

fn spread(number: u64) -> [u8; 16] {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    id[8..].copy_from_slice(&number.to_be_bytes());
    id
}

/// Every fifth message has a topic, and replaces the previous one of the same agent.
fn message(number: u64) -> Draft {
    Draft {
        id: MessageId::from_bytes(spread(number)),
        agent: agent(number.wrapping_mul(7919)),
        subscription: SUBSCRIPTION,
        accepted: Timestamp::from_millis(1),
        expires: Timestamp::from_millis(1_000_000_000 + number),
        urgency: Urgency::Normal,
        topic: number.is_multiple_of(5).then(|| Topic::parse(b"news")).flatten(),
        encoding: Encoding::from_parts([None, Some(b"aes128gcm"), None, None]).unwrap_or_default(),
        key: KeyId(1),
        receipt: None,
        body: Bytes::from(vec![0x5a; BODY_BYTES]),
    }
}

/// Processor time of this process, in the kernel's ticks of 10 ms.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Processor time of the store's writing thread of this process.
fn writer_cpu_time() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux").map_while(Result::ok);
    let time = |task: std::fs::DirEntry| {
        let name = std::fs::read_to_string(task.path().join("comm")).ok()?;
        let times = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        let nanos = times.split_whitespace().next()?.parse().ok()?;
        (name.trim() == "store-writer").then(|| Duration::from_nanos(nanos))
    };
    tasks.filter_map(time).sum()
}

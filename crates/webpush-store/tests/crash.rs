//! Messages of confirmed commits survive a kill, a full disk and damage, or their loss is reported.
//!
//! Power loss is in `simulation.rs`. The process that is killed is this test program, started again with [`DIRECTORY`] set.

#![allow(clippy::disallowed_methods, reason = "tests look at the machine itself")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails must stop the test")]

use bytes::Bytes;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::{InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox, Owner};
use webpush_core::message::Draft;
use webpush_core::message::Outcome;
use webpush_core::session::Scope;
use webpush_core::subscription::{Protocol, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::urgency::Urgency;
use webpush_store::contract::{block_on, commit_blocking};
use webpush_store::embedded::{EmbeddedStore, OpenError, Options};
use webpush_store::{Applied, Durability, Op, Store, StoreError};

/// Names the directory of the store to the child.
const DIRECTORY: &str = "WEBPUSH_STORE_TEST_DIRECTORY";
/// The task of the child, and the size of its memtables; see [`child`].
const TASK: &str = "WEBPUSH_STORE_TEST_TASK";
/// The number of the child's first message.
const FIRST: &str = "WEBPUSH_STORE_TEST_FIRST";

const AGENT: InboxId = InboxId::from_bytes([1; 16]);
const SUBSCRIPTION: SubscriptionId = SubscriptionId::from_bytes([2; 16]);
const IN_FLIGHT: u64 = 64;
/// One in this many messages is not settled.
const SETTLED_OF: usize = 8;

/// Starts a program whose files cannot exceed 8 MiB until its parent lifts the limit: a full disk.
const SMALL_FILES: &str = "prlimit --fsize=8388608: sh -c 'trap \"\" XFSZ; exec \"$0\" \"$@\"'";

#[test]
fn what_was_confirmed_survives_a_kill() {
    kill_again_and_again("append");
}

#[test]
fn what_was_confirmed_survives_a_kill_while_memtables_are_flushed() {
    kill_again_and_again("append, memtables of 20000");
}

fn kill_again_and_again(task: &str) {
    let dir = seeded();
    let mut expected = 0;
    for round in 1..=4 {
        let mut child = start(dir.path(), task, expected, None);
        let mut acknowledged = child.lines("acked").take(round * 200).last().unwrap();
        child.process.kill().unwrap();
        // Lines from before the kill count as well.
        acknowledged = child.lines("acked").last().unwrap_or(acknowledged);
        child.process.wait().unwrap();
        let numbers = stored(dir.path());
        assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "in order and without a hole");
        expected = numbers.len() as u64;
        assert!(expected > acknowledged);
    }
}

#[test]
fn what_was_settled_does_not_come_back_after_a_kill() {
    let dir = seeded();
    let mut first = 0;
    for round in 1..=4 {
        let mut child = start(dir.path(), "settle, memtables of 20000", first, None);
        let mut acknowledged = child.lines("acked").take(round * 20).last().unwrap();
        child.process.kill().unwrap();
        acknowledged = child.lines("acked").last().unwrap_or(acknowledged);
        child.process.wait().unwrap();
        let numbers = stored(dir.path());
        let certain: Vec<u64> = numbers.iter().copied().filter(|number| *number < first).collect();
        assert!(certain.iter().copied().eq((0..first).step_by(SETTLED_OF)), "{certain:?}");
        let young = numbers.iter().copied().filter(|number| (first..acknowledged).contains(number));
        assert!(young.eq((first..acknowledged).step_by(SETTLED_OF)));
        // The last ones may have been stored already.
        let store = open(dir.path(), Options::default());
        let is_left = |entry: &&Entry| !number(entry).is_multiple_of(SETTLED_OF as u64);
        let settle = |entry: &Entry| Op::Settle(entry.entry_ref(), Outcome::Delivered);
        commit_blocking(&store, fetch_all(&store).iter().filter(is_left).map(settle).collect());
        first = number(fetch_all(&store).last().unwrap()) + SETTLED_OF as u64;
    }
}

#[test]
fn a_full_disk_takes_the_store_down_until_there_is_room() {
    fill_and_make_room("fill");
}

#[test]
fn a_disk_that_is_full_for_the_engine_takes_the_store_down_as_well() {
    fill_and_make_room("fill, memtables of 1000000");
}

fn fill_and_make_room(task: &str) {
    let dir = seeded();
    let mut child = start(dir.path(), task, 0, Some(SMALL_FILES));
    assert_eq!(child.lines("refused").next().map(|number| number > 0), Some(true));
    let process = child.process.id().to_string();
    let lifted = Command::new("prlimit").args(["--pid", &process, "--fsize=unlimited:"]).status().unwrap();
    assert!(lifted.success());
    writeln!(child.process.stdin.take().unwrap(), "there is room").unwrap();
    let acknowledged: Vec<u64> = child.lines("stored").collect();
    assert!(child.process.wait().unwrap().success());
    let numbers = stored(dir.path());
    let missing: Vec<_> = acknowledged.iter().filter(|number| !numbers.contains(number)).collect();
    assert!(acknowledged.len() > 20 && missing.is_empty(), "missing: {missing:?}");
}

#[test]
fn a_store_that_is_down_can_be_closed() {
    let dir = seeded();
    let mut child = start(dir.path(), "fill and close", 0, Some(SMALL_FILES));
    let acknowledged = child.lines("refused").next().unwrap();
    assert_eq!(child.lines("closed").next(), Some(acknowledged));
    assert!(child.process.wait().unwrap().success());
    assert!(stored(dir.path()).len() as u64 >= acknowledged);
}

#[test]
fn damage_in_the_middle_of_the_log_is_reported() {
    damage_is_reported("watermark", flip_log);
}

#[test]
fn damage_in_the_middle_of_a_journal_is_reported() {
    // A batch begins here. Without its first byte fjall would take the rest as unwritten.
    damage_is_reported("append some, memtables of 1", |dir| flip_journal(dir, |end| end));
}

fn damage_is_reported(task: &str, flip: impl Fn(&Path) -> usize) {
    let dir = seeded();
    let mut child = start(dir.path(), task, 0, None);
    let acknowledged = child.lines("acked").last().unwrap();
    child.process.wait().unwrap();
    let flipped = flip(dir.path());
    let store = open(dir.path(), Options::default());
    let lost = store.recovery().batches_lost;
    let numbers = numbers(&store);
    assert!(numbers.len() > 10 && numbers.is_sorted());
    assert_eq!(lost, 1, "batches lost at byte {flipped}: everything behind it is there");
    assert!(acknowledged >= numbers.len() as u64 && numbers.last() >= Some(&acknowledged));
    let last = fetch_all(&store).last().unwrap().position();
    commit_blocking(&store, vec![Op::Append(message(acknowledged + 1, 10))]);
    assert!(fetch_all(&store).last().unwrap().position() > last);
    drop(store);
    let store = open(dir.path(), Options::default());
    assert_eq!(store.recovery().batches_lost, 0, "a loss is reported once");
}

#[test]
fn damage_of_a_batch_in_a_journal_is_reported() {
    let dir = seeded();
    let store = open(dir.path(), Options::default());
    for number in 0..50 {
        commit_blocking(&store, vec![Op::Append(message(number, 300))]);
    }
    drop(store);
    flip_journal(dir.path(), |end| end - 5);
    let store = open(dir.path(), Options::default());
    assert!(store.has_holes());
    assert_eq!(fs::read_dir(dir.path().join("damaged")).unwrap().count(), 1, "the journal is kept");
}

/// As after a crash between the two.
#[test]
fn segments_that_stay_behind_a_flush_change_nothing() {
    let dir = seeded();
    let mut options = Options::default();
    options.memtable.age = Duration::MAX;
    let store = open(dir.path(), options);
    for number in 0..20 {
        commit_blocking(&store, vec![Op::Append(message(number, 10))]);
    }
    let files = fs::read_dir(dir.path().join("log")).unwrap().map(|file| file.unwrap().path());
    let segments: Vec<_> = files.map(|path| (fs::read(&path).unwrap(), path)).collect();
    assert_eq!(segments.len(), 1);
    store.flush();
    let settle = |entry: &Entry| Op::Settle(entry.entry_ref(), Outcome::Delivered);
    commit_blocking(&store, fetch_all(&store)[5..15].iter().map(settle).collect());
    store.flush();
    drop(store);
    assert!(segments.iter().all(|(_, path)| !path.exists()), "a closed store has no log");
    for (content, path) in &segments {
        fs::write(path, content).unwrap();
    }
    let left: Vec<u64> = (0..5).chain(15..20).collect();
    assert_eq!(stored(dir.path()), left);
    assert!(segments.iter().all(|(_, path)| !path.exists()));
    assert_eq!(stored(dir.path()), left);
}

#[test]
fn a_directory_without_a_log_is_brought_up_to_date() {
    let dir = seeded();
    fs::remove_dir_all(dir.path().join("log")).unwrap();
    fs::write(dir.path().join("format"), "webpush-server store 1\n").unwrap();
    let store = open(dir.path(), Options::default());
    assert_eq!(store.recovery().batches_lost, 0);
    commit_blocking(&store, vec![Op::Append(message(0, 10))]);
    assert_eq!(numbers(&store), [0]);
    assert_eq!(fs::read_to_string(dir.path().join("format")).unwrap(), "webpush-server store 4\n");
}

#[test]
fn a_store_that_is_open_is_locked() {
    let dir = seeded();
    let store = open(dir.path(), Options::default());
    let Err(error) = EmbeddedStore::open(dir.path(), Options::default()) else { panic!("it is open") };
    assert!(matches!(error, OpenError::Locked { .. }));
    assert!(error.to_string().contains(&dir.path().display().to_string()));
    store.close();
    open(dir.path(), Options::default());
}

#[test]
fn closing_finishes_what_was_submitted() {
    let dir = seeded();
    let store = open(dir.path(), Options::default());
    let (sender, receiver) = channel();
    for number in 0..5000 {
        submit(&store, number, 100, &sender);
    }
    store.close();
    submit(&store, 5000, 100, &sender);
    drop(sender);
    let answers: Vec<_> = receiver.iter().collect();
    assert!(answers[..5000].iter().map(|(number, _)| *number).eq(0..5000));
    assert!(answers[..5000].iter().all(|(_, result)| result.is_ok()));
    assert_eq!(answers[5000..], [(5000, Err(StoreError::Unavailable))]);
    assert_eq!(stored(dir.path()).len(), 5000);
}

#[test]
fn the_last_done_may_drop_the_store() {
    let dir = seeded();
    let store = Arc::new(open(dir.path(), Options::default()));
    let (release, released) = channel();
    let (sender, receiver) = channel();
    let held = Arc::clone(&store);
    let done = move |result: Result<Vec<_>, _>| {
        released.recv().unwrap();
        drop(held);
        sender.send(result.map(drop)).unwrap();
    };
    store.commit(vec![Op::Append(message(1, 10))], Durability::Durable, Box::new(done));
    drop(store);
    release.send(()).unwrap();
    assert_eq!(receiver.recv(), Ok(Ok(())));
}

/// Not a test: the work of the child. Without [`DIRECTORY`] it does nothing.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(DIRECTORY) else { return };
    let task = std::env::var(TASK).unwrap();
    let mut options = Options::default();
    let task = match task.split_once(", memtables of ") {
        Some((task, bytes)) => {
            options.memtable.bytes = bytes.parse().unwrap();
            task
        }
        None => &task,
    };
    let store = open(Path::new(&dir), options);
    let first = std::env::var(FIRST).unwrap().parse().unwrap();
    match task {
        "append" => append_for_ever(&store, first),
        "watermark" => append_until_the_watermark_moves(&store, Path::new(&dir)),
        "append some" => append_some(&store),
        "settle" => settle_for_ever(&store, first),
        "fill" => fill(&store, false),
        "fill and close" => fill(&store, true),
        _ => unreachable!(),
    }
}

fn append_for_ever(store: &EmbeddedStore, first: u64) {
    let (sender, receiver) = channel();
    for number in first..first + IN_FLIGHT {
        submit(store, number, 300, &sender);
    }
    for (number, result) in receiver {
        result.unwrap();
        println!("\nacked {number}");
        submit(store, number + IN_FLIGHT, 300, &sender);
    }
}

/// Stores messages, settles all but the first of each group, and reports them.
fn settle_for_ever(store: &EmbeddedStore, first: u64) {
    for first in (first..).step_by(SETTLED_OF) {
        let messages = (first..first + SETTLED_OF as u64).map(|number| Op::Append(message(number, 300)));
        let applied = commit_blocking(store, messages.collect());
        let settle = applied[1..].iter().map(|applied| match applied {
            Applied::Appended(appended) => Op::Settle(appended.message.entry_ref(), Outcome::Delivered),
            _ => unreachable!(),
        });
        commit_blocking(store, settle.collect());
        println!("\nacked {}", first + SETTLED_OF as u64);
    }
}

fn append_until_the_watermark_moves(store: &EmbeddedStore, dir: &Path) {
    let content = || fs::read(dir.join("watermark")).unwrap();
    let before = content();
    let (sender, receiver) = channel();
    for number in 0.. {
        submit(store, number, 100, &sender);
        assert_eq!(receiver.recv().unwrap(), (number, Ok(())));
        if content() != before {
            println!("\nacked {number}");
            std::process::abort();
        }
    }
}

fn append_some(store: &EmbeddedStore) {
    let (sender, receiver) = channel();
    for number in 0..200 {
        submit(store, number, 100, &sender);
        assert_eq!(receiver.recv().unwrap(), (number, Ok(())));
    }
    println!("\nacked 199");
    std::process::abort();
}

/// Stores until it fails; then closes, or waits for a line and continues until the store works again.
fn fill(store: &EmbeddedStore, close: bool) {
    let (sender, receiver) = channel();
    let put = |number| {
        submit(store, number, 128 * 1024, &sender);
        receiver.recv().unwrap().1
    };
    let mut acknowledged: Vec<u64> = (0..).take_while(|number| put(*number).is_ok()).collect();
    println!("\nrefused {}", acknowledged.len());
    if close {
        store.close();
        println!("\nclosed {}", acknowledged.len());
        return;
    }
    std::io::stdin().read_line(&mut String::new()).unwrap();
    let mut number = acknowledged.len() as u64;
    while acknowledged.last() != Some(&(number - 1)) || acknowledged.len() < 100 {
        number += 1;
        if put(number - 1).is_ok() {
            acknowledged.push(number - 1);
        }
    }
    for number in acknowledged {
        println!("\nstored {number}");
    }
}

struct Running {
    process: Child,
    output: BufReader<ChildStdout>,
}

impl Running {
    /// The numbers that the child prints after a word.
    fn lines<'a>(&'a mut self, word: &'a str) -> impl Iterator<Item = u64> + 'a {
        let lines = self.output.by_ref().lines().map_while(Result::ok);
        lines.filter_map(move |line| line.strip_prefix(word)?.trim().parse().ok())
    }
}

/// Starts the child, under another program if one is given.
fn start(dir: &Path, task: &str, first: u64, under: Option<&str>) -> Running {
    let program = std::env::current_exe().unwrap();
    let mut command = match under {
        Some(under) => {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("exec {under} \"$0\" \"$@\"")]).arg(program);
            shell
        }
        None => Command::new(program),
    };
    command.args(["--exact", "child", "--nocapture"]);
    command.env(DIRECTORY, dir).env(TASK, task).env(FIRST, first.to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = command.spawn().unwrap();
    let output = BufReader::new(process.stdout.take().unwrap());
    Running { process, output }
}

/// Opens the store. A starting child may hold its lock for a moment.
fn open(dir: &Path, options: Options) -> EmbeddedStore {
    loop {
        match EmbeddedStore::open(dir, options.clone()) {
            Err(OpenError::Locked { .. }) => std::thread::yield_now(),
            opened => return opened.unwrap(),
        }
    }
}

fn seeded() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Options::default());
    let created = Timestamp::from_millis(1);
    let inbox = Inbox { id: AGENT, owner: Owner::Agent, created, key: KeyId(1) };
    let protocol = Protocol::Rfc8030;
    let subscription =
        Subscription { agent: AGENT, id: SUBSCRIPTION, created, key: KeyId(1), sender: None, protocol };
    commit_blocking(&store, vec![Op::CreateInbox(inbox), Op::Subscribe(subscription)]);
    dir
}

fn message(number: u64, body_bytes: usize) -> Draft {
    let mut id = [0; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    Draft {
        id: MessageId::from_bytes(id),
        agent: AGENT,
        subscription: SUBSCRIPTION,
        accepted: Timestamp::from_millis(1),
        expires: Timestamp::NEVER,
        urgency: Urgency::Normal,
        topic: None,
        encoding: Encoding::default(),
        key: KeyId(1),
        receipt: None,
        body: Bytes::from(vec![0x5a; body_bytes]),
    }
}

type Answer = (u64, Result<(), StoreError>);

fn submit(store: &EmbeddedStore, number: u64, body_bytes: usize, answers: &Sender<Answer>) {
    let answers = answers.clone();
    let ops = vec![Op::Append(message(number, body_bytes))];
    let done = move |result: Result<_, _>| drop(answers.send((number, result.map(drop))));
    store.commit(ops, Durability::Durable, Box::new(done));
}

fn fetch_all(store: &EmbeddedStore) -> Vec<Entry> {
    let scope = Scope { inbox: AGENT, subscription: None, min_urgency: Urgency::VeryLow };
    let (mut all, mut after) = (Vec::new(), Position::START);
    loop {
        let page = block_on(store.fetch(&scope, after, Timestamp::from_millis(1))).unwrap();
        all.extend(page.entries);
        after = page.scanned;
        if !page.more {
            return all;
        }
    }
}

fn numbers(store: &EmbeddedStore) -> Vec<u64> {
    fetch_all(store).iter().map(number).collect()
}

fn number(entry: &Entry) -> u64 {
    u64::from_be_bytes(*entry.entry_ref().message.as_bytes().last_chunk().unwrap())
}

/// Opens the store and reads all numbers; nothing may be reported lost.
fn stored(dir: &Path) -> Vec<u64> {
    let store = open(dir, Options::default());
    assert_eq!(store.recovery().batches_lost, 0);
    numbers(&store)
}

/// Flips a bit of the journal, at a place given from the end of a batch in its middle.
fn flip_journal(dir: &Path, place: impl Fn(usize) -> usize) -> usize {
    flip(&dir.join("engine"), "jnl", |content| {
        let used = content.iter().rposition(|byte| *byte != 0).unwrap();
        let end_of_batch = b"FJL\x03";
        let middle = content[..used / 2].windows(4).rposition(|window| window == end_of_batch).unwrap();
        place(middle + end_of_batch.len())
    })
}

/// Flips a bit in the middle of the log.
fn flip_log(dir: &Path) -> usize {
    flip(&dir.join("log"), "frames", |content| content.len() / 2)
}

fn flip(dir: &Path, extension: &str, place: impl Fn(&[u8]) -> usize) -> usize {
    let is_sought = |path: &PathBuf| path.extension().is_some_and(|found| found == extension);
    let mut files = fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    let path = files.find(is_sought).unwrap();
    let mut content = fs::read(&path).unwrap();
    let place = place(&content);
    content[place] ^= 0x80;
    fs::write(&path, content).unwrap();
    place
}

//! B1: a full volume refuses new messages, and everything that makes room goes on.
//!
//! On a tmpfs, which only root can mount: `cargo test -p webpush-store --test full_volume -- --ignored`.

#![allow(clippy::disallowed_methods, reason = "tests look at the machine itself")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails must stop the test")]

use bytes::Bytes;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::{EntryRef, InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox, Owner};
use webpush_core::message::{Draft, Outcome};
use webpush_core::session::Scope;
use webpush_core::subscription::{Protocol, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::urgency::Urgency;
use webpush_store::contract::{block_on, commit_blocking};
use webpush_store::embedded::{EmbeddedStore, Options};
use webpush_store::{Applied, Durability, Op, Quota, Store, StoreError};

const AGENT: InboxId = InboxId::from_bytes([1; 16]);
const SUBSCRIPTION: SubscriptionId = SubscriptionId::from_bytes([2; 16]);
const BODY_BYTES: usize = 3000;
const GROUP: u64 = 100;

/// A file system of its own, unmounted at the end.
struct Volume(tempfile::TempDir);

impl Volume {
    fn mount(mebibytes: u32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let size = format!("size={mebibytes}m");
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(directory.path()).status();
        assert!(mounted.unwrap().success(), "only root can mount a volume");
        Self(directory)
    }

    fn grow(&self, mebibytes: u32) {
        let size = format!("remount,size={mebibytes}m");
        assert!(Command::new("mount").args(["-o", &size]).arg(self.0.path()).status().unwrap().success());
    }

    /// Opens the store, in which one inbox may take all the room.
    fn store(&self) -> EmbeddedStore {
        self.store_with(0)
    }

    fn store_with(&self, inbox_room_part: u64) -> EmbeddedStore {
        let quota = Quota { messages: 1_000_000, body_bytes: u64::MAX, ..Quota::default() };
        let options = Options { quota, inbox_room_part, ..Options::default() };
        EmbeddedStore::open(&self.0.path().join("store"), options).unwrap()
    }

    /// Takes all that is free, as another program may do.
    fn fill(&self) {
        let mut file = File::options().create(true).append(true).open(self.0.path().join("other")).unwrap();
        for bytes in [1 << 20, 4096, 1] {
            loop {
                match file.write(&vec![1; bytes]) {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::StorageFull);
                        break;
                    }
                }
            }
        }
    }

    /// Returns how much the store may accept before it refuses messages.
    ///
    /// It keeps an eighth of the volume free, which is half of its reserve. It measures the room again when it has written
    /// a sixteenth of that, or after 250 ms. Until then the recycled file of the log takes messages on a full volume.
    fn acceptable_bytes(&self) -> u64 {
        let volume = rustix::fs::statvfs(self.0.path()).unwrap();
        let kept_free = volume.f_blocks * volume.f_frsize / 8;
        (volume.f_bavail * volume.f_frsize).saturating_sub(kept_free) + kept_free / 16
    }

    fn free(&self) {
        fs::remove_file(self.0.path().join("other")).unwrap();
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(self.0.path()).status());
    }
}

fn used(directory: &Path) -> u64 {
    let size = |file: fs::DirEntry| match file.metadata() {
        Ok(metadata) if metadata.is_dir() => used(&file.path()),
        Ok(metadata) => std::os::unix::fs::MetadataExt::blocks(&metadata) * 512,
        Err(_) => 0,
    };
    fs::read_dir(directory).unwrap().flatten().map(size).sum()
}

fn message(number: u64) -> Op {
    message_to(AGENT, number)
}

fn message_to(agent: InboxId, number: u64) -> Op {
    let mut id = [0; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    Op::Append(Draft {
        id: MessageId::from_bytes(id),
        agent,
        subscription: SUBSCRIPTION,
        accepted: Timestamp::from_millis(1),
        expires: Timestamp::NEVER,
        urgency: Urgency::Normal,
        topic: None,
        encoding: Encoding::default(),
        key: KeyId(1),
        receipt: None,
        body: Bytes::from(vec![number as u8; BODY_BYTES]),
    })
}

fn commit(store: &EmbeddedStore, ops: Vec<Op>) -> Result<Vec<Applied>, StoreError> {
    let (sender, receiver) = mpsc::channel();
    store.commit(ops, Durability::Durable, Box::new(move |result| sender.send(result).unwrap()));
    receiver.recv().unwrap()
}

/// Commits, again while the store is down.
fn commit_when_up(store: &EmbeddedStore, ops: &[Op]) -> Vec<Applied> {
    loop {
        match commit(store, ops.to_vec()) {
            Err(StoreError::Unavailable) => std::thread::yield_now(),
            done => return done.unwrap(),
        }
    }
}

/// Appends a message when the store is up; returns false if the store refuses it.
fn is_accepted(store: &EmbeddedStore, number: u64) -> bool {
    loop {
        match commit(store, vec![message(number)]) {
            Err(StoreError::Unavailable) => std::thread::yield_now(),
            Err(error) => {
                assert_eq!(error, StoreError::Full);
                return false;
            }
            Ok(_) => return true,
        }
    }
}

/// Appends until the store refuses; returns the number of messages that it has accepted.
fn append_until_refused(store: &EmbeddedStore, from: u64) -> u64 {
    for first in (from..).step_by(GROUP as usize) {
        match commit(store, (first..first + GROUP).map(message).collect()) {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(error, StoreError::Full);
                return first;
            }
        }
    }
    unreachable!()
}

/// Fetches all messages, again while the store is down.
fn fetch_all(store: &EmbeddedStore) -> Vec<EntryRef> {
    let scope = Scope { inbox: AGENT, subscription: None, min_urgency: Urgency::VeryLow };
    let (mut all, mut after) = (Vec::new(), Position::START);
    loop {
        let page = match block_on(store.fetch(&scope, after, Timestamp::from_millis(1))) {
            Err(StoreError::Unavailable) => {
                std::thread::yield_now();
                continue;
            }
            page => page.unwrap(),
        };
        all.extend(page.entries.iter().map(Entry::entry_ref));
        after = page.scanned;
        if !page.more {
            return all;
        }
    }
}

fn settle(entries: &[EntryRef]) -> Vec<Op> {
    entries.iter().map(|entry| Op::Settle(*entry, Outcome::Delivered)).collect()
}

fn furniture() -> Vec<Op> {
    furniture_of(AGENT)
}

fn furniture_of(agent: InboxId) -> Vec<Op> {
    let created = Timestamp::from_millis(1);
    let inbox = Inbox { id: agent, owner: Owner::Agent, created, key: KeyId(1) };
    let protocol = Protocol::Rfc8030;
    let subscription =
        Subscription { agent, id: SUBSCRIPTION, created, key: KeyId(1), sender: None, protocol };
    vec![Op::CreateInbox(inbox), Op::Subscribe(subscription)]
}

#[test]
#[ignore = "mounts a volume, so it needs root; .ci/run runs it"]
fn a_volume_that_fills_up_refuses_messages_and_lets_all_else_go_on() {
    for mebibytes in [64, 200] {
        let volume = Volume::mount(mebibytes);
        let mut store = volume.store();
        commit_blocking(&store, furniture());
        let accepted = append_until_refused(&store, 0);
        assert!(accepted * BODY_BYTES as u64 > u64::from(mebibytes) << 17, "an eighth is used: {accepted}");
        let statistics = store.statistics().unwrap();
        assert!(statistics.is_full && statistics.is_up && statistics.outages == 0);
        assert_eq!(fetch_all(&store).len() as u64, accepted);
        // A restart frees the log, but the volume is refused again before it is full.
        let mut accepted = accepted;
        for _ in 0..3 {
            drop(store);
            store = volume.store();
            assert_eq!(store.recovery().batches_lost, 0);
            accepted = append_until_refused(&store, accepted);
        }
        // Deletes always work, and make room in the end.
        let all = fetch_all(&store);
        for slice in all.chunks(500) {
            commit(&store, settle(slice)).unwrap();
        }
        assert_eq!(fetch_all(&store), []);
        assert_eq!(store.statistics().unwrap().outages, 0);
        store.flush();
        volume.grow(2 * mebibytes);
        drop(store);
        let store = volume.store();
        assert!(append_until_refused(&store, accepted) > accepted);
    }
}

/// A3: one address could fill the disk through a few inboxes.
#[test]
#[ignore = "mounts a volume, so it needs root; .ci/run runs it"]
fn a_few_inboxes_cannot_take_all_the_room() {
    let volume = Volume::mount(400);
    let store = volume.store_with(Options::default().inbox_room_part);
    let agents: Vec<InboxId> = (1..=16).map(|number| InboxId::from_bytes([number; 16])).collect();
    let mut numbers = 0..;
    for agent in &agents {
        commit_blocking(&store, furniture_of(*agent));
        let refused = numbers.find_map(|number| commit(&store, vec![message_to(*agent, number)]).err());
        assert_eq!(refused, Some(StoreError::Full), "each is refused in the end");
    }
    assert!(numbers.start * BODY_BYTES as u64 > 32 << 20, "they hold much: {}", numbers.start);
    assert!(!store.statistics().unwrap().is_full, "there is room for others");
    let other = InboxId::from_bytes([255; 16]);
    commit_blocking(&store, furniture_of(other));
    commit_blocking(&store, vec![message_to(other, u64::MAX)]);
}

#[test]
#[ignore = "mounts a volume, so it needs root; .ci/run runs it"]
fn a_volume_that_others_fill_lets_the_store_start_delete_and_recover() {
    let volume = Volume::mount(200);
    let mut store = volume.store();
    commit_blocking(&store, furniture());
    for first in (0..10_000).step_by(GROUP as usize) {
        commit_blocking(&store, (first..first + GROUP).map(message).collect());
    }
    volume.fill();
    let all = fetch_all(&store);
    let (first, rest) = all.split_at(2000);
    for slice in first.chunks(500) {
        commit_when_up(&store, &settle(slice));
    }
    let most = volume.acceptable_bytes() / BODY_BYTES as u64;
    let Some(late) = (0..=most).find(|number| !is_accepted(&store, 10_000 + number)) else {
        panic!("more than {most} messages are accepted on a full volume");
    };
    let kept = fetch_all(&store);
    assert!(
        kept.starts_with(rest) && kept.len() as u64 >= rest.len() as u64 + late,
        "some of {late} late messages are lost"
    );
    let path = volume.0.path().join("store");
    // The late messages are still to be flushed, to a journal and a table.
    let most_used = used(&path) + 2 * late * BODY_BYTES as u64 + (1 << 20);
    for _ in 0..5 {
        drop(store);
        store = volume.store();
        assert_eq!(store.recovery().batches_lost, 0);
        assert!(used(&path) <= most_used, "{} bytes are used, {most_used} at most are expected", used(&path));
    }
    assert_eq!(fetch_all(&store), kept);
    for slice in kept.chunks(500) {
        commit_when_up(&store, &settle(slice));
    }
    assert_eq!(fetch_all(&store), []);
    volume.free();
    let freed = Instant::now();
    while !is_accepted(&store, 20_000) {
        assert!(freed.elapsed() < Duration::from_secs(10), "there is room, but messages are refused");
    }
}

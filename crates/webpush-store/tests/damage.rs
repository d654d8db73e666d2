//! B7: flipped bits and missing files in the directory of a store that was used.
//!
//! No damage is silent, hangs, or keeps the store from starting after a repair. The ordinary run tries some places of each
//! kind of file; `WEBPUSH_DAMAGE_CASES` and `WEBPUSH_DAMAGE_SEED` make it longer, and other.

#![allow(clippy::disallowed_methods, reason = "tests look at the machine itself")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "what fails must stop the test")]

use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::{InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox, Owner};
use webpush_core::message::{Draft, Outcome};
use webpush_core::session::Scope;
use webpush_core::subscription::{Protocol, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::urgency::Urgency;
use webpush_store::contract::{block_on, commit_blocking};
use webpush_store::embedded::{self, EmbeddedStore, Options};
use webpush_store::{Applied, CommitEvent, CommitObserver, Detail, Op, Store, StoreError};

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const AGENTS: u64 = 150;
/// A case takes far less.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The first message that a look writes.
const NEW: u64 = 1_000_000;
/// Reads are tried again while the store fixes itself.
const ATTEMPTS: usize = 4;

/// Repeatable numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

fn id(kind: u8, number: u64) -> [u8; 16] {
    let mut id = [kind; 16];
    // Spread over the key space, like random IDs.
    id[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    id
}

fn agent(number: u64) -> InboxId {
    InboxId::from_bytes(id(1, number))
}

fn subscription_of(number: u64) -> SubscriptionId {
    SubscriptionId::from_bytes(id(2, number))
}

fn create(number: u64) -> Vec<Op> {
    let (id, agent) = (subscription_of(number), agent(number));
    let inbox = Inbox { id: agent, owner: Owner::Agent, created: NOW, key: KeyId(1) };
    let protocol = Protocol::Rfc8030;
    let subscription = Subscription { agent, id, created: NOW, key: KeyId(1), sender: None, protocol };
    vec![Op::CreateInbox(inbox), Op::Subscribe(subscription)]
}

fn message(number: u64, of: u64) -> Op {
    Op::Append(Draft {
        id: MessageId::from_bytes(id(3, number)),
        agent: agent(of),
        subscription: subscription_of(of),
        accepted: NOW,
        expires: Timestamp::NEVER,
        urgency: Urgency::Normal,
        topic: None,
        encoding: Encoding::default(),
        key: KeyId(1),
        receipt: None,
        body: Bytes::from(number.to_be_bytes().repeat(40)),
    })
}

/// The content that a store must have.
#[derive(Clone, Default)]
struct KnownContent {
    agents: BTreeSet<u64>,
    messages: BTreeMap<InboxId, BTreeSet<MessageId>>,
}

impl KnownContent {
    fn count(&self) -> usize {
        self.messages.values().map(BTreeSet::len).sum()
    }
}

fn open(directory: &Path) -> Result<EmbeddedStore, embedded::OpenError> {
    let mut options = Options { reserve_bytes: 0, ..Options::default() };
    options.memtable.age = Duration::from_secs(3600);
    EmbeddedStore::open(directory, options)
}

/// Builds a store with tables on two levels, a journal and a log, as a kill leaves it.
fn build(directory: &Path) -> KnownContent {
    let live = tempfile::tempdir().unwrap();
    let (mut known, mut number) = (KnownContent::default(), 0);
    let mut fill = |store: &EmbeddedStore, agents: std::ops::Range<u64>, known: &mut KnownContent| {
        for of in agents {
            if known.agents.insert(of) {
                commit_blocking(store, create(of));
            }
            for settled in [false, true, false] {
                number += 1;
                let [Applied::Appended(appended)] = &commit_blocking(store, vec![message(number, of)])[..]
                else {
                    panic!("the message was not stored")
                };
                let entry = appended.message.entry_ref();
                if settled {
                    commit_blocking(store, vec![Op::Settle(entry, Outcome::Delivered)]);
                } else {
                    known.messages.entry(entry.inbox).or_default().insert(entry.message);
                }
            }
        }
    };
    for round in 0..6 {
        let store = open(live.path()).unwrap();
        fill(&store, round * 15..AGENTS * (round + 2) / 8, &mut known);
        drop(store);
        write_tables(&live.path().join("engine"));
    }
    let store = open(live.path()).unwrap();
    for batch in 0..4 {
        fill(&store, batch * 10..batch * 10 + 30, &mut known);
        store.flush();
    }
    fill(&store, 40..AGENTS, &mut known);
    copy(live.path(), directory);
    known
}

/// Writes everything in the journal to tables.
fn write_tables(engine: &Path) {
    let db = fjall::Database::builder(engine).open().unwrap();
    for name in db.list_keyspace_names() {
        let keyspace = db.keyspace(&name, Default::default).unwrap();
        keyspace.rotate_memtable_and_wait().unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let path = file.unwrap().path();
        let copied = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &copied),
            // Journals are as long as they may become.
            false => fs::write(copied, trimmed(&path)).unwrap(),
        }
    }
}

fn trimmed(path: &Path) -> Vec<u8> {
    let mut content = fs::read(path).unwrap();
    if path.extension().is_some_and(|extension| extension == "jnl") {
        let used = content.rchunks(1024).take_while(|chunk| chunk == &&[0; 1024][..chunk.len()]).count();
        content.truncate(content.len() - used * 1024);
    }
    content
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for file in fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[derive(Clone, Debug)]
enum Damage {
    Flip(PathBuf, u64),
    Delete(PathBuf),
}

impl Damage {
    fn inflict(&self, directory: &Path) {
        match self {
            Self::Flip(path, bit) => {
                let path = directory.join(path);
                let mut content = fs::read(&path).unwrap();
                content[usize::try_from(bit / 8).unwrap()] ^= 1 << (bit % 8);
                fs::write(path, content).unwrap();
            }
            Self::Delete(path) => fs::remove_file(directory.join(path)).unwrap(),
        }
    }
}

/// The state of a damaged store.
#[derive(Debug, Default, PartialEq)]
struct Outcomes {
    refused: Option<String>,
    /// Messages that are not delivered.
    missing: usize,
    /// Messages that were settled, and are delivered again.
    back: usize,
    /// Subscriptions that senders are told are gone.
    gone: usize,
    /// Reads and writes that fail.
    failing: usize,
    /// True if operators are told of damage.
    is_told: bool,
    /// True if a copy of everything ends without an error.
    is_copied: bool,
}

fn retry<T>(store: &EmbeddedStore, mut read: impl FnMut() -> Result<T, StoreError>) -> Result<T, StoreError> {
    for _ in 1..ATTEMPTS {
        match read() {
            Err(StoreError::Unreadable | StoreError::Unavailable) => store.flush(),
            result => return result,
        }
    }
    read()
}

fn fetch_all(store: &EmbeddedStore, inbox: InboxId) -> Result<BTreeSet<MessageId>, StoreError> {
    let scope = Scope { inbox, subscription: None, min_urgency: Urgency::VeryLow };
    let (mut found, mut after) = (BTreeSet::new(), Position::START);
    loop {
        let page = block_on(store.fetch(&scope, after, NOW))?;
        found.extend(page.entries.iter().map(|entry: &Entry| entry.entry_ref().message));
        if !page.more {
            return Ok(found);
        }
        after = page.scanned;
    }
}

fn look(directory: &Path, known: &KnownContent) -> Outcomes {
    let store = match open(directory) {
        Ok(store) => store,
        Err(error) => return Outcomes { refused: Some(error.to_string()), ..Outcomes::default() },
    };
    let mut seen = Outcomes::default();
    for of in &known.agents {
        match retry(&store, || block_on(store.subscription(agent(*of), subscription_of(*of)))) {
            Ok(Some(_)) => {}
            Ok(None) => seen.gone += 1,
            Err(_) => seen.failing += 1,
        }
        let messages = &known.messages[&agent(*of)];
        match retry(&store, || fetch_all(&store, agent(*of))) {
            Ok(found) => {
                seen.missing += messages.difference(&found).count();
                seen.back += found.difference(messages).count();
            }
            Err(_) => (seen.failing, seen.missing) = (seen.failing + 1, seen.missing + messages.len()),
        }
    }
    // Compaction reads everything, and writes must go on whatever it finds.
    let (sender, receiver) = mpsc::channel();
    for number in 0..3 {
        let sender = sender.clone();
        let op = message(NEW + number, number);
        store.commit(
            vec![op],
            webpush_store::Durability::Durable,
            Box::new(move |done| drop(sender.send(done))),
        );
        store.flush();
        match receiver.recv().unwrap().as_deref() {
            Ok([Applied::Missing]) => seen.gone += 1,
            Ok(_) => {}
            Err(_) => seen.failing += 1,
        }
    }
    let snapshot = block_on(store.snapshot(&Detail::EVERYTHING));
    seen.is_copied = snapshot.is_ok_and(|mut records| records.all(|record| record.is_ok()));
    let statistics = store.statistics().unwrap();
    seen.is_told =
        store.recovery().batches_lost > 0 || statistics.damaged_records > 0 || statistics.holes > 0;
    store.close();
    seen
}

/// Damages a copy, looks at it, repairs it and looks again. Returns a complaint, if there is one.
fn try_case(whole: &Path, known: &KnownContent, damage: &Damage) -> (String, Option<String>) {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store");
    copy(whole, &store);
    damage.inflict(&store);
    let first = look(&store, known);
    let is_loss = first.missing + first.back + first.gone + first.failing > 0;
    let class = match (&first.refused, is_loss) {
        (Some(error), _) => format!("refused ({})", error.replace(&store.display().to_string(), "")),
        (None, true) => "named".to_owned(),
        (None, false) => "harmless".to_owned(),
    };
    let complain = |what: &str| (class.clone(), Some(format!("{what}: {damage:?}: {first:?}")));
    if let Err(error) = open(&store)
        // One bit of the number of the format makes it that of a later version.
        && !(error.is_damage() || matches!(error, embedded::OpenError::Newer { .. }))
    {
        return complain("refused, but not as damage");
    }
    if first.refused.is_none() && (first.gone > 0 || is_loss && (!first.is_told || first.is_copied)) {
        return complain("silent");
    }
    let options = Options { reserve_bytes: 0, ..Options::default() };
    let report = match embedded::repair(&store, options) {
        Ok(report) => report,
        Err(error) => return complain(&format!("not repaired ({error})")),
    };
    let mut with_new = known.clone();
    // The messages of the first look may be there.
    for number in 0..3 {
        with_new
            .messages
            .entry(agent(number))
            .or_default()
            .insert(MessageId::from_bytes(id(3, NEW + number)));
    }
    let second = look(&store, &with_new);
    let is_loss = second.missing > 3 || second.gone > 0;
    if second.refused.is_some() || second.failing > 0 || !second.is_copied || second.is_told {
        return complain(&format!("repaired in vain ({second:?})"));
    }
    // A store that has fixed itself has said before what is lost.
    if is_loss && report.is_complete() && !first.is_told {
        return complain(&format!("repaired with a silent loss ({second:?}, {report:?})"));
    }
    if second.missing > first.missing + 3 && first.refused.is_none() {
        return complain(&format!("lost by the repair ({second:?}, {report:?})"));
    }
    let saved = (known.count() + 3).saturating_sub(second.missing).min(known.count());
    (format!("{class}, {:>3} % saved", saved * 100 / known.count().max(1)), None)
}

fn cases(whole: &Path, count: u64, random: &mut Random) -> Vec<Damage> {
    let all: Vec<PathBuf> = files(whole)
        .into_iter()
        .map(|path| path.strip_prefix(whole).unwrap().to_owned())
        .filter(|path| !["lock", "reserve", "spare"].contains(&path.file_name().unwrap().to_str().unwrap()))
        .collect();
    let some = |random: &mut Random| all[usize::try_from(random.below(all.len() as u64)).unwrap()].clone();
    let damage = |number: u64| {
        let path = some(random);
        let bytes = fs::metadata(whole.join(&path)).unwrap().len();
        match number % 4 != 3 && bytes > 0 {
            true => Damage::Flip(path, random.below(bytes * 8)),
            false => Damage::Delete(path),
        }
    };
    (0..count).map(damage).collect()
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().map_or(default, |number| number.parse().unwrap())
}

#[test]
fn no_damage_is_silent_or_beyond_repair() {
    let whole = tempfile::tempdir().unwrap();
    let known = build(whole.path());
    let seen = look_at_copy(whole.path(), &known);
    assert_eq!(seen, Outcomes { is_copied: true, ..Outcomes::default() }, "without damage nothing is wrong");
    let mut random = Random(number("WEBPUSH_DAMAGE_SEED", 7));
    let cases = cases(whole.path(), number("WEBPUSH_DAMAGE_CASES", 32), &mut random);
    let (mut complaints, mut classes) = (Vec::new(), BTreeMap::<String, u64>::new());
    for damage in cases {
        let (sender, receiver) = mpsc::channel();
        let (from, known, of) = (whole.path().to_owned(), known.clone(), damage.clone());
        thread::spawn(move || sender.send(try_case(&from, &known, &of)));
        match receiver.recv_timeout(TIMEOUT) {
            Ok((class, complaint)) => {
                *classes.entry(class).or_default() += 1;
                complaints.extend(complaint);
            }
            Err(error) => complaints.push(format!("hang or panic ({error}): {damage:?}")),
        }
    }
    classes.iter().for_each(|(class, count)| println!("{count:>5} {class}"));
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

/// Tells when the store is open again after an outage.
struct Reopened(Mutex<mpsc::Sender<()>>);

impl CommitObserver for Reopened {
    fn committed(&self, _: &CommitEvent<'_>) {}

    fn failed(&self) {}

    fn missed(&self) {
        // The test may have ended.
        let _ = self.0.lock().unwrap().send(());
    }
}

/// B7b, B7c: a damaged block hides nothing but its own rows, and compaction gets past it.
#[test]
fn a_damaged_block_ends_neither_reads_nor_compaction() {
    let directory = tempfile::tempdir().unwrap();
    let engine = directory.path().join("engine");
    let mut sent = BTreeSet::new();
    let send = |store: &EmbeddedStore, first: u64| {
        for number in first..first + 100 {
            commit_blocking(store, vec![message(number, 0)]);
        }
        (first..first + 100).map(|number| MessageId::from_bytes(id(3, number)))
    };
    for round in 0..4 {
        let store = open(directory.path()).unwrap();
        if round == 0 {
            commit_blocking(&store, create(0));
        }
        sent.extend(send(&store, round * 100));
        drop(store);
        if round == 3 {
            // Tables of entries are the largest. The next one makes them enough for a compaction.
            let tables = files(&engine.join("keyspaces"));
            let largest = tables.iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
            Damage::Flip(largest.clone(), fs::metadata(largest).unwrap().len() * 8 / 4)
                .inflict(Path::new("/"));
        }
        let db = fjall::Database::builder(&engine).open().unwrap();
        for name in db.list_keyspace_names() {
            // A compaction that fails may have ended the work in the background.
            let written =
                db.keyspace(&name, Default::default).and_then(|keyspace| keyspace.rotate_memtable_and_wait());
            assert!(written.is_ok() || round == 3);
        }
    }
    let store = open(directory.path()).unwrap();
    let (sender, reopened) = mpsc::channel();
    store.watch(Arc::new(Reopened(Mutex::new(sender))));
    let first = fetch_all(&store, agent(0));
    store.flush();
    // Either that read or the compaction has found the damage.
    if first.is_err() || !store.has_holes() {
        reopened.recv_timeout(TIMEOUT).unwrap();
    }
    let found = fetch_all(&store, agent(0)).unwrap();
    let lost = sent.difference(&found).count();
    assert!((1..30).contains(&lost), "{lost} of {} messages", sent.len());
    assert!(store.has_holes());
    assert_eq!(send(&store, 1000).count(), 100);
    store.flush();
    assert_eq!(fetch_all(&store, agent(0)).unwrap().len(), found.len() + 100);
    drop(store);
    assert!(!files(&directory.path().join("damaged")).is_empty(), "the damaged table is kept");
    write_tables(&engine);
    assert_eq!(fetch_all(&open(directory.path()).unwrap(), agent(0)).unwrap().len(), found.len() + 100);
}

fn look_at_copy(whole: &Path, known: &KnownContent) -> Outcomes {
    let directory = tempfile::tempdir().unwrap();
    copy(whole, directory.path());
    look(directory.path(), known)
}

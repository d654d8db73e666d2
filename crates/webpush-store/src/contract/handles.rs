//! Rules of several handles to one store.

use super::*;
use crate::{CommitEvent, CommitObserver, Notice, Origin};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

/// How long an observer waits to hear of another handle, whose machine may be slow.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a notice is waited for before it is sent again.
const RESEND: Duration = Duration::from_millis(50);

/// Records the events and notices that it hears.
#[derive(Default)]
struct Journal {
    heard: Mutex<JournalEntries>,
    changed: Condvar,
}

#[derive(Default)]
struct JournalEntries {
    events: Vec<(Origin, Vec<Applied>)>,
    notices: Vec<Notice>,
}

impl CommitObserver for Journal {
    fn committed(&self, event: &CommitEvent<'_>) {
        self.heard().events.push((event.origin, event.applied.to_vec()));
        self.changed.notify_all();
    }

    fn failed(&self) {}

    fn missed(&self) {}

    fn noticed(&self, notice: &Notice) {
        self.heard().notices.push(notice.clone());
        self.changed.notify_all();
    }
}

impl Journal {
    fn watch(store: &Backend) -> Arc<Self> {
        let journal = Arc::<Self>::default();
        store.watch(Arc::clone(&journal) as Arc<dyn CommitObserver>);
        journal
    }

    fn heard(&self) -> MutexGuard<'_, JournalEntries> {
        self.heard.lock().expect("nobody panics with it")
    }

    /// Takes the events of its own handle.
    fn take_own(&self) -> Vec<Vec<Applied>> {
        let (own, others) = std::mem::take(&mut self.heard().events)
            .into_iter()
            .partition(|(origin, _)| *origin == Origin::Own);
        self.heard().events = others;
        own.into_iter().map(|(_, applied)| applied).collect()
    }

    /// Waits until notices of another handle arrive.
    fn connect(&self, other: &Backend) {
        let notice = Notice::Superseded(OTHER_AGENT, 0);
        let mut heard = self.heard();
        while !heard.notices.contains(&notice) {
            drop(heard);
            other.notify(notice.clone());
            heard = self.changed.wait_timeout(self.heard(), RESEND).expect("nobody panics with it").0;
        }
    }

    /// Waits for the event of another handle, or for the notice that takes its place.
    fn wait_for_other(&self, applied: &[Applied], notice: &Notice) {
        let is_it = |heard: &JournalEntries| {
            heard.events.iter().any(|(origin, all)| *origin == Origin::Other && all == applied)
                || heard.notices.iter().any(|heard| heard.clone().without_message() == *notice)
        };
        let waited = self.changed.wait_timeout_while(self.heard(), PATIENCE, |heard| !is_it(heard));
        assert!(is_it(&waited.expect("nobody panics with it").0), "it hears of the other handle");
    }
}

fn position_of(applied: &Applied) -> Position {
    match applied {
        Applied::Appended(appended) => appended.message.position,
        Applied::Duplicate(message) => message.position,
        other => unreachable!("it is no message: {other:?}"),
    }
}

/// Two writers to one inbox lose nothing.
///
/// Each position is assigned once, in the order in which a handle submits.
pub async fn two_handles_write_to_one_inbox(open: Open<'_>) {
    let store = seeded(open).await;
    let other = store.handle();
    let journal = Journal::watch(&store);
    let (mut commits, mut others) = (Vec::new(), Vec::new());
    for number in 0..50 {
        commits.push(submit(&store, vec![Op::Append(message(number))], Durability::Durable));
        others.push(submit(&other, vec![Op::Append(message(100 + number))], Durability::Lazy));
    }
    let mut entries = appended_entries(commits).await;
    let own: Vec<Position> = entries.iter().map(|entry| entry.position).collect();
    let others = appended_entries(others).await;
    assert!(own.is_sorted() && others.is_sorted_by_key(|entry| entry.position));
    entries.extend(others);
    entries.sort_unstable_by_key(|entry| entry.position);
    let (mut after, mut stored) = (Position::START, Vec::new());
    loop {
        let page = fetch(&other, everything(AGENT), after, 10).await;
        stored.extend(page.entries.iter().map(Entry::entry_ref));
        after = page.scanned;
        if !page.more {
            break;
        }
    }
    assert_eq!(stored, entries);
    assert_eq!(journal.take_own().iter().map(|applied| position_of(&applied[0])).collect::<Vec<_>>(), own);
}

async fn appended_entries(commits: Vec<impl Future<Output = CommitResult>>) -> Vec<EntryRef> {
    let mut entries = Vec::new();
    for commit in commits {
        match &commit.await.expect("the store works")[..] {
            [Applied::Appended(appended)] => entries.push(appended.message.entry_ref()),
            applied => unreachable!("it is one message: {applied:?}"),
        }
    }
    entries
}

/// Writers on different threads get distinct positions, each in the order of its own commits.
pub async fn two_threads_write_to_one_inbox(open: Open<'_>) {
    let store = seeded(open).await;
    let write = |store: Backend, first: u64| {
        let append = |number| commit_blocking(&store, vec![Op::Append(message(number))]);
        (first..first + 20).map(|number| position_of(&append(number)[0])).collect::<Vec<_>>()
    };
    let (one, two) = thread::scope(|scope| {
        let handles = [store.handle(), store.handle()];
        let [one, two] = handles;
        let two = scope.spawn(move || write(two, 100));
        (write(one, 0), two.join().expect("it does not panic"))
    });
    assert!(one.is_sorted() && two.is_sorted());
    let mut all = [one, two].concat();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 40);
}

/// An observer sees every commit of its own handle until that is closed, before the submitter.
///
/// It hears of the commits of others by events or by notices.
pub async fn a_watch_sees_every_handle(open: Open<'_>) {
    let store = seeded(open).await;
    let other = store.handle();
    let (journal, others) = (Journal::watch(&store), Journal::watch(&other));
    journal.connect(&other);
    others.connect(&store);
    let first = commit(&store, vec![Op::Append(message(1)), Op::Append(message(2))]).await;
    assert_eq!(journal.take_own(), std::slice::from_ref(&first));
    others.wait_for_other(&first, &Notice::Stored(AGENT));
    let second = commit(&other, vec![Op::RemoveInbox(OTHER_AGENT)]).await;
    assert_eq!(others.take_own(), std::slice::from_ref(&second));
    journal.wait_for_other(&second, &Notice::Removed(OTHER_AGENT, None));
    other.close();
    let heard = others.heard().events.len();
    let third = commit(&store, vec![Op::Append(message(3))]).await;
    assert_eq!(journal.take_own(), [third]);
    assert_eq!(others.heard().events.len(), heard, "its handle is closed");
}

/// A notice reaches the other handles, and not the one that sent it.
pub async fn a_notice_reaches_the_others(open: Open<'_>) {
    let store = seeded(open).await;
    let other = store.handle();
    let (journal, others) = (Journal::watch(&store), Journal::watch(&other));
    let notice = Notice::Superseded(AGENT, 3);
    others.connect(&store);
    store.notify(notice.clone());
    others.wait_for_other(&[], &notice);
    assert!(!journal.heard().notices.contains(&notice));
}

/// A message that is submitted again is stored once and keeps its position.
pub async fn a_commit_that_is_submitted_twice_is_stored_once(open: Open<'_>) {
    let store = seeded(open).await;
    let owing = || Op::Append(Draft { receipt: Some(RECEIPTS), ..topical(1, "news") });
    let first = append(&store, vec![message(9)]).await[0].message.position;
    let applied = commit(&store, vec![owing(), owing(), Op::Append(message(9))]).await;
    let [Applied::Appended(appended), Applied::Duplicate(again), Applied::Duplicate(nine)] = &applied[..]
    else {
        unreachable!("one of three is new: {applied:?}")
    };
    assert_eq!((again, nine.position), (&appended.message, first));
    let entry = appended.message.entry_ref();
    assert_eq!(position_of(&commit(&store, vec![owing()]).await[0]), entry.position);
    assert_eq!(contents(&store, AGENT).await.len(), 2);
    settle(&store, entry, Outcome::Delivered).await;
    assert_eq!(settle(&store, entry, Outcome::Delivered).await, Applied::Missing);
    let late = commit(&store, vec![owing()]).await;
    assert!(matches!(&late[..], [Applied::Duplicate(late)] if late.position == entry.position));
    assert_eq!(contents(&store, AGENT).await.len(), 1, "it has ended");
    assert_eq!(contents(&store, RECEIPTS).await.len(), 1, "one receipt is owed");
    let elsewhere = append(&store, vec![Draft { agent: OTHER_AGENT, ..message(9) }]).await;
    assert_eq!(elsewhere.len(), 1, "another inbox may have a message of the same ID");
}

/// A dropped handle affects no commit: those it submitted are applied, and other handles continue.
pub async fn a_handle_may_vanish_in_the_middle(open: Open<'_>) {
    let store = seeded(open).await;
    let other = store.handle();
    let commits: Vec<_> = (0..20)
        .map(|number| submit(&other, vec![Op::Append(message(number))], Durability::Durable))
        .collect();
    drop(other);
    for commit in commits {
        assert_eq!(commit.await.map(|applied| applied.len()), Ok(1));
    }
    let last = append_one(&store, message(30)).await;
    assert_eq!(store.entry(&last).await.map(|entry| entry.is_some()), Ok(true));
    let closed = store.handle();
    closed.close();
    assert_eq!(closed.inbox(AGENT).await, Err(StoreError::Unavailable));
    assert!(store.inbox(AGENT).await.is_ok());
    assert_eq!(append(&store, vec![message(31)]).await.len(), 1);
}

/// Positions of an inbox only grow, even if it is removed and created again.
///
/// An agent that resumes after an old position misses nothing.
pub async fn positions_grow_over_the_lives_of_an_inbox(open: Open<'_>) {
    let store = seeded(open).await;
    let mut last = Position::START;
    for number in 0..3 {
        let entry = append_one(&store, message(number)).await;
        append_one(&store, Draft { agent: OTHER_AGENT, ..message(100 + number) }).await;
        assert!(entry.position > last);
        last = entry.position;
        let again =
            vec![Op::RemoveInbox(AGENT), inbox(AGENT, Owner::Agent), subscription(AGENT, SUBSCRIPTION)];
        commit(&store, again).await;
    }
    store.close();
    let store = open(Quota::default());
    let entry = append_one(&store, message(9)).await;
    assert_eq!(fetch(&store, everything(AGENT), last, 10).await.entries[0].entry_ref(), entry);
}

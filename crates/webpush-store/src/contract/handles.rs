//! Rules of several handles to one store.

use super::*;
use crate::{CommitEvent, CommitObserver, Origin};
use std::sync::Mutex;

/// Records its events.
#[derive(Default)]
struct Journal(Mutex<Vec<(Origin, Vec<Applied>)>>);

impl CommitObserver for Journal {
    fn committed(&self, event: &CommitEvent<'_>) {
        let mut journal = self.0.lock().expect("nobody panics with it");
        journal.push((event.origin, event.applied.to_vec()));
    }

    fn failed(&self) {}

    fn missed(&self) {}
}

impl Journal {
    fn watch(store: &Backend) -> Arc<Self> {
        let journal = Arc::<Self>::default();
        store.watch(Arc::clone(&journal) as Arc<dyn CommitObserver>);
        journal
    }

    fn take(&self) -> Vec<(Origin, Vec<Applied>)> {
        std::mem::take(&mut self.0.lock().expect("nobody panics with it"))
    }
}

fn position_of(applied: &Applied) -> Position {
    match applied {
        Applied::Appended(appended) => appended.message.position,
        Applied::Duplicate(message) => message.position,
        other => unreachable!("it is no message: {other:?}"),
    }
}

/// Two writers to one inbox lose nothing: each position is assigned once, in the order of acceptance.
pub async fn two_handles_write_to_one_inbox(open: Open<'_>) {
    let store = seeded(open).await;
    let other = store.handle();
    let journal = Journal::watch(&store);
    let mut commits = Vec::new();
    for number in 0..50 {
        commits.push(submit(&store, vec![Op::Append(message(number))], Durability::Durable));
        commits.push(submit(&other, vec![Op::Append(message(100 + number))], Durability::Lazy));
    }
    let mut entries = Vec::new();
    for commit in commits {
        match &commit.await.expect("the store works")[..] {
            [Applied::Appended(appended)] => entries.push(appended.message.entry_ref()),
            applied => unreachable!("it is one message: {applied:?}"),
        }
    }
    assert!(entries.is_sorted_by_key(|entry| entry.position), "of one thread, in the order of submission");
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
    let told = journal.take();
    let positions: Vec<Position> = told.iter().map(|(_, applied)| position_of(&applied[0])).collect();
    assert_eq!(positions, entries.iter().map(|entry| entry.position).collect::<Vec<_>>());
    assert_eq!(told.iter().filter(|(origin, _)| *origin == Origin::Own).count(), 50);
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

/// An observer sees every commit of every handle until its own handle is closed.
///
/// It sees them in order, and before the submitter gets the result.
pub async fn a_watch_sees_every_handle(open: Open<'_>) {
    let store = seeded(open).await;
    let other = store.handle();
    let (journal, others) = (Journal::watch(&store), Journal::watch(&other));
    let first = commit(&store, vec![Op::Append(message(1)), Op::Append(message(2))]).await;
    assert_eq!(journal.take(), [(Origin::Own, first.clone())]);
    assert_eq!(others.take(), [(Origin::Other, first)]);
    let second = commit(&other, vec![Op::RemoveInbox(OTHER_AGENT)]).await;
    assert_eq!(journal.take(), [(Origin::Other, second.clone())]);
    assert_eq!(others.take(), [(Origin::Own, second)]);
    other.close();
    journal.take();
    others.take();
    let third = commit(&store, vec![Op::Append(message(3))]).await;
    assert_eq!(journal.take(), [(Origin::Own, third)]);
    assert_eq!(others.take(), [], "its handle is closed");
}

/// A message that is submitted again, through any handle, is stored once and keeps its position.
pub async fn a_commit_that_is_submitted_twice_is_stored_once(open: Open<'_>) {
    let store = seeded(open).await;
    let other = store.handle();
    let owing = || Op::Append(Draft { receipt: Some(RECEIPTS), ..topical(1, "news") });
    let first = append(&store, vec![message(9)]).await[0].message.position;
    let applied = commit(&store, vec![owing(), owing(), Op::Append(message(9))]).await;
    let [Applied::Appended(appended), Applied::Duplicate(again), Applied::Duplicate(nine)] = &applied[..]
    else {
        unreachable!("one of three is new: {applied:?}")
    };
    assert_eq!((again, nine.position), (&appended.message, first));
    let entry = appended.message.entry_ref();
    assert_eq!(position_of(&commit(&other, vec![owing()]).await[0]), entry.position);
    assert_eq!(contents(&store, AGENT).await.len(), 2);
    settle(&store, entry, Outcome::Delivered).await;
    assert_eq!(settle(&other, entry, Outcome::Delivered).await, Applied::Missing);
    let late = commit(&other, vec![owing()]).await;
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

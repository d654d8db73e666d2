//! Rules of snapshots, and of restoring their records.

use super::*;
use crate::IdleLimits;
use crate::{Detail, Entries, IdleCheck, Record};

const HOUR: u64 = 3_600_000;

async fn snapshot(store: &Backend, detail: &Detail) -> Vec<Record> {
    let snapshot = store.snapshot(detail).await.expect("a snapshot can be taken");
    snapshot.collect::<Result<_, _>>().expect("it can be read")
}

async fn everything_of(store: &Backend) -> Vec<Record> {
    snapshot(store, &Detail::EVERYTHING).await
}

async fn restore(store: &Backend, records: Vec<Record>) -> Vec<Applied> {
    commit(store, records.into_iter().map(Op::Restore).collect()).await
}

/// A store with a record of every kind, and its last position.
async fn rich(open: Open<'_>) -> (Backend, Position) {
    let store = seeded(open).await;
    let owed = Draft { receipt: Some(RECEIPTS), ..message(1) };
    let appended =
        append(&store, vec![owed, topical(2, "a"), Draft { agent: OTHER_AGENT, ..message(3) }]).await;
    settle(&store, appended[0].message.entry_ref(), Outcome::Delivered).await;
    commit(&store, vec![Op::Touch(AGENT, at(50 * HOUR))]).await;
    let last = append_one(&store, Draft { urgency: Urgency::Low, ..message(4) }).await;
    settle(&store, last, Outcome::Expired).await;
    (store, last.position)
}

/// A short name for each record.
fn kinds(records: &[Record]) -> String {
    let kind = |record: &Record| match record {
        Record::Position(_) => 'p',
        Record::Inbox(_) => 'i',
        Record::Subscription(_) => 's',
        Record::Entry(Entry::Message(_)) => 'm',
        Record::Entry(Entry::Receipt(_)) => 'r',
    };
    records.iter().map(kind).collect()
}

/// Each inbox is followed by its content, in the order of IDs, in the requested detail.
pub async fn a_snapshot_shows_each_inbox_with_what_it_holds(open: Open<'_>) {
    let (store, last) = rich(open).await;
    let records = everything_of(&store).await;
    assert_eq!(kinds(&records), "pissmismir");
    assert_eq!(records[0], Record::Position(last));
    let Record::Inbox(kept) = &records[1] else { unreachable!("it is an inbox") };
    assert_eq!((kept.inbox.id, kept.monitored), (AGENT, Some(at(50 * HOUR))));
    assert_eq!((kept.holds.entries, kept.holds.body_bytes, kept.holds.subscriptions), (1, 1, 2));
    let detail = Detail { after: Some(AGENT), ..Detail::INBOXES };
    assert_eq!(kinds(&snapshot(&store, &detail).await), "pii");
    append(&store, vec![message(5), message(6)]).await;
    let detail = Detail { entries: Entries::First, ..Detail::INBOXES };
    assert_eq!(kinds(&snapshot(&store, &detail).await), "pimimir");
    assert_eq!(kinds(&snapshot(&store, &Detail { after: Some(RECEIPTS), ..Detail::EVERYTHING }).await), "p");
}

/// A snapshot has the commits before it was opened and none after, even if it is read late.
pub async fn a_snapshot_is_of_one_moment(open: Open<'_>) {
    let (store, _) = rich(open).await;
    let before = everything_of(&store).await;
    let late = store.snapshot(&Detail::EVERYTHING).await.expect("a snapshot can be taken");
    append(&store, vec![message(7)]).await;
    commit(&store, vec![Op::RemoveInbox(AGENT), inbox(InboxId::from_bytes([9; 16]), Owner::Agent)]).await;
    assert_eq!(late.collect::<Result<Vec<_>, _>>(), Ok(before));
    assert_eq!(kinds(&everything_of(&store).await), "pismiri");
}

/// A closed store opens no snapshot.
pub async fn a_closed_store_shows_nothing(open: Open<'_>) {
    let (store, _) = rich(open).await;
    store.close();
    assert!(store.snapshot(&Detail::EVERYTHING).await.is_err());
}

/// A snapshot restored into an empty store gives an equal store.
pub async fn a_snapshot_can_be_put_back(open: Open<'_>) {
    let (store, last) = rich(open).await;
    let records = everything_of(&store).await;
    let check = IdleCheck { now: at(1000 * HOUR), limits: IdleLimits::default() };
    let idle = store.idle(&check, 10).await;
    let due = store.due(at(2000), 10).await;
    commit(&store, [AGENT, OTHER_AGENT, RECEIPTS].map(Op::RemoveInbox).to_vec()).await;
    assert_eq!(kinds(&everything_of(&store).await), "p");
    assert_eq!(restore(&store, records.clone()).await, vec![Applied::Created; records.len()]);
    assert_eq!(&everything_of(&store).await[1..], &records[1..]);
    assert_eq!((store.idle(&check, 10).await, store.due(at(2000), 10).await), (idle, due));
    store.close();
    let store = open(Quota::default());
    assert_eq!(&everything_of(&store).await[1..], &records[1..], "the next process reads the same");
    let appended = append(&store, vec![topical(8, "a")]).await;
    assert!(appended[0].message.position > last);
    assert!(appended[0].replaced.is_some(), "its topic is still outstanding");
    let entry = contents(&store, AGENT).await[0];
    settle(&store, entry, Outcome::Delivered).await;
    assert_eq!(contents(&store, AGENT).await, [], "what was put back can be settled");
    store.close();
    assert_eq!(contents(&open(Quota::default()), AGENT).await, []);
}

/// Existing records are kept, and nothing is restored without its inbox or subscription.
pub async fn nothing_is_put_over_what_is_there(open: Open<'_>) {
    let (store, _) = rich(open).await;
    let records = everything_of(&store).await;
    let mut expected = vec![Applied::Taken; records.len()];
    expected[0] = Applied::Created;
    assert_eq!(restore(&store, records.clone()).await, expected);
    assert_eq!(everything_of(&store).await, records);
    commit(&store, [AGENT, OTHER_AGENT, RECEIPTS].map(Op::RemoveInbox).to_vec()).await;
    let homeless =
        records.into_iter().filter(|record| !matches!(record, Record::Inbox(_) | Record::Position(_)));
    let applied = restore(&store, homeless.collect()).await;
    assert!(applied.iter().all(|applied| *applied == Applied::Missing), "{applied:?}");
    assert_eq!(kinds(&everything_of(&store).await), "p");
}

/// The latest message of a topic is the one that is replaced, in whichever order they were restored.
pub async fn a_topic_stays_with_the_latest_message(open: Open<'_>) {
    let store = seeded(open).await;
    let restored = |number, position| {
        let message = topical(number, "news").into_message(Position::new(position));
        Record::Entry(Entry::Message(Arc::new(message)))
    };
    let records = vec![Record::Position(Position::new(20)), restored(2, 20), restored(1, 10)];
    assert_eq!(restore(&store, records).await, vec![Applied::Created; 3]);
    let appended = append(&store, vec![topical(3, "news")]).await;
    assert_eq!(appended[0].replaced.map(|replaced| replaced.position), Some(Position::new(20)));
}

/// A restored position is not assigned again, whether its entry still exists or not.
pub async fn a_position_that_is_put_back_is_taken(open: Open<'_>) {
    let store = seeded(open).await;
    let far = Position::new(1 << 40);
    restore(&store, vec![Record::Position(far)]).await;
    store.close();
    let store = open(Quota::default());
    assert!(append_one(&store, message(1)).await.position > far);
    restore(&store, vec![Record::Position(Position::new(5))]).await;
    assert!(append_one(&store, message(2)).await.position > far);
}

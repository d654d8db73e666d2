//! Rules of idle inboxes.

use super::*;
use crate::IdleCheck;
use crate::IdleLimits;

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

fn check(now: u64) -> IdleCheck {
    IdleCheck { now: at(now), limits: IdleLimits::default() }
}

async fn idle(store: &Backend, now: u64) -> Vec<InboxId> {
    store.idle(&check(now), 10).await.expect("the store can be read")
}

/// An agent that was never monitored is idle after a day, unless it has messages.
///
/// A receipt subscription is not.
pub async fn an_empty_agent_that_nobody_monitors_is_idle(open: Open<'_>) {
    let store = seeded(open).await;
    assert_eq!(idle(&store, DAY + HOUR - 1).await, [], "an hour late at most, but never early");
    assert_eq!(idle(&store, DAY + HOUR).await, [AGENT, OTHER_AGENT]);
    assert_eq!(store.idle(&check(2 * DAY), 1).await, Ok(vec![AGENT]));
    assert_eq!(store.idle(&check(2 * DAY), 0).await, Ok(Vec::new()));
    let entry = append_one(&store, Draft { agent: AGENT, ..message(1) }).await;
    assert_eq!(idle(&store, 2 * DAY).await, [OTHER_AGENT]);
    store.close();
    let store = open(Quota::default());
    assert_eq!(idle(&store, 2 * DAY).await, [OTHER_AGENT]);
    settle(&store, entry, Outcome::Expired).await;
    assert_eq!(idle(&store, 2 * DAY).await, [AGENT, OTHER_AGENT]);
}

/// An inbox that was not monitored for sixty days is idle, whatever it holds.
pub async fn an_inbox_that_nobody_uses_is_idle(open: Open<'_>) {
    let store = seeded(open).await;
    append_one(&store, message(1)).await;
    let touch = async |inbox, time| commit(&store, vec![Op::Touch(inbox, at(time))]).await;
    assert_eq!(touch(AGENT, DAY).await, [Applied::Touched]);
    assert_eq!(touch(OTHER_AGENT, 2 * DAY).await, [Applied::Touched]);
    assert_eq!(touch(OTHER_AGENT, DAY).await, [Applied::Touched], "the latest counts");
    assert_eq!(touch(InboxId::from_bytes([99; 16]), DAY).await, [Applied::Missing]);
    assert_eq!(idle(&store, 30 * DAY).await, []);
    assert_eq!(idle(&store, 60 * DAY + HOUR).await, [RECEIPTS]);
    assert_eq!(idle(&store, 61 * DAY + HOUR - 1).await, [RECEIPTS]);
    assert_eq!(idle(&store, 61 * DAY + HOUR).await, [RECEIPTS, AGENT]);
    touch(RECEIPTS, 3 * DAY).await;
    store.close();
    let store = open(Quota::default());
    assert_eq!(idle(&store, 100 * DAY).await, [AGENT, OTHER_AGENT, RECEIPTS], "the longest idle comes first");
    commit(&store, vec![inbox(AGENT, Owner::Agent)]).await;
    assert_eq!(idle(&store, 100 * DAY).await.len(), 3, "to be made again is not to be monitored");
}

/// An inbox that is used after it was listed is kept. A removed one leaves nothing behind.
pub async fn only_what_is_still_idle_is_removed(open: Open<'_>) {
    let store = seeded(open).await;
    let late = check(70 * DAY);
    assert_eq!(idle(&store, 70 * DAY).await.len(), 3);
    let entry = append_one(&store, Draft { receipt: Some(RECEIPTS), ..message(1) }).await;
    let remove = async |inbox, check| commit(&store, vec![Op::RemoveIdle(inbox, check)]).await.pop();
    assert_eq!(remove(AGENT, check(2 * DAY)).await, Some(Applied::Missing), "a message waits for it");
    commit(&store, vec![Op::Touch(OTHER_AGENT, at(70 * DAY))]).await;
    assert_eq!(remove(OTHER_AGENT, late).await, Some(Applied::Missing), "it is monitored");
    let Some(Applied::Removed(removed)) = remove(AGENT, late).await else { unreachable!("it is idle") };
    assert_eq!((removed.messages, removed.receipts.len()), (1, 1));
    assert_eq!((store.entry(&entry).await, store.inbox(AGENT).await), (Ok(None), Ok(None)));
    assert_eq!(remove(AGENT, late).await, Some(Applied::Missing));
    let Some(Applied::Removed(removed)) = remove(RECEIPTS, late).await else { unreachable!("it is idle") };
    assert_eq!(removed.messages, 0, "it was a receipt");
    assert_eq!(idle(&store, 1000 * DAY).await, [OTHER_AGENT]);
}

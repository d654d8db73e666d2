//! Rules of inboxes that nobody monitors.

use super::*;
use crate::IdleCheck;
use crate::IdleLimits;

const HOUR: u64 = 3_600_000;
const DAY: u64 = 24 * HOUR;

fn check(now: u64) -> IdleCheck {
    IdleCheck { now: at(now), limits: IdleLimits::default() }
}

fn idle(store: &dyn Store, now: u64) -> Vec<InboxId> {
    store.idle(&check(now), 10).expect("the store can be read")
}

/// An agent that nobody monitored for a day goes, unless messages wait for it; a receipt subscription does not.
pub fn an_empty_agent_that_nobody_monitors_is_idle(open: Open) {
    let store = seeded(open);
    assert_eq!(idle(&*store, DAY + HOUR - 1), [], "an hour late at most, but never early");
    assert_eq!(idle(&*store, DAY + HOUR), [AGENT, OTHER_AGENT]);
    assert_eq!(store.idle(&check(2 * DAY), 1), Ok(vec![AGENT]));
    assert_eq!(store.idle(&check(2 * DAY), 0), Ok(Vec::new()));
    let entry = append_one(&*store, Draft { agent: AGENT, ..message(1) });
    assert_eq!(idle(&*store, 2 * DAY), [OTHER_AGENT]);
    store.close();
    let store = open(Quota::default());
    assert_eq!(idle(&*store, 2 * DAY), [OTHER_AGENT]);
    settle(&*store, entry, Outcome::Expired);
    assert_eq!(idle(&*store, 2 * DAY), [AGENT, OTHER_AGENT]);
}

/// Whatever an inbox holds, it goes when nobody has monitored it for sixty days.
pub fn an_inbox_that_nobody_uses_is_idle(open: Open) {
    let store = seeded(open);
    append_one(&*store, message(1));
    let touch = |inbox, time| commit(&*store, vec![Op::Touch(inbox, at(time))]);
    assert_eq!(touch(AGENT, DAY), [Applied::Touched]);
    assert_eq!(touch(OTHER_AGENT, 2 * DAY), [Applied::Touched]);
    assert_eq!(touch(OTHER_AGENT, DAY), [Applied::Touched], "the latest counts");
    assert_eq!(touch(InboxId::from_bytes([99; 16]), DAY), [Applied::Missing]);
    assert_eq!(idle(&*store, 30 * DAY), []);
    assert_eq!(idle(&*store, 60 * DAY + HOUR), [RECEIPTS]);
    assert_eq!(idle(&*store, 61 * DAY + HOUR - 1), [RECEIPTS]);
    assert_eq!(idle(&*store, 61 * DAY + HOUR), [RECEIPTS, AGENT]);
    touch(RECEIPTS, 3 * DAY);
    store.close();
    let store = open(Quota::default());
    assert_eq!(idle(&*store, 100 * DAY), [AGENT, OTHER_AGENT, RECEIPTS], "the longest idle comes first");
    commit(&*store, vec![inbox(AGENT, Owner::Agent)]);
    assert_eq!(idle(&*store, 100 * DAY).len(), 3, "to be made again is not to be monitored");
}

/// What was used after it was named stays; what goes takes everything with it.
pub fn only_what_is_still_idle_is_removed(open: Open) {
    let store = seeded(open);
    let late = check(70 * DAY);
    assert_eq!(idle(&*store, 70 * DAY).len(), 3);
    let entry = append_one(&*store, Draft { receipt: Some(RECEIPTS), ..message(1) });
    let remove = |inbox, check| commit(&*store, vec![Op::RemoveIdle(inbox, check)]).pop();
    assert_eq!(remove(AGENT, check(2 * DAY)), Some(Applied::Missing), "a message waits for it");
    commit(&*store, vec![Op::Touch(OTHER_AGENT, at(70 * DAY))]);
    assert_eq!(remove(OTHER_AGENT, late), Some(Applied::Missing), "it is monitored");
    let Some(Applied::Removed(removed)) = remove(AGENT, late) else { unreachable!("it is idle") };
    assert_eq!((removed.messages, removed.receipts.len()), (1, 1));
    assert_eq!((store.entry(&entry), store.inbox(AGENT)), (Ok(None), Ok(None)));
    assert_eq!(remove(AGENT, late), Some(Applied::Missing));
    let Some(Applied::Removed(removed)) = remove(RECEIPTS, late) else { unreachable!("it is idle") };
    assert_eq!(removed.messages, 0, "it was a receipt");
    assert_eq!(idle(&*store, 1000 * DAY), [OTHER_AGENT]);
}

//! Rules of what an inbox may hold (RFC 8030 §7.2, §8.4).

use super::*;
use crate::Settled;
use webpush_core::receipt::ReceiptStatus;

fn quota(messages: u64, body_bytes: u64) -> Quota {
    Quota { messages, body_bytes, ..Quota::default() }
}

fn urgent(number: u64, urgency: Urgency) -> Draft {
    Draft { urgency, ..message(number) }
}

fn sized(number: u64, bytes: usize) -> Draft {
    Draft { body: Bytes::from(vec![7; bytes]), ..message(number) }
}

/// The least urgent go first, of equals the oldest, and never one more than is needed.
pub fn a_full_inbox_drops_the_least_urgent_and_oldest(open: Open) {
    let store = seeded_with(open, quota(4, 1000));
    let urgencies = [Urgency::Normal, Urgency::Low, Urgency::High, Urgency::Low];
    let messages = (0..).zip(urgencies).map(|(number, urgency)| urgent(number, urgency));
    let all: Vec<EntryRef> = messages.map(|message| append_one(&*store, message)).collect();
    let neighbour = append_one(&*store, Draft { agent: OTHER_AGENT, ..message(50) });
    let mut dropped = Vec::new();
    for number in 10..14 {
        dropped.extend(append(&*store, vec![message(number)])[0].dropped.clone());
    }
    assert_eq!(dropped[..3], [all[1], all[3], all[0]]);
    assert_eq!(dropped[3].message, message(10).id);
    assert!(dropped.iter().all(|entry| store.entry(entry) == Ok(None)));
    let left = contents(&*store, AGENT);
    assert_eq!((left.len(), left[0]), (4, all[2]));
    assert_eq!(contents(&*store, OTHER_AGENT), [neighbour]);
    assert_eq!(store.due(at(1000), 10).map(|due| due.entries.len()), Ok(5));
}

/// The new message is one among the others: it goes at once when it is less urgent than all.
pub fn a_new_message_may_be_the_one_to_go(open: Open) {
    let store = seeded_with(open, quota(2, 1000));
    let kept: Vec<EntryRef> = (0..2).map(|number| append_one(&*store, message(number))).collect();
    let low = Draft { receipt: Some(RECEIPTS), topic: Topic::parse(b"news"), ..urgent(2, Urgency::Low) };
    let appended = append(&*store, vec![low.clone()]);
    assert!(appended[0].is_dropped());
    assert_eq!(appended[0].dropped, [appended[0].message.entry_ref()]);
    assert_eq!(appended[0].receipts.len(), 1);
    assert_eq!(contents(&*store, AGENT), kept);
    let again = append(&*store, vec![Draft { id: message(3).id, ..low }]);
    assert_eq!((again[0].replaced, again[0].is_dropped()), (None, true));
    let equal = append(&*store, vec![message(4)]);
    assert_eq!((equal[0].is_dropped(), &equal[0].dropped), (false, &vec![kept[0]]));
}

/// As many go as make room for the bytes of the new one; one that is too large alone goes alone.
pub fn bytes_count_as_well(open: Open) {
    let store = seeded_with(open, quota(100, 100));
    let all: Vec<EntryRef> = (0..4).map(|number| append_one(&*store, sized(number, 25))).collect();
    assert_eq!(append(&*store, vec![sized(4, 26)])[0].dropped, all[..2]);
    let new = append(&*store, vec![sized(5, 100)]);
    assert_eq!((new[0].dropped.len(), new[0].is_dropped()), (3, false));
    let too_large = append(&*store, vec![sized(6, 101)]);
    assert_eq!(too_large[0].dropped, [too_large[0].message.entry_ref()]);
    assert_eq!(contents(&*store, AGENT), [new[0].message.entry_ref()]);
    assert_eq!(append(&*store, vec![sized(7, 0)])[0].dropped, []);
}

/// Whoever asked for a receipt hears that the message failed.
pub fn a_dropped_message_owes_its_receipt(open: Open) {
    let store = seeded_with(open, quota(1, 1000));
    let owing = append_one(&*store, Draft { receipt: Some(RECEIPTS), ..message(1) });
    let appended = append(&*store, vec![message(2)]);
    let told: Vec<_> = appended[0].receipts.iter().map(|receipt| (receipt.about, receipt.status)).collect();
    assert_eq!(told, [(owing, ReceiptStatus::Failed)]);
    assert_eq!(contents(&*store, RECEIPTS), [appended[0].receipts[0].entry_ref()]);
    assert_eq!(settle(&*store, owing, Outcome::Delivered), Applied::Missing);
}

/// Whatever ends leaves its room to others; also to those that come after the store was opened again.
pub fn every_end_leaves_room(open: Open) {
    let three = quota(3, 1000);
    let store = seeded_with(open, three);
    let fill = |store: &dyn Store, first: u64| {
        let messages = (first..first + 3).map(message).collect();
        let appended = append(store, messages);
        assert!(appended.iter().all(|appended| appended.dropped.is_empty()), "there is room for three");
        assert_eq!(append(store, vec![topical(first + 3, "news")])[0].dropped.len(), 1, "but not for four");
        appended.last().map(|appended| appended.message.entry_ref()).expect("three were appended")
    };
    let last = fill(&*store, 0);
    settle(&*store, last, Outcome::Delivered);
    let replacing = append(&*store, vec![topical(10, "news"), topical(11, "news"), message(12)]);
    assert!(replacing.iter().all(|appended| appended.dropped.is_empty()));
    commit(&*store, vec![Op::Unsubscribe(AGENT, SUBSCRIPTION), subscription(AGENT, SUBSCRIPTION)]);
    fill(&*store, 20);
    commit(&*store, vec![Op::RemoveInbox(AGENT), inbox(AGENT, Owner::Agent)]);
    commit(&*store, vec![subscription(AGENT, SUBSCRIPTION)]);
    fill(&*store, 30);
    store.close();
    let store = open(three);
    assert_eq!(append(&*store, vec![message(40)])[0].dropped.len(), 1, "what is held is known again");
    for entry in contents(&*store, AGENT) {
        settle(&*store, entry, Outcome::Expired);
    }
    fill(&*store, 50);
    store.close();
    let smaller = open(quota(1, 1000));
    assert_eq!(append(&*smaller, vec![message(60)])[0].dropped.len(), 3);
}

/// Of receipts the oldest go; how many went is told with the change that made them go.
pub fn a_full_receipt_inbox_drops_the_oldest(open: Open) {
    let store = seeded_with(open, Quota { receipts: 2, ..Quota::default() });
    let owing = |number| append_one(&*store, Draft { receipt: Some(RECEIPTS), ..message(number) });
    let all: Vec<EntryRef> = (0..5).map(owing).collect();
    let dropped: Vec<usize> = all[..3]
        .iter()
        .map(|entry| match settle(&*store, *entry, Outcome::Delivered) {
            Applied::Settled(Settled { receipt: Some(_), receipts_dropped, .. }) => receipts_dropped,
            _ => unreachable!("a receipt is owed"),
        })
        .collect();
    assert_eq!(dropped, [0, 0, 1]);
    let removed = commit(&*store, vec![Op::RemoveInbox(AGENT)]);
    let [Applied::Removed(removed)] = &removed[..] else { unreachable!("it was there") };
    assert_eq!((removed.receipts.len(), removed.receipts_dropped), (2, 2));
    let about = fetch(&*store, everything(RECEIPTS), Position::START, 10).entries;
    assert_eq!(
        about.iter().map(|entry| entry.entry_ref().message).collect::<Vec<_>>(),
        [all[3].message, all[4].message]
    );
}

/// An agent has so many subscriptions and no more; one that is there may always be written anew.
pub fn subscriptions_are_bounded(open: Open) {
    let two = Quota { subscriptions: 2, ..Quota::default() };
    let store = seeded_with(open, two);
    let third = SubscriptionId::from_bytes([6; 16]);
    let applied = commit(
        &*store,
        vec![
            subscription(AGENT, third),
            subscription(AGENT, SUBSCRIPTION),
            subscription(OTHER_AGENT, third),
            subscription(RECEIPTS, third),
            Op::Unsubscribe(AGENT, OTHER_SUBSCRIPTION),
            subscription(AGENT, third),
            subscription(AGENT, OTHER_SUBSCRIPTION),
        ],
    );
    let is_refused: Vec<bool> = applied.iter().map(|applied| *applied == Applied::Refused).collect();
    assert_eq!(is_refused, [true, false, false, false, false, false, true]);
    assert_eq!(applied[3], Applied::Missing, "a receipt subscription has no subscriptions");
    assert_eq!(store.subscription(AGENT, OTHER_SUBSCRIPTION), Ok(None));
    assert!(matches!(store.subscription(AGENT, third), Ok(Some(_))));
    store.close();
    let store = open(two);
    assert_eq!(commit(&*store, vec![subscription(AGENT, OTHER_SUBSCRIPTION)]), [Applied::Refused]);
    commit(&*store, vec![Op::RemoveInbox(AGENT), inbox(AGENT, Owner::Agent)]);
    let again = commit(&*store, vec![subscription(AGENT, third), subscription(AGENT, SUBSCRIPTION)]);
    assert_eq!(again, [Applied::Created, Applied::Created]);
}

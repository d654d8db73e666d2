//! Rules of ending entries and of the receipts they owe.

use super::*;
use crate::Settled;
use webpush_core::receipt::{Receipt, ReceiptStatus};

fn receipt_of(applied: Applied) -> Option<Receipt> {
    match applied {
        Applied::Settled(settled) => settled.receipt,
        _ => unreachable!("it was there to be settled"),
    }
}

/// The first settle ends the entry, the second finds nothing.
pub fn settling_twice_does_nothing(open: Open) {
    let store = seeded(open);
    let entry = append_one(&*store, Draft { receipt: Some(RECEIPTS), ..message(1) });
    assert!(receipt_of(settle(&*store, entry, Outcome::Delivered)).is_some());
    assert_eq!(settle(&*store, entry, Outcome::Expired), Applied::Missing);
    assert_eq!(store.entry(&entry), Ok(None));
    assert_eq!(contents(&*store, AGENT), []);
    assert_eq!(contents(&*store, RECEIPTS).len(), 1);
    assert_eq!(store.due(at(2000), 10), Ok(crate::Due::default()));
}

/// Every outcome gives the receipt that [`ReceiptStatus::of`] says, if one was asked for.
pub fn receipts_say_how_messages_end(open: Open) {
    let store = seeded(open);
    let outcomes =
        [Outcome::Delivered, Outcome::Expired, Outcome::Replaced, Outcome::Cancelled, Outcome::Dropped];
    let mut expected = Vec::new();
    for (number, outcome) in (0..).zip(outcomes) {
        let entry = append_one(&*store, Draft { receipt: Some(RECEIPTS), ..message(number) });
        let receipt = receipt_of(settle(&*store, entry, outcome));
        assert_eq!(receipt.map(|receipt| receipt.status), ReceiptStatus::of(outcome));
        if let Some(receipt) = receipt {
            assert_eq!((receipt.inbox, receipt.about, receipt.key), (RECEIPTS, entry, KeyId(9)));
            expected.push(Entry::Receipt(receipt));
        }
        let quiet = append_one(&*store, message(100 + number));
        assert_eq!(receipt_of(settle(&*store, quiet, outcome)), None);
    }
    assert_eq!(fetch(&*store, everything(RECEIPTS), Position::START, u64::MAX).entries, expected);
    assert!(expected.iter().map(Entry::position).is_sorted());
    let one_subscription = Scope { only: Some(SUBSCRIPTION), ..everything(RECEIPTS) };
    assert_eq!(fetch(&*store, one_subscription, Position::START, 10).entries, []);
}

/// When the receipt subscription was removed, the message ends all the same.
pub fn a_gone_receipt_inbox_gets_nothing(open: Open) {
    let store = seeded(open);
    let entry = append_one(&*store, Draft { receipt: Some(RECEIPTS), ..message(1) });
    commit(&*store, vec![Op::RemoveInbox(RECEIPTS)]);
    let settled = settle(&*store, entry, Outcome::Delivered);
    let accepted = Some(message(1).accepted);
    assert_eq!(settled, Applied::Settled(Settled { accepted, ..Settled::new(entry, Outcome::Delivered) }));
    assert_eq!(contents(&*store, RECEIPTS), []);
}

/// A receipt is acknowledged like a message, by the message it is about, and owes nothing itself.
pub fn a_receipt_is_settled_like_any_entry(open: Open) {
    let store = seeded(open);
    let entry = append_one(&*store, Draft { receipt: Some(RECEIPTS), ..message(1) });
    let receipt = receipt_of(settle(&*store, entry, Outcome::Delivered)).expect("one is owed");
    assert_eq!(receipt.entry_ref().message, entry.message);
    let settled = settle(&*store, receipt.entry_ref(), Outcome::Delivered);
    assert_eq!(
        settled,
        Applied::Settled(Settled::new(receipt.entry_ref(), Outcome::Delivered)),
        "it is no message"
    );
    assert_eq!(settle(&*store, receipt.entry_ref(), Outcome::Delivered), Applied::Missing);
    assert_eq!(contents(&*store, RECEIPTS), []);
}

/// Both must be right: nothing is searched for, and nothing else is taken for it.
pub fn an_entry_is_named_by_position_and_id(open: Open) {
    let store = seeded(open);
    let all: Vec<EntryRef> = (0..3).map(|number| append_one(&*store, message(number))).collect();
    let moved = |position| EntryRef { position, ..all[1] };
    for position in [Position::START, all[0].position, all[2].position, Position::new(u64::MAX)] {
        assert_eq!(store.entry(&moved(position)), Ok(None));
        assert_eq!(settle(&*store, moved(position), Outcome::Delivered), Applied::Missing);
    }
    let elsewhere = EntryRef { inbox: OTHER_AGENT, ..all[1] };
    let unknown = EntryRef { message: message(99).id, ..all[1] };
    for wrong in [elsewhere, unknown] {
        assert_eq!(store.entry(&wrong), Ok(None));
        assert_eq!(settle(&*store, wrong, Outcome::Delivered), Applied::Missing);
    }
    let found = store.entry(&all[1]).expect("the store can be read");
    assert_eq!(found.map(|entry| entry.entry_ref()), Some(all[1]));
    let settled = settle(&*store, all[1], Outcome::Delivered);
    let accepted = Some(message(1).accepted);
    assert_eq!(settled, Applied::Settled(Settled { accepted, ..Settled::new(all[1], Outcome::Delivered) }));
    assert_eq!(contents(&*store, AGENT), [all[0], all[2]]);
}

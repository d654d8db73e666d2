//! Rules of the end of entries, and of their receipts.

use super::*;
use crate::SettleResult;
use webpush_core::receipt::{Receipt, ReceiptStatus};

fn receipt_of(applied: Applied) -> Option<Receipt> {
    match applied {
        Applied::Settled(settled) => settled.receipt,
        _ => unreachable!("it was there to be settled"),
    }
}

/// The first settle ends the entry, the second finds nothing.
pub async fn settling_twice_does_nothing(open: Open<'_>) {
    let store = seeded(open).await;
    let entry = append_one(&store, Draft { receipt: Some(RECEIPTS), ..message(1) }).await;
    assert!(receipt_of(settle(&store, entry, Outcome::Delivered).await).is_some());
    assert_eq!(settle(&store, entry, Outcome::Expired).await, Applied::Missing);
    assert_eq!(store.entry(&entry).await, Ok(None));
    assert_eq!(contents(&store, AGENT).await, []);
    assert_eq!(contents(&store, RECEIPTS).await.len(), 1);
    assert_eq!(store.due(at(2000), 10).await, Ok(crate::Due::default()));
}

/// Every outcome causes the receipt of [`ReceiptStatus::from_outcome`], if one was requested.
pub async fn receipts_say_how_messages_end(open: Open<'_>) {
    let store = seeded(open).await;
    let outcomes =
        [Outcome::Delivered, Outcome::Expired, Outcome::Replaced, Outcome::Canceled, Outcome::Dropped];
    let mut expected = Vec::new();
    for (number, outcome) in (0..).zip(outcomes) {
        let entry = append_one(&store, Draft { receipt: Some(RECEIPTS), ..message(number) }).await;
        let receipt = receipt_of(settle(&store, entry, outcome).await);
        assert_eq!(receipt.map(|receipt| receipt.status), ReceiptStatus::from_outcome(outcome));
        if let Some(receipt) = receipt {
            assert_eq!((receipt.inbox, receipt.about, receipt.key), (RECEIPTS, entry, KeyId(9)));
            expected.push(Entry::Receipt(receipt));
        }
        let quiet = append_one(&store, message(100 + number)).await;
        assert_eq!(receipt_of(settle(&store, quiet, outcome).await), None);
    }
    assert_eq!(fetch(&store, everything(RECEIPTS), Position::START, u64::MAX).await.entries, expected);
    assert!(expected.iter().map(Entry::position).is_sorted());
    let one_subscription = Scope { subscription: Some(SUBSCRIPTION), ..everything(RECEIPTS) };
    assert_eq!(fetch(&store, one_subscription, Position::START, 10).await.entries, []);
}

/// If the receipt subscription was removed, the message still ends.
pub async fn a_gone_receipt_inbox_gets_nothing(open: Open<'_>) {
    let store = seeded(open).await;
    let entry = append_one(&store, Draft { receipt: Some(RECEIPTS), ..message(1) }).await;
    commit(&store, vec![Op::RemoveInbox(RECEIPTS)]).await;
    let settled = settle(&store, entry, Outcome::Delivered).await;
    let accepted = Some(message(1).accepted);
    assert_eq!(
        settled,
        Applied::Settled(SettleResult { accepted, ..SettleResult::new(entry, Outcome::Delivered) })
    );
    assert_eq!(contents(&store, RECEIPTS).await, []);
}

/// A receipt goes only into an inbox of receipts, whichever inbox a message names.
pub async fn a_receipt_goes_into_no_agents_inbox(open: Open<'_>) {
    let store = seeded(open).await;
    let entry = append_one(&store, Draft { receipt: Some(OTHER_AGENT), ..message(1) }).await;
    assert_eq!(receipt_of(settle(&store, entry, Outcome::Delivered).await), None);
    assert_eq!(contents(&store, OTHER_AGENT).await, []);
}

/// A receipt is settled like a message, by the message it is about, and owes nothing itself.
pub async fn a_receipt_is_settled_like_any_entry(open: Open<'_>) {
    let store = seeded(open).await;
    let entry = append_one(&store, Draft { receipt: Some(RECEIPTS), ..message(1) }).await;
    let receipt = receipt_of(settle(&store, entry, Outcome::Delivered).await).expect("one is owed");
    assert_eq!(receipt.entry_ref().message, entry.message);
    let settled = settle(&store, receipt.entry_ref(), Outcome::Delivered).await;
    assert_eq!(
        settled,
        Applied::Settled(SettleResult::new(receipt.entry_ref(), Outcome::Delivered)),
        "it is no message"
    );
    assert_eq!(settle(&store, receipt.entry_ref(), Outcome::Delivered).await, Applied::Missing);
    assert_eq!(contents(&store, RECEIPTS).await, []);
}

/// Position and message ID must both match.
pub async fn an_entry_is_named_by_position_and_id(open: Open<'_>) {
    let store = seeded(open).await;
    let all = append_each(&store, (0..3).map(message)).await;
    let moved = |position| EntryRef { position, ..all[1] };
    for position in [Position::START, all[0].position, all[2].position, Position::new(u64::MAX)] {
        assert_eq!(store.entry(&moved(position)).await, Ok(None));
        assert_eq!(settle(&store, moved(position), Outcome::Delivered).await, Applied::Missing);
    }
    let elsewhere = EntryRef { inbox: OTHER_AGENT, ..all[1] };
    let unknown = EntryRef { message: message(99).id, ..all[1] };
    for wrong in [elsewhere, unknown] {
        assert_eq!(store.entry(&wrong).await, Ok(None));
        assert_eq!(settle(&store, wrong, Outcome::Delivered).await, Applied::Missing);
    }
    let found = store.entry(&all[1]).await.expect("the store can be read");
    assert_eq!(found.map(|entry| entry.entry_ref()), Some(all[1]));
    let settled = settle(&store, all[1], Outcome::Delivered).await;
    let accepted = Some(message(1).accepted);
    assert_eq!(
        settled,
        Applied::Settled(SettleResult { accepted, ..SettleResult::new(all[1], Outcome::Delivered) })
    );
    assert_eq!(contents(&store, AGENT).await, [all[0], all[2]]);
}

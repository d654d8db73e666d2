//! Rules of expiry.

use super::*;
use crate::Due;

/// The oldest deadline comes first; `next` is the first deadline that is not listed.
pub async fn due_in_deadline_order(open: Open<'_>) {
    let store = seeded(open).await;
    assert_eq!(store.due(at(1_000_000), 10).await, Ok(Due::default()));
    let until =
        async |number, expires| append_one(&store, Draft { expires: at(expires), ..message(number) }).await;
    let (c, a, b) = (until(1, 300).await, until(2, 100).await, until(3, 200).await);
    let due = async |now, limit| store.due(at(now), limit).await.expect("the store can be read");
    let cases: [(u64, usize, &[EntryRef], Option<u64>); 6] = [
        (99, 10, &[], Some(100)),
        (100, 10, &[a], Some(200)),
        (250, 10, &[a, b], Some(300)),
        (300, 10, &[a, b, c], None),
        (300, 2, &[a, b], Some(300)),
        (300, 0, &[], Some(100)),
    ];
    for (now, limit, entries, next) in cases {
        assert_eq!(due(now, limit).await, Due { entries: entries.to_vec(), next: next.map(at) });
    }
    settle(&store, a, Outcome::Expired).await;
    assert_eq!(due(300, 1).await, Due { entries: vec![b], next: Some(at(300)) });
    let early = until(4, 50).await;
    assert_eq!(
        due(300, 10).await.entries,
        [early, b, c],
        "a deadline may be earlier than those looked at before"
    );
    store.close();
    let after = open(Quota::default()).due(at(300), 10).await.expect("the store can be read");
    assert_eq!(after.entries, [early, b, c]);
}

/// Receipts do not expire.
pub async fn due_never_names_receipts(open: Open<'_>) {
    let store = seeded(open).await;
    let entry = append_one(&store, Draft { receipt: Some(RECEIPTS), ..message(1) }).await;
    settle(&store, entry, Outcome::Expired).await;
    assert_eq!(contents(&store, RECEIPTS).await.len(), 1);
    assert_eq!(store.due(Timestamp::NEVER, 10).await, Ok(Due::default()));
}

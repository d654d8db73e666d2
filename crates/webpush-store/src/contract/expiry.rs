//! Rules of finding what has expired.

use super::*;
use crate::Due;

/// The oldest deadline comes first; `next` is the first deadline of what is not named.
pub fn due_in_deadline_order(open: Open) {
    let store = seeded(open);
    assert_eq!(store.due(at(1_000_000), 10), Ok(Due::default()));
    let until = |number, expires| append_one(&*store, Draft { expires: at(expires), ..message(number) });
    let (c, a, b) = (until(1, 300), until(2, 100), until(3, 200));
    let due = |now, limit| store.due(at(now), limit).expect("the store can be read");
    let cases: [(u64, usize, &[EntryRef], Option<u64>); 6] = [
        (99, 10, &[], Some(100)),
        (100, 10, &[a], Some(200)),
        (250, 10, &[a, b], Some(300)),
        (300, 10, &[a, b, c], None),
        (300, 2, &[a, b], Some(300)),
        (300, 0, &[], Some(100)),
    ];
    for (now, limit, entries, next) in cases {
        assert_eq!(due(now, limit), Due { entries: entries.to_vec(), next: next.map(at) });
    }
    settle(&*store, a, Outcome::Expired);
    assert_eq!(due(300, 1), Due { entries: vec![b], next: Some(at(300)) });
    let early = until(4, 50);
    assert_eq!(due(300, 10).entries, [early, b, c], "a deadline may be earlier than those looked at before");
    store.close();
    let after = open(Quota::default()).due(at(300), 10).expect("the store can be read");
    assert_eq!(after.entries, [early, b, c]);
}

/// Receipts don't expire.
pub fn due_never_names_receipts(open: Open) {
    let store = seeded(open);
    let entry = append_one(&*store, Draft { receipt: Some(RECEIPTS), ..message(1) });
    settle(&*store, entry, Outcome::Expired);
    assert_eq!(contents(&*store, RECEIPTS).len(), 1);
    assert_eq!(store.due(Timestamp::NEVER, 10), Ok(Due::default()));
}

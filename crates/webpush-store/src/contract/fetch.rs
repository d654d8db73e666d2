//! Rules of reading an inbox.

use super::*;
use crate::{Latest, StoreError};
use webpush_core::session::{FETCH_ENTRIES, FETCH_SCAN_BYTES, FETCH_SCAN_ROWS};

/// Other subscriptions, lower urgencies and expired messages are excluded, but count as scanned.
pub async fn fetch_admits_what_the_scope_says(open: Open<'_>) {
    let store = seeded(open).await;
    let urgent = |number, urgency| Draft { urgency, ..message(number) };
    let messages = [
        urgent(0, Urgency::VeryLow),
        urgent(1, Urgency::High),
        Draft { subscription: OTHER_SUBSCRIPTION, ..urgent(2, Urgency::Normal) },
        Draft { expires: at(50), ..message(3) },
        urgent(4, Urgency::Low),
    ];
    let all = append_each(&store, messages).await;
    let seen = all[4].position;
    let only = |id| Scope { subscription: Some(id), ..everything(AGENT) };
    let floor = |floor| Scope { min_urgency: floor, ..everything(AGENT) };
    let cases: [(Scope, u64, &[usize]); 8] = [
        (everything(AGENT), 49, &[0, 1, 2, 3, 4]),
        (everything(AGENT), 50, &[0, 1, 2, 4]),
        (everything(AGENT), 1000, &[]),
        (only(SUBSCRIPTION), 49, &[0, 1, 3, 4]),
        (only(OTHER_SUBSCRIPTION), 49, &[2]),
        (floor(Urgency::Low), 49, &[1, 2, 3, 4]),
        (floor(Urgency::Normal), 49, &[1, 2, 3]),
        (floor(Urgency::High), 49, &[1]),
    ];
    for (scope, now, expected) in cases {
        let page = fetch(&store, scope, Position::START, now).await;
        let got: Vec<EntryRef> = page.entries.iter().map(Entry::entry_ref).collect();
        let expected: Vec<EntryRef> = expected.iter().map(|&index| all[index]).collect();
        assert_eq!(got, expected);
        assert_eq!((page.scanned, page.more), (seen, false));
    }
    let page = fetch(&store, everything(AGENT), all[1].position, 50).await;
    assert_eq!(page.entries.iter().map(Entry::entry_ref).collect::<Vec<_>>(), [all[2], all[4]]);
    let empty = fetch(&store, everything(AGENT), seen, 10).await;
    assert_eq!(empty, Page { entries: Vec::new(), scanned: seen, more: false });
    assert_eq!(fetch(&store, everything(OTHER_AGENT), Position::START, 10).await, Page::default());
}

/// A page holds [`FETCH_ENTRIES`] entries, and the next one starts where it ended.
pub async fn fetch_pages(open: Open<'_>) {
    let store = seeded(open).await;
    let count = 2 * FETCH_ENTRIES;
    let sent = append(&store, (0..count as u64).map(message).collect()).await;
    let mut got = Vec::new();
    let mut after = Position::START;
    for last in [false, true] {
        let page = fetch(&store, everything(AGENT), after, 10).await;
        assert_eq!(page.entries.len(), FETCH_ENTRIES);
        assert_eq!(page.scanned, page.entries[FETCH_ENTRIES - 1].position());
        assert_eq!(page.more, !last);
        after = page.scanned;
        got.extend(page.entries);
    }
    assert!(sent.into_iter().map(|appended| Entry::Message(appended.message)).eq(got));
}

/// A fetch scans at most [`FETCH_SCAN_ROWS`] rows, and returns how far it got.
pub async fn fetch_stops_after_scanning_enough(open: Open<'_>) {
    let store = seeded(open).await;
    let low = |number| Draft { urgency: Urgency::VeryLow, ..message(number) };
    let filtered = append(&store, (0..FETCH_SCAN_ROWS as u64).map(low).collect()).await;
    let wanted = append_one(&store, message(FETCH_SCAN_ROWS as u64)).await;
    let scope = Scope { min_urgency: Urgency::Normal, ..everything(AGENT) };
    let first = fetch(&store, scope, Position::START, 10).await;
    let end = filtered[FETCH_SCAN_ROWS - 1].message.position;
    assert_eq!(first, Page { entries: Vec::new(), scanned: end, more: true });
    let second = fetch(&store, scope, first.scanned, 10).await;
    assert_eq!(second.entries.iter().map(Entry::entry_ref).collect::<Vec<_>>(), [wanted]);
    assert_eq!((second.scanned, second.more), (wanted.position, false));
}

/// The newest entry that the scope admits is found in steps, however far back it is.
pub async fn latest_is_the_newest_that_the_scope_admits(open: Open<'_>) {
    let store = seeded(open).await;
    let only = |id| Scope { subscription: Some(id), ..everything(AGENT) };
    let newest = async |scope, now| {
        let found = latest(&store, &scope, at(now)).await.expect("the store can be read");
        found.map(|entry| entry.entry_ref())
    };
    assert_eq!(newest(everything(AGENT), 10).await, None);
    let first = append_one(&store, message(0)).await;
    let second = append_one(&store, Draft { expires: at(50), ..message(1) }).await;
    let other = append_one(&store, Draft { subscription: OTHER_SUBSCRIPTION, ..message(2) }).await;
    append_one(&store, Draft { agent: OTHER_AGENT, ..message(3) }).await;
    assert_eq!(newest(everything(AGENT), 10).await, Some(other));
    assert_eq!(newest(only(SUBSCRIPTION), 49).await, Some(second));
    assert_eq!(newest(only(SUBSCRIPTION), 50).await, Some(first));
    settle(&store, second, Outcome::Delivered).await;
    assert_eq!(newest(only(SUBSCRIPTION), 10).await, Some(first));
    let many = 2 * FETCH_SCAN_ROWS as u64;
    let newer = |number| Draft { subscription: OTHER_SUBSCRIPTION, ..message(number) };
    // Wherever a step ends.
    for number in 10..50 {
        append_one(&store, newer(number)).await;
        assert_eq!(newest(only(SUBSCRIPTION), 10).await, Some(first), "behind {number}");
    }
    append(&store, (50..50 + many).map(newer).collect()).await;
    assert_eq!(newest(only(SUBSCRIPTION), 10).await, Some(first));
    let step = store.latest(&only(SUBSCRIPTION), Position::END, at(10)).await;
    assert!(matches!(step, Ok(Latest::Continue(_))), "one step reads a bounded number of rows: {step:?}");
    settle(&store, first, Outcome::Delivered).await;
    assert_eq!(newest(only(SUBSCRIPTION), 10).await, None);
}

/// Searches for the newest entry of an inbox that the scope admits.
///
/// # Errors
/// Fails if the store cannot be read.
pub async fn latest(store: &impl Store, scope: &Scope, now: Timestamp) -> Result<Option<Entry>, StoreError> {
    let mut before = Position::END;
    loop {
        match store.latest(scope, before, now).await? {
            Latest::Entry(entry) => return Ok(Some(entry)),
            Latest::Nothing => return Ok(None),
            Latest::Continue(earlier) => {
                assert!(earlier < before, "each step gets further");
                before = earlier;
            }
        }
    }
}

/// A fetch ends after [`FETCH_SCAN_BYTES`] of bodies, whether or not the scope admits them.
pub async fn fetch_stops_after_scanning_enough_bytes(open: Open<'_>) {
    let store = seeded(open).await;
    let large = |number| Draft { body: vec![1; FETCH_SCAN_BYTES / 4].into(), ..message(number) };
    append(&store, (0..6).map(large).collect()).await;
    let excluded = Scope { subscription: Some(OTHER_SUBSCRIPTION), ..everything(AGENT) };
    for (scope, entries) in [(everything(AGENT), 4), (excluded, 0)] {
        let page = fetch(&store, scope, Position::START, 10).await;
        assert_eq!((page.entries.len(), page.more), (entries, true));
        let rest = fetch(&store, scope, page.scanned, 10).await;
        assert_eq!((rest.entries.len(), rest.more), (entries / 2, false));
    }
}

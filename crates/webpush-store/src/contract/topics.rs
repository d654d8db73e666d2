//! Rules of topics (RFC 8030 §5.4).

use super::*;

/// A new message ends the outstanding one of its topic, and returns it.
pub async fn a_topic_replaces_what_is_outstanding(open: Open<'_>) {
    let store = seeded(open).await;
    let old = append_one(&store, topical(1, "news")).await;
    let other = append_one(&store, topical(2, "mail")).await;
    let plain = append_one(&store, message(3)).await;
    let appended = append(&store, vec![Draft { receipt: Some(RECEIPTS), ..topical(4, "news") }]).await;
    assert_eq!(appended[0].replaced, Some(old));
    let new = appended[0].message.entry_ref();
    assert_eq!(store.entry(&old).await, Ok(None));
    assert_eq!(contents(&store, AGENT).await, [other, plain, new]);
    assert_eq!(append(&store, vec![topical(5, "news")]).await[0].replaced, Some(new));
    assert_eq!(contents(&store, RECEIPTS).await, [], "a replaced message says nothing");
}

/// The same, with both in one batch.
pub async fn a_topic_replaces_within_a_batch(open: Open<'_>) {
    let store = seeded(open).await;
    let appended = append(&store, (0..4).map(|number| topical(number, "news")).collect()).await;
    let entries: Vec<EntryRef> = appended.iter().map(|appended| appended.message.entry_ref()).collect();
    let replaced: Vec<Option<EntryRef>> = appended.iter().map(|appended| appended.replaced).collect();
    assert_eq!(replaced, [None, Some(entries[0]), Some(entries[1]), Some(entries[2])]);
    assert_eq!(contents(&store, AGENT).await, [entries[3]]);
    assert_eq!(store.due(at(1000), 10).await.map(|due| due.entries), Ok(vec![entries[3]]));
}

/// The same topic of another subscription or another agent is another topic.
pub async fn a_topic_is_of_one_subscription(open: Open<'_>) {
    let store = seeded(open).await;
    let messages = vec![
        topical(1, "news"),
        Draft { subscription: OTHER_SUBSCRIPTION, ..topical(2, "news") },
        Draft { agent: OTHER_AGENT, ..topical(3, "news") },
    ];
    assert!(append(&store, messages).await.iter().all(|appended| appended.replaced.is_none()));
    assert_eq!((contents(&store, AGENT).await.len(), contents(&store, OTHER_AGENT).await.len()), (2, 1));
}

/// A settled message is not replaced. An expired one has ended already, and keeps the receipt it owes.
pub async fn an_ended_message_is_not_replaced(open: Open<'_>) {
    let store = seeded(open).await;
    let settled = append_one(&store, topical(1, "news")).await;
    settle(&store, settled, Outcome::Delivered).await;
    let short = Draft { expires: at(20), receipt: Some(RECEIPTS), ..topical(2, "news") };
    let appended = append(&store, vec![short]).await;
    assert_eq!(appended[0].replaced, None);
    let expired = appended[0].message.entry_ref();
    let appended = append(&store, vec![Draft { accepted: at(20), ..topical(3, "news") }]).await;
    assert_eq!(appended[0].replaced, None);
    let new = appended[0].message.entry_ref();
    let Applied::Settled(end) = settle(&store, expired, Outcome::Expired).await else {
        unreachable!("it was left for the sweep")
    };
    assert_eq!(end.receipt.map(|receipt| receipt.about), Some(expired));
    let last = append(&store, vec![Draft { accepted: at(21), ..topical(4, "news") }]).await;
    assert_eq!(last[0].replaced, Some(new), "the end of the old one leaves the topic to the new one");
}

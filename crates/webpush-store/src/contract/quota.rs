//! Rules of quotas (RFC 8030 §7.2, §8.4).

use super::*;
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

/// The least urgent messages are dropped first, of equals the oldest, and no more than necessary.
pub async fn a_full_inbox_drops_the_least_urgent_and_oldest(open: Open<'_>) {
    let store = seeded_with(open, quota(4, 1000)).await;
    let urgencies = [Urgency::Normal, Urgency::Low, Urgency::High, Urgency::Low];
    let messages = (0..).zip(urgencies).map(|(number, urgency)| urgent(number, urgency));
    let all = append_each(&store, messages).await;
    let of_other = append_one(&store, Draft { agent: OTHER_AGENT, ..message(50) }).await;
    let mut dropped = Vec::new();
    for number in 10..14 {
        dropped.extend(append(&store, vec![message(number)]).await[0].dropped.clone());
    }
    assert_eq!(dropped[..3], [all[1], all[3], all[0]]);
    assert_eq!(dropped[3].message, message(10).id);
    for entry in &dropped {
        assert_eq!(store.entry(entry).await, Ok(None));
    }
    let left = contents(&store, AGENT).await;
    assert_eq!((left.len(), left[0]), (4, all[2]));
    assert_eq!(contents(&store, OTHER_AGENT).await, [of_other]);
    assert_eq!(store.due(at(1000), 10).await.map(|due| due.entries.len()), Ok(5));
}

/// The new message is dropped itself if it is less urgent than all others.
pub async fn a_new_message_may_be_the_one_to_go(open: Open<'_>) {
    let store = seeded_with(open, quota(2, 1000)).await;
    let kept = append_each(&store, (0..2).map(message)).await;
    let low = Draft { receipt: Some(RECEIPTS), topic: Topic::parse(b"news"), ..urgent(2, Urgency::Low) };
    let appended = append(&store, vec![low.clone()]).await;
    assert!(appended[0].is_dropped());
    assert_eq!(appended[0].dropped, [appended[0].message.entry_ref()]);
    assert_eq!(appended[0].receipts.len(), 1);
    assert_eq!(contents(&store, AGENT).await, kept);
    let again = append(&store, vec![Draft { id: message(3).id, ..low }]).await;
    assert_eq!((again[0].replaced, again[0].is_dropped()), (None, true));
    let equal = append(&store, vec![message(4)]).await;
    assert_eq!((equal[0].is_dropped(), &equal[0].dropped), (false, &vec![kept[0]]));
}

/// Messages are dropped until the new one fits; one that is too large alone is dropped alone.
pub async fn bytes_count_as_well(open: Open<'_>) {
    let store = seeded_with(open, quota(100, 100)).await;
    let all = append_each(&store, (0..4).map(|number| sized(number, 25))).await;
    assert_eq!(append(&store, vec![sized(4, 26)]).await[0].dropped, all[..2]);
    let new = append(&store, vec![sized(5, 100)]).await;
    assert_eq!((new[0].dropped.len(), new[0].is_dropped()), (3, false));
    let too_large = append(&store, vec![sized(6, 101)]).await;
    assert_eq!(too_large[0].dropped, [too_large[0].message.entry_ref()]);
    assert_eq!(contents(&store, AGENT).await, [new[0].message.entry_ref()]);
    assert_eq!(append(&store, vec![sized(7, 0)]).await[0].dropped, []);
}

/// A sender that requested a receipt learns that the message failed.
pub async fn a_dropped_message_owes_its_receipt(open: Open<'_>) {
    let store = seeded_with(open, quota(1, 1000)).await;
    let owing = append_one(&store, Draft { receipt: Some(RECEIPTS), ..message(1) }).await;
    let appended = append(&store, vec![message(2)]).await;
    let told: Vec<_> = appended[0].receipts.iter().map(|receipt| (receipt.about, receipt.status)).collect();
    assert_eq!(told, [(owing, ReceiptStatus::Failed)]);
    assert_eq!(contents(&store, RECEIPTS).await, [appended[0].receipts[0].entry_ref()]);
    assert_eq!(settle(&store, owing, Outcome::Delivered).await, Applied::Missing);
}

/// Ended entries make room for others, even after the store was reopened.
pub async fn every_end_leaves_room(open: Open<'_>) {
    let three = quota(3, 1000);
    let store = seeded_with(open, three).await;
    let fill = async |store: &Backend, first: u64| {
        let messages = (first..first + 3).map(message).collect();
        let appended = append(store, messages).await;
        assert!(appended.iter().all(|appended| appended.dropped.is_empty()), "there is room for three");
        assert_eq!(
            append(store, vec![topical(first + 3, "news")]).await[0].dropped.len(),
            1,
            "but not for four"
        );
        appended.last().map(|appended| appended.message.entry_ref()).expect("three were appended")
    };
    let last = fill(&store, 0).await;
    settle(&store, last, Outcome::Delivered).await;
    let replacing = append(&store, vec![topical(10, "news"), topical(11, "news"), message(12)]).await;
    assert!(replacing.iter().all(|appended| appended.dropped.is_empty()));
    commit(&store, vec![Op::Unsubscribe(AGENT, SUBSCRIPTION), subscription(AGENT, SUBSCRIPTION)]).await;
    fill(&store, 20).await;
    commit(&store, vec![Op::RemoveInbox(AGENT), inbox(AGENT, Owner::Agent)]).await;
    commit(&store, vec![subscription(AGENT, SUBSCRIPTION)]).await;
    fill(&store, 30).await;
    store.close();
    let store = open(three);
    assert_eq!(append(&store, vec![message(40)]).await[0].dropped.len(), 1, "what is held is known again");
    for entry in contents(&store, AGENT).await {
        settle(&store, entry, Outcome::Expired).await;
    }
    fill(&store, 50).await;
    store.close();
    let smaller = open(quota(1, 1000));
    assert_eq!(append(&smaller, vec![message(60)]).await[0].dropped.len(), 3);
}

/// The oldest receipts are dropped; their number is in the result of the operation that dropped them.
pub async fn a_full_receipt_inbox_drops_the_oldest(open: Open<'_>) {
    let store = seeded_with(open, Quota { receipts: 2, ..Quota::default() }).await;
    let owing = |number| Draft { receipt: Some(RECEIPTS), ..message(number) };
    let all = append_each(&store, (0..5).map(owing)).await;
    for (entry, dropped) in all[..3].iter().zip([0, 0, 1]) {
        let Applied::Settled(settled) = settle(&store, *entry, Outcome::Delivered).await else {
            unreachable!("it is stored")
        };
        assert_eq!((settled.receipt.is_some(), settled.receipts_dropped), (true, dropped));
    }
    let removed = commit(&store, vec![Op::RemoveInbox(AGENT)]).await;
    let [Applied::Removed(removed)] = &removed[..] else { unreachable!("it was there") };
    assert_eq!((removed.receipts.len(), removed.receipts_dropped), (2, 2));
    let about = fetch(&store, everything(RECEIPTS), Position::START, 10).await.entries;
    assert_eq!(
        about.iter().map(|entry| entry.entry_ref().message).collect::<Vec<_>>(),
        [all[3].message, all[4].message]
    );
}

/// The number of subscriptions of an agent is limited; an existing one can always be written again.
pub async fn subscriptions_are_bounded(open: Open<'_>) {
    let two = Quota { subscriptions: 2, ..Quota::default() };
    let store = seeded_with(open, two).await;
    let third = SubscriptionId::from_bytes([6; 16]);
    let applied = commit(
        &store,
        vec![
            subscription(AGENT, third),
            subscription(AGENT, SUBSCRIPTION),
            subscription(OTHER_AGENT, third),
            subscription(RECEIPTS, third),
            Op::Unsubscribe(AGENT, OTHER_SUBSCRIPTION),
            subscription(AGENT, third),
            subscription(AGENT, OTHER_SUBSCRIPTION),
        ],
    )
    .await;
    let is_refused: Vec<bool> = applied.iter().map(|applied| *applied == Applied::Refused).collect();
    assert_eq!(is_refused, [true, false, false, false, false, false, true]);
    assert_eq!(applied[3], Applied::Missing, "a receipt subscription has no subscriptions");
    assert_eq!(store.subscription(AGENT, OTHER_SUBSCRIPTION).await, Ok(None));
    assert!(matches!(store.subscription(AGENT, third).await, Ok(Some(_))));
    store.close();
    let store = open(two);
    assert_eq!(commit(&store, vec![subscription(AGENT, OTHER_SUBSCRIPTION)]).await, [Applied::Refused]);
    commit(&store, vec![Op::RemoveInbox(AGENT), inbox(AGENT, Owner::Agent)]).await;
    let again = commit(&store, vec![subscription(AGENT, third), subscription(AGENT, SUBSCRIPTION)]).await;
    assert_eq!(again, [Applied::Created, Applied::Created]);
}

//! Rules of subscriptions with a channel.

use super::*;
use webpush_core::id::ChannelId;

const CHANNEL: ChannelId = ChannelId::from_bytes([7; 16]);

fn named(agent: InboxId, id: SubscriptionId, channel: ChannelId) -> Subscription {
    Subscription { protocol: Protocol::Autopush(channel), ..plain_subscription(agent, id) }
}

async fn found(store: &Backend, agent: InboxId) -> Option<SubscriptionId> {
    let found = store.channel(agent, CHANNEL).await.expect("the store can be read")?;
    assert_eq!((found.agent, found.channel()), (agent, Some(CHANNEL)));
    Some(found.id)
}

/// A channel is found until its subscription or agent is removed, even after the store was reopened.
pub async fn a_channel_is_found_until_it_is_unsubscribed(open: Open<'_>) {
    let store = open(Quota::default());
    assert_eq!(found(&store, AGENT).await, None);
    let subscribe = || Op::Subscribe(named(AGENT, SUBSCRIPTION, CHANNEL));
    commit(&store, vec![inbox(AGENT, Owner::Agent), subscribe()]).await;
    assert_eq!(found(&store, AGENT).await, Some(SUBSCRIPTION));
    assert_eq!(store.channel(AGENT, ChannelId::from_bytes([8; 16])).await, Ok(None));
    store.close();
    let store = open(Quota::default());
    assert_eq!(found(&store, AGENT).await, Some(SUBSCRIPTION));
    commit(&store, vec![Op::Unsubscribe(AGENT, SUBSCRIPTION)]).await;
    assert_eq!(found(&store, AGENT).await, None);
    commit(&store, vec![subscribe()]).await;
    assert_eq!(found(&store, AGENT).await, Some(SUBSCRIPTION));
    commit(&store, vec![Op::RemoveInbox(AGENT), inbox(AGENT, Owner::Agent)]).await;
    assert_eq!(found(&store, AGENT).await, None);
}

/// Two agents may use the same channel ID.
pub async fn a_channel_is_of_one_agent(open: Open<'_>) {
    let store = open(Quota::default());
    let agents = [(AGENT, SUBSCRIPTION), (OTHER_AGENT, OTHER_SUBSCRIPTION)];
    for (agent, id) in agents {
        commit(&store, vec![inbox(agent, Owner::Agent), Op::Subscribe(named(agent, id, CHANNEL))]).await;
    }
    assert_eq!(found(&store, AGENT).await, Some(SUBSCRIPTION));
    commit(&store, vec![Op::RemoveInbox(AGENT)]).await;
    assert_eq!(
        (found(&store, AGENT).await, found(&store, OTHER_AGENT).await),
        (None, Some(OTHER_SUBSCRIPTION))
    );
}

/// A channel belongs to one subscription.
///
/// A second one is refused until the first is removed, even in the same batch.
pub async fn a_channel_is_taken_once(open: Open<'_>) {
    let store = open(Quota::default());
    let first = Op::Subscribe(named(AGENT, SUBSCRIPTION, CHANNEL));
    let second = || Op::Subscribe(named(AGENT, OTHER_SUBSCRIPTION, CHANNEL));
    let applied = commit(&store, vec![inbox(AGENT, Owner::Agent), first.clone(), second(), first]).await;
    assert_eq!(applied, [Applied::Created, Applied::Created, Applied::Taken, Applied::Created]);
    assert_eq!(store.subscription(AGENT, OTHER_SUBSCRIPTION).await, Ok(None));
    let applied = commit(&store, vec![Op::Unsubscribe(AGENT, SUBSCRIPTION), second()]).await;
    assert_eq!(applied.last(), Some(&Applied::Created));
    assert_eq!(found(&store, AGENT).await, Some(OTHER_SUBSCRIPTION));
}

/// Subscriptions may exchange their channels in a batch.
pub async fn a_channel_moves_within_a_batch(open: Open<'_>) {
    let store = open(Quota::default());
    let other = ChannelId::from_bytes([8; 16]);
    let subscribe = |id, channel| Op::Subscribe(named(AGENT, id, channel));
    let first = vec![
        inbox(AGENT, Owner::Agent),
        subscribe(SUBSCRIPTION, other),
        subscribe(OTHER_SUBSCRIPTION, CHANNEL),
    ];
    assert_eq!(commit(&store, first).await, vec![Applied::Created; 3]);
    let free = ChannelId::from_bytes([9; 16]);
    let exchange = vec![
        subscribe(OTHER_SUBSCRIPTION, free),
        subscribe(SUBSCRIPTION, CHANNEL),
        subscribe(OTHER_SUBSCRIPTION, other),
    ];
    assert_eq!(commit(&store, exchange).await, vec![Applied::Created; 3]);
    assert_eq!(found(&store, AGENT).await, Some(SUBSCRIPTION));
}

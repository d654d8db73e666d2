//! Loads the rows that a group needs, and locks its inboxes.

use super::connect::DatabaseConnection;
use super::queue::{self, GroupKind};
use super::shard::shard;
use super::statements::WriterStatements;
use super::values::{self, Damaged, Uuid, from_count, from_position, from_topic};
use super::working_set::{EntryRow, Need, TopicKey, WorkingSet};
use crate::{Op, Quota, Record};
use std::collections::{BTreeMap, HashMap, HashSet};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row, Statement};
use webpush_core::id::{ChannelId, InboxId, Position, SubscriptionId};
use webpush_core::inbox::Entry;

/// Why rows could not be loaded.
#[derive(Debug)]
pub(super) enum LoadError {
    /// A statement failed.
    Statement(Error),
    /// A row cannot be read.
    Damaged,
}

impl From<Error> for LoadError {
    fn from(error: Error) -> Self {
        Self::Statement(error)
    }
}

impl From<Damaged> for LoadError {
    fn from(Damaged: Damaged) -> Self {
        Self::Damaged
    }
}

/// Rows to load, by kind.
#[derive(Debug, Default)]
pub(super) struct Needs {
    inboxes: HashSet<InboxId>,
    /// True if an inbox may be created.
    creates: bool,
    /// Inboxes to which only messages are appended, with their number and total bytes.
    appends: BTreeMap<InboxId, (i64, i64)>,
    subscriptions: HashSet<(InboxId, SubscriptionId)>,
    channels: HashSet<(InboxId, ChannelId)>,
    entries: HashSet<(InboxId, Position)>,
    topics: HashSet<TopicKey>,
}

impl Needs {
    /// Returns what most operations need. The rest is found when they are applied.
    pub(super) fn for_commits(commits: &[Vec<Op>]) -> Self {
        let mut needs = Self::default();
        let is_plain = commits.iter().all(|ops| GroupKind::new(ops) == GroupKind::Appends);
        for op in commits.iter().flatten() {
            match op {
                Op::Append(draft) if is_plain => {
                    let (messages, bytes) = needs.appends.entry(draft.agent).or_default();
                    *messages += 1;
                    *bytes += from_count(draft.body.len() as u64);
                }
                op => needs.inboxes.extend(queue::inbox(op)),
            }
            match op {
                Op::CreateInbox(_) | Op::Restore(Record::Inbox(_)) => needs.creates = true,
                Op::Append(draft) => {
                    needs.subscriptions.insert((draft.agent, draft.subscription));
                    needs.topics.extend(draft.topic.map(|topic| (draft.agent, draft.subscription, topic)));
                }
                Op::Settle(entry, _) => {
                    needs.entries.insert((entry.inbox, entry.position));
                }
                Op::Subscribe(subscription) | Op::Restore(Record::Subscription(subscription)) => {
                    needs.subscriptions.insert((subscription.agent, subscription.id));
                    needs
                        .channels
                        .extend(subscription.channel().map(|channel| (subscription.agent, channel)));
                }
                Op::Unsubscribe(agent, id) => {
                    needs.subscriptions.insert((*agent, *id));
                }
                Op::Restore(Record::Entry(entry)) => {
                    needs.entries.insert((entry.entry_ref().inbox, entry.position()));
                    if let Entry::Message(message) = entry {
                        needs.subscriptions.insert((message.agent, message.subscription));
                    }
                }
                Op::RemoveInbox(_)
                | Op::Touch(..)
                | Op::RemoveIdle(..)
                | Op::Restore(Record::Position(_)) => {}
            }
        }
        needs
    }
}

/// Returns the columns of a set of keys.
fn columns<A, B, C: From<A>, D>(
    keys: impl Iterator<Item = (A, B)>,
    second: impl Fn(B) -> D,
) -> (Vec<C>, Vec<D>) {
    keys.map(|(a, b)| (C::from(a), second(b))).unzip()
}

type Entries = Vec<(InboxId, Position, EntryRow)>;

fn entry_rows(rows: &[Row]) -> Result<Entries, Damaged> {
    rows.iter().map(values::entry_row).collect()
}

/// Loads rows into a set. The statements are sent together.
pub(super) async fn load(
    connection: &DatabaseConnection,
    statements: &WriterStatements,
    needs: Needs,
    set: &mut WorkingSet,
) -> Result<(), LoadError> {
    let client = &connection.client;
    let has_others = needs.appends.is_empty();
    let appends = Appends::new(&needs.appends);
    let inboxes: Vec<InboxId> = needs.inboxes.into_iter().collect();
    let inbox_ids: Vec<Uuid> = inboxes.iter().map(|id| (*id).into()).collect();
    let subscriptions: Vec<_> = needs.subscriptions.into_iter().collect();
    let (agents, ids) = columns::<_, _, Uuid, _>(subscriptions.iter().copied(), Uuid::from);
    let channels: Vec<_> = needs.channels.into_iter().collect();
    let (channel_agents, channel_ids) = columns::<_, _, Uuid, _>(channels.iter().copied(), Uuid::from);
    let entries: Vec<_> = needs.entries.into_iter().collect();
    let (entry_inboxes, positions) = columns::<_, _, Uuid, _>(entries.iter().copied(), from_position);
    let topics: Vec<_> = needs.topics.into_iter().collect();
    let (topic_inboxes, topic_subscriptions) =
        columns::<_, _, Uuid, _>(topics.iter().map(|(inbox, id, _)| (*inbox, *id)), Uuid::from);
    let topic_names: Vec<&str> = topics.iter().map(|(_, _, topic)| from_topic(topic)).collect();

    let created = if needs.creates { &inboxes[..] } else { &[] };
    let numbers: Vec<i32> = created.iter().map(|inbox| i32::from(shard(*inbox))).collect();

    let query = |keys, statement, values| query_if(client, keys, statement, values);
    // In this order: what is read after the lock is of a later snapshot than the commit that held it.
    let (_, counted, inbox_rows, state, subscription_rows, channel_rows, entry_list, topic_list, elsewhere) =
        tokio::try_join!(
            biased;
            query(usize::from(needs.creates), &statements.lock_creation, Vec::new()),
            query(appends.ids.len(), &statements.count_appends, vec![&appends.ids, &appends.messages, &appends.bytes]),
            query(inboxes.len(), &statements.lock_inboxes, vec![&inbox_ids as &(dyn ToSql + Sync)]),
            query(usize::from(has_others), &statements.state, Vec::new()),
            query(subscriptions.len(), &statements.subscriptions, vec![&agents, &ids]),
            query(channels.len(), &statements.channels, vec![&channel_agents, &channel_ids]),
            query(entries.len(), &statements.entries, vec![&entry_inboxes, &positions]),
            query(topics.len(), &statements.topics, vec![&topic_inboxes, &topic_subscriptions, &topic_names]),
            // Of others it is asked only if they are absent.
            query(numbers.len(), &statements.elsewhere, vec![&inbox_ids, &numbers]),
        )?;
    if let Some(state) = state.first() {
        set.floor = values::position(state, "floor")?.max(set.floor);
        set.removed = values::position(state, "removed")?.max(set.removed);
    }
    let asked: Vec<InboxId> = needs.appends.into_keys().collect();
    set.load_inboxes(&asked, Vec::new());
    for row in &counted {
        set.floor = values::position(row, "floor")?.max(set.floor);
        let (before, messages, bytes) =
            (values::inbox_row(row)?, values::count(row, "messages")?, values::count(row, "appended_bytes")?);
        set.load_counted(before, messages, bytes);
    }
    set.load_inboxes(&inboxes, inbox_rows.iter().map(values::inbox_row).collect::<Result<_, _>>()?);
    let absent = set.absent(asked.into_iter().chain(inboxes));
    if needs.creates {
        set.load_elsewhere(inbox_ids_of(&elsewhere)?.into_iter().filter(|id| absent.contains(id)));
    } else {
        load_elsewhere(connection, statements, &absent, set).await?;
    }
    let read = |rows: &[Row]| rows.iter().map(values::subscription).collect::<Result<Vec<_>, _>>();
    set.load_subscriptions(&subscriptions, read(&subscription_rows)?);
    set.load_channels(&channels, read(&channel_rows)?);
    set.load_entries(&entries, entry_rows(&entry_list)?);
    set.load_topics(&topics, entry_rows(&topic_list)?);
    Ok(())
}

/// Finds out which inboxes are in other cells.
///
/// One that moved here after it was looked for counts as elsewhere: its commit is submitted again.
async fn load_elsewhere(
    connection: &DatabaseConnection,
    statements: &WriterStatements,
    inboxes: &[InboxId],
    set: &mut WorkingSet,
) -> Result<(), LoadError> {
    let (ids, numbers) =
        columns::<_, _, Uuid, _>(inboxes.iter().map(|id| (*id, *id)), |id| i32::from(shard(id)));
    let values: Vec<&(dyn ToSql + Sync)> = vec![&ids, &numbers];
    let rows = query_if(&connection.client, ids.len(), &statements.elsewhere, values).await?;
    set.load_elsewhere(inbox_ids_of(&rows)?);
    Ok(())
}

fn inbox_ids_of(rows: &[Row]) -> Result<Vec<InboxId>, Error> {
    rows.iter().map(|row| Ok(InboxId::from(row.try_get::<_, Uuid>(0)?))).collect()
}

/// The columns of inboxes to which messages are appended.
struct Appends {
    ids: Vec<Uuid>,
    messages: Vec<i64>,
    bytes: Vec<i64>,
}

impl Appends {
    fn new(appends: &BTreeMap<InboxId, (i64, i64)>) -> Self {
        Self {
            ids: appends.keys().map(|id| (*id).into()).collect(),
            messages: appends.values().map(|(messages, _)| *messages).collect(),
            bytes: appends.values().map(|(_, bytes)| *bytes).collect(),
        }
    }
}

/// Runs a statement unless it has no keys.
async fn query_if(
    client: &Client,
    keys: usize,
    statement: &Statement,
    values: Vec<&(dyn ToSql + Sync)>,
) -> Result<Vec<Row>, Error> {
    if keys == 0 { Ok(Vec::new()) } else { client.query(statement, &values).await }
}

/// Loads a row that was found missing when a group was applied.
pub(super) async fn load_need(
    connection: &DatabaseConnection,
    statements: &WriterStatements,
    (quota, ops): (&Quota, &[Vec<Op>]),
    need: Need,
    set: &mut WorkingSet,
) -> Result<(), LoadError> {
    let mut needs = Needs::default();
    match need {
        Need::Inbox(id) => {
            // All at once: in the order of their IDs, and without a round trip for each.
            needs.inboxes.extend(set.unknown_receipt_inboxes());
            needs.inboxes.insert(id);
        }
        Need::Subscription(agent, id) => drop(needs.subscriptions.insert((agent, id))),
        Need::Channel(agent, channel) => drop(needs.channels.insert((agent, channel))),
        Need::Entry(inbox, position) => drop(needs.entries.insert((inbox, position))),
        Need::Topic(key) => drop(needs.topics.insert(key)),
        Need::Victims(inbox, limit) => {
            // Those of all full inboxes: without a round trip for each.
            let mut limits = set.full_inboxes(quota, ops);
            limits.entry(inbox).and_modify(|known| *known = limit.max(*known)).or_insert(limit);
            let (ids, most) =
                columns::<_, _, Uuid, _>(limits.iter().map(|(id, most)| (*id, *most)), |most| {
                    i64::try_from(most).unwrap_or(i64::MAX)
                });
            let rows = connection.client.query(&statements.victims, &[&ids, &most]).await?;
            let mut victims: HashMap<InboxId, Entries> = HashMap::new();
            for row in entry_rows(&rows)? {
                victims.entry(row.0).or_default().push(row);
            }
            for (inbox, limit) in limits {
                set.load_victims(inbox, limit, victims.remove(&inbox).unwrap_or_default());
            }
            return Ok(());
        }
        Need::Entries(inbox) => {
            let rows = connection.client.query(&statements.all_entries, &[&Uuid::from(inbox)]).await?;
            set.load_all_entries(inbox, entry_rows(&rows)?);
            return Ok(());
        }
    }
    load(connection, statements, needs, set).await
}

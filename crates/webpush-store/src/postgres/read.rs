//! Reads, on connections of their own.

use super::connect::DatabaseConnection;
use super::node::Node;
use super::shard::{KnownPlace, shard};
use super::statements::{entry_columns, statements};
use super::values::{self, Damaged, Uuid, from_hour, from_position};
use crate::idle::IdleClass;
use crate::{IdleCheck, Latest, StoreError};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};
use webpush_core::id::{ChannelId, EntryRef, InboxId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox};
use webpush_core::session::{FETCH_ENTRIES, FETCH_SCAN_ROWS, Page, ScanBudget, Scope};
use webpush_core::subscription::Subscription;
use webpush_core::time::Timestamp;

/// Time of one read, with the time to connect.
pub(super) const TIMEOUT: Duration = Duration::from_secs(8);

/// Rows that decide about a page: one more than fits, to know whether there are more.
const PAGE_ROWS: usize = FETCH_ENTRIES + 1;

statements! {
    /// The statements of a connection for reads.
    ReadStatements {
        inbox: "SELECT id, owner, created, key FROM @.inbox WHERE id = $1",
        subscriptions: "SELECT s.* FROM unnest($1::uuid[], $2::uuid[]) AS k (agent, id)
            JOIN @.subscription s ON s.agent = k.agent AND s.id = k.id",
        channel: "SELECT * FROM @.subscription WHERE agent = $1 AND channel = $2",
        entry: concat!("SELECT ", entry_columns!(), " FROM @.entry e WHERE e.inbox = $1 AND e.position = $2"),
        after: concat!("SELECT ", entry_columns!(), " FROM @.entry e WHERE e.inbox = $1 AND e.position > $2
            ORDER BY e.position LIMIT $3"),
        first: concat!("SELECT k.number, e.* FROM unnest($1::uuid[], $2::int8[]) WITH ORDINALITY AS k (inbox, after, number)
            CROSS JOIN LATERAL (SELECT ", entry_columns!(), " FROM @.entry e WHERE e.inbox = k.inbox
                AND e.position > k.after ORDER BY e.position LIMIT $3) e"),
        before: concat!("SELECT ", entry_columns!(), " FROM @.entry e WHERE e.inbox = $1 AND e.position < $2
            ORDER BY e.position DESC LIMIT $3"),
        // Only by the end: with more columns, PostgreSQL would sort all messages that end with the first one.
        due: "SELECT inbox, position, message, removal FROM @.entry WHERE removal IS NOT NULL
            ORDER BY removal LIMIT $1",
        // In the first cell unless it has moved.
        shard: "SELECT coalesce(s.cell, 0::int2), coalesce(s.version, 0), coalesce(s.cell, 0) = i.cell
            FROM @.identity i LEFT JOIN @.shard s ON s.number = $1",
        sealing_keys: "SELECT id, wrapped FROM @.sealing_key ORDER BY number",
        broadcasts: "SELECT name, version FROM @.broadcast",
        // The classes of IdleClass, in their order.
        idle: "(SELECT id, used FROM @.inbox WHERE owner = 0 AND monitored IS NULL AND entries = 0 AND used < $1
                ORDER BY used, id LIMIT $3)
            UNION ALL
            (SELECT id, used FROM @.inbox WHERE NOT (owner = 0 AND monitored IS NULL AND entries = 0) AND used < $2
                ORDER BY used, id LIMIT $3)
            LIMIT $3",
    }
}

/// Connections for reads. Each serves many reads at once.
pub(super) struct Readers {
    node: Arc<Node>,
    slots: Vec<Mutex<Option<Arc<Reader>>>>,
    next: AtomicUsize,
}

struct Reader {
    epoch: u64,
    connection: DatabaseConnection,
    statements: ReadStatements,
}

impl From<Damaged> for StoreError {
    fn from(Damaged: Damaged) -> Self {
        Self::Corrupt
    }
}

/// The agent and ID of a subscription.
pub(super) type SubscriptionKey = (InboxId, SubscriptionId);

/// Subscriptions that were found, each with the error of reading it.
type FoundSubscriptions = HashMap<SubscriptionKey, Result<Subscription, StoreError>>;

/// An inbox, and the position after which it is read.
pub(super) type InboxRows = (InboxId, Position);

type Values<'v> = &'v [&'v (dyn ToSql + Sync)];

impl Readers {
    pub(super) fn new(node: Arc<Node>, count: usize) -> Self {
        let slots = (0..count.max(1)).map(|_| Mutex::new(None)).collect();
        Self { node, slots, next: AtomicUsize::new(0) }
    }

    pub(super) async fn inbox(&self, id: InboxId) -> Result<Option<Inbox>, StoreError> {
        let rows = self.query_inbox(id, true, |all| &all.inbox, &[&Uuid::from(id)]).await?;
        Ok(rows.first().map(values::inbox).transpose()?)
    }

    /// Looks up subscriptions by their agents and IDs.
    pub(super) async fn subscriptions(
        &self,
        keys: &[SubscriptionKey],
    ) -> Result<FoundSubscriptions, StoreError> {
        let (agents, ids): (Vec<Uuid>, Vec<Uuid>) =
            keys.iter().map(|(agent, id)| (Uuid::from(*agent), Uuid::from(*id))).unzip();
        let rows = self.query(|all| &all.subscriptions, &[&agents, &ids]).await?;
        let found = |row: &Row| {
            let key = (values::id(row, "agent")?, values::id(row, "id")?);
            Ok((key, values::subscription(row).map_err(StoreError::from)))
        };
        rows.iter().map(found).collect()
    }

    /// Looks up a subscription that was not found, in case its shard has moved.
    pub(super) async fn absent_subscription(
        &self,
        agent: InboxId,
        id: SubscriptionId,
    ) -> Result<Option<Subscription>, StoreError> {
        let place = self.shard(shard(agent)).await?;
        if place.is_here && place.version == 0 {
            return Ok(None);
        }
        let (agents, ids) = ([Uuid::from(agent)], [Uuid::from(id)]);
        let key: Values<'_> = &[&&agents[..], &&ids[..]];
        let rows = self.query_inbox(agent, true, |all| &all.subscriptions, key).await?;
        Ok(rows.first().map(values::subscription).transpose()?)
    }

    pub(super) async fn channel(
        &self,
        agent: InboxId,
        channel: ChannelId,
    ) -> Result<Option<Subscription>, StoreError> {
        let key: Values<'_> = &[&Uuid::from(agent), &Uuid::from(channel)];
        let rows = self.query_inbox(agent, true, |all| &all.channel, key).await?;
        Ok(rows.first().map(values::subscription).transpose()?)
    }

    pub(super) async fn entry(&self, entry: &EntryRef) -> Result<Option<Entry>, StoreError> {
        let key: Values<'_> = &[&Uuid::from(entry.inbox), &from_position(entry.position)];
        let rows = self.query_inbox(entry.inbox, true, |all| &all.entry, key).await?;
        let found = rows.first().map(values::entry).transpose()?;
        Ok(found.filter(|found| found.entry_ref().message == entry.message))
    }

    /// Reads the first entries of several inboxes by one statement: [`PAGE_ROWS`] of each at most.
    pub(super) async fn first_rows(
        &self,
        keys: &[InboxRows],
    ) -> Result<Vec<Result<Vec<Entry>, StoreError>>, StoreError> {
        let (inboxes, after): (Vec<Uuid>, Vec<i64>) =
            keys.iter().map(|(inbox, after)| (Uuid::from(*inbox), from_position(*after))).unzip();
        let limit = i64::try_from(PAGE_ROWS).unwrap_or(i64::MAX);
        let rows = self.query(|all| &all.first, &[&inboxes, &after, &limit]).await?;
        let mut found: Vec<Result<Vec<Entry>, StoreError>> = keys.iter().map(|_| Ok(Vec::new())).collect();
        for row in &rows {
            let number: i64 = row.try_get("number").map_err(|_| Damaged)?;
            let index = usize::try_from(number - 1).map_err(|_| Damaged)?;
            let Some(Ok(entries)) = found.get_mut(index) else { continue };
            match values::entry(row) {
                Ok(entry) => entries.push(entry),
                Err(error) => found[index] = Err(error.into()),
            }
        }
        // A join promises no order.
        found.iter_mut().flatten().for_each(|entries| entries.sort_unstable_by_key(Entry::position));
        Ok(found)
    }

    /// Fetches a page whose first rows were read before, if there were any.
    pub(super) async fn fetch(
        &self,
        scope: &Scope,
        after: Position,
        now: Timestamp,
        first: Vec<Entry>,
    ) -> Result<Page, StoreError> {
        let mut page = Page { entries: Vec::new(), scanned: after, more: false };
        let mut budget = ScanBudget::default();
        let mut first = Some(first).filter(|first| !first.is_empty() || !self.node.has_cells());
        loop {
            let rows = match first.take() {
                Some(first) => first,
                // Also if there were none, and they may be in another cell.
                None => self.rows(|all| &all.after, scope.inbox, page.scanned, PAGE_ROWS).await?,
            };
            let count = rows.len();
            for entry in rows {
                if budget.is_spent() || page.entries.len() == FETCH_ENTRIES {
                    page.more = true;
                    return Ok(page);
                }
                budget.count(Some(&entry));
                page.scanned = entry.position();
                if crate::is_visible(scope, &entry, now) {
                    page.entries.push(entry);
                }
            }
            if count < PAGE_ROWS {
                return Ok(page);
            }
        }
    }

    pub(super) async fn latest(
        &self,
        scope: &Scope,
        before: Position,
        now: Timestamp,
    ) -> Result<Latest, StoreError> {
        let mut budget = ScanBudget::default();
        let rows = self.rows(|all| &all.before, scope.inbox, before, FETCH_SCAN_ROWS).await?;
        let is_all = rows.len() < FETCH_SCAN_ROWS;
        let mut last = before;
        for entry in rows {
            if crate::is_visible(scope, &entry, now) {
                return Ok(Latest::Entry(entry));
            }
            last = entry.position();
            budget.count(Some(&entry));
            if budget.is_spent() {
                return Ok(Latest::Continue(last));
            }
        }
        Ok(if is_all { Latest::Nothing } else { Latest::Continue(last) })
    }

    /// Reads rows of an inbox. If there are none, makes sure that they are not in another cell.
    ///
    /// # Errors
    /// Fails with [`StoreError::Moved`] if they are.
    async fn query_inbox(
        &self,
        inbox: InboxId,
        is_certain: bool,
        statement: impl Fn(&ReadStatements) -> &Statement,
        values: Values<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        let mut before = None;
        loop {
            let rows = self.query(&statement, values).await?;
            if !rows.is_empty() || !is_certain {
                return Ok(rows);
            }
            let place = self.shard(shard(inbox)).await?;
            if !place.is_here {
                return Err(StoreError::Moved);
            }
            // If the shard has moved here, it may have done so after the rows were looked for.
            if place.version == 0 || before == Some(place.version) {
                return Ok(rows);
            }
            before = Some(place.version);
        }
    }

    /// Reads where this cell believes a shard to be.
    pub(super) async fn shard(&self, number: u16) -> Result<KnownPlace, StoreError> {
        let rows = self.query(|all| &all.shard, &[&i32::from(number)]).await?;
        let row = rows.first().ok_or(StoreError::Corrupt)?;
        let place = || {
            let (cell, version): (i16, i64) = (row.try_get(0)?, row.try_get(1)?);
            Ok(KnownPlace { cell, version, is_here: row.try_get(2)? })
        };
        place().map_err(|_: tokio_postgres::Error| StoreError::Corrupt)
    }

    async fn rows(
        &self,
        statement: impl Fn(&ReadStatements) -> &Statement,
        inbox: InboxId,
        from: Position,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let key: Values<'_> = &[&Uuid::from(inbox), &from_position(from), &limit];
        let rows = self.query_inbox(inbox, self.node.has_cells(), statement, key).await?;
        Ok(rows.iter().map(values::entry).collect::<Result<_, _>>()?)
    }

    /// Lists the messages that end first, each with its end.
    pub(super) async fn ends(&self, limit: usize) -> Result<Vec<(Timestamp, EntryRef)>, StoreError> {
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self.query(|all| &all.due, &[&most]).await?;
        let end = |row: &Row| {
            let removal = values::to_time(row.try_get("removal").map_err(|_| Damaged)?);
            let (inbox, position) = (values::id(row, "inbox")?, values::position(row, "position")?);
            Ok((removal, EntryRef { inbox, position, message: values::id(row, "message")? }))
        };
        Ok(rows.iter().map(end).collect::<Result<_, Damaged>>()?)
    }

    /// Lists idle inboxes, each with the hour of its last use.
    pub(super) async fn idle(
        &self,
        check: &IdleCheck,
        limit: usize,
    ) -> Result<Vec<(i32, InboxId)>, StoreError> {
        let before = |class| from_hour(check.kept_from(class));
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        let values: Values<'_> = &[&before(IdleClass::Fresh), &before(IdleClass::Used), &most];
        let rows = self.query(|all| &all.idle, values).await?;
        let inbox = |row: &Row| Ok((row.try_get("used").map_err(|_| Damaged)?, values::id(row, "id")?));
        Ok(rows.iter().map(inbox).collect::<Result<_, Damaged>>()?)
    }

    pub(super) async fn sealing_keys(&self) -> Result<Vec<(u8, Vec<u8>)>, StoreError> {
        let rows = self.query(|all| &all.sealing_keys, &[]).await?;
        let key = |row: &Row| {
            let id = row.try_get::<_, i16>("id").ok().and_then(|id| u8::try_from(id).ok());
            Ok((id.ok_or(Damaged)?, row.try_get("wrapped").map_err(|_| Damaged)?))
        };
        Ok(rows.iter().map(key).collect::<Result<_, Damaged>>()?)
    }

    pub(super) async fn broadcasts(&self) -> Result<BTreeMap<String, String>, StoreError> {
        let rows = self.query(|all| &all.broadcasts, &[]).await?;
        let broadcast = |row: &Row| Ok((row.try_get("name")?, row.try_get("version")?));
        let all: Result<_, tokio_postgres::Error> = rows.iter().map(broadcast).collect();
        Ok(all.map_err(|_| Damaged)?)
    }

    async fn query(
        &self,
        statement: impl Fn(&ReadStatements) -> &Statement,
        values: Values<'_>,
    ) -> Result<Vec<Row>, StoreError> {
        if self.node.is_closed() {
            return Err(StoreError::Unavailable);
        }
        let slot = &self.slots[self.next.fetch_add(1, Ordering::Relaxed) % self.slots.len()];
        let reading = async {
            // A connection may have been lost since it was used last, so a failed read is tried again.
            for _ in 0..3 {
                let reader = self.reader(slot).await?;
                match reader.connection.client.query(statement(&reader.statements), values).await {
                    // A server that was replaced meanwhile may not have known everything.
                    Ok(rows) if reader.epoch == self.node.epoch() => return Ok(rows),
                    Ok(_) => {}
                    Err(error) => self.discard(slot, &reader, error).await,
                }
            }
            Err(StoreError::Unavailable)
        };
        match timeout(TIMEOUT, reading).await {
            Ok(result) => result,
            Err(_) => {
                // If it is locked, another read is connecting anew.
                if let Ok(mut slot) = slot.try_lock() {
                    *slot = None;
                }
                Err(StoreError::Unavailable)
            }
        }
    }

    async fn reader(&self, slot: &Mutex<Option<Arc<Reader>>>) -> Result<Arc<Reader>, StoreError> {
        let mut slot = slot.lock().await;
        if let Some(reader) = &*slot
            && !reader.connection.client.is_closed()
            && reader.epoch == self.node.epoch()
        {
            return Ok(Arc::clone(reader));
        }
        let unavailable = |reason: String| {
            self.node.report_outage(&reason);
            StoreError::Unavailable
        };
        let epoch = self.node.epoch();
        let connection = self.node.connector.connect("webpush-read").await;
        let connection = connection.map_err(|error| unavailable(error.to_string()))?;
        let statements = ReadStatements::prepare(&connection, &self.node.options.schema).await;
        let reader = Arc::new(Reader { epoch, connection, statements: statements.map_err(unavailable)? });
        *slot = Some(Arc::clone(&reader));
        Ok(reader)
    }

    /// Gives up a connection on which a read failed.
    async fn discard(
        &self,
        slot: &Mutex<Option<Arc<Reader>>>,
        failed: &Arc<Reader>,
        error: tokio_postgres::Error,
    ) {
        tracing::debug!("a read of the database failed: {}", super::connect::describe(error));
        slot.lock().await.take_if(|reader| Arc::ptr_eq(reader, failed));
    }
}

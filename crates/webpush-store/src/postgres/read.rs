//! Reads, on connections of their own.

use super::connect::DatabaseConnection;
use super::node::Node;
use super::statements::{entry_columns, statements};
use super::values::{self, Damaged, Uuid, from_hour, from_position};
use crate::idle::IdleClass;
use crate::{Due, IdleCheck, Latest, StoreError};
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
const TIMEOUT: Duration = Duration::from_secs(8);

statements! {
    /// The statements of a connection for reads.
    ReadStatements {
        inbox: "SELECT id, owner, created, key FROM @.inbox WHERE id = $1",
        subscription: "SELECT * FROM @.subscription WHERE agent = $1 AND id = $2",
        channel: "SELECT * FROM @.subscription WHERE agent = $1 AND channel = $2",
        entry: concat!("SELECT ", entry_columns!(), " FROM @.entry e WHERE e.inbox = $1 AND e.position = $2"),
        after: concat!("SELECT ", entry_columns!(), " FROM @.entry e WHERE e.inbox = $1 AND e.position > $2
            ORDER BY e.position LIMIT $3"),
        before: concat!("SELECT ", entry_columns!(), " FROM @.entry e WHERE e.inbox = $1 AND e.position < $2
            ORDER BY e.position DESC LIMIT $3"),
        due: "SELECT inbox, position, message, removal FROM @.entry WHERE removal IS NOT NULL
            ORDER BY removal, inbox, position LIMIT $1",
        sealing_keys: "SELECT id, wrapped FROM @.sealing_key ORDER BY number",
        // The classes of IdleClass, in their order.
        idle: "(SELECT id FROM @.inbox WHERE owner = 0 AND monitored IS NULL AND entries = 0 AND used < $1
                ORDER BY used, id LIMIT $3)
            UNION ALL
            (SELECT id FROM @.inbox WHERE NOT (owner = 0 AND monitored IS NULL AND entries = 0) AND used < $2
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

type Values<'v> = &'v [&'v (dyn ToSql + Sync)];

impl Readers {
    pub(super) fn new(node: Arc<Node>, count: usize) -> Self {
        let slots = (0..count.max(1)).map(|_| Mutex::new(None)).collect();
        Self { node, slots, next: AtomicUsize::new(0) }
    }

    pub(super) async fn inbox(&self, id: InboxId) -> Result<Option<Inbox>, StoreError> {
        let rows = self.query(|all| &all.inbox, &[&Uuid::from(id)]).await?;
        Ok(rows.first().map(values::inbox).transpose()?)
    }

    pub(super) async fn subscription(
        &self,
        agent: InboxId,
        id: SubscriptionId,
    ) -> Result<Option<Subscription>, StoreError> {
        let rows = self.query(|all| &all.subscription, &[&Uuid::from(agent), &Uuid::from(id)]).await?;
        Ok(rows.first().map(values::subscription).transpose()?)
    }

    pub(super) async fn channel(
        &self,
        agent: InboxId,
        channel: ChannelId,
    ) -> Result<Option<Subscription>, StoreError> {
        let rows = self.query(|all| &all.channel, &[&Uuid::from(agent), &Uuid::from(channel)]).await?;
        Ok(rows.first().map(values::subscription).transpose()?)
    }

    pub(super) async fn entry(&self, entry: &EntryRef) -> Result<Option<Entry>, StoreError> {
        let key: Values<'_> = &[&Uuid::from(entry.inbox), &from_position(entry.position)];
        let rows = self.query(|all| &all.entry, key).await?;
        let found = rows.first().map(values::entry).transpose()?;
        Ok(found.filter(|found| found.entry_ref().message == entry.message))
    }

    pub(super) async fn fetch(
        &self,
        scope: &Scope,
        after: Position,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        let mut page = Page { entries: Vec::new(), scanned: after, more: false };
        let mut budget = ScanBudget::default();
        // One row more than fits, to know whether there are more.
        let limit = FETCH_ENTRIES + 1;
        loop {
            let rows = self.rows(|all| &all.after, scope.inbox, page.scanned, limit).await?;
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
            if count < limit {
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

    async fn rows(
        &self,
        statement: impl Fn(&ReadStatements) -> &Statement,
        inbox: InboxId,
        from: Position,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let key: Values<'_> = &[&Uuid::from(inbox), &from_position(from), &limit];
        let rows = self.query(statement, key).await?;
        Ok(rows.iter().map(values::entry).collect::<Result<_, _>>()?)
    }

    pub(super) async fn due(&self, now: Timestamp, limit: usize) -> Result<Due, StoreError> {
        let most = i64::try_from(limit + 1).unwrap_or(i64::MAX);
        let rows = self.query(|all| &all.due, &[&most]).await?;
        let mut due = Due::default();
        for row in &rows {
            let removal = values::to_time(row.try_get("removal").map_err(|_| StoreError::Corrupt)?);
            if removal > now || due.entries.len() == limit {
                due.next = Some(removal);
                break;
            }
            due.entries.push(EntryRef {
                inbox: values::id(row, "inbox")?,
                position: values::position(row, "position")?,
                message: values::id(row, "message")?,
            });
        }
        Ok(due)
    }

    pub(super) async fn idle(&self, check: &IdleCheck, limit: usize) -> Result<Vec<InboxId>, StoreError> {
        let before = |class| from_hour(check.kept_from(class));
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        let values: Values<'_> = &[&before(IdleClass::Fresh), &before(IdleClass::Used), &most];
        let rows = self.query(|all| &all.idle, values).await?;
        Ok(rows.iter().map(|row| values::id(row, "id")).collect::<Result<_, _>>()?)
    }

    pub(super) async fn sealing_keys(&self) -> Result<Vec<(u8, Vec<u8>)>, StoreError> {
        let rows = self.query(|all| &all.sealing_keys, &[]).await?;
        let key = |row: &Row| {
            let id = row.try_get::<_, i16>("id").ok().and_then(|id| u8::try_from(id).ok());
            Ok((id.ok_or(Damaged)?, row.try_get("wrapped").map_err(|_| Damaged)?))
        };
        Ok(rows.iter().map(key).collect::<Result<_, Damaged>>()?)
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

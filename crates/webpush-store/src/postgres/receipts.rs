//! Receipts whose inbox is in another cell than their message.
//!
//! The end of the message writes the receipt to a table of its cell. From there it is carried to the cell of its inbox,
//! which records it once, however often it is carried there.

use super::PostgresStore;
use super::connect::{DatabaseConnection, describe};
use super::shard::shard;
use super::statements::elsewhere;
use super::values::{self, Uuid, from_position};
use super::write::Receipts;
use crate::{Notice, StoreError, position};
use std::collections::{BTreeMap, HashSet};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row};
use webpush_core::id::{InboxId, MessageId, Position};
use webpush_core::receipt::Receipt;

/// Number of receipts that are carried at once.
const BATCH: i64 = 256;

const OUTGOING: &str =
    "SELECT inbox, 0::int8 AS position, message, key, about_inbox, about_position, acknowledged
    FROM @.outgoing_receipt WHERE message > $2 ORDER BY message LIMIT $1 FOR UPDATE SKIP LOCKED";
const SENT: &str = "DELETE FROM @.outgoing_receipt WHERE message = ANY ($1)";
const LOCK_INBOXES: &str = "SELECT i.id, i.last, i.entries, s.floor FROM @.inbox i, @.state s
    WHERE i.id = ANY ($1) AND i.owner = 1 ORDER BY i.id FOR UPDATE OF i";
const FIRST_TIME: &str =
    "INSERT INTO @.received_receipt (message, inbox) SELECT * FROM unnest($1::uuid[], $2::uuid[])
    ON CONFLICT DO NOTHING RETURNING message";
const INSERT: &str =
    "INSERT INTO @.entry (inbox, position, message, key, about_inbox, about_position, acknowledged)
    SELECT * FROM unnest($1::uuid[], $2::int8[], $3::uuid[], $4::int2[], $5::uuid[], $6::int8[], $7::bool[])";
const COUNT: &str = "UPDATE @.inbox i SET last = k.last, entries = k.entries
    FROM unnest($1::uuid[], $2::int8[], $3::int8[]) AS k (id, last, entries) WHERE i.id = k.id";
/// Drops the oldest receipts of an inbox that is over its quota.
const DROP: &str = "DELETE FROM @.entry WHERE inbox = $1 AND position IN
    (SELECT position FROM @.entry WHERE inbox = $1 ORDER BY position LIMIT $2)";
const FORGET: &str = "DELETE FROM @.received_receipt WHERE message = ANY ($1)";
/// Of carriers that ended before they forgot them.
const FORGET_OLD: &str = "DELETE FROM @.received_receipt WHERE received < now() - interval '1 day'";

/// Receipts that are being carried. They stay locked in their cell until they are [sent](Self::sent).
pub(crate) struct OutgoingReceipts {
    connection: DatabaseConnection,
    schema: String,
    pub(crate) receipts: Vec<Receipt>,
}

impl OutgoingReceipts {
    /// Returns true if there may be more after these.
    pub(crate) fn is_full(&self) -> bool {
        i64::try_from(self.receipts.len()) == Ok(BATCH)
    }

    /// Makes sure that no other node carries them.
    async fn check(&self) -> Result<(), Error> {
        self.connection.client.batch_execute("SELECT 1").await
    }

    /// Deletes receipts that were recorded in the cell of their inbox.
    pub(crate) async fn sent(self, messages: &[MessageId]) -> Result<(), StoreError> {
        let ids: Vec<Uuid> = messages.iter().map(|id| (*id).into()).collect();
        let client = &self.connection.client;
        let deleting = async {
            client.execute_typed(&SENT.replace('@', &self.schema), &[(&ids, Type::UUID_ARRAY)]).await?;
            client.batch_execute("COMMIT").await
        };
        deleting.await.map_err(|error| {
            tracing::debug!("receipts will be carried to another cell again: {}", describe(error));
            StoreError::Unavailable
        })
    }
}

impl PostgresStore {
    /// Waits until this node has written receipts for other cells.
    pub(crate) async fn outgoing_receipts_written(&self) {
        self.node.outgoing.notified().await;
    }

    /// Tells the task that carries receipts that some are left.
    pub(crate) fn outgoing_receipts_left(&self) {
        self.node.outgoing.notify_one();
    }

    /// Takes receipts to carry, after one in the order of messages, as long as no other node does.
    pub(crate) async fn outgoing_receipts(&self, after: MessageId) -> Result<OutgoingReceipts, StoreError> {
        let connection = self.connect("webpush-receipts").await?;
        let reading = async {
            connection.client.batch_execute("BEGIN").await?;
            connection
                .client
                .query_typed(
                    &self.statement(OUTGOING),
                    &[(&BATCH, Type::INT8), (&Uuid::from(after), Type::UUID)],
                )
                .await
        };
        let rows = reading.await.map_err(|error| self.unavailable(&describe(error)))?;
        let read = |row: &Row| {
            let inbox = values::id(row, "inbox")?;
            values::receipt(row, inbox, Position::START, values::id(row, "message")?)
        };
        let receipts = rows.iter().map(read).collect::<Result<_, _>>()?;
        Ok(OutgoingReceipts { connection, schema: self.node.options.schema.clone(), receipts })
    }

    /// Returns the number of receipts that wait for other cells.
    pub(crate) async fn outgoing_count(&self) -> Result<u64, StoreError> {
        let statement = self.statement("SELECT count(*) FROM @.outgoing_receipt");
        let row = self.connect("webpush-receipts").await?.client.query_typed_one(&statement, &[]).await;
        let count = row.and_then(|row| row.try_get::<_, i64>(0));
        count.map(i64::unsigned_abs).map_err(|error| self.unavailable(&describe(error)))
    }

    /// Records receipts of `outgoing`, each once. Those whose inbox does not exist are dropped.
    ///
    /// # Errors
    /// Fails with [`StoreError::Moved`] if one of their inboxes is in another cell. Then nothing was recorded.
    pub(crate) async fn record_receipts(
        &self,
        outgoing: &OutgoingReceipts,
        receipts: &[Receipt],
    ) -> Result<(), StoreError> {
        let connection = self.connect("webpush-receipts").await?;
        let inboxes = match self.record(&connection, outgoing, receipts).await {
            Ok(Some(inboxes)) => inboxes,
            Ok(None) => return Err(StoreError::Moved),
            // It may be of the connection to the other cell, or about these rows only.
            Err(error) => {
                tracing::debug!("receipts of another cell cannot be recorded: {}", describe(error));
                return Err(StoreError::Unavailable);
            }
        };
        for inbox in inboxes {
            let notice = Notice::Stored(inbox);
            self.node.observers.heard(&notice);
            self.node.notify(notice);
        }
        Ok(())
    }

    /// Records receipts, and returns the inboxes that have got some; `None` if one has moved.
    async fn record(
        &self,
        connection: &DatabaseConnection,
        outgoing: &OutgoingReceipts,
        receipts: &[Receipt],
    ) -> Result<Option<Vec<InboxId>>, Error> {
        let client = &connection.client;
        let of = |text: &str| self.statement(text);
        let ids: Vec<Uuid> = receipts.iter().map(|receipt| receipt.inbox.into()).collect();
        client.batch_execute("BEGIN").await?;
        let rows = client.query_typed(&of(LOCK_INBOXES), &[(&ids, Type::UUID_ARRAY)]).await?;
        let mut inboxes = BTreeMap::new();
        for row in &rows {
            inboxes.insert(InboxId::from(row.try_get::<_, Uuid>(0)?), ReceiptInbox::read(row)?);
        }
        let absent = receipts.iter().filter(|receipt| !inboxes.contains_key(&receipt.inbox));
        let (absent, shards): (Vec<Uuid>, Vec<i32>) =
            absent.map(|receipt| (Uuid::from(receipt.inbox), i32::from(shard(receipt.inbox)))).unzip();
        let values: [(&(dyn ToSql + Sync), Type); 2] =
            [(&absent, Type::UUID_ARRAY), (&shards, Type::INT4_ARRAY)];
        if !client.query_typed(&of(elsewhere!()), &values).await?.is_empty() {
            return Ok(None);
        }
        let present: Vec<&Receipt> =
            receipts.iter().filter(|receipt| inboxes.contains_key(&receipt.inbox)).collect();
        let messages: Vec<Uuid> = present.iter().map(|receipt| receipt.message().into()).collect();
        let owners: Vec<Uuid> = present.iter().map(|receipt| receipt.inbox.into()).collect();
        let values: [(&(dyn ToSql + Sync), Type); 2] =
            [(&messages, Type::UUID_ARRAY), (&owners, Type::UUID_ARRAY)];
        let rows = client.query_typed(&of(FIRST_TIME), &values).await?;
        let fresh = rows.iter().map(|row| Ok(MessageId::from(row.try_get::<_, Uuid>(0)?)));
        let mut fresh = fresh.collect::<Result<HashSet<_>, Error>>()?;

        let mut recorded = Vec::new();
        for receipt in present {
            if fresh.remove(&receipt.message())
                && let Some(inbox) = inboxes.get_mut(&receipt.inbox)
            {
                recorded.push(Receipt { position: inbox.add(), ..*receipt });
            }
        }
        inboxes.retain(|_, inbox| inbox.added > 0);
        let rows = Receipts::new(&recorded);
        let types = [
            Type::UUID_ARRAY,
            Type::INT8_ARRAY,
            Type::UUID_ARRAY,
            Type::INT2_ARRAY,
            Type::UUID_ARRAY,
            Type::INT8_ARRAY,
            Type::BOOL_ARRAY,
        ];
        let columns: Vec<_> = rows.values().into_iter().zip(types).collect();
        client.execute_typed(&of(INSERT), &columns).await?;
        self.count(connection, &inboxes).await?;
        // While this node was suspended, another one may have carried them and forgotten it.
        outgoing.check().await?;
        let warnings = connection.warnings();
        client.batch_execute("COMMIT").await?;
        if connection.warnings() != warnings {
            // Not replicated, perhaps. They are sent again, and this one is forgotten with the server that has it.
            client.batch_execute(&of("UPDATE @.state SET floor = floor")).await?;
        }
        Ok(Some(inboxes.into_keys().collect()))
    }

    /// Writes the counts of inboxes, and drops receipts over the quota.
    async fn count(
        &self,
        connection: &DatabaseConnection,
        inboxes: &BTreeMap<InboxId, ReceiptInbox>,
    ) -> Result<(), Error> {
        let quota = i64::try_from(self.node.options.quota.receipts).unwrap_or(i64::MAX);
        let of = |text: &str| self.statement(text);
        for (id, inbox) in inboxes {
            let excess = inbox.entries.saturating_sub(quota);
            if excess > 0 {
                let values: [(&(dyn ToSql + Sync), Type); 2] =
                    [(&Uuid::from(*id), Type::UUID), (&excess, Type::INT8)];
                connection.client.execute_typed(&of(DROP), &values).await?;
            }
        }
        let ids: Vec<Uuid> = inboxes.keys().map(|id| (*id).into()).collect();
        let last: Vec<i64> = inboxes.values().map(|inbox| from_position(inbox.last)).collect();
        let entries: Vec<i64> = inboxes.values().map(|inbox| inbox.entries.min(quota)).collect();
        let values: [(&(dyn ToSql + Sync), Type); 3] =
            [(&ids, Type::UUID_ARRAY), (&last, Type::INT8_ARRAY), (&entries, Type::INT8_ARRAY)];
        connection.client.execute_typed(&of(COUNT), &values).await.map(drop)
    }

    /// Forgets receipts that no cell will send again.
    pub(crate) async fn forget_receipts(&self, messages: &[MessageId]) -> Result<(), StoreError> {
        let connection = self.connect("webpush-receipts").await?;
        let ids: Vec<Uuid> = messages.iter().map(|id| (*id).into()).collect();
        let forgetting = async {
            connection.client.batch_execute("SET synchronous_commit = off").await?;
            connection.client.execute_typed(&self.statement(FORGET), &[(&ids, Type::UUID_ARRAY)]).await?;
            connection.client.execute_typed(&self.statement(FORGET_OLD), &[]).await
        };
        forgetting.await.map(drop).map_err(|error| self.unavailable(&describe(error)))
    }
}

/// An inbox of receipts, locked.
struct ReceiptInbox {
    last: Position,
    floor: Position,
    entries: i64,
    added: u64,
}

impl ReceiptInbox {
    fn read(row: &Row) -> Result<Self, Error> {
        let position =
            |column: &str| row.try_get::<_, i64>(column).map(|value| Position::new(value.unsigned_abs()));
        Ok(Self {
            last: position("last")?,
            floor: position("floor")?,
            entries: row.try_get("entries")?,
            added: 0,
        })
    }

    /// Adds a receipt, and returns its position.
    fn add(&mut self) -> Position {
        self.last = position::next(self.last.max(self.floor));
        self.entries += 1;
        self.added += 1;
        self.last
    }
}

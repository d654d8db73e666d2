//! Snapshots: one transaction that sees one moment, read page by page.

use super::connect::{DatabaseConnection, describe};
use super::node::Node;
use super::statements::{entry_columns, statements};
use super::values::{self, Damaged, Uuid};
use crate::{Detail, Entries, InboxRecord, Record, Snapshot, StoreError, idle};
use futures_util::TryStreamExt as _;
use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_postgres::Row;
use webpush_core::id::InboxId;
use webpush_core::subscription::Subscription;

/// Inboxes read at once.
const PAGE: i64 = 200;
/// Records that wait for the reader.
const WAITING: usize = 256;

/// A snapshot may take long, and its transaction waits while its reader does.
const BEGIN: &str = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0;
    BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// The first position that no entry had; a scan of all inboxes.
const POSITION: &str =
    "SELECT greatest(floor, removed, (SELECT coalesce(max(last), 0) FROM @.inbox)) AS position FROM @.state";
/// The same without the scan: positions up to it are not assigned again, but others may have been.
const FLOOR: &str = "SELECT floor AS position FROM @.state";

statements! {
    /// The statements of a snapshot.
    SnapshotStatements {
        inboxes: "SELECT * FROM @.inbox WHERE id >= $1 ORDER BY id LIMIT $2",
        subscriptions: "SELECT * FROM @.subscription WHERE agent = ANY ($1) ORDER BY agent, id",
        all_entries: concat!("SELECT ", entry_columns!(), " FROM @.entry e WHERE e.inbox = ANY ($1)
            ORDER BY e.inbox, e.position"),
        first_entries: concat!("SELECT ", entry_columns!(), " FROM unnest($1::uuid[]) AS k (id),
            LATERAL (SELECT * FROM @.entry WHERE inbox = k.id ORDER BY position LIMIT 1) e ORDER BY e.inbox"),
    }
}

type Sender = mpsc::Sender<Result<Record, StoreError>>;

/// Opens a snapshot. Its records are read by a task of the runtime.
pub(super) async fn open(node: &Arc<Node>, runtime: &Handle, detail: Detail) -> Result<Snapshot, StoreError> {
    if node.is_closed() {
        return Err(StoreError::Unavailable);
    }
    // On the runtime of the store: its caller may be outside of one.
    let beginning = runtime.spawn({
        let node = Arc::clone(node);
        async move { begin(&node, &detail).await }
    });
    let begun = beginning.await.unwrap_or_else(|error| Err(error.to_string()));
    let (connection, statements, first) = begun.map_err(|reason| {
        node.report_outage(&reason);
        StoreError::Unavailable
    })?;
    let (sender, receiver) = mpsc::channel(WAITING);
    runtime.spawn(async move {
        if sender.send(Ok(first)).await.is_err() {
            return;
        }
        if let Err(error) = send_all(&connection, &statements, &detail, &sender).await {
            drop(sender.send(Err(error)).await);
        }
    });
    Ok(Box::new(Records(receiver)))
}

/// Starts the transaction, and reads its first record so that the moment is fixed.
async fn begin(
    node: &Node,
    detail: &Detail,
) -> Result<(DatabaseConnection, SnapshotStatements, Record), String> {
    let schema = &node.options.schema;
    let connection = node.connector.connect("webpush-snapshot").await.map_err(|error| error.to_string())?;
    connection.client.batch_execute(BEGIN).await.map_err(describe)?;
    let position = if *detail == Detail::EVERYTHING { POSITION } else { FLOOR };
    let row =
        connection.client.query_typed_one(&position.replace('@', schema), &[]).await.map_err(describe)?;
    let position =
        values::position(&row, "position").map_err(|Damaged| "the state is not readable".to_owned())?;
    let statements = SnapshotStatements::prepare(&connection, schema).await?;
    Ok((connection, statements, Record::Position(position)))
}

/// Sends the records of all inboxes. Ends early if nobody reads them.
async fn send_all(
    connection: &DatabaseConnection,
    statements: &SnapshotStatements,
    detail: &Detail,
    sender: &Sender,
) -> Result<(), StoreError> {
    let mut next = detail.after.map_or(Some(Uuid([0; 16])), following);
    while let Some(first) = next {
        let rows = connection.client.query(&statements.inboxes, &[&first, &PAGE]).await;
        let inboxes = rows.map_err(failed)?.iter().map(record).collect::<Result<Vec<_>, _>>()?;
        next = inboxes.last().and_then(|last| following(last.inbox.id));
        if !send_page(connection, statements, detail, sender, inboxes).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// Returns the ID after this one in the order of PostgreSQL, which compares bytes.
fn following(id: InboxId) -> Option<Uuid> {
    let next = u128::from_be_bytes(*id.as_bytes()).checked_add(1)?;
    Some(Uuid(next.to_be_bytes()))
}

fn failed(error: tokio_postgres::Error) -> StoreError {
    tracing::warn!("a snapshot ends early: {}", describe(error));
    StoreError::Unavailable
}

fn record(row: &Row) -> Result<InboxRecord, Damaged> {
    let row = values::inbox_row(row)?;
    Ok(InboxRecord { inbox: row.inbox, monitored: row.monitored.map(idle::beginning), holds: row.usage })
}

/// Sends some inboxes with their content; returns false if nobody reads them.
async fn send_page(
    connection: &DatabaseConnection,
    statements: &SnapshotStatements,
    detail: &Detail,
    sender: &Sender,
    inboxes: Vec<InboxRecord>,
) -> Result<bool, StoreError> {
    let ids: Vec<Uuid> = inboxes.iter().map(|record| record.inbox.id.into()).collect();
    let mut subscriptions = HashMap::<InboxId, Vec<Subscription>>::new();
    if detail.subscriptions {
        let rows = connection.client.query(&statements.subscriptions, &[&ids]).await.map_err(failed)?;
        for row in &rows {
            let subscription = values::subscription(row)?;
            subscriptions.entry(subscription.agent).or_default().push(subscription);
        }
    }
    let statement = match detail.entries {
        Entries::None => None,
        Entries::First => Some(&statements.first_entries),
        Entries::All => Some(&statements.all_entries),
    };
    let ids: [&(dyn tokio_postgres::types::ToSql + Sync); 1] = [&ids];
    let entries = match statement {
        Some(statement) => Some(connection.client.query_raw(statement, ids).await.map_err(failed)?),
        None => None,
    };
    let mut entries = pin!(entries);
    let mut next = match entries.as_mut().as_pin_mut() {
        Some(mut entries) => entries.try_next().await.map_err(failed)?,
        None => None,
    };
    for inbox in inboxes {
        let id = inbox.inbox.id;
        let its = subscriptions.remove(&id).unwrap_or_default();
        let records = std::iter::once(Record::Inbox(inbox)).chain(its.into_iter().map(Record::Subscription));
        for record in records {
            if sender.send(Ok(record)).await.is_err() {
                return Ok(false);
            }
        }
        while let Some(row) = next.take_if(|row| values::id(row, "inbox").is_ok_and(|of: InboxId| of == id)) {
            if sender.send(Ok(Record::Entry(values::entry(&row)?))).await.is_err() {
                return Ok(false);
            }
            if let Some(mut entries) = entries.as_mut().as_pin_mut() {
                next = entries.try_next().await.map_err(failed)?;
            }
        }
    }
    Ok(true)
}

/// The records that the task sends. Blocks the thread while it waits for one.
struct Records(mpsc::Receiver<Result<Record, StoreError>>);

impl Iterator for Records {
    type Item = Result<Record, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.blocking_recv()
    }
}

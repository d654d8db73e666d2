//! The cell in which each shard of inboxes is, as the tables of a cell have it.

use super::PostgresStore;
use super::connect::{DatabaseConnection, describe};
use super::shard::{KnownPlace, ShardPlace, bounds, runs};
use crate::StoreError;
use std::ops::RangeInclusive;
use tokio_postgres::Error;
use tokio_postgres::types::{ToSql, Type};

/// Columns of the tables whose rows move, which may differ in order from one database to another.
pub(super) const INBOX: &str =
    "id, owner, created, key, last, entries, body_bytes, subscriptions, monitored, used";
pub(super) const SUBSCRIPTION: &str = "agent, id, created, key, sender, protocol, channel, category, subtype";
pub(super) const ENTRY: &str = "inbox, position, message, key, subscription, accepted, expires, removal, urgency, topic, \
    encoding, receipt, body, about_inbox, about_position, acknowledged";

/// The tables whose rows move: the name, the column of the inbox, and all columns.
pub(super) const TABLES: [(&str, &str, &str); 4] = [
    ("inbox", "id", INBOX),
    ("subscription", "agent", SUBSCRIPTION),
    ("entry", "inbox", ENTRY),
    ("received_receipt", "inbox", "message, inbox, received"),
];

/// Settings of connections that move rows, of which there may be many.
pub(super) const PATIENT: &str = "SET statement_timeout = 0; SET lock_timeout = '20s';
    SET idle_in_transaction_session_timeout = '20s'";

/// Selects which shards of a range were copied here for a version, and which are in use with it.
const STAGED: &str = "SELECT n.number, i.number IS NOT NULL, s.number IS NOT NULL
    FROM generate_series($1::int4, $2::int4) AS n (number)
    LEFT JOIN @.incoming_shard i ON i.number = n.number AND i.version = $4
    LEFT JOIN @.shard s ON s.number = n.number
        AND (s.version > $4 OR s.version = $4 AND s.cell = $3) ORDER BY n.number";

/// Makes a cell the place of some shards, unless one of them has moved on.
pub(super) const PLACE: &str = "INSERT INTO @.shard (number, cell, version)
    SELECT n, $3, $4 FROM generate_series($1::int4, $2::int4) AS n
    ON CONFLICT (number) DO UPDATE SET cell = excluded.cell, version = excluded.version
        WHERE shard.version < excluded.version";

/// Holds off the creation of inboxes, and other moves, until the transaction ends.
pub(super) const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtext('webpush-creation'), hashtext('@'))";

impl PostgresStore {
    /// Reads where this cell believes a shard to be.
    pub(crate) async fn shard_place(&self, number: u16) -> Result<ShardPlace, StoreError> {
        let KnownPlace { cell, version, .. } = self.readers.shard(number).await?;
        Ok(ShardPlace { version, cell })
    }

    /// Reads the shards that have moved, as far as this cell knows.
    pub(crate) async fn moved_shards(&self) -> Result<Vec<(u16, ShardPlace)>, StoreError> {
        let statement = self.statement("SELECT number, cell, version FROM @.shard ORDER BY number");
        let rows = self.connect("webpush-shards").await?.client.query_typed(&statement, &[]).await;
        let place = |row: &tokio_postgres::Row| {
            let number = row.try_get::<_, i32>(0)?;
            let place = ShardPlace { cell: row.try_get(1)?, version: row.try_get(2)? };
            Ok((u16::try_from(number).unwrap_or_default(), place))
        };
        let rows = rows.map_err(|error| self.unavailable(&describe(error)))?;
        rows.iter().map(place).collect::<Result<_, Error>>().map_err(|_| StoreError::Corrupt)
    }

    /// Makes this cell the place of shards that were copied here, after their old cell let go of them.
    ///
    /// May be repeated, and by several nodes at once.
    pub(crate) async fn activate(
        &self,
        shards: RangeInclusive<u16>,
        place: ShardPlace,
    ) -> Result<(), StoreError> {
        let connection = self.connect("webpush-activate").await?;
        match activate(&connection, &self.node.options.schema, &shards, place).await {
            Ok(true) => Ok(()),
            Ok(false) => {
                tracing::error!(
                    "a shard is not in the cell where it should be: was a database restored from a backup?"
                );
                Err(StoreError::Unavailable)
            }
            // A refusal is about these rows: the cell serves others.
            Err(error) if error.code().is_some() => {
                tracing::warn!(cell = self.node.cell(), "inboxes cannot be moved yet: {}", describe(error));
                Err(StoreError::Unavailable)
            }
            Err(error) => Err(self.unavailable(&describe(error))),
        }
    }

    /// Opens a connection for a single statement.
    pub(super) async fn connect(&self, name: &str) -> Result<DatabaseConnection, StoreError> {
        let connection = self.node.connector.connect(name).await;
        connection.map_err(|error| self.unavailable(&error.to_string()))
    }

    /// Returns a statement for the tables of this store.
    pub(super) fn statement(&self, text: &str) -> String {
        text.replace('@', &self.node.options.schema)
    }

    pub(super) fn unavailable(&self, reason: &str) -> StoreError {
        self.node.report_outage(reason);
        StoreError::Unavailable
    }
}

/// Puts the copies of shards to use that were made for this version.
///
/// Returns false if a shard was neither copied for it nor put to use before.
async fn activate(
    connection: &DatabaseConnection,
    schema: &str,
    shards: &RangeInclusive<u16>,
    place: ShardPlace,
) -> Result<bool, Error> {
    let client = &connection.client;
    client.batch_execute(PATIENT).await?;
    client.batch_execute(&format!("BEGIN; {}", LOCK.replace('@', schema))).await?;
    let values = place_values(shards, &place);
    let values = values.each_ref().map(|(value, of)| (&**value as &(dyn ToSql + Sync), of.clone()));
    let rows = client.query_typed(&STAGED.replace('@', schema), &values).await?;
    let (mut staged, mut is_complete) = (Vec::new(), true);
    for row in &rows {
        let number = u16::try_from(row.try_get::<_, i32>(0)?).unwrap_or_default();
        let (is_staged, is_known): (bool, bool) = (row.try_get(1)?, row.try_get(2)?);
        is_complete &= is_staged || is_known;
        if is_staged && !is_known {
            staged.push(number);
        }
    }
    for run in runs(&staged) {
        put_to_use(connection, schema, &run).await?;
        set_place(connection, schema, &run, place).await?;
    }
    client.batch_execute("COMMIT").await?;
    Ok(is_complete)
}

async fn put_to_use(
    connection: &DatabaseConnection,
    schema: &str,
    shards: &RangeInclusive<u16>,
) -> Result<(), Error> {
    let client = &connection.client;
    let [first, last] = bounds(shards);
    let range: [(&(dyn ToSql + Sync), Type); 2] = [(&first, Type::UUID), (&last, Type::UUID)];
    for (table, key, columns) in TABLES {
        // Rows that are there are of the past, for example from a backup.
        let clear = format!("DELETE FROM {schema}.{table} WHERE {key} BETWEEN $1 AND $2");
        let insert = format!(
            "INSERT INTO {schema}.{table} ({columns})
                SELECT {columns} FROM {schema}.incoming_{table} WHERE {key} BETWEEN $1 AND $2"
        );
        let delete = format!("DELETE FROM {schema}.incoming_{table} WHERE {key} BETWEEN $1 AND $2");
        for statement in [clear, insert, delete] {
            client.execute_typed(&statement, &range).await?;
        }
    }
    let numbers: [(&(dyn ToSql + Sync), Type); 2] =
        [(&i32::from(*shards.start()), Type::INT4), (&i32::from(*shards.end()), Type::INT4)];
    let delete = format!("DELETE FROM {schema}.incoming_shard WHERE number BETWEEN $1 AND $2");
    client.execute_typed(&delete, &numbers).await.map(drop)
}

/// Returns the first and last number of shards, and their place, as parameters.
fn place_values(
    shards: &RangeInclusive<u16>,
    place: &ShardPlace,
) -> [(Box<dyn ToSql + Sync + Send>, Type); 4] {
    [
        (Box::new(i32::from(*shards.start())), Type::INT4),
        (Box::new(i32::from(*shards.end())), Type::INT4),
        (Box::new(place.cell), Type::INT2),
        (Box::new(place.version), Type::INT8),
    ]
}

/// Writes the place of shards into the table of a cell.
pub(super) async fn set_place(
    connection: &DatabaseConnection,
    schema: &str,
    shards: &RangeInclusive<u16>,
    place: ShardPlace,
) -> Result<(), Error> {
    let values = place_values(shards, &place);
    let values = values.each_ref().map(|(value, of)| (&**value as &(dyn ToSql + Sync), of.clone()));
    connection.client.execute_typed(&PLACE.replace('@', schema), &values).await.map(drop)
}

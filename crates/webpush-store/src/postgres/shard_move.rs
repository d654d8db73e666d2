//! Moves shards of inboxes from one cell to another, while both are in use.
//!
//! The rows of a few shards are locked in the cell that has them, and copied to tables beside those in use of the other
//! one. Then the first cell deletes them and records where they are, in one transaction: from that moment on they are in
//! the other cell, and any node may put the copies to use ([`PostgresStore::activate`]). At no time do two
//! cells have them, and if this program ends at any point, either cell serves them.

use super::PostgresStore;
use super::connect::{DatabaseConnection, describe};
use super::options::DatabaseError;
use super::shard::{ShardPlace, bounds, shard};
use super::shards::{LOCK, PATIENT, TABLES, set_place};
use super::values::Uuid;
use futures_util::{SinkExt as _, TryStreamExt as _};
use std::ops::RangeInclusive;
use std::pin::pin;
use tokio_postgres::types::{ToSql, Type};

/// Number of inboxes that move at once, unless one shard has more. Nobody can use them meanwhile.
const INBOXES: i64 = 64;

/// Finds the first shard that is too much for one step, after `$1`.
const LIMIT: &str = "SELECT id FROM @.inbox WHERE id BETWEEN $1 AND $2 ORDER BY id OFFSET $3 LIMIT 1";
const LOCK_INBOXES: &str = "SELECT id FROM @.inbox WHERE id BETWEEN $1 AND $2 ORDER BY owner, id FOR UPDATE";
/// Counts the shards that are in other cells.
const ELSEWHERE: &str = "SELECT count(*) FROM generate_series($1::int4, $2::int4) AS n
    LEFT JOIN @.shard s ON s.number = n
    WHERE coalesce(s.cell, 0) <> (SELECT i.cell FROM @.identity i)";
const STAGED: &str = "INSERT INTO @.incoming_shard (number, version)
    SELECT n, $3 FROM generate_series($1::int4, $2::int4) AS n
    ON CONFLICT (number) DO UPDATE SET version = excluded.version";
const VERSION: &str = "SELECT coalesce(max(version), 0) FROM @.shard WHERE number BETWEEN $1 AND $2";
/// Positions that the old cell has assigned are not assigned again.
const RAISE_FLOOR: &str = "UPDATE @.state SET floor = greatest(floor, $1), removed = greatest(removed, $2)
    WHERE floor < $1 OR removed < $2";
/// Waits until everything before it is replicated.
const CONFIRM: &str = "UPDATE @.state SET floor = floor";

/// Moves shards between two cells.
pub(crate) struct ShardMover<'s> {
    source: (&'s str, DatabaseConnection),
    target: (&'s str, DatabaseConnection),
    target_cell: i16,
}

/// The shards that one step has moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MovedShards {
    /// The shards.
    pub(crate) shards: RangeInclusive<u16>,
    /// Their place now, for [`PostgresStore::activate`].
    pub(crate) place: ShardPlace,
    /// The number of inboxes in them.
    pub(crate) inboxes: u64,
}

type MoveResult<T> = Result<T, DatabaseError>;

fn refused(error: tokio_postgres::Error) -> DatabaseError {
    DatabaseError::Refused(describe(error))
}

impl<'s> ShardMover<'s> {
    /// Connects to both cells.
    ///
    /// # Errors
    /// Fails if one of them cannot be reached.
    pub(crate) async fn new(
        source: &'s PostgresStore,
        target: &'s PostgresStore,
        target_cell: i16,
    ) -> MoveResult<Self> {
        let connect = async |store: &'s PostgresStore| {
            let connection = store.node.connector.connect("webpush-move").await?;
            connection.client.batch_execute(PATIENT).await.map_err(refused)?;
            Ok::<_, DatabaseError>((store.node.options.schema.as_str(), connection))
        };
        Ok(Self { source: connect(source).await?, target: connect(target).await?, target_cell })
    }

    /// Moves the first of `shards`, and those after it that one step takes. All must be in the source.
    ///
    /// The target has them when this returns, but it must still be told so.
    ///
    /// # Errors
    /// After an error the shards are in the source, or it knows that they are in the target.
    pub(crate) async fn step(&self, shards: RangeInclusive<u16>) -> MoveResult<MovedShards> {
        let shards = self.limit(shards).await?;
        let moved = self.copy(shards).await;
        if moved.is_err() {
            // The connections may be lost, which has the same effect.
            drop(self.source.1.client.batch_execute("ROLLBACK").await);
            drop(self.target.1.client.batch_execute("ROLLBACK").await);
        }
        moved
    }

    /// Returns the shards of one step.
    async fn limit(&self, shards: RangeInclusive<u16>) -> MoveResult<RangeInclusive<u16>> {
        let (schema, source) = &self.source;
        let [first, last] = bounds(&shards);
        let values: [(&(dyn ToSql + Sync), Type); 3] =
            [(&first, Type::UUID), (&last, Type::UUID), (&INBOXES, Type::INT8)];
        let row = source.client.query_typed(&LIMIT.replace('@', schema), &values).await.map_err(refused)?;
        let Some(row) = row.first() else { return Ok(shards) };
        let next = shard(row.try_get::<_, Uuid>(0).map_err(refused)?.into());
        let start = *shards.start();
        Ok(start..=next.saturating_sub(1).max(start))
    }

    async fn copy(&self, shards: RangeInclusive<u16>) -> MoveResult<MovedShards> {
        let (schema, source) = &self.source;
        let (client, [first, last]) = (&source.client, bounds(&shards));
        let range: [(&(dyn ToSql + Sync), Type); 2] = [(&first, Type::UUID), (&last, Type::UUID)];
        client.batch_execute(&format!("BEGIN; {}", LOCK.replace('@', schema))).await.map_err(refused)?;
        self.check_place(&shards).await?;
        let locked = client.query_typed(&LOCK_INBOXES.replace('@', schema), &range).await.map_err(refused)?;
        let version = self.next_version(&shards).await?;
        self.stage(&shards, version).await?;

        for (table, key, _) in TABLES {
            let delete = format!("DELETE FROM {schema}.{table} WHERE {key} BETWEEN $1 AND $2");
            client.execute_typed(&delete, &range).await.map_err(refused)?;
        }
        let place = ShardPlace { cell: self.target_cell, version };
        set_place(source, schema, &shards, place).await.map_err(refused)?;
        commit(source, schema).await?;
        Ok(MovedShards { shards, place, inboxes: locked.len() as u64 })
    }

    /// Makes sure that the source has the shards, now that nobody can move them.
    async fn check_place(&self, shards: &RangeInclusive<u16>) -> MoveResult<()> {
        let (schema, source) = &self.source;
        let values: [(&(dyn ToSql + Sync), Type); 2] =
            [(&i32::from(*shards.start()), Type::INT4), (&i32::from(*shards.end()), Type::INT4)];
        let row = source.client.query_typed_one(&ELSEWHERE.replace('@', schema), &values).await;
        match row.and_then(|row| row.try_get::<_, i64>(0)).map_err(refused)? {
            0 => Ok(()),
            _ => {
                Err(DatabaseError::Refused("another command has moved these inboxes: start again".to_owned()))
            }
        }
    }

    /// Returns a version of the shards that is higher than those that either cell knows.
    async fn next_version(&self, shards: &RangeInclusive<u16>) -> MoveResult<i64> {
        let mut highest = 0;
        for (schema, connection) in [&self.source, &self.target] {
            let values: [(&(dyn ToSql + Sync), Type); 2] =
                [(&i32::from(*shards.start()), Type::INT4), (&i32::from(*shards.end()), Type::INT4)];
            let row = connection.client.query_typed_one(&VERSION.replace('@', schema), &values).await;
            highest = row.and_then(|row| row.try_get::<_, i64>(0)).map_err(refused)?.max(highest);
        }
        Ok(highest + 1)
    }

    /// Copies the rows to the tables of incoming ones, durably.
    async fn stage(&self, shards: &RangeInclusive<u16>, version: i64) -> MoveResult<()> {
        let ((from, source), (to, target)) = (&self.source, &self.target);
        let [first, last] = bounds(shards);
        let range: [(&(dyn ToSql + Sync), Type); 2] = [(&first, Type::UUID), (&last, Type::UUID)];
        target.client.batch_execute("BEGIN").await.map_err(refused)?;
        // First: its lock lets another attempt wait until this one has ended.
        let numbers: [(&(dyn ToSql + Sync), Type); 3] = [
            (&i32::from(*shards.start()), Type::INT4),
            (&i32::from(*shards.end()), Type::INT4),
            (&version, Type::INT8),
        ];
        target.client.execute_typed(&STAGED.replace('@', to), &numbers).await.map_err(refused)?;
        for (table, key, columns) in TABLES {
            // Of an attempt that did not come to its end.
            let clear = format!("DELETE FROM {to}.incoming_{table} WHERE {key} BETWEEN $1 AND $2");
            target.client.execute_typed(&clear, &range).await.map_err(refused)?;
            let select = format!(
                "COPY (SELECT {columns} FROM {from}.{table} WHERE {key} BETWEEN '{}' AND '{}') TO STDOUT (FORMAT binary)",
                literal(first),
                literal(last)
            );
            let insert = format!("COPY {to}.incoming_{table} ({columns}) FROM STDIN (FORMAT binary)");
            copy_table((source, &select), (target, &insert)).await.map_err(refused)?;
        }
        let state = "SELECT floor, removed FROM @.state".replace('@', from);
        let state = source.client.query_typed_one(&state, &[]).await.map_err(refused)?;
        let floor: i64 = state.try_get(0).map_err(refused)?;
        let removed: i64 = state.try_get(1).map_err(refused)?;
        let values: [(&(dyn ToSql + Sync), Type); 2] = [(&floor, Type::INT8), (&removed, Type::INT8)];
        target.client.execute_typed(&RAISE_FLOOR.replace('@', to), &values).await.map_err(refused)?;
        commit(target, to).await
    }
}

async fn copy_table(
    (source, select): (&DatabaseConnection, &str),
    (target, insert): (&DatabaseConnection, &str),
) -> Result<(), tokio_postgres::Error> {
    let mut rows = pin!(source.client.copy_out(select).await?);
    let mut sink = pin!(target.client.copy_in(insert).await?);
    while let Some(chunk) = rows.try_next().await? {
        sink.send(chunk).await?;
    }
    sink.as_mut().finish().await.map(drop)
}

/// Commits, and makes sure that the commit is durable.
async fn commit(connection: &DatabaseConnection, schema: &str) -> MoveResult<()> {
    let mut warnings = connection.warnings();
    connection.client.batch_execute("COMMIT").await.map_err(refused)?;
    // A warning says that the wait for a standby was canceled.
    while connection.warnings() != warnings {
        warnings = connection.warnings();
        connection.client.batch_execute(&CONFIRM.replace('@', schema)).await.map_err(refused)?;
    }
    Ok(())
}

fn literal(Uuid(bytes): Uuid) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

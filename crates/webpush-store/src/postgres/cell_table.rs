//! The table of the cells of a service, in the first one, and the number that each cell has of itself.

use super::PostgresStore;
use super::connect::{DatabaseConnection, describe};
use super::options::DatabaseError;
use super::values::Uuid;
use crate::StoreError;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

/// A cell of a service: a PostgreSQL database with some of its inboxes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellRecord {
    /// Its number; 0 is the first cell.
    pub number: i16,
    /// Its name, for operators.
    pub name: String,
    /// The URL of its database; empty for the first cell.
    pub url: String,
    /// Its share of new inboxes, relative to those of other cells.
    pub weight: i32,
    /// True if new inboxes are created in it.
    pub is_open: bool,
    /// How often shards were moved; counted in the first cell.
    pub moves: i64,
}

/// The service and the cell of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CellIdentity {
    pub(crate) service: [u8; 16],
    pub(crate) cell: i16,
}

/// Held by the command that moves shards, of which there is one at a time.
pub(crate) struct MoveLock {
    _connection: DatabaseConnection,
}

const LIST: &str = "SELECT number, name, url, weight, is_open, moves FROM @.cell ORDER BY number";
const PUT: &str = "INSERT INTO @.cell (number, name, url, weight, is_open) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (number) DO UPDATE SET name = excluded.name, url = excluded.url, weight = excluded.weight,
        is_open = excluded.is_open";
/// Programs that know nothing of cells must not use the tables any more.
const RAISE_VERSION: &str = "UPDATE @.state SET version = greatest(version, 2)";

impl PostgresStore {
    /// Lists the cells of the service. This must be the first one.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the database cannot be read.
    pub(crate) async fn cells(&self) -> Result<Vec<CellRecord>, StoreError> {
        let rows = self.connect("webpush-cells").await?.client.query_typed(&self.statement(LIST), &[]).await;
        let rows = rows.map_err(|error| self.unavailable(&describe(error)))?;
        let record = |row: &Row| {
            Ok(CellRecord {
                number: row.try_get(0)?,
                name: row.try_get(1)?,
                url: row.try_get(2)?,
                weight: row.try_get(3)?,
                is_open: row.try_get(4)?,
                moves: row.try_get(5)?,
            })
        };
        rows.iter().map(record).collect::<Result<_, tokio_postgres::Error>>().map_err(|_| StoreError::Corrupt)
    }

    /// Adds or changes a cell. This must be the first one.
    ///
    /// # Errors
    /// Fails if the database cannot be written, or has another cell of that name.
    pub(crate) async fn put_cell(&self, cell: &CellRecord) -> Result<(), DatabaseError> {
        let connection = self.node.connector.connect("webpush-cells").await?;
        let refused = |error| DatabaseError::Refused(describe(error));
        connection.client.execute_typed(&self.statement(RAISE_VERSION), &[]).await.map_err(refused)?;
        let values: [(&(dyn ToSql + Sync), Type); 5] = [
            (&cell.number, Type::INT2),
            (&cell.name, Type::TEXT),
            (&cell.url, Type::TEXT),
            (&cell.weight, Type::INT4),
            (&cell.is_open, Type::BOOL),
        ];
        connection.client.execute_typed(&self.statement(PUT), &values).await.map(drop).map_err(refused)
    }

    /// Holds off other moves of shards while the lock is kept. This must be the first cell.
    ///
    /// `None` if another command holds it.
    ///
    /// # Errors
    /// Fails if the database cannot be reached.
    pub(crate) async fn lock_moves(&self) -> Result<Option<MoveLock>, DatabaseError> {
        let connection = self.node.connector.connect("webpush-move-lock").await?;
        let statement =
            self.statement("SELECT pg_try_advisory_lock(hashtext('webpush-moves'), hashtext('@'))");
        let row = connection.client.query_typed_one(&statement, &[]).await;
        let is_held: bool =
            row.and_then(|row| row.try_get(0)).map_err(|error| DatabaseError::Refused(describe(error)))?;
        Ok(is_held.then_some(MoveLock { _connection: connection }))
    }

    /// Returns about how many inboxes this cell has, as the planner of PostgreSQL believes.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the database cannot be read.
    pub(crate) async fn inbox_estimate(&self) -> Result<u64, StoreError> {
        let statement = self.statement(
            "SELECT CASE WHEN c.reltuples >= 10000 THEN c.reltuples::int8 ELSE (SELECT count(*) FROM @.inbox) END
             FROM pg_class c WHERE c.oid = '@.inbox'::regclass",
        );
        let row = self.connect("webpush-cells").await?.client.query_typed_one(&statement, &[]).await;
        let count = row.and_then(|row| row.try_get::<_, i64>(0));
        count.map(i64::unsigned_abs).map_err(|error| self.unavailable(&describe(error)))
    }

    /// Writes nothing, and records that the database can be written.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if it cannot.
    pub(crate) async fn try_to_write(&self) -> Result<(), StoreError> {
        let connection = self.connect("webpush-try").await?;
        let statement = self.statement("UPDATE @.state SET floor = floor");
        let written = connection.client.execute_typed(&statement, &[]).await;
        written.map_err(|error| self.unavailable(&describe(error)))?;
        self.node.report_up();
        Ok(())
    }

    /// Returns the highest number of a cell that this one has heard of.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the database cannot be read.
    pub(crate) async fn highest_number(&self) -> Result<i16, StoreError> {
        let statement = self.statement("SELECT coalesce(max(cell), 0::int2) FROM @.shard");
        let row = self.connect("webpush-cells").await?.client.query_typed_one(&statement, &[]).await;
        row.and_then(|row| row.try_get(0)).map_err(|error| self.unavailable(&describe(error)))
    }

    /// Removes a cell without inboxes from the table. This must be the first one.
    ///
    /// # Errors
    /// Fails if the database cannot be written.
    pub(crate) async fn remove_cell(&self, number: i16) -> Result<(), DatabaseError> {
        let connection = self.node.connector.connect("webpush-cells").await?;
        let statement = self.statement("DELETE FROM @.cell WHERE number = $1");
        let removed = connection.client.execute_typed(&statement, &[(&number, Type::INT2)]).await;
        removed.map(drop).map_err(|error| DatabaseError::Refused(describe(error)))
    }

    /// Tells nodes that shards have moved. This must be the first cell.
    ///
    /// Nodes that do not hear of it find out when they look for an inbox in the wrong cell.
    ///
    /// # Errors
    /// Fails if the database cannot be written.
    pub(crate) async fn count_move(&self) -> Result<(), DatabaseError> {
        let connection = self.node.connector.connect("webpush-cells").await?;
        let statement = self.statement("UPDATE @.cell SET moves = moves + 1 WHERE number = 0");
        let updated = connection.client.execute_typed(&statement, &[]).await;
        updated.map(drop).map_err(|error| DatabaseError::Refused(describe(error)))
    }

    /// Reads which cell of which service this is.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the database cannot be read.
    pub(crate) async fn identity(&self) -> Result<CellIdentity, StoreError> {
        let statement = self.statement("SELECT service, cell FROM @.identity");
        let row = self.connect("webpush-cells").await?.client.query_typed_one(&statement, &[]).await;
        let identity = row.and_then(|row| {
            Ok(CellIdentity { service: row.try_get::<_, Uuid>(0)?.0, cell: row.try_get(1)? })
        });
        identity.map_err(|error| self.unavailable(&describe(error)))
    }

    /// Makes a database a cell of a service; returns false if it has inboxes, or is of another service.
    ///
    /// # Errors
    /// Fails if the database cannot be written.
    pub(crate) async fn adopt(&self, identity: CellIdentity) -> Result<bool, DatabaseError> {
        let connection = self.node.connector.connect("webpush-cells").await?;
        let statement = self.statement(
            "UPDATE @.identity SET service = $1, cell = $2 WHERE NOT EXISTS (SELECT FROM @.inbox)
                AND (service = $1 OR cell = 0 AND NOT EXISTS (SELECT FROM @.sealing_key)
                    AND (SELECT count(*) FROM @.cell) < 2)",
        );
        let values: [(&(dyn ToSql + Sync), Type); 2] =
            [(&Uuid(identity.service), Type::UUID), (&identity.cell, Type::INT2)];
        let updated = connection.client.execute_typed(&statement, &values).await;
        let is_adopted = updated.map_err(|error| DatabaseError::Refused(describe(error)))? == 1;
        if is_adopted {
            let raised = connection.client.execute_typed(&self.statement(RAISE_VERSION), &[]).await;
            raised.map_err(|error| DatabaseError::Refused(describe(error)))?;
        }
        Ok(is_adopted)
    }
}

//! Other nodes that use the database.

use super::PostgresStore;
use super::connect::describe;
use super::values::Uuid;
use crate::StoreError;
use tokio_postgres::types::Type;

const LIVE: &str = "SELECT id, name, (extract(epoch FROM seen) * 1000000)::int8 FROM @.node
    WHERE seen > now() - interval '15 s' AND id <> $1 ORDER BY id";

/// A node with a recent heartbeat. It differs from itself after the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveNode {
    /// Its name, for operators.
    pub name: String,
    id: [u8; 16],
    seen: i64,
}

const SERVERS: &str = "SELECT id, name FROM @.node WHERE seen > now() - interval '15 s'
    AND get_byte(uuid_send(id), 0) < 128 ORDER BY id";

impl PostgresStore {
    /// Lists the IDs and the names of servers whose last heartbeat is less than 15 s old.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the database cannot be read.
    pub(crate) async fn live_servers(&self) -> Result<Vec<([u8; 16], String)>, StoreError> {
        let connection = self.connect("webpush-nodes").await?;
        let rows = connection.client.query_typed(&self.statement(SERVERS), &[]).await;
        let rows = rows.map_err(|error| self.unavailable(&describe(error)))?;
        let node = |row: &tokio_postgres::Row| Ok((row.try_get::<_, Uuid>(0)?.0, row.try_get(1)?));
        rows.iter().map(node).collect::<Result<_, tokio_postgres::Error>>().map_err(|_| StoreError::Corrupt)
    }

    /// Returns true while the database can be read and written, as far as is known.
    pub(crate) fn is_up(&self) -> bool {
        self.node.is_up()
    }

    /// Returns true if this node runs the tasks of which the cell needs one.
    pub(crate) fn leads(&self) -> bool {
        self.node.leads()
    }

    /// Lists other nodes whose last heartbeat is less than 15 s old.
    ///
    /// A node that was killed may be among them.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the database cannot be read.
    pub async fn other_nodes(&self) -> Result<Vec<LiveNode>, StoreError> {
        let connection = self.connect("webpush-nodes").await?;
        let statement = self.statement(LIVE);
        let own = Uuid(self.node.id);
        let rows = connection.client.query_typed(&statement, &[(&own, Type::UUID)]).await;
        let rows = rows.map_err(|error| self.unavailable(&describe(error)))?;
        let node = |row: &tokio_postgres::Row| {
            Ok(LiveNode { id: row.try_get::<_, Uuid>(0)?.0, name: row.try_get(1)?, seen: row.try_get(2)? })
        };
        rows.iter().map(node).collect::<Result<_, _>>().map_err(|error| self.unavailable(&describe(error)))
    }
}

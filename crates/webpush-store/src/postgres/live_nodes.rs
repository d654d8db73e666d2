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

impl PostgresStore {
    /// Lists other nodes whose last heartbeat is less than 15 s old.
    ///
    /// A node that was killed may be among them.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the database cannot be read.
    pub async fn other_nodes(&self) -> Result<Vec<LiveNode>, StoreError> {
        let unavailable = |reason: String| {
            self.node.report_outage(&reason);
            StoreError::Unavailable
        };
        let connection = self.node.connector.connect("webpush-nodes").await;
        let connection = connection.map_err(|error| unavailable(error.to_string()))?;
        let statement = LIVE.replace('@', &self.node.options.schema);
        let own = Uuid(self.node.id);
        let rows = connection.client.query_typed(&statement, &[(&own, Type::UUID)]).await;
        let rows = rows.map_err(|error| unavailable(describe(error)))?;
        let node = |row: &tokio_postgres::Row| {
            Ok(LiveNode { id: row.try_get::<_, Uuid>(0)?.0, name: row.try_get(1)?, seen: row.try_get(2)? })
        };
        rows.iter().map(node).collect::<Result<_, _>>().map_err(|error| unavailable(describe(error)))
    }
}

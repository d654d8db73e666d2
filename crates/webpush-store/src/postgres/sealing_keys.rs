//! The table of wrapped sealing keys.

use super::connect::describe;
use super::node::Node;
use super::read::Readers;
use crate::StoreError;
use std::sync::Arc;
use tokio_postgres::types::{ToSql, Type};

/// Adds a key; `$3` is the number of keys that must exist.
///
/// It becomes the number of the key, which is unique, so only one node succeeds.
const ADD: &str = "INSERT INTO @.sealing_key (number, id, wrapped)
    SELECT $3, $1, $2 WHERE (SELECT count(*) FROM @.sealing_key) = $3 ON CONFLICT DO NOTHING";

/// The sealing keys of all nodes. They are wrapped: this crate cannot read them.
#[derive(Clone)]
pub struct SealingKeyTable {
    pub(super) node: Arc<Node>,
    pub(super) readers: Arc<Readers>,
}

impl SealingKeyTable {
    /// Reads the ID of each key, and the wrapped key, in the order in which they were added.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the database cannot be read.
    pub async fn list(&self) -> Result<Vec<(u8, Vec<u8>)>, StoreError> {
        self.readers.sealing_keys().await
    }

    /// Adds a key if there are `expected` keys.
    ///
    /// Returns false and adds nothing if another node was first.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the database cannot be written. The key may have been added.
    pub async fn add(&self, id: u8, wrapped: &[u8], expected: usize) -> Result<bool, StoreError> {
        let unavailable = |reason: String| {
            self.node.report_outage(&reason);
            StoreError::Unavailable
        };
        let connection = self.node.connector.connect("webpush-keys").await;
        let connection = connection.map_err(|error| unavailable(error.to_string()))?;
        let number = i32::try_from(expected).map_err(|_| StoreError::Full)?;
        let values: [(&(dyn ToSql + Sync), Type); 3] =
            [(&i16::from(id), Type::INT2), (&wrapped, Type::BYTEA), (&number, Type::INT4)];
        let statement = ADD.replace('@', &self.node.options.schema);
        let added = connection.client.execute_typed(&statement, &values).await;
        added.map(|rows| rows == 1).map_err(|error| unavailable(describe(error)))
    }
}

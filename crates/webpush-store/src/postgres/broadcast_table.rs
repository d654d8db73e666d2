//! The table of the versions of broadcasts that were set at run time.

use super::connect::describe;
use super::node::Node;
use super::read::Readers;
use crate::StoreError;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};

/// Time of one change, with the time to connect.
const TIMEOUT: Duration = Duration::from_secs(8);

/// One node after the other counts the broadcasts.
const LOCK: &str = "BEGIN; LOCK TABLE @.broadcast IN SHARE ROW EXCLUSIVE MODE";
/// `$3` is the maximum number of broadcasts.
const SET: &str = "INSERT INTO @.broadcast (name, version) SELECT $1, $2
    WHERE EXISTS (SELECT FROM @.broadcast WHERE name = $1) OR (SELECT count(*) FROM @.broadcast) < $3
    ON CONFLICT (name) DO UPDATE SET version = excluded.version";
const REMOVE: &str = "DELETE FROM @.broadcast WHERE name = $1";

/// The versions of broadcasts of all nodes, by name.
#[derive(Clone)]
pub struct BroadcastTable {
    pub(super) node: Arc<Node>,
    pub(super) readers: Arc<Readers>,
}

impl BroadcastTable {
    /// Reads all versions.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the database cannot be read.
    pub async fn list(&self) -> Result<BTreeMap<String, String>, StoreError> {
        self.readers.broadcasts().await
    }

    /// Sets a version, durably. Returns false if there would be more than `max` broadcasts.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the database cannot be written. The version may have been set.
    pub async fn set(&self, name: &str, version: &str, max: usize) -> Result<bool, StoreError> {
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        self.change(SET, &[(&name, Type::TEXT), (&version, Type::TEXT), (&max, Type::INT8)]).await
    }

    /// Removes a version, durably. Returns false if there was none.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the database cannot be written. The version may have been removed.
    pub async fn remove(&self, name: &str) -> Result<bool, StoreError> {
        self.change(REMOVE, &[(&name, Type::TEXT)]).await
    }

    /// Returns true if the statement changed a row.
    async fn change(
        &self,
        statement: &str,
        values: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<bool, StoreError> {
        let schema = &self.node.options.schema;
        let changing = async {
            let connection = self.node.connector.connect("webpush-broadcasts").await;
            let connection = connection.map_err(|error| error.to_string())?;
            let client = &connection.client;
            client.batch_execute(&LOCK.replace('@', schema)).await.map_err(describe)?;
            let changed = client.execute_typed(&statement.replace('@', schema), values).await;
            let changed = changed.map_err(describe)?;
            let warnings = connection.warnings();
            client.batch_execute("COMMIT").await.map_err(describe)?;
            if connection.warnings() == warnings {
                Ok(changed == 1)
            } else {
                Err("a commit was not replicated".to_owned())
            }
        };
        let changed = timeout(TIMEOUT, changing).await;
        changed.unwrap_or_else(|_| Err("the server does not respond".to_owned())).map_err(|reason| {
            self.node.report_outage(&reason);
            StoreError::Unavailable
        })
    }
}

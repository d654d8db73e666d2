//! Creates the tables, and brings older ones up to date.

use super::connect::{DatabaseConnection, describe};
use super::options::DatabaseError;

/// The version of the tables that this program uses.
///
/// Tables with version 2 are those of several cells.
pub(super) const VERSION: i32 = 2;

/// The tables of version 1.
const TABLES: &str = include_str!("schema.sql");

/// Tables that were added since, each with the statements that create it.
///
/// Programs without them need not know them.
/// The version stays the same, so that both programs can run side by side.
const ADDITIONS: [(&str, &str); 3] = [
    ("identity", include_str!("additions/cells.sql")),
    ("broadcast", include_str!("additions/broadcasts.sql")),
    ("node_settings", include_str!("additions/node_settings.sql")),
];

/// Raises the floor of positions when the first node starts.
///
/// The database may be a copy that was restored.
const FIRST_NODE: &str = "UPDATE @.state SET floor = floor + (1::int8 << 32)
    WHERE EXISTS (SELECT FROM @.inbox) AND NOT EXISTS (SELECT FROM @.node WHERE seen > now() - interval '15 s')";

/// A lock that nodes hold while they create tables: one after the other.
const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtext('webpush-server'), hashtext('@'))";

/// Creates the schema, or checks its version.
///
/// # Errors
/// Fails with [`DatabaseError::Newer`] or [`DatabaseError::Refused`].
pub(super) async fn migrate(connection: &DatabaseConnection, schema: &str) -> Result<(), DatabaseError> {
    let refused = |error| DatabaseError::Refused(describe(error));
    let client = &connection.client;
    client.batch_execute(&format!("BEGIN; {}", LOCK.replace('@', schema))).await.map_err(refused)?;
    let exists = client
        .query_typed_one(&format!("SELECT to_regclass('{schema}.state') IS NOT NULL"), &[])
        .await
        .and_then(|row| row.try_get(0))
        .map_err(refused)?;
    if exists {
        let found = client
            .query_typed_one(&"SELECT version FROM @.state".replace('@', schema), &[])
            .await
            .and_then(|row| row.try_get(0))
            .map_err(refused)?;
        if found > VERSION {
            return Err(DatabaseError::Newer { found, known: VERSION });
        }
        client.batch_execute(&FIRST_NODE.replace('@', schema)).await.map_err(refused)?;
    } else {
        // Creating a schema that exists needs no right to create one.
        let create = format!(
            "DO $$ BEGIN IF to_regnamespace('{schema}') IS NULL THEN CREATE SCHEMA {schema}; END IF; END $$; {}",
            TABLES.replace('@', schema)
        );
        client.batch_execute(&create).await.map_err(refused)?;
    }
    for (table, statements) in ADDITIONS {
        add(connection, schema, table, statements).await.map_err(refused)?;
    }
    client.batch_execute("COMMIT").await.map_err(refused)
}

/// Runs the statements that create a table and others with it, unless it exists.
async fn add(
    connection: &DatabaseConnection,
    schema: &str,
    table: &str,
    statements: &str,
) -> Result<(), tokio_postgres::Error> {
    let client = &connection.client;
    let exists = format!("SELECT to_regclass('{schema}.{table}') IS NOT NULL");
    if client.query_typed_one(&exists, &[]).await?.try_get(0)? {
        return Ok(());
    }
    client.batch_execute(&statements.replace('@', schema)).await
}

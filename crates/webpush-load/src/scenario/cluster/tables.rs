//! Sizes of the tables, and their dead rows.

use super::SCHEMA;
use anyhow::Context as _;
use tokio_postgres::Client;

/// The tables of a service that grow with it.
pub(super) const TABLES: [&str; 3] = ["inbox", "subscription", "entry"];

/// The state of a table.
#[derive(Clone, Copy)]
pub(super) struct TableSize {
    pub(super) table_bytes: i64,
    pub(super) index_bytes: i64,
    pub(super) dead_rows: i64,
}

/// Returns the sizes of [`TABLES`].
pub(super) async fn sizes(client: &Client) -> anyhow::Result<Vec<TableSize>> {
    let query = "SELECT relname::text, pg_table_size(relid), pg_indexes_size(relid), n_dead_tup
        FROM pg_stat_user_tables WHERE schemaname = $1";
    let rows = client.query(query, &[&SCHEMA]).await?;
    let of_table = |table: &&str| {
        let row = rows.iter().find(|row| row.get::<_, &str>(0) == *table);
        let row = row.with_context(|| format!("the table {table} is missing"))?;
        Ok(TableSize { table_bytes: row.get(1), index_bytes: row.get(2), dead_rows: row.get(3) })
    };
    TABLES.iter().map(of_table).collect()
}

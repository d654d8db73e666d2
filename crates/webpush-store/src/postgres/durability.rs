//! The durability of a database: the settings on which it depends, and the standbys that are there.

use super::connect::{DatabaseConnection, DatabaseConnector, describe};
use super::options::{DatabaseError, PostgresOptions};
use std::fmt;

/// Reads the settings and the state of standbys.
///
/// `pg_stat_replication` shows the latter only to their user and to members of `pg_read_all_stats`.
const QUERY: &str = "SELECT current_setting('fsync')::bool, current_setting('full_page_writes')::bool,
        current_setting('synchronous_standby_names'),
        (SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')),
        (SELECT count(*) FROM pg_stat_replication WHERE sync_state IS NULL) = 0";

/// The settings of a primary on which durability depends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseDurability {
    /// Writes are forced to disk.
    pub fsync: bool,
    /// Pages that a crash has torn can be restored.
    pub full_page_writes: bool,
    /// The standbys that a commit waits for, as `synchronous_standby_names` has them; empty for none.
    pub synchronous_standby_names: String,
    /// The number of these that are connected; `None` if the user may not see it.
    pub standbys: Option<u64>,
}

impl DatabaseDurability {
    /// Connects, and reads the settings.
    ///
    /// # Errors
    /// Fails with a [`DatabaseError`] if the database cannot be used.
    pub async fn read(options: &PostgresOptions) -> Result<Self, DatabaseError> {
        let connection = DatabaseConnector::new(options)?.connect("webpush-durability").await?;
        query(&connection).await.map_err(|error| DatabaseError::Refused(describe(error)))
    }

    /// Returns the number of connected standbys that commits wait for; `None` if the user may not see it.
    #[must_use]
    pub fn connected_standbys(&self) -> Option<u64> {
        if self.synchronous_standby_names.is_empty() { Some(0) } else { self.standbys }
    }

    /// Returns what is wrong with it: one sentence for each.
    #[must_use]
    pub fn warnings(&self) -> Vec<&'static str> {
        let warnings = [
            (!self.fsync, "fsync is off: a power cut destroys the database"),
            (
                !self.full_page_writes,
                "full_page_writes is off: a power cut may destroy pages of the database",
            ),
            (
                self.synchronous_standby_names.is_empty(),
                "no standby is synchronous: a message that was accepted is on one disk only",
            ),
            (
                !self.synchronous_standby_names.is_empty() && self.standbys == Some(0),
                "no synchronous standby is connected: commits wait until one is",
            ),
        ];
        warnings.into_iter().filter_map(|(applies, warning)| applies.then_some(warning)).collect()
    }
}

impl fmt::Display for DatabaseDurability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.synchronous_standby_names.as_str(), self.standbys) {
            ("", _) => f.write_str("commits are on the disk of the primary"),
            (names, Some(standbys)) => write!(f, "commits wait for {names}; {standbys} of them connected"),
            (names, None) => write!(f, "commits wait for {names}"),
        }
    }
}

/// Reads the settings on a connection.
pub(super) async fn query(
    connection: &DatabaseConnection,
) -> Result<DatabaseDurability, tokio_postgres::Error> {
    let row = connection.client.query_typed_one(QUERY, &[]).await?;
    let standbys: i64 = row.try_get(3)?;
    Ok(DatabaseDurability {
        fsync: row.try_get(0)?,
        full_page_writes: row.try_get(1)?,
        synchronous_standby_names: row.try_get(2)?,
        standbys: row.try_get::<_, bool>(4)?.then_some(standbys.unsigned_abs()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_loses_messages_is_a_warning() {
        let good = DatabaseDurability {
            fsync: true,
            full_page_writes: true,
            synchronous_standby_names: "ANY 1 (a, b)".to_owned(),
            standbys: Some(2),
        };
        let cases = [
            (DatabaseDurability { standbys: None, ..good.clone() }, ""),
            (DatabaseDurability { standbys: Some(0), ..good.clone() }, "no synchronous standby is connected"),
            (DatabaseDurability { fsync: false, ..good.clone() }, "fsync"),
            (DatabaseDurability { full_page_writes: false, ..good.clone() }, "full_page_writes"),
            (DatabaseDurability { synchronous_standby_names: String::new(), ..good }, "one disk"),
        ];
        assert_eq!(good.to_string(), "commits wait for ANY 1 (a, b); 2 of them connected");
        for (durability, expected) in cases.into_iter().chain([(good, "")]) {
            let warnings = durability.warnings().concat();
            assert!(warnings.contains(expected), "{warnings}");
            assert_eq!(warnings.is_empty(), expected.is_empty(), "{warnings}");
        }
    }
}

//! The PostgreSQL of a cluster, as `cargo xtask postgres` starts it for a command.

use crate::figures::{Figures, micros};
use crate::process_tree::ProcessTree;
use anyhow::Context as _;
use std::time::Duration;
use tokio_postgres::{Client, NoTls};

/// The URL of the primary.
const URL: &str = "WEBPUSH_TEST_POSTGRES";
/// The process of the primary, then those of the standbys.
const PROCESSES: &str = "WEBPUSH_TEST_POSTGRES_PROCESSES";

/// A primary with its standbys.
pub struct Database {
    /// The URL of the primary.
    pub url: String,
    primary: ProcessTree,
    standbys: ProcessTree,
}

/// Processor time and written WAL up to a point in time.
pub struct DatabaseSample {
    primary: Duration,
    standbys: Duration,
    wal_bytes: f64,
}

impl Database {
    /// Finds the database that was started for this command.
    ///
    /// # Errors
    /// If there is none.
    pub fn find() -> anyhow::Result<Self> {
        let variable = |name: &str| {
            std::env::var(name).with_context(|| {
                format!("{name} is not set: run it by cargo xtask postgres --standbys 2 -- …")
            })
        };
        let pids = variable(PROCESSES)?;
        let mut pids = pids.split_whitespace().map(str::parse).collect::<Result<Vec<u32>, _>>()?;
        let standbys = pids.split_off(pids.len().min(1));
        Ok(Self {
            url: variable(URL)?,
            primary: ProcessTree::new(pids),
            standbys: ProcessTree::new(standbys),
        })
    }

    /// Opens a connection to the primary.
    ///
    /// # Errors
    /// If it refuses.
    pub async fn connect(&self) -> anyhow::Result<Client> {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await?;
        // Every statement on it notices its end.
        tokio::spawn(connection);
        Ok(client)
    }

    /// Samples processor time and WAL.
    ///
    /// # Errors
    /// If one of the servers is gone.
    pub async fn sample(&self) -> anyhow::Result<DatabaseSample> {
        let written = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8";
        let wal_bytes = self.connect().await?.query_one(written, &[]).await?.get(0);
        Ok(DatabaseSample { primary: self.primary.cpu()?, standbys: self.standbys.cpu()?, wal_bytes })
    }
}

impl DatabaseSample {
    /// Returns what was used after an earlier sample.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            primary: self.primary.saturating_sub(earlier.primary),
            standbys: self.standbys.saturating_sub(earlier.standbys),
            wal_bytes: self.wal_bytes - earlier.wal_bytes,
        }
    }

    /// Returns the processor time of all servers.
    #[must_use]
    pub fn cpu(&self) -> Duration {
        self.primary + self.standbys
    }

    /// Records it for each item.
    pub fn note(&self, figures: &mut Figures, each: &str, count: u64) {
        let divisor = count.max(1) as f64;
        figures.note(format!("primary_cpu_us_per_{each}"), micros(self.primary) / divisor);
        figures.note(format!("standbys_cpu_us_per_{each}"), micros(self.standbys) / divisor);
        figures.note(format!("wal_bytes_per_{each}"), self.wal_bytes / divisor);
    }
}

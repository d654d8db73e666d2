//! Fills the tables of a cluster with subscriptions and messages, by statements in the database.

use crate::database::Database;
use anyhow::Context as _;
use std::time::Instant;

/// As docs/cluster.md recommends, which the servers of `cargo xtask postgres` do not have.
const SETTINGS: [&str; 5] = [
    "ALTER SYSTEM SET autovacuum_naptime = '10s'",
    "ALTER SYSTEM SET autovacuum_vacuum_cost_limit = 2000",
    "ALTER SYSTEM SET max_wal_size = '16GB'",
    "ALTER SYSTEM SET checkpoint_timeout = '15min'",
    "SELECT pg_reload_conf()",
];

/// One inbox each, as random IDs are.
const INBOXES: &str =
    "INSERT INTO @.inbox (id, owner, created, key, last, entries, body_bytes, subscriptions, monitored, used)
    SELECT gen_random_uuid(), 0, k.now, k.key, 1, 1, 200, 1, k.now / 3600000, k.now / 3600000
    FROM generate_series(1, $1::int8), (SELECT (extract(epoch FROM now()) * 1000)::int8 AS now,
        (SELECT id FROM @.sealing_key ORDER BY number DESC LIMIT 1) AS key) k";
const SUBSCRIPTIONS: &str = "INSERT INTO @.subscription (agent, id, created, key, protocol, channel)
    SELECT id, gen_random_uuid(), created, key, 1, gen_random_uuid() FROM @.inbox WHERE owner = 0 AND entries = 1";
/// They expire over a day, a month later. The sweep reads those that are next in that order.
const MESSAGES: &str =
    "INSERT INTO @.entry (inbox, position, message, key, subscription, accepted, expires, removal, urgency, body)
    SELECT s.agent, 1, gen_random_uuid(), s.key, s.id, s.created, s.expires, s.expires, 2, decode(repeat('5a', 200), 'hex')
    FROM (SELECT *, created + 2592000000 + (random() * 86400000)::int8 AS expires FROM @.subscription) s
    JOIN @.inbox i ON i.id = s.agent WHERE i.entries = 1";

/// Creates subscriptions of agents that have listened, each with a message of 200 bytes that waits.
///
/// It ends with a checkpoint. After one, the first change of each page writes all of it to the WAL.
///
/// # Errors
/// If the database refuses.
pub async fn fill(database: &Database, schema: &str, count: u64) -> anyhow::Result<()> {
    let begun = Instant::now();
    let client = database.connect().await?;
    for setting in SETTINGS {
        client.batch_execute(setting).await?;
    }
    let count = i64::try_from(count).context("--filled: too much")?;
    client.execute(&INBOXES.replace('@', schema), &[&count]).await?;
    for statement in [SUBSCRIPTIONS, MESSAGES] {
        client.execute(&statement.replace('@', schema), &[]).await?;
    }
    // As autovacuum and the next checkpoint would leave it, but not during the measurement.
    for table in ["inbox", "subscription", "entry"] {
        client.batch_execute(&format!("VACUUM ANALYZE {schema}.{table}")).await?;
    }
    client.batch_execute("CHECKPOINT").await?;
    eprintln!("{count} subscriptions with a message each after {:.0} s", begun.elapsed().as_secs_f64());
    Ok(())
}

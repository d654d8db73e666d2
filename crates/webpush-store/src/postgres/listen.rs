//! Hears the notices of other nodes, and which nodes there are.

use super::cluster_view::{ClusterNode, SettingHashes, differing};
use super::connect::{DatabaseConnection, DatabaseConnector, describe};
use super::durability;
use super::node::{Node, is_server};
use super::notice_codec::decode;
use super::options::DatabaseError;
use super::panics::catch;
use super::values::Uuid;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Notification, Row};

/// Time between two heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Time of one heartbeat; a connection that takes longer is given up.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Pause after the connection was lost.
const PAUSE: Duration = Duration::from_millis(500);

const BEAT: &str =
    "INSERT INTO @.node (id, name, version, started, seen, gaps) VALUES ($1, $2, $3, now(), now(), $4)
    ON CONFLICT (id) DO UPDATE SET seen = excluded.seen, gaps = excluded.gaps";
const NODES: &str = "SELECT n.id, n.gaps, n.seen > now() - interval '15 s' AS is_alive, n.name, n.version,
        extract(epoch FROM now() - n.started)::float8 AS uptime, extract(epoch FROM now() - n.seen)::float8 AS age,
        s.names, s.hashes
    FROM @.node n LEFT JOIN @.node_settings s ON s.node = n.id";
const SAVE_SETTINGS: &str = "INSERT INTO @.node_settings (node, names, hashes) VALUES ($1, $2, $3)
    ON CONFLICT (node) DO UPDATE SET names = excluded.names, hashes = excluded.hashes";
/// A lane is kept while its node may come back and ask for its last group.
const FORGET: &str = "WITH gone AS (DELETE FROM @.node WHERE seen < now() - interval '7 days' RETURNING id)
    DELETE FROM @.lane WHERE node IN (SELECT id FROM gone)";
const LEAVE: &str = "WITH gone AS (DELETE FROM @.node WHERE id = $1) DELETE FROM @.lane WHERE node = $1";

/// The nodes that have not left.
type Nodes = HashMap<[u8; 16], NodeState>;

/// A node as the others see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NodeState {
    /// How often it dropped notices.
    gaps: i64,
    is_alive: bool,
}

/// Listens until the task is aborted.
pub(super) async fn run(node: Arc<Node>) {
    let mut nodes = None;
    loop {
        if let Err(reason) = catch("the listener", listen(&node, &mut nodes)).await.flatten() {
            node.set_listening(false);
            tracing::warn!(
                cell = node.cell(),
                "the connection for notifications of other nodes was lost: {reason}; retrying"
            );
        }
        sleep(PAUSE).await;
    }
}

/// Listens on one connection until it is lost.
async fn listen(node: &Node, nodes: &mut Option<Nodes>) -> Result<(), String> {
    let (sender, mut notifications) = mpsc::unbounded_channel();
    let connection = open(&node.connector, &node.options.schema, sender).await?;
    node.gauges.listens.fetch_add(1, Ordering::Relaxed);
    // There was a time without it, and the server may be another one.
    node.start_epoch();
    let epoch = node.epoch();
    node.missed();
    node.set_listening(true);
    let mut saved = Arc::default();
    let mut beats = interval(HEARTBEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            notification = notifications.recv() => match notification {
                Some(notification) => hear(node, &notification),
                None => return Err("the server closed it".to_owned()),
            },
            _ = beats.tick() => {
                if node.epoch() != epoch {
                    return Err("another server has become the primary".to_owned());
                }
                let now = timeout(TIMEOUT, beat(node, &connection, &mut saved)).await;
                let now = now.map_err(|_| "the server does not respond".to_owned())??;
                compare(node, nodes.as_ref(), &now);
                *nodes = Some(now);
            }
        }
    }
}

async fn open(
    connector: &DatabaseConnector,
    schema: &str,
    sender: mpsc::UnboundedSender<Notification>,
) -> Result<DatabaseConnection, String> {
    let connection = connector.listen("webpush-listener", sender).await.map_err(|error| error.to_string())?;
    let start = format!("SET synchronous_commit = off; LISTEN {schema}");
    connection.client.batch_execute(&start).await.map_err(describe)?;
    Ok(connection)
}

fn hear(node: &Node, notification: &Notification) {
    match decode(notification.payload()) {
        Some(received) if received.node == node.id => {}
        Some(received) => {
            received.notices.iter().for_each(|notice| node.observers.heard(notice));
            // Of a newer program. Sessions find out what it was by reading.
            if received.has_gap {
                node.missed();
            }
        }
        None => node.missed(),
    }
}

/// Records that this node is alive, and returns all nodes. `saved` are its settings in the database.
async fn beat(
    node: &Node,
    connection: &DatabaseConnection,
    saved: &mut Arc<SettingHashes>,
) -> Result<Nodes, String> {
    let schema = &node.options.schema;
    let id = Uuid(node.id);
    let values: [(&(dyn ToSql + Sync), Type); 4] = [
        (&id, Type::UUID),
        (&node.options.node_name, Type::TEXT),
        (&env!("CARGO_PKG_VERSION"), Type::TEXT),
        (&node.gaps(), Type::INT8),
    ];
    let client = &connection.client;
    client.execute_typed(&BEAT.replace('@', schema), &values).await.map_err(describe)?;
    client.execute_typed(&FORGET.replace('@', schema), &[]).await.map_err(describe)?;
    let settings = node.view.settings();
    if !settings.is_empty() && !Arc::ptr_eq(&settings, saved) {
        let (names, hashes): (Vec<_>, Vec<_>) = settings.iter().unzip();
        let values: [(&(dyn ToSql + Sync), Type); 3] =
            [(&id, Type::UUID), (&names, Type::TEXT_ARRAY), (&hashes, Type::TEXT_ARRAY)];
        client.execute_typed(&SAVE_SETTINGS.replace('@', schema), &values).await.map_err(describe)?;
        *saved = Arc::clone(&settings);
    }
    let rows = client.query_typed(&NODES.replace('@', schema), &[]).await.map_err(describe)?;
    let durability = durability::query(connection).await.map_err(describe)?;
    let read = rows.iter().map(|row| read_node(node, row, &settings)).collect::<Result<Vec<_>, _>>();
    let mut read = read.map_err(describe)?;
    let leader = read.iter().filter(|(_, state)| state.is_alive).map(|(seen, _)| seen.id).min();
    read.iter_mut().for_each(|(seen, _)| seen.leads = Some(seen.id) == leader);
    let nodes = read.iter().map(|(seen, state)| (seen.id, *state)).collect();
    let servers = read.into_iter().map(|(seen, _)| seen).filter(|seen| is_server(seen.id)).collect();
    node.view.replace(servers, durability.connected_standbys());
    Ok(nodes)
}

fn read_node(
    node: &Node,
    row: &Row,
    settings: &SettingHashes,
) -> Result<(ClusterNode, NodeState), tokio_postgres::Error> {
    let Uuid(id) = row.try_get("id")?;
    let names: Option<Vec<String>> = row.try_get("names")?;
    let hashes: Option<Vec<String>> = row.try_get("hashes")?;
    let other = names.into_iter().flatten().zip(hashes.into_iter().flatten()).collect();
    let state = NodeState { gaps: row.try_get("gaps")?, is_alive: row.try_get("is_alive")? };
    let seconds =
        |name| row.try_get(name).map(|seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default());
    let seen = ClusterNode {
        name: row.try_get("name")?,
        version: row.try_get("version")?,
        uptime: seconds("uptime")?,
        heartbeat_age: seconds("age")?,
        is_alive: state.is_alive,
        is_self: id == node.id,
        leads: false,
        differing: differing(settings, &other),
        id,
    };
    Ok((seen, state))
}

/// Decides whether this node leads, and whether notices of others may be missing.
fn compare(node: &Node, before: Option<&Nodes>, now: &Nodes) {
    let alive = || now.iter().filter(|(_, state)| state.is_alive).map(|(id, _)| id);
    node.gauges.nodes.store(alive().count() as u64, Ordering::Relaxed);
    node.set_leads(alive().min().is_none_or(|first| *first == node.id));
    // One that is not there any more has left in order, with all its notices sent.
    let is_missing = |(id, state): (&[u8; 16], &NodeState)| {
        *id != node.id && state.is_alive && now.get(id).is_some_and(|later| later != state)
    };
    if before.is_some_and(|before| before.iter().any(is_missing)) {
        node.missed();
    }
}

/// Tells the others that this node ends. Its notices were all sent.
pub(super) async fn leave(node: &Node) -> Result<(), String> {
    let connection = node.connector.connect("webpush-close").await.map_err(|error| error.to_string())?;
    let statement = LEAVE.replace('@', &node.options.schema);
    let id = Uuid(node.id);
    connection.client.execute_typed(&statement, &[(&id, Type::UUID)]).await.map_err(describe)?;
    Ok(())
}

/// Makes sure that notifications of one connection reach another.
///
/// # Errors
/// Fails with [`DatabaseError::Pooler`] if they do not.
pub(super) async fn check(
    connector: &DatabaseConnector,
    schema: &str,
    node: [u8; 16],
) -> Result<(), DatabaseError> {
    let (sender, mut notifications) = mpsc::unbounded_channel();
    let listener = open(connector, schema, sender).await.map_err(DatabaseError::Connect)?;
    let other = connector.connect("webpush-check").await?;
    // Without notices, so that other nodes ignore it.
    let payload = super::notice_codec::Payload::new(node).encode();
    let values: [(&(dyn ToSql + Sync), Type); 2] = [(&schema, Type::TEXT), (&payload, Type::TEXT)];
    let sent = other.client.execute_typed("SELECT pg_notify($1, $2)", &values).await;
    sent.map_err(|error| DatabaseError::Refused(describe(error)))?;
    let heard = timeout(TIMEOUT, async {
        while let Some(notification) = notifications.recv().await {
            if notification.payload() == payload {
                return true;
            }
        }
        false
    });
    let is_heard = heard.await.unwrap_or(false);
    drop(listener);
    if is_heard { Ok(()) } else { Err(DatabaseError::Pooler) }
}

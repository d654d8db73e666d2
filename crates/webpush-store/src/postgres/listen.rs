//! Hears the notices of other nodes, and which nodes there are.

use super::connect::{DatabaseConnection, DatabaseConnector, describe};
use super::node::Node;
use super::notice_codec::decode;
use super::options::DatabaseError;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_postgres::Notification;
use tokio_postgres::types::{ToSql, Type};

/// Time between two heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Time of one heartbeat; a connection that takes longer is given up.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Pause after the connection was lost.
const PAUSE: Duration = Duration::from_millis(500);

const BEAT: &str =
    "INSERT INTO @.node (id, name, version, started, seen, gaps) VALUES ($1, $2, $3, now(), now(), $4)
    ON CONFLICT (id) DO UPDATE SET seen = excluded.seen, gaps = excluded.gaps";
const NODES: &str = "SELECT id, gaps, seen > now() - interval '15 s' FROM @.node";
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
        if let Err(reason) = listen(&node, &mut nodes).await {
            node.set_listening(false);
            tracing::warn!("the connection for notifications of other nodes was lost: {reason}; retrying");
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
                let now = timeout(TIMEOUT, beat(node, &connection)).await;
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
        Some((sender, _)) if sender == node.id => {}
        Some((_, notices)) => notices.iter().for_each(|notice| node.observers.heard(notice)),
        // Perhaps of a newer program. Sessions find out what it was by reading.
        None => node.missed(),
    }
}

/// Records that this node is alive, and returns all nodes.
async fn beat(node: &Node, connection: &DatabaseConnection) -> Result<Nodes, String> {
    let schema = &node.options.schema;
    let id = super::values::Uuid(node.id);
    let values: [(&(dyn ToSql + Sync), Type); 4] = [
        (&id, Type::UUID),
        (&node.options.node_name, Type::TEXT),
        (&env!("CARGO_PKG_VERSION"), Type::TEXT),
        (&node.gaps(), Type::INT8),
    ];
    let client = &connection.client;
    client.execute_typed(&BEAT.replace('@', schema), &values).await.map_err(describe)?;
    client.execute_typed(&FORGET.replace('@', schema), &[]).await.map_err(describe)?;
    let rows = client.query_typed(&NODES.replace('@', schema), &[]).await.map_err(describe)?;
    rows.iter()
        .map(|row| {
            let state = NodeState { gaps: row.try_get(1)?, is_alive: row.try_get(2)? };
            Ok((row.try_get::<_, super::values::Uuid>(0)?.0, state))
        })
        .collect::<Result<_, _>>()
        .map_err(describe)
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
    let id = super::values::Uuid(node.id);
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

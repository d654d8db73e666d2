//! Sends notices to the other nodes.

use super::connect::{DatabaseConnection, describe};
use super::node::{Node, TimedNotice};
use super::notice_codec::Payload;
use super::panics::catch;
use crate::Notice;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::types::{ToSql, Type};

/// Time of one notification.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Pause after a failure.
const PAUSE: Duration = Duration::from_millis(500);
/// Age after which a notice about the present is of no use.
const STALE: Duration = Duration::from_secs(5);
/// Time that a commit or a notice may take, after which the notice is sent without its message.
///
/// [`MESSAGE_NOTICE_SESSION_AGE`](crate::MESSAGE_NOTICE_SESSION_AGE) depends on it.
pub(super) const LATE: Duration = Duration::from_secs(1);
/// Notices in a payload after which the next ones gather.
///
/// Each notification is a transaction, which costs more than a few more notices in it.
const MANY: usize = 8;
/// How long they gather.
const GATHERING: Duration = Duration::from_millis(5);
/// Notices that may wait.
const WAITING: usize = 100_000;

/// Sends notices until the store is closed and all of them are sent.
///
/// They are sent after their commit, in transactions of their own that are not synced: PostgreSQL lets only one transaction
/// with notifications commit at a time. While one is sent, the next ones gather, and for a moment more if there are many.
pub(super) async fn run(node: Arc<Node>, mut notices: mpsc::UnboundedReceiver<TimedNotice>) {
    let (mut next, mut taken) = (None, Vec::new());
    while let Err(panic) =
        catch("the sender of notices", send_all(&node, &mut notices, &mut next, &mut taken)).await
    {
        // Those that it had taken are lost.
        node.add_gap();
        node.sent_notices(&std::mem::take(&mut taken));
        node.report_outage(&panic);
        sleep(PAUSE).await;
    }
}

/// Sends notices until no more come.
///
/// `next` is the first to send; `taken` are the times of those that were taken and not sent.
async fn send_all(
    node: &Node,
    notices: &mut mpsc::UnboundedReceiver<TimedNotice>,
    next: &mut Option<TimedNotice>,
    taken: &mut Vec<Instant>,
) {
    let mut connection = None;
    if next.is_none() {
        *next = notices.recv().await;
    }
    while let Some((submitted, first)) = next.take() {
        let mut payloads = Payloads::new(node.id);
        taken.push(submitted);
        if !payloads.add(submitted, &first) {
            tracing::debug!("a message with TTL 0 is too large to be offered to other nodes");
        }
        while let Ok((submitted, notice)) = notices.try_recv() {
            if !payloads.add(submitted, &notice) {
                *next = Some((submitted, notice));
                break;
            }
            taken.push(submitted);
        }
        let mut payload = payloads.first.encode();
        // To send one twice does no harm.
        while let Err(reason) = send(node, &mut connection, &payload).await {
            payload = payloads.later.encode();
            connection = None;
            node.report_outage(&reason);
            sleep(PAUSE).await;
            drop_excess(node, notices);
        }
        node.sent_notices(taken);
        if taken.len() > MANY {
            sleep(GATHERING).await;
        }
        taken.clear();
        if next.is_none() {
            *next = notices.recv().await;
        }
    }
}

/// The same notices as they are sent first, and after a failure.
struct Payloads {
    first: Payload,
    /// Without messages.
    later: Payload,
}

impl Payloads {
    fn new(node: [u8; 16]) -> Self {
        Self { first: Payload::new(node), later: Payload::new(node) }
    }

    /// Adds a notice unless it comes too late; returns false if there is no room.
    fn add(&mut self, submitted: Instant, notice: &Notice) -> bool {
        if is_stale(submitted, notice) {
            return true;
        }
        let later = notice.clone().without_message();
        let first = if submitted.elapsed() > LATE { &later } else { notice };
        self.first.add(first) && self.later.add(&later)
    }
}

/// Returns true if a notice comes too late.
///
/// The agent has perhaps connected again, or the message had TTL 0.
fn is_stale(submitted: Instant, notice: &Notice) -> bool {
    match notice {
        Notice::Superseded(..) | Notice::Offered(_) => submitted.elapsed() > STALE,
        Notice::Stored(_) | Notice::StoredMessage(_) | Notice::Removed(..) => false,
    }
}

/// Drops notices that wait if there are too many. Other nodes are told that they missed some.
fn drop_excess(node: &Node, notices: &mut mpsc::UnboundedReceiver<TimedNotice>) {
    if notices.len() > WAITING {
        node.add_gap();
        while let Ok((submitted, _)) = notices.try_recv() {
            node.sent_notices(&[submitted]);
        }
    }
}

async fn send(
    node: &Node,
    connection: &mut Option<(u64, DatabaseConnection)>,
    payload: &str,
) -> Result<(), String> {
    let channel = &node.options.schema;
    let sending = async {
        let epoch = node.epoch();
        let open = match connection.take() {
            Some((opened_in, open)) if opened_in == epoch => open,
            _ => {
                let open =
                    node.connector.connect("webpush-notify").await.map_err(|error| error.to_string())?;
                open.client.batch_execute("SET synchronous_commit = off").await.map_err(describe)?;
                open
            }
        };
        let values: [(&(dyn ToSql + Sync), Type); 2] = [(&channel, Type::TEXT), (&payload, Type::TEXT)];
        open.client.execute_typed("SELECT pg_notify($1, $2)", &values).await.map_err(describe)?;
        *connection = Some((epoch, open));
        Ok(())
    };
    timeout(TIMEOUT, sending).await.map_err(|_| "the server does not respond".to_owned())?
}

//! Writer connections: each commits one group at a time.
//!
//! A group is one transaction of two round trips: it begins by counting up its lane's row, locks and loads what it needs,
//! is applied in memory, and is written and committed. A lane whose connection fails after it sent COMMIT does not know the
//! outcome. It connects again, waits for the lock of its row, which the transaction holds until it has ended, and reads
//! there whether the group was committed. So a group is never applied twice, and never confirmed unless it is durable.

use super::apply::{GroupChanges, apply};
use super::connect::DatabaseConnection;
use super::failure::{CommitFailure, RefusalCause, RefusedStatement};
use super::load::{Needs, load, load_need};
use super::node::Node;
use super::notify::LATE;
use super::panics::catch;
use super::queue::{self, Group};
use super::schema;
use super::statements::WriterStatements;
use super::submitters::Submitters;
use super::values::Uuid;
use super::working_set::WorkingSet;
use super::write::write;
use crate::{Op, StoreError};
use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::types::ToSql;
use webpush_core::id::InboxId;

/// Time after which the submitters of a group are told that its outcome is unknown.
///
/// Commits wait for a lane no longer than this.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a lane looks for submitters that have waited too long while it waits for the server.
const CHECK: Duration = Duration::from_millis(500);
/// Time of one attempt.
const ATTEMPT: Duration = Duration::from_secs(9);
/// Pause after a panic, so that one that comes again and again does no more than stop the lane.
const PAUSE_AFTER_PANIC: Duration = Duration::from_millis(100);
/// Pauses between attempts.
const PAUSES: [u64; 5] = [0, 20, 100, 300, 1000];
/// Attempts after which a group that the server refuses is committed one by one, or given up.
const REFUSALS: usize = 4;

/// Statements for the row of a lane.
const CREATE_ROW: &str =
    "INSERT INTO @.lane (node, number, last_group) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING";
const LOCK_ROW: &str = "SELECT last_group FROM @.lane WHERE node = $1 AND number = $2 FOR UPDATE";
const STATE_ROW: &str = "SELECT version, history FROM @.state";
const SET_ROW: &str = "UPDATE @.lane SET last_group = $3 WHERE node = $1 AND number = $2";
/// Raises the floor of positions after commits were lost on the same timeline.
const SKIP_POSITIONS: &str = "UPDATE @.state SET floor = floor + (1::int8 << 32)";
/// Raises the floor of positions if the database was promoted, or restored from a backup.
///
/// Positions that clients saw may be unknown to it.
const RAISE_FLOOR: &str =
    "UPDATE @.state s SET floor = CASE WHEN s.history = '' THEN s.floor ELSE s.floor + (1::int8 << 32) END,
        history = h.history
    FROM (SELECT (SELECT system_identifier FROM pg_control_system()) || '/'
        || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) AS history) h
    WHERE s.history <> h.history";

/// One writer connection.
pub(super) struct Lane {
    node: Arc<Node>,
    number: i16,
    connection: Option<(DatabaseConnection, WriterStatements)>,
    /// The number of the last group that was committed.
    last_group: i64,
    /// The number of the last group that was durable. Lazy ones after it may be lost.
    durable_group: i64,
    in_doubt: Option<GroupInDoubt>,
}

/// A group whose COMMIT was sent, while its outcome is unknown.
struct GroupInDoubt {
    /// Its number: the row of the lane has it if the group was committed.
    number: i64,
    changes: Box<GroupChanges>,
}

/// Why a group was not committed.
enum GroupError {
    /// The submitters are told so.
    Store(StoreError),
    /// The commits to these inboxes belong to other cells; the others may be tried again.
    Moved(HashSet<InboxId>),
}

impl Lane {
    pub(super) const fn new(node: Arc<Node>, number: i16) -> Self {
        Self { node, number, connection: None, last_group: 0, durable_group: 0, in_doubt: None }
    }

    /// Commits groups until the queue is closed and empty.
    pub(super) async fn run(mut self) {
        while let Some(mut group) = self.node.queue.take().await {
            let inboxes = group.take_inboxes();
            self.commit(group).await;
            self.node.queue.end(&inboxes);
        }
    }

    /// Commits a group, and survives a panic.
    async fn commit(&mut self, group: Group) {
        let node = Arc::clone(&self.node);
        let is_lazy = !group.is_durable();
        node.gauges.groups.note(group.commits.len() as u64);
        let (mut ops, mut submitters) = Submitters::new(group.commits, Instant::now() + PATIENCE);
        while let Err(panic) = catch("a lane", self.commit_group(&mut ops, is_lazy, &mut submitters)).await {
            // A new connection finds out what was committed. The other nodes may lack notices, and sessions here events.
            self.connection = None;
            submitters.give_up();
            node.report_outage(&panic);
            node.add_gap();
            drop(catch("an observer", async { node.missed() }).await);
            sleep(PAUSE_AFTER_PANIC).await;
        }
    }

    /// Commits a group, or its commits one by one if it is refused.
    async fn commit_group(&mut self, ops: &mut Vec<Vec<Op>>, is_lazy: bool, submitters: &mut Submitters) {
        let node = Arc::clone(&self.node);
        while !ops.is_empty() {
            match self.commit_ops(ops, is_lazy, submitters).await {
                Ok(changes) => return submitters.complete(&node, *changes),
                Err(GroupError::Moved(inboxes)) => submitters.redirect(&node, ops, &inboxes),
                Err(GroupError::Store(_)) if ops.len() > 1 && !submitters.is_empty() => break,
                Err(GroupError::Store(error)) => return submitters.fail(&node, ops.len(), &error),
            }
        }
        // One of them may be what the server refuses: the others must not fail with it.
        for ops in &*ops {
            match self.commit_ops(std::slice::from_ref(ops), is_lazy, submitters).await {
                Ok(changes) => submitters.complete(&node, *changes),
                Err(GroupError::Moved(_)) => submitters.redirect_first(&node, ops.clone()),
                Err(GroupError::Store(error)) => submitters.fail(&node, 1, &error),
            }
        }
    }

    /// Commits operations, or finds that they cannot be committed.
    ///
    /// At the deadline all submitters of the group are failed, but nothing else is committed until the outcome is known, or
    /// the store is closed.
    async fn commit_ops(
        &mut self,
        ops: &[Vec<Op>],
        is_lazy: bool,
        submitters: &mut Submitters,
    ) -> Result<Box<GroupChanges>, GroupError> {
        let node = Arc::clone(&self.node);
        let (mut failures, mut refusals) = (0, 0);
        loop {
            fail_late(&node, ops.len(), submitters);
            if submitters.is_empty() && node.is_closed() {
                self.in_doubt = None;
            }
            let pause = Duration::from_millis(PAUSES[failures.min(PAUSES.len() - 1)]);
            let is_wanted = refusals < REFUSALS && !submitters.is_empty();
            let mut step = pin!(async {
                sleep(pause).await;
                self.step(ops, is_lazy, is_wanted).await
            });
            let result = loop {
                match timeout(CHECK, &mut step).await {
                    Ok(result) => break result,
                    Err(_) => fail_late(&node, ops.len(), submitters),
                }
            };
            let failure = match result {
                Ok(Some(changes)) => return Ok(changes),
                Ok(None) => return Err(GroupError::Store(StoreError::Unavailable)),
                Err(failure) => failure,
            };
            failures += 1;
            match failure {
                CommitFailure::Connection(text) => node.report_outage(&text),
                CommitFailure::Damaged => return Err(GroupError::Store(StoreError::Corrupt)),
                CommitFailure::Moved(inboxes) => return Err(GroupError::Moved(inboxes)),
                CommitFailure::Refused(RefusedStatement { text, cause }) => {
                    match cause {
                        RefusalCause::Rows | RefusalCause::Time => {
                            tracing::warn!(commits = ops.len(), "PostgreSQL refused to commit: {text}");
                        }
                        RefusalCause::Database => node.report_outage(&text),
                    }
                    refusals = if cause == RefusalCause::Time { REFUSALS } else { refusals + 1 };
                }
            }
        }
    }

    /// Connects if necessary, then makes an attempt if it is wanted.
    ///
    /// Connecting resolves the doubt about an earlier attempt. Returns `None` if the operations were not committed and no other attempt is wanted.
    async fn step(
        &mut self,
        ops: &[Vec<Op>],
        is_lazy: bool,
        is_wanted: bool,
    ) -> Result<Option<Box<GroupChanges>>, CommitFailure> {
        if !is_wanted && self.in_doubt.is_none() {
            return Ok(None);
        }
        let no_response = |_| CommitFailure::Connection("the server does not respond".to_owned());
        let open = match self.connection.take() {
            Some(open) => open,
            None => {
                let (open, is_committed) = timeout(ATTEMPT, self.connect()).await.map_err(no_response)??;
                if let Some(mut in_doubt) = self.in_doubt.take()
                    && is_committed
                {
                    self.connection = Some(open);
                    // Agents may have had them meanwhile.
                    in_doubt.changes.leave_messages_out_of_notices();
                    return Ok(Some(in_doubt.changes));
                }
                open
            }
        };
        if !is_wanted {
            self.connection = Some(open);
            return Ok(None);
        }
        timeout(ATTEMPT, self.attempt(open, ops, is_lazy)).await.map_err(no_response)?.map(Some)
    }

    /// Makes one attempt. The connection is kept if it succeeds.
    async fn attempt(
        &mut self,
        (connection, statements): (DatabaseConnection, WriterStatements),
        ops: &[Vec<Op>],
        is_lazy: bool,
    ) -> Result<Box<GroupChanges>, CommitFailure> {
        let warnings = connection.warnings();
        let group = self.last_group + 1;
        let mut rows = WorkingSet::default();
        let (node, number) = (Uuid(self.node.id), self.number);
        let key: [&(dyn ToSql + Sync); 3] = [&node, &number, &group];
        let ((), begun, ()) = tokio::try_join!(
            biased;
            async { connection.client.batch_execute("BEGIN").await.map_err(CommitFailure::from) },
            async { connection.client.execute(&statements.begin_group, &key).await.map_err(CommitFailure::from) },
            async { load(&connection, &statements, Needs::for_commits(ops), &mut rows).await.map_err(CommitFailure::from) },
        )?;
        if begun != 1 {
            return Err(CommitFailure::Connection(
                "another process uses the row of this connection".to_owned(),
            ));
        }
        let moved: HashSet<InboxId> =
            ops.iter().flatten().filter_map(queue::inbox).filter(|id| rows.is_elsewhere(*id)).collect();
        if !moved.is_empty() {
            connection.client.batch_execute("ROLLBACK").await?;
            self.connection = Some((connection, statements));
            return Err(CommitFailure::Moved(moved));
        }
        let changes = loop {
            let recent = |inbox, message| self.node.recent.position(inbox, message);
            let quota = &self.node.options.quota;
            match apply(rows.clone(), quota, ops, &recent) {
                Ok(changes) => break Box::new(changes),
                Err(need) => load_need(&connection, &statements, (quota, ops), need, &mut rows).await?,
            }
        };
        let is_lazy = is_lazy && !changes.assigns_positions();
        let in_doubt = self.in_doubt.insert(GroupInDoubt { number: group, changes });
        let began = Instant::now();
        write(&connection, &statements, &rows, &in_doubt.changes, is_lazy).await?;
        if connection.warnings() != warnings && !is_lazy {
            confirm(&connection, &self.node, self.number, group).await?;
        }
        if began.elapsed() > LATE {
            in_doubt.changes.leave_messages_out_of_notices();
        }
        self.last_group = group;
        if !is_lazy {
            self.durable_group = group;
        }
        self.connection = Some((connection, statements));
        self.node.report_up();
        self.in_doubt.take().map(|in_doubt| in_doubt.changes).ok_or(CommitFailure::Damaged)
    }

    /// Connects, and returns true if the group in doubt was committed.
    async fn connect(&mut self) -> Result<((DatabaseConnection, WriterStatements), bool), CommitFailure> {
        let node = &self.node;
        let name = &node.options.schema;
        let connection = node
            .connector
            .connect("webpush-lane")
            .await
            .map_err(|error| CommitFailure::Connection(error.to_string()))?;
        let key: [&(dyn ToSql + Sync); 2] = [&Uuid(node.id), &self.number];
        let client = &connection.client;
        for (text, values) in [(RAISE_FLOOR, &[][..]), (CREATE_ROW, &key)] {
            client.execute(&text.replace('@', name), values).await?;
        }
        let state = client.query_one(&STATE_ROW.replace('@', name), &[]).await?;
        let version: i32 = state.try_get(0)?;
        if version > schema::VERSION {
            return Err(CommitFailure::Connection(
                "a newer program has changed the tables: restart with it".to_owned(),
            ));
        }
        node.set_history(state.try_get(1)?);
        let row = client.query_one(&LOCK_ROW.replace('@', name), &key).await?;
        let last: i64 = row.try_get(0)?;
        let is_committed = self.in_doubt.as_ref().is_some_and(|in_doubt| in_doubt.number == last);
        let group = if is_committed { last } else { self.last_group };
        if last < self.durable_group {
            tracing::error!(
                "the database has lost commits that it had confirmed: it was restored, or a standby without them was \
                 promoted"
            );
            node.missed();
            client.execute(&SKIP_POSITIONS.replace('@', name), &[]).await?;
        }
        confirm(&connection, node, self.number, group).await?;
        let statements =
            WriterStatements::prepare(&connection, name).await.map_err(CommitFailure::Connection)?;
        // Only now: if this fails or takes too long, the next connection has to find the same.
        (self.last_group, self.durable_group) = (group, group);
        Ok(((connection, statements), is_committed))
    }
}

/// Fails the submitters of a group at its deadline, and commits that have waited too long for a lane.
///
/// `attempted` is the number of submitters, from the first, whose commits may have been applied.
fn fail_late(node: &Node, attempted: usize, submitters: &mut Submitters) {
    submitters.fail_late(node, attempted);
    for commit in node.queue.expire(PATIENCE) {
        (commit.done)(Err(StoreError::Busy));
    }
}

/// Writes the row of a lane durably. Everything committed before is durable then.
async fn confirm(
    connection: &DatabaseConnection,
    node: &Node,
    number: i16,
    group: i64,
) -> Result<(), CommitFailure> {
    let warnings = connection.warnings();
    let key: [&(dyn ToSql + Sync); 3] = [&Uuid(node.id), &number, &group];
    connection.client.execute(&SET_ROW.replace('@', &node.options.schema), &key).await?;
    if connection.warnings() == warnings {
        Ok(())
    } else {
        Err(CommitFailure::Connection("a commit was not replicated".to_owned()))
    }
}

//! Commits that wait for a writer connection.
//!
//! A connection takes all that it can commit together. While it commits them, commits to the same inboxes wait, so that
//! the commits of one inbox are applied in the order of submission. Few commits leave the other connections idle, and
//! gather for a moment: a transaction costs much more than another message in it.

use crate::{Done, Durability, Op, Record};
use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use webpush_core::id::InboxId;

/// Maximum number of operations in a group, unless one commit has more.
const GROUP_OPS: usize = 512;
/// Maximum total size of the bodies in a group, unless one commit has more.
const GROUP_BYTES: usize = 1024 * 1024;
/// Commits that must wait before another connection takes some, for each that is committing a group.
const WORTH_A_LANE: usize = 32;
/// How long fewer commits gather while a group is being committed.
const GATHERING: Duration = Duration::from_millis(3);
/// Operations that may wait.
const QUEUE_OPS: usize = 65_536;

/// A submitted commit.
pub(super) struct Commit {
    pub(super) ops: Vec<Op>,
    pub(super) durability: Durability,
    pub(super) done: Done,
    pub(super) submitted: Instant,
}

impl Commit {
    pub(super) fn new(ops: Vec<Op>, durability: Durability, done: Done) -> Self {
        Self { ops, durability, done, submitted: Instant::now() }
    }
}

/// Commits that are committed together.
#[derive(Default)]
pub(super) struct Group {
    pub(super) commits: Vec<Commit>,
    inboxes: HashSet<InboxId>,
}

/// The queue of all writer connections of a node.
#[derive(Default)]
pub(super) struct CommitQueue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Commit>,
    ops: usize,
    /// Groups that are being committed.
    groups: usize,
    /// Inboxes of the groups that are being committed.
    busy: HashSet<InboxId>,
    is_closed: bool,
}

impl CommitQueue {
    /// Adds a commit; returns it if the queue is full or closed.
    pub(super) fn submit(&self, commit: Commit) -> Result<(), Refused> {
        let mut state = self.state();
        if state.is_closed {
            return Err(Refused::Closed(commit));
        }
        if state.ops + commit.ops.len() > QUEUE_OPS && !state.waiting.is_empty() {
            return Err(Refused::Full(commit));
        }
        state.ops += commit.ops.len();
        state.waiting.push_back(commit);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Waits for commits, and takes them; `None` once the queue is closed and empty.
    pub(super) async fn take(&self) -> Option<Group> {
        loop {
            let gathering;
            {
                let mut state = self.state();
                gathering = state.gathering();
                let group = if gathering.is_none() { state.take() } else { Group::default() };
                if !group.commits.is_empty() {
                    state.groups += 1;
                    let has_more = !state.waiting.is_empty();
                    drop(state);
                    if has_more {
                        self.changed.notify_one();
                    }
                    return Some(group);
                }
                if state.is_closed && state.waiting.is_empty() {
                    drop(state);
                    // Another connection may be waiting as well.
                    self.changed.notify_one();
                    return None;
                }
            }
            match gathering {
                Some(rest) => drop(timeout(rest, self.changed.notified()).await),
                None => self.changed.notified().await,
            }
        }
    }

    /// Ends a group: commits to its inboxes need wait no longer.
    pub(super) fn end(&self, inboxes: &HashSet<InboxId>) {
        let mut state = self.state();
        state.groups = state.groups.saturating_sub(1);
        for inbox in inboxes {
            state.busy.remove(inbox);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Takes the commits that have waited for at least this time.
    pub(super) fn expire(&self, age: Duration) -> Vec<Commit> {
        let mut state = self.state();
        // They wait in the order of submission.
        let late = state.waiting.iter().take_while(|commit| commit.submitted.elapsed() >= age).count();
        let late: Vec<Commit> = state.waiting.drain(..late).collect();
        state.ops -= late.iter().map(|commit| commit.ops.len()).sum::<usize>();
        let is_ending = state.is_closed && state.waiting.is_empty();
        drop(state);
        if is_ending {
            self.changed.notify_one();
        }
        late
    }

    /// Refuses further commits.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.changed.notify_waiters();
        self.changed.notify_one();
    }

    /// Returns the number of commits that wait.
    pub(super) fn waiting(&self) -> usize {
        self.state().waiting.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a commit was not added.
pub(super) enum Refused {
    /// The queue is full.
    Full(Commit),
    /// The queue is closed.
    Closed(Commit),
}

impl State {
    /// Returns how long the commits that wait should gather, if they should.
    fn gathering(&self) -> Option<Duration> {
        if self.is_closed || self.waiting.len() >= self.groups * WORTH_A_LANE {
            return None;
        }
        let rest = GATHERING.checked_sub(self.waiting.front()?.submitted.elapsed())?;
        (!rest.is_zero()).then_some(rest)
    }

    /// Takes commits from the front, without those that must wait for others.
    fn take(&mut self) -> Group {
        let mut group = Group::default();
        let mut passed = VecDeque::new();
        let mut blocked = HashSet::new();
        let (mut ops, mut bytes) = (0, 0);
        let mut kind = None;
        while let Some(commit) = self.waiting.pop_front() {
            let its_bytes = commit.ops.iter().map(body_bytes).sum::<usize>();
            let has_room = ops + commit.ops.len() <= GROUP_OPS && bytes + its_bytes <= GROUP_BYTES;
            if !group.commits.is_empty() && !has_room {
                passed.push_back(commit);
                break;
            }
            let inboxes = || commit.ops.iter().filter_map(inbox);
            let is_other_kind = kind.is_some_and(|kind| kind != GroupKind::new(&commit.ops));
            let must_wait = |inbox| self.busy.contains(&inbox) || blocked.contains(&inbox);
            if is_other_kind || inboxes().any(must_wait) {
                blocked.extend(inboxes());
                passed.push_back(commit);
                continue;
            }
            kind = Some(GroupKind::new(&commit.ops));
            ops += commit.ops.len();
            bytes += its_bytes;
            group.inboxes.extend(inboxes());
            group.commits.push(commit);
        }
        while let Some(commit) = passed.pop_back() {
            self.waiting.push_front(commit);
        }
        if !group.commits.is_empty() {
            self.ops -= ops;
            self.busy.extend(&group.inboxes);
        }
        group
    }
}

impl Group {
    /// Returns the inboxes that the operations name.
    pub(super) fn take_inboxes(&mut self) -> HashSet<InboxId> {
        std::mem::take(&mut self.inboxes)
    }

    /// Returns true if a commit must be durable before it completes.
    pub(super) fn is_durable(&self) -> bool {
        self.commits.iter().any(|commit| commit.durability == Durability::Durable)
    }
}

/// The kind of operations in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GroupKind {
    /// Messages without a topic. Their inboxes are counted up when they are locked.
    Appends,
    /// Anything else.
    Others,
}

impl GroupKind {
    pub(super) fn new(ops: &[Op]) -> Self {
        let is_plain = |op: &Op| matches!(op, Op::Append(draft) if draft.topic.is_none());
        if ops.iter().all(is_plain) { Self::Appends } else { Self::Others }
    }
}

/// Returns the inbox that an operation names.
pub(crate) fn inbox(op: &Op) -> Option<InboxId> {
    match op {
        Op::CreateInbox(inbox) => Some(inbox.id),
        Op::Subscribe(subscription) => Some(subscription.agent),
        Op::Append(draft) => Some(draft.agent),
        Op::Settle(entry, _) => Some(entry.inbox),
        Op::Unsubscribe(id, _) | Op::RemoveInbox(id) | Op::Touch(id, _) | Op::RemoveIdle(id, _) => Some(*id),
        Op::Restore(Record::Position(_)) => None,
        Op::Restore(Record::Inbox(record)) => Some(record.inbox.id),
        Op::Restore(Record::Subscription(subscription)) => Some(subscription.agent),
        Op::Restore(Record::Entry(entry)) => Some(entry.entry_ref().inbox),
    }
}

fn body_bytes(op: &Op) -> usize {
    match op {
        Op::Append(draft) => draft.body.len(),
        Op::Restore(Record::Entry(entry)) => entry.body_bytes(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use tokio::runtime::Builder;
    use webpush_core::time::Timestamp;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let runtime = Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime starts").block_on(future)
    }

    const fn inbox(number: u8) -> InboxId {
        InboxId::from_bytes([number; 16])
    }

    fn touch(inboxes: &[u8]) -> Commit {
        let ops = inboxes.iter().map(|number| Op::Touch(inbox(*number), Timestamp::from_millis(0))).collect();
        Commit::new(ops, Durability::Lazy, Box::new(drop))
    }

    /// Returns the inboxes of each commit of a group.
    fn named(group: &Group) -> Vec<Vec<u8>> {
        let of =
            |commit: &Commit| commit.ops.iter().filter_map(super::inbox).map(|id| id.as_bytes()[0]).collect();
        group.commits.iter().map(of).collect()
    }

    #[test]
    fn commits_of_an_inbox_keep_their_order() {
        let queue = CommitQueue::default();
        let submit = |inboxes: &[u8]| assert!(queue.submit(touch(inboxes)).is_ok());
        submit(&[1]);
        let mut first = block_on(queue.take()).expect("there is one");
        // 2 must wait for the second, which waits for 1.
        [&[1, 2][..], &[2], &[3]].into_iter().for_each(submit);
        let mut second = block_on(queue.take()).expect("3 need not wait");
        assert_eq!((named(&first), named(&second)), (vec![vec![1]], vec![vec![3]]));
        queue.end(&first.take_inboxes());
        queue.end(&second.take_inboxes());
        assert_eq!(named(&block_on(queue.take()).expect("two are left")), [vec![1, 2], vec![2]]);
        assert_eq!(queue.waiting(), 0);
    }

    #[test]
    fn few_commits_gather_while_a_group_is_committed() {
        block_on(async {
            let queue = CommitQueue::default();
            let submit = |inbox| assert!(queue.submit(touch(&[inbox])).is_ok());
            let taken = || queue.take().now_or_never().flatten().map(|group| group.commits.len());
            submit(0);
            let mut first = queue.take().now_or_never().flatten().expect("no group is being committed");
            (1..32).for_each(submit);
            assert_eq!(taken(), None);
            submit(32);
            assert_eq!(taken(), Some(32));
            // A third connection needs more, or time.
            (33..80).for_each(submit);
            assert_eq!(taken(), None);
            assert_eq!(queue.take().await.map(|group| group.commits.len()), Some(47));
            // Not for a group of a busy inbox, however long it takes.
            submit(0);
            (80..100).for_each(submit);
            assert_eq!(queue.take().await.map(|group| group.commits.len()), Some(20));
            queue.end(&first.take_inboxes());
        });
    }

    #[test]
    fn a_closed_queue_ends_after_its_last_commit() {
        let queue = CommitQueue::default();
        assert!(queue.submit(touch(&[1])).is_ok());
        queue.close();
        assert!(matches!(queue.submit(touch(&[2])), Err(Refused::Closed(_))));
        assert_eq!(block_on(queue.take()).map(|group| group.commits.len()), Some(1));
        assert!(block_on(queue.take()).is_none());
    }

    #[test]
    fn commits_wait_for_a_bounded_time() {
        let queue = CommitQueue::default();
        (0..3).for_each(|_| assert!(queue.submit(touch(&[1])).is_ok()));
        assert_eq!(queue.expire(Duration::MAX).len(), 0);
        assert_eq!(queue.expire(Duration::ZERO).len(), 3);
        assert_eq!(queue.waiting(), 0);
    }

    #[test]
    fn a_group_is_bounded_but_takes_one_commit_of_any_size() {
        let queue = CommitQueue::default();
        assert!(queue.submit(touch(&[1; 2 * GROUP_OPS])).is_ok());
        (0..3).for_each(|_| assert!(queue.submit(touch(&[2; GROUP_OPS / 2])).is_ok()));
        let mut groups = Vec::new();
        for _ in 0..3 {
            let mut group = block_on(queue.take()).expect("commits wait");
            groups.push(group.commits.len());
            queue.end(&group.take_inboxes());
        }
        assert_eq!(groups, [1, 2, 1]);
        while queue.submit(touch(&[3; 1000])).is_ok() {}
        assert!(queue.waiting() <= QUEUE_OPS / 1000);
    }
}

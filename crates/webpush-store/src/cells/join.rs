//! Joins what the cells have, for readers that do not care where an inbox is.

use super::Cell;
use crate::statistics::{CellStatistics, Distribution};
use crate::{Detail, Due, IdleCheck, Record, Snapshot, Statistics, Store as _, StoreError};
use std::iter::Peekable;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use webpush_core::id::{InboxId, Position};
use webpush_core::time::Timestamp;

/// When messages of a cell that could not be read are looked for again.
const RETRY: Duration = Duration::from_secs(5);

/// Lists messages that have ended, of each cell that can be read.
pub(super) async fn due(cells: &[Arc<Cell>], now: Timestamp, limit: usize) -> Result<Due, StoreError> {
    let mut all = Readings::default();
    for cell in cells {
        let is_usable = cells.len() == 1 || cell.is_up();
        all.add(if is_usable { cell.store.ends(limit).await } else { Err(StoreError::Unavailable) });
    }
    let (ends, is_complete) = all.finish()?;
    let mut due = Due::new(ends, now, limit);
    if !is_complete {
        due.next = due.next.into_iter().chain([now.after(RETRY)]).min();
    }
    Ok(due)
}

/// Lists idle inboxes of each cell that can be read.
pub(super) async fn idle(
    cells: &[Arc<Cell>],
    check: &IdleCheck,
    limit: usize,
) -> Result<Vec<InboxId>, StoreError> {
    let mut all = Readings::default();
    for cell in cells {
        let is_usable = cells.len() == 1 || cell.is_up();
        let inboxes = async {
            if is_usable { cell.store.idle_inboxes(check, limit).await } else { Err(StoreError::Unavailable) }
        };
        all.add(inboxes.await);
    }
    let (inboxes, _) = all.finish()?;
    Ok(inboxes.into_iter().take(limit).map(|(_, inbox)| inbox).collect())
}

/// Rows of several cells.
struct Readings<T> {
    rows: Vec<T>,
    succeeded: usize,
    failure: Option<StoreError>,
}

impl<T> Default for Readings<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), succeeded: 0, failure: None }
    }
}

impl<T: Ord> Readings<T> {
    fn add(&mut self, result: Result<Vec<T>, StoreError>) {
        match result {
            Ok(rows) => {
                self.rows.extend(rows);
                self.succeeded += 1;
            }
            Err(error) => self.failure = Some(error),
        }
    }

    /// Returns the rows in order, and true if they are of all cells.
    ///
    /// # Errors
    /// Fails if no cell could be read.
    fn finish(mut self) -> Result<(Vec<T>, bool), StoreError> {
        self.rows.sort_unstable();
        match self.failure {
            Some(error) if self.succeeded == 0 => Err(error),
            failure => Ok((self.rows, failure.is_none())),
        }
    }
}

/// Opens a snapshot of all cells. Each shows a moment of its own.
pub(super) async fn snapshot(cells: &[Arc<Cell>], detail: &Detail) -> Result<Snapshot, StoreError> {
    let mut parts = Vec::new();
    for cell in cells {
        parts.push(cell.store.snapshot(detail).await?);
    }
    if parts.len() == 1 {
        return parts.pop().ok_or(StoreError::Unavailable);
    }
    let records = tokio::task::spawn_blocking(|| JoinedRecords::new(parts)).await;
    Ok(Box::new(records.map_err(|_| StoreError::Unavailable)?))
}

/// The records of several snapshots, in the order of inboxes.
struct JoinedRecords {
    parts: Vec<Peekable<Snapshot>>,
    position: Option<Result<Record, StoreError>>,
    /// The snapshot whose inbox is being read.
    current: Option<usize>,
    last: Option<InboxId>,
    has_ended: bool,
}

impl JoinedRecords {
    fn new(parts: Vec<Snapshot>) -> Self {
        let mut parts: Vec<_> = parts.into_iter().map(Iterator::peekable).collect();
        let mut highest = Ok(Position::START);
        for part in &mut parts {
            match part.next() {
                Some(Ok(Record::Position(position))) => {
                    highest = highest.map(|highest| position.max(highest))
                }
                Some(Err(error)) => highest = Err(error),
                _ => highest = Err(StoreError::Corrupt),
            }
        }
        let position = Some(highest.map(Record::Position));
        Self { parts, position, current: None, last: None, has_ended: false }
    }

    /// Chooses the snapshot with the next inbox, and skips an inbox that moved while they were opened.
    fn choose(&mut self) -> Option<usize> {
        let mut first: Option<(Option<InboxId>, usize)> = None;
        for (index, part) in self.parts.iter_mut().enumerate() {
            let id = match part.peek() {
                Some(Ok(Record::Inbox(record))) => Some(record.inbox.id),
                // An error comes first.
                Some(_) => None,
                None => continue,
            };
            if first.is_none_or(|(least, _)| id < least) {
                first = Some((id, index));
            }
        }
        first.map(|(_, index)| index)
    }
}

impl Iterator for JoinedRecords {
    type Item = Result<Record, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(position) = self.position.take() {
            self.has_ended = position.is_err();
            return Some(position);
        }
        while !self.has_ended {
            let index = match self.current {
                Some(index) if !matches!(self.parts[index].peek(), None | Some(Ok(Record::Inbox(_)))) => {
                    index
                }
                _ => self.choose()?,
            };
            self.current = Some(index);
            let record = self.parts[index].next()?;
            if let Ok(Record::Inbox(record)) = &record {
                if self.last == Some(record.inbox.id) {
                    let rest = &mut self.parts[index];
                    while rest.next_if(|record| !matches!(record, Err(_) | Ok(Record::Inbox(_)))).is_some() {}
                    continue;
                }
                self.last = Some(record.inbox.id);
            }
            self.has_ended = record.is_err();
            return Some(record);
        }
        None
    }
}

/// Adds up the metrics of all cells. The store is up while one of them is.
pub(super) fn statistics(cells: &[Arc<Cell>]) -> Statistics {
    let mut all = Statistics::default();
    let mut each = Vec::new();
    for (index, cell) in cells.iter().enumerate() {
        let own = cell.store.statistics().unwrap_or_default();
        each.push(CellStatistics {
            name: cell.name.clone(),
            is_up: own.is_up,
            is_open: cell.is_open.load(Ordering::Relaxed),
            outages: own.outages,
            waiting: own.waiting,
            commits: own.commits.clone(),
            groups: own.groups.clone(),
        });
        if index == 0 {
            all = own;
            continue;
        }
        all.is_up |= own.is_up;
        all.outages += own.outages;
        all.waiting += own.waiting;
        add(&mut all.commits, &own.commits);
        add(&mut all.groups, &own.groups);
        if let (Some(all), Some(own)) = (&mut all.cluster, &own.cluster) {
            all.nodes = all.nodes.max(own.nodes);
            all.leads |= own.leads;
            all.listens += own.listens;
            all.gaps += own.gaps;
            all.waiting_notices += own.waiting_notices;
            add(&mut all.notices, &own.notices);
        }
    }
    if let Some(cluster) = &mut all.cluster {
        cluster.cells = each;
    }
    all
}

fn add(all: &mut Distribution, own: &Distribution) {
    all.sum += own.sum;
    all.counts.iter_mut().zip(&own.counts).for_each(|(all, own)| *all += own);
}

//! Commits: to the cell of their inboxes, or split if these are in several.

use super::upkeep::PAUSE;
use super::{Cell, Cluster};
use crate::postgres::inbox_of;
use crate::{Applied, Done, Durability, Op, StoreError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Time after which a commit to an inbox that moves fails.
const PATIENCE: Duration = Duration::from_secs(5);

impl Cluster {
    /// Commits in the cell of each operation.
    ///
    /// `submitted` is when the commit was first tried.
    pub(super) fn commit(&self, ops: Vec<Op>, durability: Durability, done: Done, submitted: Instant) {
        let mut numbers = ops.iter().filter_map(inbox_of).map(|inbox| self.map.cell(inbox));
        let first = numbers.next().or_else(|| ops.is_empty().then_some(0));
        match first {
            Some(number) if numbers.all(|other| other == number) => {
                drop(numbers);
                match self.cell(number) {
                    Some(cell) => cell.store.submit(ops, durability, done, submitted),
                    None => done(Err(StoreError::Unavailable)),
                }
            }
            _ => {
                drop(numbers);
                self.split(ops, durability, done, submitted);
            }
        }
    }

    /// Commits the operations of each cell for themselves. The commit is done when all of them are.
    fn split(&self, ops: Vec<Op>, durability: Durability, done: Done, submitted: Instant) {
        let cells = self.cells();
        let mut parts: Vec<Part> = Vec::new();
        let joined = Arc::new(Joined::new(ops.len(), done));
        for (index, op) in ops.into_iter().enumerate() {
            let Some(inbox) = inbox_of(&op) else {
                // For all cells; the result of the first one counts.
                for cell in &cells {
                    let index = (cell.number == 0).then_some(index);
                    parts.push((Some(Arc::clone(cell)), vec![index], vec![op.clone()]));
                }
                continue;
            };
            let number = self.map.cell(inbox);
            let is_its = |(cell, ..): &&mut Part| cell.as_ref().is_some_and(|cell| cell.number == number);
            match parts.iter_mut().rev().find(is_its) {
                Some((_, indexes, ops)) => {
                    indexes.push(Some(index));
                    ops.push(op);
                }
                None => parts.push((self.cell(number), vec![Some(index)], vec![op])),
            }
        }
        joined.expect(parts.len());
        for (cell, indexes, ops) in parts {
            let joined = Arc::clone(&joined);
            match cell {
                Some(cell) => {
                    let done = Box::new(move |result| joined.add(&indexes, result));
                    cell.store.submit(ops, durability, done, submitted);
                }
                None => joined.add(&indexes, Err(StoreError::Unavailable)),
            }
        }
    }

    /// Finds the cells of a commit whose inboxes have moved, and commits there.
    pub(super) fn redirect(
        self: Arc<Self>,
        ops: Vec<Op>,
        durability: Durability,
        done: Done,
        submitted: Instant,
    ) {
        let runtime = self.runtime.clone();
        runtime.spawn(async move {
            while !self.are_located(&ops).await {
                // Cells that disagree for longer than this have a fault that the log tells of.
                if submitted.elapsed() >= PATIENCE {
                    return done(Err(StoreError::Unavailable));
                }
                sleep(PAUSE).await;
            }
            if submitted.elapsed() >= PATIENCE {
                return done(Err(StoreError::Unavailable));
            }
            self.commit(ops, durability, done, submitted);
        });
    }

    /// Finds the cells of operations; returns false if one cannot be found now.
    async fn are_located(self: &Arc<Self>, ops: &[Op]) -> bool {
        for inbox in ops.iter().filter_map(inbox_of) {
            if self.locate(inbox).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Returns a cell by its number, if it is open.
    pub(super) fn cell(&self, number: i16) -> Option<Arc<Cell>> {
        if number == 0 {
            return Some(Arc::clone(&self.first));
        }
        let others = self.others.read().unwrap_or_else(PoisonError::into_inner);
        others.iter().find(|cell| cell.number == number).map(Arc::clone)
    }
}

/// A part of a commit: its cell, the index of each operation in the whole commit, and the operations.
///
/// The index is `None` for a repetition whose result does not count, and the cell if it is not open.
type Part = (Option<Arc<Cell>>, Vec<Option<usize>>, Vec<Op>);

/// The results of the parts of a commit.
struct Joined(Mutex<JoinedState>);

struct JoinedState {
    missing: usize,
    results: Vec<Option<Applied>>,
    error: Option<StoreError>,
    done: Option<Done>,
}

impl Joined {
    fn new(ops: usize, done: Done) -> Self {
        Self(Mutex::new(JoinedState { missing: 0, results: vec![None; ops], error: None, done: Some(done) }))
    }

    /// Sets the number of parts.
    fn expect(&self, parts: usize) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).missing = parts;
    }

    /// Adds the result of a part, of the operations with these indexes.
    fn add(&self, indexes: &[Option<usize>], result: Result<Vec<Applied>, StoreError>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(applied) => {
                for (index, applied) in indexes.iter().zip(applied) {
                    if let Some(index) = index {
                        state.results[*index] = Some(applied);
                    }
                }
            }
            // Others may have been applied, so that a busy cell is not the whole truth.
            Err(error) => {
                state.error = Some(if error == StoreError::Busy { StoreError::Unavailable } else { error })
            }
        }
        state.missing -= 1;
        if state.missing == 0
            && let Some(done) = state.done.take()
        {
            let results = std::mem::take(&mut state.results).into_iter().collect::<Option<Vec<_>>>();
            let error = state.error.take();
            drop(state);
            done(match (error, results) {
                (None, Some(results)) => Ok(results),
                (error, _) => Err(error.unwrap_or(StoreError::Unavailable)),
            });
        }
    }
}

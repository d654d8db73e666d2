//! The changes of a group of requests before they are written: later operations read what earlier ones did.

use super::engine::{Engine, EngineView, Row, Rows, View};
use super::rows::Table;
use crate::StoreError;
use fjall::Slice;
use std::cmp::Ordering;
use std::iter::{Peekable, from_fn};
use std::ops::RangeInclusive;

/// Changes on top of an engine. One request can be taken back without the ones before it.
pub(super) struct Changes<'a> {
    base: EngineView<'a>,
    rows: [Rows; Table::ALL.len()],
    /// What the changes of the current request covered.
    undo: Vec<(Table, Slice, Option<Option<Slice>>)>,
}

impl<'a> Changes<'a> {
    /// Only the writer makes one: nothing else may be written before it is written itself.
    pub(super) fn new(engine: &'a Engine) -> Self {
        Self { base: engine.snapshot(), rows: Default::default(), undo: Vec::new() }
    }

    pub(super) fn put(&mut self, table: Table, key: &[u8], value: Slice) {
        self.change(table, key, Some(value));
    }

    pub(super) fn remove(&mut self, table: Table, key: &[u8]) {
        self.change(table, key, None);
    }

    fn change(&mut self, table: Table, key: &[u8], value: Option<Slice>) {
        let key = Slice::from(key);
        let covered = self.rows[table as usize].insert(key.clone(), value);
        self.undo.push((table, key, covered));
    }

    pub(super) fn accept_request(&mut self) {
        self.undo.clear();
    }

    pub(super) fn take_request_back(&mut self) {
        for (table, key, covered) in self.undo.drain(..).rev() {
            let rows = &mut self.rows[table as usize];
            match covered {
                Some(value) => drop(rows.insert(key, value)),
                None => drop(rows.remove(&key)),
            }
        }
    }

    /// Whether a row is there after the changes; nothing when they don't touch it.
    pub(super) fn changed(&self, table: Table, key: &[u8]) -> Option<bool> {
        self.rows[table as usize].get(key).map(Option::is_some)
    }

    /// The changes of one table.
    pub(super) fn of(&self, table: Table) -> &Rows {
        &self.rows[table as usize]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.iter().all(Rows::is_empty)
    }

    pub(super) fn into_rows(self) -> [Rows; Table::ALL.len()] {
        self.rows
    }
}

impl View for Changes<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Slice>, StoreError> {
        match self.rows[table as usize].get(key) {
            Some(changed) => Ok(changed.clone()),
            None => self.base.get(table, key),
        }
    }

    fn scan(
        &self,
        table: Table,
        keys: RangeInclusive<Slice>,
    ) -> impl Iterator<Item = Result<Row, StoreError>> {
        let changed = self.rows[table as usize].range(keys.clone());
        merge(self.base.scan(table, keys).peekable(), changed.peekable())
    }

    fn engine(&self) -> &Engine {
        self.base.engine()
    }
}

/// Both in the order of keys; where both have a key the change counts.
fn merge<'a>(
    mut base: Peekable<impl Iterator<Item = Result<Row, StoreError>>>,
    mut changed: Peekable<impl Iterator<Item = (&'a Slice, &'a Option<Slice>)>>,
) -> impl Iterator<Item = Result<Row, StoreError>> {
    from_fn(move || {
        loop {
            let order = match (base.peek(), changed.peek()) {
                (None, None) => return None,
                (Some(Err(_)), _) | (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(Ok((old, _))), Some((new, _))) => old.cmp(*new),
            };
            match order {
                Ordering::Less => return base.next(),
                Ordering::Equal => drop(base.next()),
                Ordering::Greater => {
                    let (key, value) = changed.next()?;
                    if let Some(value) = value {
                        return Some(Ok((key.clone(), value.clone())));
                    }
                }
            }
        }
    })
}

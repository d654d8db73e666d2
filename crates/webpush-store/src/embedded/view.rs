//! Views of rows in layers, of which newer changes hide older rows.

use super::damage::DamageReporter;
use super::key::Key;
use super::rows::Table;
use super::value::Value;
use crate::StoreError;
use std::cmp::Ordering;
use std::iter::from_fn;
use std::ops::RangeInclusive;

/// A key with its value.
pub(super) type Row = (Key, Value);

/// A view of rows: the engine alone, or with changes that are not flushed yet.
pub(super) trait View {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Value>, StoreError>;

    /// Returns rows in key order.
    fn scan(&self, table: Table, keys: RangeInclusive<Key>) -> impl Iterator<Item = Result<Row, StoreError>>;

    /// Returns the reporter for damaged rows.
    fn damage(&self) -> &DamageReporter;
}

/// Merges changed rows over old ones, both in key order. A change hides the old row with its key.
pub(super) fn merge_overlay(
    old: impl Iterator<Item = Result<Row, StoreError>>,
    changed: impl Iterator<Item = (Key, Option<Value>)>,
) -> impl Iterator<Item = Result<Row, StoreError>> {
    let (mut old, mut changed) = (old.peekable(), changed.peekable());
    from_fn(move || {
        loop {
            let order = match (old.peek(), changed.peek()) {
                (None, None) => return None,
                (Some(Err(_)), _) | (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(Ok((old, _))), Some((new, _))) => old.cmp(new),
            };
            match order {
                Ordering::Less => return old.next(),
                Ordering::Equal => drop(old.next()),
                Ordering::Greater => {
                    let (key, value) = changed.next()?;
                    if let Some(value) = value {
                        return Some(Ok((key, value)));
                    }
                }
            }
        }
    })
}

/// Merges newer changes over older ones, in key order.
pub(super) fn merge_changes<'a>(
    old: impl Iterator<Item = (&'a Key, &'a Option<Value>)>,
    new: impl Iterator<Item = (&'a Key, &'a Option<Value>)>,
) -> impl Iterator<Item = (&'a Key, &'a Option<Value>)> {
    let (mut old, mut new) = (old.peekable(), new.peekable());
    from_fn(move || {
        let order = match (old.peek(), new.peek()) {
            (Some((old, _)), Some((new, _))) => old.cmp(new),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        match order {
            Ordering::Less => old.next(),
            Ordering::Equal => {
                old.next();
                new.next()
            }
            Ordering::Greater => new.next(),
        }
    })
}

//! Bounds reads of files that cannot be read.
//!
//! The engine's iterators can return the same error for ever, for example when the index of a table is damaged, because
//! they do not get past it.

use crate::StoreError;
use std::iter::from_fn;

/// Ends rows after an error other than [`StoreError::Corrupt`], which is that of a single record.
pub(super) fn end_at_error<T>(
    mut rows: impl Iterator<Item = Result<T, StoreError>>,
) -> impl Iterator<Item = Result<T, StoreError>> {
    let mut has_ended = false;
    from_fn(move || {
        let row = if has_ended { None } else { rows.next() };
        has_ended = !matches!(row, Some(Ok(_) | Err(StoreError::Corrupt)));
        row
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::batch_markers::BatchMarkers;
    use crate::embedded::damage::DamageReporter;
    use crate::embedded::engine_error::EngineError;
    use crate::embedded::holes::Holes;
    use crate::embedded::key::Key;
    use crate::embedded::read;
    use crate::embedded::rows::Table;
    use crate::embedded::value::Value;
    use crate::embedded::view::{Row, View, merge_overlay};
    use crate::{IdleCheck, IdleLimits};
    use std::ops::RangeInclusive;
    use std::path::Path;
    use webpush_core::id::{InboxId, Position};
    use webpush_core::session::Scope;
    use webpush_core::time::Timestamp;
    use webpush_core::urgency::Urgency;

    /// An engine whose iterators return errors for ever.
    struct Broken(DamageReporter);

    impl Broken {
        fn error(&self, table: Table) -> StoreError {
            self.0.read_error(table, &EngineError::Damaged("checksum".into()))
        }
    }

    impl View for Broken {
        fn get(&self, table: Table, _: &[u8]) -> Result<Option<Value>, StoreError> {
            Err(self.error(table))
        }

        fn scan(
            &self,
            table: Table,
            _: RangeInclusive<Key>,
        ) -> impl Iterator<Item = Result<Row, StoreError>> {
            let errors = std::iter::repeat_with(move || Err(self.error(table)));
            merge_overlay(end_at_error(errors), std::iter::empty())
        }

        fn damage(&self) -> &DamageReporter {
            &self.0
        }
    }

    /// B7a: a reader of a table that returns only errors ends with one that it does not skip.
    #[test]
    fn reads_of_a_table_that_only_fails_end() {
        let broken = Broken(DamageReporter::new(Path::new("/store"), Holes::default()));
        let inbox = InboxId::from_bytes([1; 16]);
        let scope = Scope { inbox, subscription: None, min_urgency: Urgency::VeryLow };
        let now = Timestamp::from_millis(u64::MAX / 2);
        let unreadable = StoreError::Unreadable;
        assert_eq!(read::fetch(&broken, &scope, Position::START, now).err(), Some(unreadable.clone()));
        assert_eq!(read::due(&broken, Timestamp::default(), now, 10).err(), Some(unreadable.clone()));
        let check = IdleCheck { now, limits: IdleLimits::default() };
        assert_eq!(read::idle(&broken, &check, 10).err(), Some(unreadable.clone()));
        assert_eq!(BatchMarkers::read(&broken).err(), Some(unreadable));
        assert!(broken.0.is_unreadable());
    }

    #[test]
    fn damaged_records_between_others_are_no_end() {
        let rows = (0..1000).map(|n| if n % 10 == 0 { Ok(n) } else { Err(StoreError::Corrupt) });
        assert_eq!(end_at_error(rows).flatten().count(), 100);
    }
}

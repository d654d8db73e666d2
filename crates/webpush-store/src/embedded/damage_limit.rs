//! Bounds reads of damaged tables.
//!
//! The engine's iterators can return the same error for ever, for example when the index of a table is damaged, because
//! they do not get past it. Readers skip damaged records, so they would never end.

use crate::StoreError;
use std::iter::from_fn;

/// Errors in succession after which a table counts as unreadable.
const ERRORS: u32 = 64;

/// Ends rows with [`StoreError::Unreadable`] after many damaged ones in succession.
///
/// `report` is called then.
pub(super) fn limit_damage<T>(
    mut rows: impl Iterator<Item = Result<T, StoreError>>,
    report: impl FnOnce(),
) -> impl Iterator<Item = Result<T, StoreError>> {
    let (mut report, mut errors) = (Some(report), 0);
    from_fn(move || {
        report.as_ref()?;
        let row = rows.next()?;
        errors = if matches!(row, Err(StoreError::Corrupt)) { errors + 1 } else { 0 };
        if errors < ERRORS {
            return Some(row);
        }
        report.take()?();
        Some(Err(StoreError::Unreadable))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::batch_markers::BatchMarkers;
    use crate::embedded::damage::DamageReporter;
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

    impl View for Broken {
        fn get(&self, table: Table, _: &[u8]) -> Result<Option<Value>, StoreError> {
            Err(self.0.report(table))
        }

        fn scan(
            &self,
            table: Table,
            _: RangeInclusive<Key>,
        ) -> impl Iterator<Item = Result<Row, StoreError>> {
            let errors = std::iter::repeat_with(move || Err(self.0.report(table)));
            merge_overlay(limit_damage(errors, || ()), std::iter::empty())
        }

        fn damage(&self) -> &DamageReporter {
            &self.0
        }
    }

    /// B7a: a reader of a table that returns only errors ends with one that it does not skip.
    #[test]
    fn reads_of_a_table_that_only_fails_end() {
        let broken = Broken(DamageReporter::new(Path::new("/store")));
        let inbox = InboxId::from_bytes([1; 16]);
        let scope = Scope { inbox, subscription: None, min_urgency: Urgency::VeryLow };
        let now = Timestamp::from_millis(u64::MAX / 2);
        let unreadable = StoreError::Unreadable;
        assert_eq!(read::fetch(&broken, &scope, Position::START, now).err(), Some(unreadable.clone()));
        assert_eq!(read::due(&broken, Timestamp::default(), now, 10).err(), Some(unreadable.clone()));
        let check = IdleCheck { now, limits: IdleLimits::default() };
        assert_eq!(read::idle(&broken, &check, 10).err(), Some(unreadable.clone()));
        assert_eq!(BatchMarkers::read(&broken).err(), Some(unreadable));
    }

    #[test]
    fn damaged_records_between_others_are_no_limit() {
        let rows = (0..100 * ERRORS).map(|n| if n % ERRORS == 0 { Ok(n) } else { Err(StoreError::Corrupt) });
        assert_eq!(limit_damage(rows, || unreachable!()).flatten().count(), 100);
        let mut reports = 0;
        let rows = std::iter::repeat_with(|| Err::<(), _>(StoreError::Corrupt));
        let rows: Vec<_> = limit_damage(rows, || reports += 1).collect();
        assert_eq!((rows.len() as u32, rows.last()), (ERRORS, Some(&Err(StoreError::Unreadable))));
        assert_eq!(reports, 1);
    }
}

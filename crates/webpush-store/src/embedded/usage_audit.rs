//! An invariant that debug builds check after each group.
//!
//! A group changes the usage row of each inbox by exactly the entries and subscriptions that it adds and removes. Only a row
//! that was too small before, because a disk lied about a sync, may end at zero instead.

use super::changes::Changes;
use super::entry_row::{EntryHead, salvage_entry_head};
use super::rows::{Table, read_entry_key, read_inbox_key, read_subscription_key};
use super::usage_row::UsageRow;
use super::value::Value;
use super::view::View as _;
use std::collections::BTreeMap;
use webpush_core::id::InboxId;

/// The change of an inbox: entries, bytes of bodies, subscriptions.
type Gain = [i64; 3];

/// Returns true if usage rows change like the rows that they count.
///
/// Only changed rows are read.
pub(super) fn usage_adds_up(changes: &Changes<'_>) -> bool {
    let mut gains: BTreeMap<InboxId, Gain> = BTreeMap::new();
    let mut gain = |inbox, gained: Gain, sign: i64| {
        let sum = gains.entry(inbox).or_default();
        sum.iter_mut().zip(gained).for_each(|(sum, gained)| *sum += sign * gained);
    };
    for (key, after, before) in changes.changed_rows(Table::Entries) {
        let Some((inbox, position)) = read_entry_key(key) else { continue };
        let size = |value: &Value| match salvage_entry_head(inbox, position, value) {
            Some(EntryHead::Message(message)) => [1, signed(message.body_bytes), 0],
            Some(EntryHead::Receipt(_)) | None => [1, 0, 0],
        };
        gain(inbox, after.map(size).unwrap_or_default(), 1);
        gain(inbox, before.as_ref().map(size).unwrap_or_default(), -1);
    }
    for (key, after, before) in changes.changed_rows(Table::Subscriptions) {
        let Some((agent, _)) = read_subscription_key(key) else { continue };
        gain(agent, [0, 0, i64::from(after.is_some())], 1);
        gain(agent, [0, 0, i64::from(before.is_some())], -1);
    }
    for (key, after, before) in changes.changed_rows(Table::Usages) {
        let Some(inbox) = read_inbox_key(key) else { continue };
        gain(inbox, after.map(|value| counts(inbox, value)).unwrap_or_default(), -1);
        gain(inbox, before.map(|value| counts(inbox, &value)).unwrap_or_default(), 1);
    }
    gains.iter().filter(|(_, gain)| **gain != [0; 3]).all(|(inbox, gain)| {
        let row = changes.get(Table::Usages, inbox.as_bytes()).ok().flatten();
        let left = row.map(|value| counts(*inbox, &value)).unwrap_or_default();
        gain.iter().zip(left).all(|(gain, left)| *gain == 0 || (*gain < 0 && left == 0))
    })
}

/// Returns the counts in a usage row, zero if it is damaged.
fn counts(inbox: InboxId, value: &Value) -> Gain {
    let usage = UsageRow::read(inbox, value);
    usage.map(|usage| [usage.entries, usage.body_bytes, usage.subscriptions].map(signed)).unwrap_or_default()
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

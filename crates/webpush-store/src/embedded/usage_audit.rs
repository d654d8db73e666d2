//! An invariant that debug builds check after each group.
//!
//! A group changes the usage row of each inbox by exactly the entries and subscriptions that it adds and removes.

use super::changes::Changes;
use super::entry_row::{EntryHead, salvage_entry_head};
use super::rows::{Table, read_entry_key, read_inbox_key, read_subscription_key};
use super::usage_row::UsageRow;
use super::value::Value;
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
        let usage = |value: &Value| {
            let usage = UsageRow::read(inbox, value)?;
            Some([usage.entries, usage.body_bytes, usage.subscriptions].map(signed))
        };
        gain(inbox, after.and_then(usage).unwrap_or_default(), -1);
        gain(inbox, before.as_ref().and_then(usage).unwrap_or_default(), 1);
    }
    gains.values().all(|gain| *gain == [0; 3])
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

//! Writes the changes of a group.

use super::apply::GroupChanges;
use super::connect::DatabaseConnection;
use super::statements::WriterStatements;
use super::values::{
    Uuid, from_count, from_encoding, from_hour, from_owner, from_position, from_protocol, from_time,
    from_topic, from_urgency,
};
use super::working_set::{InboxRow, WorkingSet};
use crate::idle;
use tokio_postgres::Error;
use tokio_postgres::types::ToSql;
use webpush_core::id::InboxId;
use webpush_core::inbox::Entry;
use webpush_core::receipt::{Receipt, ReceiptStatus};
use webpush_core::subscription::Subscription;

/// Sends the statements that write the changes and commit, together.
///
/// `loaded` are the rows before the group. A lazy commit is not waited for until it is on disk.
///
/// # Errors
/// After an error the outcome is unknown.
pub(super) async fn write(
    connection: &DatabaseConnection,
    statements: &WriterStatements,
    loaded: &WorkingSet,
    changes: &GroupChanges,
    is_lazy: bool,
) -> Result<(), Error> {
    let commit = if is_lazy { "SET LOCAL synchronous_commit = off; COMMIT" } else { "COMMIT" };
    let cleared: Vec<Uuid> = changes.cleared.iter().map(|id| (*id).into()).collect();
    let InboxRows { gone, created, written, counted } = InboxRows::new(loaded, changes);
    let (removed, subscribed) = subscription_rows(loaded, changes);
    let deleted: Vec<_> =
        changes.deleted.iter().filter(|(inbox, _)| !changes.cleared.contains(inbox)).collect();
    let deletes = (
        deleted.iter().map(|(inbox, _)| Uuid::from(*inbox)).collect::<Vec<_>>(),
        deleted.iter().map(|(_, position)| from_position(*position)).collect::<Vec<_>>(),
    );
    let removes: (Vec<Uuid>, Vec<Uuid>) = removed.into_iter().unzip();
    let counts = Counts::new(&counted);
    let (new_inboxes, inboxes) = (Inboxes::new(&created), Inboxes::new(&written));
    let subscriptions = Subscriptions::new(&subscribed);
    let (messages, receipts) = (Messages::new(changes), Receipts::stored(changes));
    let outgoing = Receipts::new(&changes.outgoing);
    let (floor, highest) = (from_position(changes.rows.floor), from_position(changes.rows.removed));
    let has_state = changes.rows.floor > loaded.floor || changes.rows.removed > loaded.removed;

    let run = |is_needed: bool, statement, values| execute(connection, is_needed, statement, values);
    // Deletions first: an inbox may have been removed and created again.
    tokio::try_join!(
        biased;
        run(!cleared.is_empty(), &statements.clear_entries, vec![&cleared as &(dyn ToSql + Sync)]),
        run(!cleared.is_empty(), &statements.clear_subscriptions, vec![&cleared]),
        run(!gone.is_empty(), &statements.delete_inboxes, vec![&gone]),
        run(!removes.0.is_empty(), &statements.delete_subscriptions, vec![&removes.0, &removes.1]),
        run(!deletes.0.is_empty(), &statements.delete_entries, vec![&deletes.0, &deletes.1]),
        run(!counted.is_empty(), &statements.update_inboxes, counts.values()),
        run(!created.is_empty(), &statements.insert_inboxes, new_inboxes.values()),
        run(!written.is_empty(), &statements.put_inboxes, inboxes.values()),
        run(!subscribed.is_empty(), &statements.put_subscriptions, subscriptions.values()),
        run(!messages.inbox.is_empty(), &statements.insert_messages, messages.values()),
        run(!receipts.inbox.is_empty(), &statements.insert_receipts, receipts.values()),
        run(!outgoing.inbox.is_empty(), &statements.insert_outgoing, outgoing.values()),
        run(has_state, &statements.update_state, vec![&floor, &highest]),
        connection.client.batch_execute(commit),
    )?;
    Ok(())
}

async fn execute(
    connection: &DatabaseConnection,
    is_needed: bool,
    statement: &tokio_postgres::Statement,
    values: Vec<&(dyn ToSql + Sync)>,
) -> Result<(), Error> {
    if is_needed {
        connection.client.execute(statement, &values).await?;
    }
    Ok(())
}

/// The inboxes that changed.
#[derive(Default)]
struct InboxRows<'c> {
    gone: Vec<Uuid>,
    /// Those that did not exist, and were not locked. Another node may be creating the same.
    created: Vec<&'c InboxRow>,
    written: Vec<&'c InboxRow>,
    /// Those of which only the counts changed.
    counted: Vec<&'c InboxRow>,
}

impl<'c> InboxRows<'c> {
    fn new(loaded: &WorkingSet, changes: &'c GroupChanges) -> Self {
        let mut rows = Self::default();
        // An inbox that was counted up may have got no message after all.
        let counted = loaded.counted_inboxes().filter(|id| !changes.inboxes.contains(id)).collect::<Vec<_>>();
        for id in changes.inboxes.iter().chain(&counted) {
            let before = loaded.stored_inbox(*id);
            match (before, changes.rows.inbox(*id).ok().flatten()) {
                (Some(before), Some(after)) if before == after => {}
                (_, None) => rows.gone.push((*id).into()),
                (None, Some(after)) => rows.created.push(after),
                (Some(before), Some(after)) if has_only_counts_changed(before, after) => {
                    rows.counted.push(after);
                }
                (Some(_), Some(after)) => rows.written.push(after),
            }
        }
        rows
    }
}

fn has_only_counts_changed(before: &InboxRow, after: &InboxRow) -> bool {
    before.inbox == after.inbox
        && before.monitored == after.monitored
        && before.usage.subscriptions == after.usage.subscriptions
}

/// Returns the keys of subscriptions to delete, and those to write.
///
/// One whose channel changed is among both: another one may have its channel now.
fn subscription_rows<'c>(
    loaded: &WorkingSet,
    changes: &'c GroupChanges,
) -> (Vec<(Uuid, Uuid)>, Vec<&'c Subscription>) {
    let (mut removed, mut written) = (Vec::new(), Vec::new());
    for (agent, id) in &changes.subscriptions {
        let before = loaded.subscription(*agent, *id).ok().flatten();
        let after = changes.rows.subscription(*agent, *id).ok().flatten();
        if before.and_then(Subscription::channel) != after.and_then(Subscription::channel) || after.is_none()
        {
            removed.push(((*agent).into(), (*id).into()));
        }
        written.extend(after);
    }
    (removed, written)
}

/// Declares a struct of columns, one vector each, and how to fill them from a row.
macro_rules! columns {
    ($(#[$doc:meta])* $visibility:vis $name:ident<$($life:lifetime)?> from $row:ident: $type:ty { $($column:ident: $value_type:ty = $value:expr,)* }) => {
        $(#[$doc])*
        #[derive(Default)]
        $visibility struct $name<$($life)?> {
            $($column: Vec<$value_type>,)*
        }

        impl<$($life)?> $name<$($life)?> {
            fn push(&mut self, $row: $type) {
                $(self.$column.push($value);)*
            }

            $visibility fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
                vec![$(&self.$column,)*]
            }
        }
    };
}

columns! { Counts<> from row: &InboxRow {
    id: Uuid = row.inbox.id.into(),
    last: i64 = from_position(row.last),
    entries: i64 = from_count(row.usage.entries),
    body_bytes: i64 = from_count(row.usage.body_bytes),
} }

impl Counts {
    fn new(rows: &[&InboxRow]) -> Self {
        let mut columns = Self::default();
        rows.iter().for_each(|row| columns.push(row));
        columns
    }
}

columns! { Inboxes<> from row: &InboxRow {
    id: Uuid = row.inbox.id.into(),
    owner: i16 = from_owner(row.inbox.owner),
    created: i64 = from_time(row.inbox.created),
    key: i16 = i16::from(row.inbox.key.0),
    last: i64 = from_position(row.last),
    entries: i64 = from_count(row.usage.entries),
    body_bytes: i64 = from_count(row.usage.body_bytes),
    subscriptions: i64 = from_count(row.usage.subscriptions),
    monitored: Option<i32> = row.monitored.map(from_hour),
    used: i32 = from_hour(row.monitored.unwrap_or_else(|| idle::hour(row.inbox.created))),
} }

impl Inboxes {
    fn new(rows: &[&InboxRow]) -> Self {
        let mut columns = Self::default();
        rows.iter().for_each(|row| columns.push(row));
        columns
    }
}

columns! { Subscriptions<'c> from row: &'c Subscription {
    agent: Uuid = row.agent.into(),
    id: Uuid = row.id.into(),
    created: i64 = from_time(row.created),
    key: i16 = i16::from(row.key.0),
    sender: Option<&'c [u8]> = row.sender.as_ref().map(|sender| &sender.0[..]),
    protocol: i16 = from_protocol(&row.protocol).0,
    channel: Option<Uuid> = from_protocol(&row.protocol).1,
    category: Option<&'c [u8]> = from_protocol(&row.protocol).2,
    subtype: Option<&'c [u8]> = from_protocol(&row.protocol).3,
} }

impl<'c> Subscriptions<'c> {
    fn new(rows: &[&'c Subscription]) -> Self {
        let mut columns = Self::default();
        rows.iter().for_each(|row| columns.push(row));
        columns
    }
}

columns! { Messages<'c> from row: &'c webpush_core::message::Message {
    inbox: Uuid = row.agent.into(),
    position: i64 = from_position(row.position),
    message: Uuid = row.id.into(),
    key: i16 = i16::from(row.key.0),
    subscription: Uuid = row.subscription.into(),
    accepted: i64 = from_time(row.accepted),
    expires: i64 = from_time(row.expires),
    removal: i64 = from_time(row.removal_time()),
    urgency: i16 = from_urgency(row.urgency),
    topic: Option<&'c str> = row.topic.as_ref().map(from_topic),
    encoding: Option<Vec<u8>> = from_encoding(&row.encoding),
    receipt: Option<Uuid> = row.receipt.map(InboxId::into),
    body: &'c [u8] = &row.body[..],
} }

impl<'c> Messages<'c> {
    fn new(changes: &'c GroupChanges) -> Self {
        let mut columns = Self::default();
        for entry in changes.inserted.values() {
            if let Entry::Message(message) = entry {
                columns.push(message);
            }
        }
        columns
    }
}

columns! { /// Receipts in their inboxes, or on the way there.
    pub(super) Receipts<> from row: &Receipt {
    inbox: Uuid = row.inbox.into(),
    position: i64 = from_position(row.position),
    message: Uuid = row.message().into(),
    key: i16 = i16::from(row.key.0),
    about_inbox: Uuid = row.about.inbox.into(),
    about_position: i64 = from_position(row.about.position),
    acknowledged: bool = row.status == ReceiptStatus::Acknowledged,
} }

impl Receipts {
    fn stored(changes: &GroupChanges) -> Self {
        let mut columns = Self::default();
        for entry in changes.inserted.values() {
            if let Entry::Receipt(receipt) = entry {
                columns.push(receipt);
            }
        }
        columns
    }

    pub(super) fn new(receipts: &[Receipt]) -> Self {
        let mut columns = Self::default();
        receipts.iter().for_each(|receipt| columns.push(receipt));
        columns
    }
}

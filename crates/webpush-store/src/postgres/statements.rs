//! The statements of a writer connection, prepared once.

use super::connect::{DatabaseConnection, describe};
use tokio_postgres::Statement;

/// The columns on which operations depend, for [`entry_row`](super::values::entry_row).
macro_rules! row_columns {
    () => {
        "e.inbox, e.position, e.message, e.key, e.subscription, e.accepted, e.expires, e.urgency, e.topic, e.receipt, \
         octet_length(e.body) AS body_bytes"
    };
}

/// All columns of an entry, for [`entry`](super::values::entry).
macro_rules! entry_columns {
    () => {
        concat!(
            $crate::postgres::statements::row_columns!(),
            ", e.encoding, e.body, e.about_inbox, e.about_position, e.acknowledged"
        )
    };
}

/// Inserts whole inboxes.
macro_rules! insert_inboxes {
    () => {
        "INSERT INTO @.inbox (id, owner, created, key, last, entries, body_bytes, subscriptions, monitored, used)
            SELECT * FROM unnest($1::uuid[], $2::int2[], $3::int8[], $4::int2[], $5::int8[], $6::int8[], $7::int8[],
                $8::int8[], $9::int4[], $10::int4[])"
    };
}

/// Selects those of some absent inboxes that are in other cells, or have moved here meanwhile.
///
/// One statement: it sees both tables as they were at one moment.
macro_rules! elsewhere {
    () => {
        "SELECT k.id FROM unnest($1::uuid[], $2::int4[]) AS k (id, number) LEFT JOIN @.shard s ON s.number = k.number
            WHERE coalesce(s.cell, 0) <> (SELECT i.cell FROM @.identity i)
                OR EXISTS (SELECT FROM @.inbox b WHERE b.id = k.id)"
    };
}

pub(super) use {elsewhere, entry_columns, row_columns};

/// Declares a struct of prepared statements; in their text, `@` is the schema.
macro_rules! statements {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $text:expr,)* }) => {
        $(#[$doc])*
        pub(super) struct $name {
            $($(#[$field_doc])* pub(super) $field: tokio_postgres::Statement,)*
        }

        impl $name {
            /// Prepares them on a connection.
            pub(super) async fn prepare(connection: &DatabaseConnection, schema: &str) -> Result<Self, String> {
                $(let $field = $crate::postgres::statements::prepare(connection, schema, $text).await?;)*
                Ok(Self { $($field,)* })
            }
        }
    };
}

pub(super) use statements;

/// Prepares a statement in which `@` is the schema.
pub(super) async fn prepare(
    connection: &DatabaseConnection,
    schema: &str,
    text: &str,
) -> Result<Statement, String> {
    connection.client.prepare(&text.replace('@', schema)).await.map_err(describe)
}

statements! {
    /// The statements of a writer connection.
    WriterStatements {
        /// Starts a group; changes nothing if it was committed before.
        begin_group: "UPDATE @.lane SET last_group = $3 WHERE node = $1 AND number = $2 AND last_group = $3::int8 - 1",
        /// Locks inboxes: agents first, each kind in the order of IDs, so that there are few deadlocks.
        lock_inboxes: "SELECT id, owner, created, key, last, entries, body_bytes, subscriptions, monitored
            FROM @.inbox WHERE id = ANY ($1) ORDER BY owner, id FOR UPDATE",
        /// Locks inboxes in the same order, and counts the messages that are appended to them.
        ///
        /// If one is not appended after all, its inbox is written once more.
        count_appends: "UPDATE @.inbox i SET last = greatest(i.last, s.floor) + k.messages, entries = i.entries + k.messages,
                body_bytes = i.body_bytes + k.body_bytes
            FROM (SELECT k.* FROM unnest($1::uuid[], $2::int8[], $3::int8[]) AS k (id, messages, body_bytes)
                JOIN @.inbox l ON l.id = k.id ORDER BY l.owner, k.id) k, @.state s
            WHERE i.id = k.id AND s.only_row
            RETURNING i.id, i.owner, i.created, i.key, i.last - k.messages AS last, i.entries - k.messages AS entries,
                i.body_bytes - k.body_bytes AS body_bytes, i.subscriptions, i.monitored, s.floor, k.messages,
                k.body_bytes AS appended_bytes",
        state: "SELECT floor, removed FROM @.state WHERE only_row",
        subscriptions: "SELECT s.* FROM unnest($1::uuid[], $2::uuid[]) AS k (agent, id)
            JOIN @.subscription s ON s.agent = k.agent AND s.id = k.id",
        channels: "SELECT s.* FROM unnest($1::uuid[], $2::uuid[]) AS k (agent, channel)
            JOIN @.subscription s ON s.agent = k.agent AND s.channel = k.channel",
        entries: concat!("SELECT ", row_columns!(), " FROM unnest($1::uuid[], $2::int8[]) AS k (inbox, position)
            JOIN @.entry e ON e.inbox = k.inbox AND e.position = k.position"),
        topics: concat!("SELECT ", row_columns!(), " FROM unnest($1::uuid[], $2::uuid[], $3::text[])
            AS k (inbox, subscription, topic)
            JOIN @.entry e ON e.inbox = k.inbox AND e.subscription = k.subscription AND e.topic = k.topic"),
        victims: concat!("SELECT ", row_columns!(), " FROM unnest($1::uuid[], $2::int8[]) AS k (inbox, most),
            LATERAL (SELECT * FROM @.entry WHERE inbox = k.inbox ORDER BY urgency, position LIMIT k.most) e"),
        all_entries: concat!("SELECT ", row_columns!(), " FROM @.entry e WHERE e.inbox = $1"),
        clear_entries: "DELETE FROM @.entry WHERE inbox = ANY ($1)",
        clear_subscriptions: "DELETE FROM @.subscription WHERE agent = ANY ($1)",
        delete_inboxes: "DELETE FROM @.inbox WHERE id = ANY ($1)",
        delete_subscriptions: "DELETE FROM @.subscription s USING unnest($1::uuid[], $2::uuid[]) AS k (agent, id)
            WHERE s.agent = k.agent AND s.id = k.id",
        delete_entries: "DELETE FROM @.entry e USING unnest($1::uuid[], $2::int8[]) AS k (inbox, position)
            WHERE e.inbox = k.inbox AND e.position = k.position",
        update_inboxes: "UPDATE @.inbox i SET last = k.last, entries = k.entries, body_bytes = k.body_bytes
            FROM unnest($1::uuid[], $2::int8[], $3::int8[], $4::int8[]) AS k (id, last, entries, body_bytes)
            WHERE i.id = k.id",
        /// Fails if another node has created one of them meanwhile. The group is tried again then.
        insert_inboxes: insert_inboxes!(),
        put_inboxes: concat!(insert_inboxes!(), " ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, created = excluded.created, key = excluded.key,
                last = excluded.last, entries = excluded.entries, body_bytes = excluded.body_bytes,
                subscriptions = excluded.subscriptions, monitored = excluded.monitored, used = excluded.used"),
        put_subscriptions: "INSERT INTO @.subscription (agent, id, created, key, sender, protocol, channel,
                category, subtype)
            SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int8[],
                $4::int2[], $5::bytea[], $6::int2[], $7::uuid[], $8::bytea[], $9::bytea[])
            ON CONFLICT (agent, id) DO UPDATE SET created = excluded.created, key = excluded.key,
                sender = excluded.sender, protocol = excluded.protocol, channel = excluded.channel,
                category = excluded.category, subtype = excluded.subtype",
        insert_messages: "INSERT INTO @.entry (inbox, position, message, key, subscription, accepted, expires, removal,
                urgency, topic, encoding, receipt, body)
            SELECT * FROM unnest($1::uuid[], $2::int8[], $3::uuid[], $4::int2[], $5::uuid[], $6::int8[], $7::int8[],
                $8::int8[], $9::int2[], $10::text[], $11::bytea[], $12::uuid[], $13::bytea[])",
        insert_receipts: "INSERT INTO @.entry (inbox, position, message, key, about_inbox, about_position, acknowledged)
            SELECT * FROM unnest($1::uuid[], $2::int8[], $3::uuid[], $4::int2[], $5::uuid[], $6::int8[], $7::bool[])",
        insert_outgoing: "INSERT INTO @.outgoing_receipt (inbox, message, key, about_inbox, about_position, acknowledged)
            SELECT k.inbox, k.message, k.key, k.about_inbox, k.about_position, k.acknowledged
            FROM unnest($1::uuid[], $2::int8[], $3::uuid[], $4::int2[], $5::uuid[], $6::int8[], $7::bool[])
                AS k (inbox, position, message, key, about_inbox, about_position, acknowledged)
            ON CONFLICT (message) DO NOTHING",
        /// Holds off moves of shards until the transaction ends, while inboxes are created.
        lock_creation: "SELECT pg_advisory_xact_lock_shared(hashtext('webpush-creation'), hashtext('@'))",
        elsewhere: elsewhere!(),
        update_state: "UPDATE @.state SET floor = greatest(floor, $1), removed = greatest(removed, $2)",
    }
}

//! The lines of an archive.

use super::values::{Base64Bytes, IdBytes, KeyBytes, Latin1};
use serde::{Deserialize, Serialize};
use std::ops::AddAssign;

/// One line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// The first line.
    Begin(Begin),
    /// A sealing key; the last one is the current key.
    Key {
        /// Its ID.
        id: u8,
        /// The key.
        secret: KeyBytes,
    },
    /// A broadcast version that was set at run time.
    Broadcast {
        /// Its name.
        name: String,
        /// Its version.
        version: String,
    },
    /// The last position that was assigned.
    Position(u64),
    /// An inbox.
    Inbox(InboxLine),
    /// A subscription of the last inbox.
    Subscription(SubscriptionLine),
    /// A message in the last inbox.
    Message(MessageLine),
    /// A receipt in the last inbox.
    Receipt(ReceiptLine),
    /// The SHA-256 of everything before this line.
    Check(KeyBytes),
    /// The last line.
    End(Counts),
}

/// Purpose of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArchiveKind {
    /// A copy of a data directory, with checksums.
    Backup,
    /// Agents for another server.
    Export,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begin {
    pub format: u32,
    pub kind: ArchiveKind,
    /// Name and version of the program that wrote it.
    pub program: String,
    /// The origin of the server.
    pub origin: String,
    /// Time of the snapshot, in milliseconds since 1970.
    pub taken: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InboxLine {
    pub id: IdBytes,
    pub owner: OwnerName,
    pub created: u64,
    pub key: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitored: Option<u64>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OwnerName {
    Agent,
    Receipts,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionLine {
    pub agent: IdBytes,
    pub id: IdBytes,
    pub created: u64,
    pub key: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<Base64Bytes>,
    /// Early builds used another name.
    #[serde(alias = "dialect")]
    pub protocol: ProtocolName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<IdBytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<AppLine>,
}

/// The names of a Chromium subscription.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppLine {
    pub category: String,
    pub subtype: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProtocolName {
    Rfc8030,
    Autopush,
    #[serde(alias = "thomson")]
    Legacy,
    Chromium,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageLine {
    pub id: IdBytes,
    pub agent: IdBytes,
    pub subscription: IdBytes,
    pub position: u64,
    pub accepted: u64,
    pub expires: u64,
    pub urgency: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// `Content-Type`, `Content-Encoding`, `Encryption` and `Crypto-Key`.
    pub headers: [Option<Latin1>; 4],
    pub key: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<IdBytes>,
    pub body: Base64Bytes,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptLine {
    pub inbox: IdBytes,
    pub position: u64,
    /// ID of the message.
    pub message: IdBytes,
    /// Inbox of the message.
    pub of: IdBytes,
    /// Position of the message.
    pub at: u64,
    pub key: u8,
    pub status: StatusName,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatusName {
    Acknowledged,
    Failed,
}

/// Number of records of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Inboxes: agents and receipt subscriptions.
    pub inboxes: u64,
    /// Subscriptions.
    pub subscriptions: u64,
    /// Messages.
    pub messages: u64,
    /// Receipts.
    pub receipts: u64,
}

impl Counts {
    /// Counts the record of one line.
    #[must_use]
    pub fn for_line(line: &Line) -> Self {
        let mut counts = Self::default();
        match line {
            Line::Inbox(_) => counts.inboxes = 1,
            Line::Subscription(_) => counts.subscriptions = 1,
            Line::Message(_) => counts.messages = 1,
            Line::Receipt(_) => counts.receipts = 1,
            Line::Begin(_)
            | Line::Key { .. }
            | Line::Broadcast { .. }
            | Line::Position(_)
            | Line::Check(_)
            | Line::End(_) => {}
        }
        counts
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.inboxes += other.inboxes;
        self.subscriptions += other.subscriptions;
        self.messages += other.messages;
        self.receipts += other.receipts;
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { inboxes, subscriptions, messages, receipts } = self;
        write!(
            f,
            "{inboxes} inboxes, {subscriptions} subscriptions, {messages} messages and {receipts} receipts"
        )
    }
}

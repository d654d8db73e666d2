use super::*;
use webpush_core::capability::KeyId;
use webpush_core::id::{ChannelId, EntryRef, MessageId, Position, SubscriptionId};
use webpush_core::inbox::{Inbox, Owner};
use webpush_core::receipt::{Receipt, ReceiptStatus};
use webpush_core::subscription::{Protocol, Subscription};
use webpush_core::time::Timestamp;
use webpush_store::InboxUsage;

/// Writes down operations in short.
#[derive(Default)]
struct Log(Vec<String>);

impl Sink for Log {
    fn apply(&mut self, op: Op) -> anyhow::Result<()> {
        self.0.push(match op {
            Op::Restore(Record::Position(position)) => format!("floor {}", position.get()),
            Op::Restore(Record::Inbox(record)) => format!("inbox {}", record.inbox.id.as_bytes()[0]),
            Op::Restore(Record::Subscription(subscription)) => {
                format!("subscription {}", subscription.id.as_bytes()[0])
            }
            Op::Restore(Record::Entry(entry)) => format!("entry {}", entry.position().get()),
            Op::CreateInbox(inbox) => format!("rewrite inbox {}", inbox.id.as_bytes()[0]),
            Op::Subscribe(subscription) => {
                format!("rewrite subscription {}", subscription.id.as_bytes()[0])
            }
            Op::Settle(entry, Outcome::Replaced) => format!("end {}", entry.position.get()),
            Op::Unsubscribe(_, id) => format!("unsubscribe {}", id.as_bytes()[0]),
            Op::RemoveInbox(id) => format!("remove {}", id.as_bytes()[0]),
            Op::Touch(_, hour) => format!("touch {}", hour.as_millis()),
            op => unreachable!("{op:?}"),
        });
        Ok(())
    }

    fn end_inbox(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    fn report(&mut self, _: &MigrationCounts) {}
}

fn floor(position: u64) -> Record {
    Record::Position(Position::new(position))
}

fn inbox(id: u8, key: u8, monitored: Option<u64>) -> Record {
    let inbox = Inbox {
        id: InboxId::from_bytes([id; 16]),
        owner: Owner::Agent,
        created: Timestamp::from_millis(1),
        key: KeyId(key),
    };
    let monitored = monitored.map(Timestamp::from_millis);
    Record::Inbox(InboxRecord { inbox, monitored, holds: InboxUsage::default() })
}

fn subscription(of: u8, id: u8, channel: u8) -> Record {
    Record::Subscription(Subscription {
        agent: InboxId::from_bytes([of; 16]),
        id: SubscriptionId::from_bytes([id; 16]),
        created: Timestamp::from_millis(1),
        key: KeyId(1),
        sender: None,
        protocol: Protocol::Autopush(ChannelId::from_bytes([channel; 16])),
    })
}

/// A receipt, because it is the shortest entry.
fn entry(of: u8, position: u64, message: u8) -> Record {
    let id = InboxId::from_bytes([of; 16]);
    let about =
        EntryRef { inbox: id, position: Position::new(1), message: MessageId::from_bytes([message; 16]) };
    let (position, key) = (Position::new(position), KeyId(1));
    Record::Entry(Entry::Receipt(Receipt { inbox: id, position, about, key, status: ReceiptStatus::Failed }))
}

#[track_caller]
fn assert_ops(source: &[Record], target: &[Record], expected: &[&str]) -> MigrationCounts {
    let mut log = Log::default();
    let counts = merge(source.iter().cloned().map(Ok), target.iter().cloned().map(Ok), &mut log).unwrap();
    assert_eq!(log.0, expected);
    counts
}

#[test]
fn a_new_target_gets_everything_in_order() {
    let source = [floor(9), inbox(1, 1, None), subscription(1, 1, 1), entry(1, 5, 1), inbox(2, 1, None)];
    let counts =
        assert_ops(&source, &[floor(0)], &["floor 9", "inbox 1", "subscription 1", "entry 5", "inbox 2"]);
    assert_eq!((counts.copied.inboxes, counts.copied.subscriptions, counts.copied.receipts), (2, 1, 1));
    let counts = assert_ops(&source, &source, &[]);
    assert_eq!((counts.copied, counts.unchanged.inboxes), (Counts::default(), 2));
}

#[test]
fn an_empty_source_empties_the_target() {
    let target = [floor(9), inbox(1, 1, None), subscription(1, 1, 1), entry(1, 5, 1)];
    let counts = assert_ops(&[floor(9)], &target, &["end 5", "remove 1"]);
    assert_eq!((counts.removed.inboxes, counts.removed.subscriptions, counts.removed.receipts), (1, 1, 1));
}

/// The messages of a subscription end before it, so that none of them owes a receipt.
#[test]
fn a_subscription_is_removed_after_its_messages() {
    let target = [
        floor(9),
        inbox(1, 1, None),
        subscription(1, 1, 1),
        subscription(1, 2, 2),
        entry(1, 5, 1),
        entry(1, 6, 1),
    ];
    let source = [floor(9), inbox(1, 1, None), subscription(1, 2, 2), subscription(1, 3, 3), entry(1, 6, 1)];
    assert_ops(&source, &target, &["subscription 3", "end 5", "unsubscribe 1"]);
}

/// The new subscription cannot be stored beside the old one.
#[test]
fn an_inbox_whose_channel_has_another_subscription_is_copied_again() {
    let target = [floor(9), inbox(1, 1, None), subscription(1, 1, 1), entry(1, 5, 1)];
    let source = [floor(9), inbox(1, 1, None), subscription(1, 2, 1), entry(1, 5, 1)];
    assert_ops(&source, &target, &["end 5", "remove 1", "inbox 1", "subscription 2", "entry 5"]);
}

#[test]
fn records_with_other_fields_are_written_again() {
    let target = [floor(9), inbox(1, 1, Some(7)), subscription(1, 1, 1), entry(1, 5, 1), entry(1, 8, 1)];
    let source = [floor(9), inbox(1, 2, Some(8)), subscription(1, 1, 2), entry(1, 5, 2), entry(1, 8, 1)];
    let expected = ["rewrite inbox 1", "touch 8", "rewrite subscription 1", "end 5", "entry 5"];
    let counts = assert_ops(&source, &target, &expected);
    assert_eq!((counts.copied.inboxes, counts.removed.receipts, counts.unchanged.receipts), (1, 1, 1));
    // An hour is never taken back.
    assert_ops(&[floor(9), inbox(1, 1, None)], &[floor(10), inbox(1, 1, Some(7))], &[]);
}

/// The records after an error are unknown, and must not be removed.
#[test]
fn nothing_is_removed_after_an_error_of_the_source() {
    let broken = [Ok(floor(9)), Err(anyhow::anyhow!("broken"))];
    let target = [floor(9), inbox(1, 1, None), inbox(2, 1, None)];
    let mut log = Log::default();
    merge(broken.into_iter(), target.into_iter().map(Ok), &mut log).unwrap_err();
    assert!(log.0.is_empty());
}

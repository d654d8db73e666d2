use super::*;
use crate::broadcasts;
use crate::data_dir::STORE_DIR;
use crate::keys_file;
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::{ChannelId, EntryRef, InboxId, MessageId, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox, Owner};
use webpush_core::message::Draft;
use webpush_core::receipt::{Receipt, ReceiptStatus};
use webpush_core::subscription::{Protocol, SenderKey, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::topic::Topic;
use webpush_core::urgency::Urgency;
use webpush_store::contract::block_on;
use webpush_store::embedded::{EmbeddedStore, Options};
use webpush_store::{Detail, InboxRecord, InboxUsage, Record, Store};

const AGENT: InboxId = InboxId::from_bytes([1; 16]);
const RECEIPTS: InboxId = InboxId::from_bytes([2; 16]);

/// Something of everything.
fn records() -> Vec<Record> {
    let at = Timestamp::from_millis;
    let kept = |id, owner, monitored, entries, body_bytes, subscriptions| {
        let inbox = Inbox { id, owner, created: at(5), key: KeyId(255) };
        let holds = InboxUsage { entries, body_bytes, subscriptions };
        Record::Inbox(InboxRecord { inbox, monitored, holds })
    };
    let protocols = [Protocol::Rfc8030, Protocol::Autopush(ChannelId::from_bytes([3; 16])), Protocol::Legacy];
    let subscriptions = protocols.into_iter().zip(1..).map(|(protocol, number)| Subscription {
        agent: AGENT,
        id: SubscriptionId::from_bytes([number; 16]),
        created: at(6),
        key: KeyId(number),
        sender: (number == 2).then_some(SenderKey([7; 65])),
        protocol,
    });
    let parts = [Some(&b"text/\xff\"\\"[..]), Some(b"aes128gcm"), None, Some(b"")];
    let plain = Draft {
        id: MessageId::from_bytes([8; 16]),
        agent: AGENT,
        subscription: SubscriptionId::from_bytes([1; 16]),
        accepted: at(10),
        expires: Timestamp::NEVER,
        urgency: Urgency::VeryLow,
        topic: Topic::parse(b"topic-_"),
        encoding: Encoding::from_parts(parts).unwrap(),
        key: KeyId(0),
        receipt: Some(RECEIPTS),
        body: (0..=255).collect::<Vec<u8>>().into(),
    };
    let empty = Draft {
        topic: None,
        encoding: Encoding::default(),
        receipt: None,
        body: Bytes::new(),
        id: MessageId::from_bytes([9; 16]),
        ..plain
    };
    let receipt = |position, status| Receipt {
        inbox: RECEIPTS,
        position: Position::new(position),
        about: EntryRef { inbox: AGENT, position: Position::new(2), message: MessageId::from_bytes([4; 16]) },
        key: KeyId(6),
        status,
    };
    let entry = |receipt| Record::Entry(Entry::Receipt(receipt));
    let mut records = vec![Record::Position(Position::new(20)), kept(AGENT, Owner::Agent, None, 2, 256, 3)];
    records.extend(subscriptions.map(Record::Subscription));
    let messages = [plain.into_message(Position::new(9)), empty.into_message(Position::new(11))];
    records.extend(messages.map(|message| Record::Entry(Entry::Message(Arc::new(message)))));
    records.push(kept(RECEIPTS, Owner::Receipts, Some(at(3_600_000)), 2, 0, 0));
    records.push(entry(receipt(12, ReceiptStatus::Acknowledged)));
    records.push(entry(receipt(13, ReceiptStatus::Failed)));
    records
}

fn written(kind: ArchiveKind) -> Vec<u8> {
    let keys = [(KeyId(0), [1; 32]), (KeyId(255), [2; 32])];
    let set = [("a/b".to_owned(), "\"1\"".to_owned())].into();
    let snapshot = Box::new(records().into_iter().map(Ok));
    let pieces = Writer::new(kind, "https://push.example", &keys, set, snapshot);
    pieces.map(Result::unwrap).collect::<Vec<_>>().concat()
}

fn read(file: &[u8]) -> Result<Counts, String> {
    let mut reader = Reader::default();
    for line in lines(file) {
        let line = reader.take(&line.unwrap()).map_err(|fault| fault.to_string())?;
        line.record()?;
    }
    reader.finish().map_err(|fault| fault.to_string())
}

fn restored(file: &[u8], folder: &Path) -> anyhow::Result<Counts> {
    let path = folder.join("file");
    std::fs::write(&path, file).unwrap();
    Ok(restore(&path, &folder.join("data"))?.counts)
}

#[test]
fn what_was_written_is_put_back() {
    for kind in [ArchiveKind::Backup, ArchiveKind::Export] {
        let folder = tempfile::tempdir().unwrap();
        let counts = restored(&written(kind), folder.path()).unwrap();
        assert_eq!(counts, Counts { inboxes: 2, subscriptions: 3, messages: 2, receipts: 2 });
        let data = folder.path().join("data");
        let store = EmbeddedStore::open(&data.join(STORE_DIR), Options::default()).unwrap();
        let there =
            block_on(store.snapshot(&Detail::EVERYTHING)).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
        let mut expected = records();
        // Once for the restore, and once for the opening.
        expected[0] = Record::Position(advanced(advanced(Position::new(20))));
        assert_eq!(there, expected);
        let keys = keys_file::read(&data).unwrap();
        assert_eq!(keys, [(KeyId(0), [1; 32]), (KeyId(255), [2; 32])]);
        let set = broadcasts::BroadcastSources::open(&data, [].into()).unwrap().effective();
        assert_eq!(set, [("a/b".to_owned(), "\"1\"".to_owned())].into());
        let again = format!("{:#}", restored(&written(kind), folder.path()).unwrap_err());
        assert!(again.contains("has a store already"), "{again}");
    }
}

#[test]
fn a_file_of_an_early_build_is_read() {
    let today = String::from_utf8(written(ArchiveKind::Export)).unwrap();
    let early = today.replace(r#""protocol":"legacy""#, r#""dialect":"thomson""#);
    assert_ne!(early, today);
    assert_eq!(read(early.as_bytes()), read(today.as_bytes()));
}

#[test]
fn every_cut_and_every_flipped_bit_of_a_backup_is_noticed() {
    let whole = written(ArchiveKind::Backup);
    assert!(read(&whole).is_ok());
    // The last byte is the end of the last line, which is whole without it.
    for length in 0..whole.len() - 1 {
        assert!(read(&whole[..length]).is_err(), "cut after {length}");
    }
    for index in 0..whole.len() - 1 {
        let mut damaged = whole.clone();
        damaged[index] ^= 1 << (index % 8);
        assert!(read(&damaged).is_err(), "byte {index}");
    }
}

#[test]
fn nothing_is_made_of_a_file_that_is_not_whole() {
    let folder = tempfile::tempdir().unwrap();
    let whole = written(ArchiveKind::Backup);
    let error = format!("{:#}", restored(&whole[..whole.len() / 2], folder.path()).unwrap_err());
    assert!(error.contains("can't be restored"), "{error}");
    assert!(!folder.path().join("data").exists());
}

#[test]
fn what_is_wrong_with_a_file_is_said_without_showing_it() {
    let text = String::from_utf8(written(ArchiveKind::Export)).unwrap();
    for (from, to, said) in [
        ("\"format\":1", "\"format\":2", "take a newer one"),
        ("\"messages\":2", "\"messages\":3", "but there are"),
        ("\"very-low\"", "\"SECRET\"", "urgency"),
        ("{\"begin\"", "{\"bogus\"", "line 1 is wrong"),
        ("\"owner\":\"agent\"", "\"owner\":\"SECRET\"", "can't be understood"),
        ("{\"end\"", "{\"END\"", "can't be understood"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        let error = read(changed.as_bytes()).unwrap_err();
        assert!(error.contains(said) && !error.contains("SECRET"), "{error}");
    }
    assert!(read(b"").unwrap_err().contains("cut"));
}

#[test]
fn an_import_leaves_out_what_is_there() {
    let file = written(ArchiveKind::Export);
    let mut import = Import::default();
    for line in lines(&file[..]) {
        let due = block_on(import.take(&line.unwrap(), async |inbox| Ok::<_, ArchiveError>(inbox == AGENT)))
            .unwrap();
        assert!(due.is_none());
    }
    let (ops, all, added) = import.finish().unwrap();
    assert_eq!((all.inboxes, all.messages), (2, 2));
    assert_eq!(added, Counts { inboxes: 1, subscriptions: 0, messages: 0, receipts: 2 });
    assert_eq!((ops.len(), import.keys().len()), (4, 2));
}

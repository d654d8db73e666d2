use super::*;
use crate::broadcasts;
use crate::data_dir::STORE_DIR;
use crate::sealing_keys;
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::{ChannelId, EntryRef, InboxId, MessageId, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox, Owner};
use webpush_core::message::Draft;
use webpush_core::receipt::{Receipt, ReceiptStatus};
use webpush_core::subscription::{ChromiumApp, Protocol, SenderKey, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::topic::Topic;
use webpush_core::urgency::Urgency;
use webpush_store::contract::block_on;
use webpush_store::embedded::{EmbeddedStore, Options};
use webpush_store::{Detail, InboxRecord, InboxUsage, Record, Store};

const AGENT: InboxId = InboxId::from_bytes([1; 16]);
const RECEIPTS: InboxId = InboxId::from_bytes([2; 16]);

/// Returns records of every kind.
fn records() -> Vec<Record> {
    let at = Timestamp::from_millis;
    let inbox = |id, owner, monitored, entries, body_bytes, subscriptions| {
        Record::Inbox(InboxRecord {
            inbox: Inbox { id, owner, created: at(5), key: KeyId(255) },
            monitored,
            holds: InboxUsage { entries, body_bytes, subscriptions },
        })
    };
    let app = ChromiumApp::new("org.chromium.linux", "wp:https://app.example/#x").unwrap();
    let protocols = [
        Protocol::Rfc8030,
        Protocol::Autopush(ChannelId::from_bytes([3; 16])),
        Protocol::Legacy,
        Protocol::Chromium(ChannelId::from_bytes([4; 16]), Arc::new(app)),
    ];
    let subscriptions = protocols.into_iter().zip(1..).map(|(protocol, number)| Subscription {
        agent: AGENT,
        id: SubscriptionId::from_bytes([number; 16]),
        created: at(6),
        key: KeyId(number),
        sender: (number == 2).then_some(SenderKey([4; 65])),
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
    let mut records = vec![Record::Position(Position::new(20)), inbox(AGENT, Owner::Agent, None, 2, 256, 4)];
    records.extend(subscriptions.map(Record::Subscription));
    let messages = [plain.into_message(Position::new(9)), empty.into_message(Position::new(11))];
    records.extend(messages.map(|message| Record::Entry(Entry::Message(Arc::new(message)))));
    records.push(inbox(RECEIPTS, Owner::Receipts, Some(at(3_600_000)), 2, 0, 0));
    records.push(entry(receipt(12, ReceiptStatus::Acknowledged)));
    records.push(entry(receipt(13, ReceiptStatus::Failed)));
    records
}

fn archive(kind: ArchiveKind) -> Vec<u8> {
    let keys = [(KeyId(0), [1; 32]), (KeyId(255), [2; 32])];
    let set = [("a/b".to_owned(), "\"1\"".to_owned())].into();
    let snapshot = Box::new(records().into_iter().map(Ok));
    let pieces = ArchiveWriter::new(kind, "https://push.example", &keys, set, snapshot);
    pieces.map(Result::unwrap).collect::<Vec<_>>().concat()
}

fn read(file: &[u8]) -> Result<Counts, String> {
    let mut reader = ArchiveReader::default();
    for line in lines(file) {
        let line = reader.read_line(&line.unwrap()).map_err(|error| error.to_string())?;
        line.record()?;
    }
    reader.finish().map_err(|error| error.to_string())
}

fn restore_into(directory: &Path, file: &[u8]) -> anyhow::Result<Counts> {
    let path = directory.join("file");
    std::fs::write(&path, file).unwrap();
    Ok(restore(&path, &directory.join("data"))?.counts)
}

#[test]
fn archives_are_restored() {
    for kind in [ArchiveKind::Backup, ArchiveKind::Export] {
        let directory = tempfile::tempdir().unwrap();
        let counts = restore_into(directory.path(), &archive(kind)).unwrap();
        assert_eq!(counts, Counts { inboxes: 2, subscriptions: 4, messages: 2, receipts: 2 });
        let data = directory.path().join("data");
        let store = EmbeddedStore::open(&data.join(STORE_DIR), Options::default()).unwrap();
        let restored =
            block_on(store.snapshot(&Detail::EVERYTHING)).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
        let mut expected = records();
        // Both the restore and the opening skip ahead.
        expected[0] = Record::Position(skip_ahead(skip_ahead(Position::new(20))));
        assert_eq!(restored, expected);
        let keys = sealing_keys::read(&data).unwrap();
        assert_eq!(keys, [(KeyId(0), [1; 32]), (KeyId(255), [2; 32])]);
        let versions = broadcasts::BroadcastSources::open(&data, [].into()).unwrap().effective();
        assert_eq!(versions, [("a/b".to_owned(), "\"1\"".to_owned())].into());
        let again = format!("{:#}", restore_into(directory.path(), &archive(kind)).unwrap_err());
        assert!(again.contains("already contains store"), "{again}");
    }
}

#[test]
fn an_archive_of_an_early_build_is_read() {
    let early = include_bytes!("tests/early-build.jsonl");
    // It knew one protocol less.
    let counts = Counts { inboxes: 2, subscriptions: 3, messages: 2, receipts: 2 };
    assert_eq!(read(early), Ok(counts));
}

#[test]
fn every_truncation_and_bit_flip_of_a_backup_is_detected() {
    let whole = archive(ArchiveKind::Backup);
    assert!(read(&whole).is_ok());
    // The last byte ends the last line, which is complete without it.
    for length in 0..whole.len() - 1 {
        assert!(read(&whole[..length]).is_err(), "truncated after {length}");
    }
    for index in 0..whole.len() - 1 {
        let mut damaged = whole.clone();
        damaged[index] ^= 1 << (index % 8);
        assert!(read(&damaged).is_err(), "byte {index}");
    }
}

#[test]
fn a_truncated_file_is_not_restored() {
    let directory = tempfile::tempdir().unwrap();
    let whole = archive(ArchiveKind::Backup);
    let error = format!("{:#}", restore_into(directory.path(), &whole[..whole.len() / 2]).unwrap_err());
    assert!(error.contains("cannot restore"), "{error}");
    assert!(!directory.path().join("data").exists());
}

#[test]
fn errors_describe_a_file_without_quoting_it() {
    let text = String::from_utf8(archive(ArchiveKind::Export)).unwrap();
    for (from, to, expected) in [
        ("\"format\":1", "\"format\":2", "newer webpush-server"),
        ("\"messages\":2", "\"messages\":3", "found 2 inboxes"),
        ("\"very-low\"", "\"SECRET\"", "urgency"),
        ("{\"begin\"", "{\"bogus\"", "(line 1: invalid at column"),
        ("\"owner\":\"agent\"", "\"owner\":\"SECRET\"", "invalid at column"),
        ("{\"end\"", "{\"END\"", "invalid at column"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        let error = read(changed.as_bytes()).unwrap_err();
        assert!(error.contains(expected) && !error.contains("SECRET"), "{error}");
    }
    assert!(read(b"").unwrap_err().contains("truncated"));
}

/// B2: an import accepts nothing that would make later backups impossible to restore.
#[test]
fn an_import_leaves_room_for_positions_of_later_backups() {
    let position_of = |position: u64| {
        let text = String::from_utf8(archive(ArchiveKind::Export)).unwrap();
        text.replacen("{\"position\":20}", &format!("{{\"position\":{position}}}"), 1)
    };
    let import = |text: &str| {
        let mut import = Import::default();
        lines(text.as_bytes()).try_for_each(|line| {
            let line = line.unwrap();
            block_on(import.add_line(&line, async |_| Ok::<_, ArchiveError>(false))).map(drop)
        })
    };
    assert_eq!(import(&position_of(1 << 60)), Ok(()));
    for position in [(1 << 60) + 1, 1 << 62, u64::MAX] {
        assert!(import(&position_of(position)).unwrap_err().to_string().contains("position is too high"));
    }
    // A restore accepts all that can follow from it, and nobody accepts more.
    assert!(read(position_of(1 << 62).as_bytes()).is_ok());
    assert!(read(position_of((1 << 62) + 1).as_bytes()).unwrap_err().contains("position is too high"));
}

/// B2: an archive that no server could start with is refused by all that read it.
#[test]
fn keys_and_broadcasts_of_an_archive_must_fit_into_a_server() {
    let text = String::from_utf8(archive(ArchiveKind::Export)).unwrap();
    let broadcasts = |number: u32| {
        let lines =
            (0..number).map(|n| format!("{{\"broadcast\":{{\"name\":\"n{n}\",\"version\":\"1\"}}}}\n"));
        text.replacen("{\"position\"", &(lines.collect::<String>() + "{\"position\""), 1)
    };
    // There is one more in the archive.
    assert!(read(broadcasts(255).as_bytes()).is_ok());
    assert!(read(broadcasts(256).as_bytes()).unwrap_err().contains("more than 256 broadcasts"));
    let key = text.lines().nth(1).unwrap();
    assert!(
        read(text.replacen(key, &format!("{key}\n{key}"), 1).as_bytes()).unwrap_err().contains("same ID")
    );
    let unnamed = text.replacen("\"a/b\"", "\"errors\"", 1);
    assert!(read(unnamed.as_bytes()).is_err());
}

#[test]
fn an_import_skips_existing_inboxes() {
    let file = archive(ArchiveKind::Export);
    let mut import = Import::default();
    for line in lines(&file[..]) {
        let due =
            block_on(import.add_line(&line.unwrap(), async |inbox| Ok::<_, ArchiveError>(inbox == AGENT)))
                .unwrap();
        assert!(due.is_none());
    }
    let (ops, all, added) = import.finish().unwrap();
    assert_eq!((all.inboxes, all.messages), (2, 2));
    assert_eq!(added, Counts { inboxes: 1, subscriptions: 0, messages: 0, receipts: 2 });
    assert_eq!((ops.len(), import.keys().len()), (4, 2));
}

/// Found by fuzzing: in the embedded store, such a key could be read as parameters of a protocol.
#[test]
fn senders_that_are_no_uncompressed_points_are_refused() {
    let line = |sender: &[u8]| {
        let sender = webpush_core::base64url::encode(sender);
        let id = webpush_core::base64url::encode([1; 16]);
        let text = format!(
            r#"{{"subscription":{{"agent":"{id}","id":"{id}","created":1,"key":1,"sender":"{sender}","protocol":"rfc8030"}}}}"#
        );
        serde_json::from_str::<Line>(&text).unwrap().record()
    };
    assert!(line(&[4; 65]).is_ok());
    for wrong in [&[3; 65][..], &[4; 64], &[4; 66], &[]] {
        assert!(line(wrong).is_err(), "{} bytes", wrong.len());
    }
}

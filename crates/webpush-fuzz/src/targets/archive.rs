//! Archives: backups and exports, line by line.

use aws_lc_rs::digest::{Context, SHA256};
use webpush_admin::archive::{ArchiveError, ArchiveReader, Counts, Line, lines};
use webpush_core::base64url;

pub(super) const TOKENS: &[&[u8]] = &[
    b"{\"begin\":{\"format\":1,\"kind\":\"backup\",\"program\":\"p\",\"origin\":\"o\",\"taken\":1}}\n", b"{\"key\":{\"id\":1,\"secret\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}}\n",
    b"{\"position\":7}\n", b"{\"broadcast\":{\"name\":\"a\",\"version\":\"1\"}}\n", b"end\n", b"check\n", b"AAAAAAAAAAAAAAAAAAAAAA", b"AQEBAQEBAQEBAQEBAQEBAQ",
    b"{\"inbox\":{\"id\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"owner\":\"agent\",\"created\":1,\"key\":1}}\n",
    b"{\"subscription\":{\"agent\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"id\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"created\":1,\"key\":1,\"protocol\":\"rfc8030\"}}\n",
    b"{\"message\":{\"id\":\"AgICAgICAgICAgICAgICAg\",\"agent\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"subscription\":\"AQEBAQEBAQEBAQEBAQEBAQ\",\"position\":3,\"accepted\":1,\"expires\":9,\"urgency\":\"low\",\"headers\":[null,null,null,null],\"key\":1,\"body\":\"AA\"}}\n",
    b"18446744073709551615", b",\"topic\":\"t\"", b"\"chromium\"", b"\"autopush\",\"channel\":\"AQEBAQEBAQEBAQEBAQEBAQ\"", b"\"receipts\"",
];

/// An archive of which checksums and counts are right, as far as its lines are valid.
struct Archive {
    bytes: Vec<u8>,
    is_backup: bool,
}

/// The lines `check` and `end` of the input stand for the right ones at their place.
pub(super) fn run(input: &[u8]) {
    let Some(archive) = corrected(input) else { return };
    let Ok(counts) = read(&archive.bytes) else { return };
    assert_eq!(read(&archive.bytes), Ok(counts));
    // Without its last line.
    let end = archive.bytes[..archive.bytes.len() - 1]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let cut = read(&archive.bytes[..end]);
    assert!(
        cut == Err(ArchiveError::Truncated) || cut == Ok(counts) && is_after_end(&archive.bytes[end..]),
        "{cut:?}"
    );
    if archive.is_backup {
        let at = archive.bytes.len() / 2 - archive.bytes.len() % 7;
        let mut damaged = archive.bytes;
        damaged[at] ^= 1;
        assert!(read(&damaged).is_err(), "a wrong bit in byte {at} is not noticed");
    }
}

/// A checksum may follow the end of an export.
fn is_after_end(line: &[u8]) -> bool {
    line.starts_with(b"{\"check\"")
}

fn read(bytes: &[u8]) -> Result<Counts, ArchiveError> {
    let mut reader = ArchiveReader::default();
    for line in lines(bytes) {
        assert_line(&reader.read_line(&line.unwrap())?);
    }
    reader.finish()
}

/// Reads the lines up to the first that is invalid. Returns `None` if the first one is.
fn corrected(input: &[u8]) -> Option<Archive> {
    let (mut bytes, mut counts, mut is_backup) = (Vec::new(), Counts::default(), false);
    let mut reader = ArchiveReader::default();
    for line in lines(input) {
        let line = match &line.unwrap()[..] {
            b"check" => {
                let mut digest = Context::new(&SHA256);
                digest.update(&bytes);
                format!(r#"{{"check":"{}"}}"#, base64url::encode(digest.finish())).into_bytes()
            }
            b"end" => serde_json::to_vec(&Line::End(counts)).unwrap(),
            line => line.to_vec(),
        };
        let Ok(parsed) = reader.read_line(&line) else { break };
        if let Line::Begin(begin) = &parsed {
            is_backup = begin.kind == webpush_admin::archive::ArchiveKind::Backup;
        }
        counts += Counts::for_line(&parsed);
        bytes.extend_from_slice(&line);
        bytes.push(b'\n');
    }
    (!bytes.is_empty()).then_some(Archive { bytes, is_backup })
}

/// A line is written as it was read, and so is its record.
pub(super) fn assert_line(line: &Line) {
    let text = serde_json::to_string(line).unwrap();
    let again: Line = serde_json::from_str(&text).expect("a written line is a line");
    assert_eq!(serde_json::to_string(&again).unwrap(), text);
    if let Ok(Some(record)) = line.clone().record() {
        let again = Line::from(&record).record();
        assert_eq!(again, Ok(Some(record)));
    }
}

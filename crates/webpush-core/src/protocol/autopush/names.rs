//! IDs on the wire: `uaid`, `channelID` and `version`.

use crate::capability::{KeyId, Keyring};
use crate::id::{ChannelId, EntryRef, InboxId};

/// A `channelID`: the original text and the parsed UUID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelName {
    /// The original text, which replies repeat unchanged.
    pub text: String,
    /// The UUID.
    pub id: ChannelId,
}

impl ChannelName {
    /// Parses a UUID; `None` if it is invalid.
    #[must_use]
    pub fn parse(text: String) -> Option<Self> {
        let id = ChannelId::from_bytes(uuid(&text)?);
        Some(Self { text, id })
    }
}

/// Appends a `channelID` in the form that all agents generate: lower case with hyphens.
pub fn push_channel(text: &mut String, id: ChannelId) {
    let digits = hex(id.as_bytes());
    let mut hyphen = "";
    for part in [0..8, 8..12, 12..16, 16..20, 20..32] {
        text.push_str(hyphen);
        push_digits(text, &digits[part]);
        hyphen = "-";
    }
}

/// Returns the `uaid` of an agent: 32 lower-case hexadecimal digits.
#[must_use]
pub fn uaid(agent: InboxId) -> String {
    let mut text = String::with_capacity(32);
    push_digits(&mut text, &hex(agent.as_bytes()));
    text
}

/// Parses a `uaid`; `None` if it is invalid.
#[must_use]
pub fn agent(uaid: &str) -> Option<InboxId> {
    uuid(uaid).map(InboxId::from_bytes)
}

/// Creates the ID of a new agent, a UUID of version 4 (RFC 9562 §5.4), from random bits.
#[must_use]
pub const fn new_agent(mut random: [u8; 16]) -> InboxId {
    random[6] = random[6] & 0x0f | 0x40;
    random[8] = random[8] & 0x3f | 0x80;
    InboxId::from_bytes(random)
}

/// Returns the `version` of a message, the token of its URL; `None` if the sealing key is missing.
#[must_use]
pub fn version(entry: EntryRef, key: KeyId, keyring: &Keyring) -> Option<String> {
    keyring.message_token(entry, key)
}

/// Returns the message with this `version`; `None` if the service did not create it.
#[must_use]
pub fn message(version: &str, keyring: &Keyring) -> Option<EntryRef> {
    keyring.open_message_token(version)
}

/// Parses a UUID: 32 digits, with or without hyphens, in braces, or as a URN (RFC 9562 §4).
fn uuid(text: &str) -> Option<[u8; 16]> {
    let bare = text.strip_prefix("urn:uuid:");
    let bare = bare.or_else(|| text.strip_prefix('{')?.strip_suffix('}')).unwrap_or(text);
    let hyphens: &[usize] = if bare.len() == 32 { &[] } else { &[8, 13, 18, 23] };
    if bare.len() != 32 + hyphens.len() || !hyphens.iter().all(|at| bare.as_bytes()[*at] == b'-') {
        return None;
    }
    let mut digits = bare.bytes().enumerate().filter(|(at, _)| !hyphens.contains(at)).map(|(_, digit)| digit);
    let mut bytes = [0; 16];
    for byte in &mut bytes {
        *byte = digit(digits.next()?)? << 4 | digit(digits.next()?)?;
    }
    Some(bytes)
}

const fn digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

fn hex(id: &[u8; 16]) -> [u8; 32] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [0; 32];
    for (pair, byte) in digits.as_chunks_mut().0.iter_mut().zip(id) {
        *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    }
    digits
}

fn push_digits(text: &mut String, digits: &[u8]) {
    // The digits are ASCII.
    text.push_str(std::str::from_utf8(digits).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::Capability;
    use crate::capability::testing::RustCrypto;
    use crate::id::{MessageId, Position};
    use proptest::prelude::*;

    fn channel(id: ChannelId) -> String {
        let mut text = String::new();
        push_channel(&mut text, id);
        text
    }

    const TEXT: &str = "c0ffee00-0123-4567-89ab-cdef01234567";

    #[test]
    fn uuids_are_parsed_in_every_usual_form() {
        let plain = TEXT.replace('-', "");
        let expected = agent(TEXT).unwrap();
        for form in [&plain, &TEXT.to_uppercase(), &format!("{{{TEXT}}}"), &format!("urn:uuid:{TEXT}")] {
            assert_eq!(agent(form), Some(expected), "{form}");
        }
        assert_eq!(uaid(expected), plain);
        for wrong in [
            "",
            "c0ffee",
            &plain[1..],
            &format!("{plain}0"),
            &TEXT.replace('-', "_"),
            &plain.replace('c', "g"),
        ] {
            assert_eq!(agent(wrong), None, "{wrong}");
        }
        let name = ChannelName::parse(TEXT.to_uppercase()).unwrap();
        assert_eq!((channel(name.id).as_str(), name.text), (TEXT, TEXT.to_uppercase()));
    }

    #[test]
    fn new_agents_have_uuids_of_version_4() {
        for random in [[0; 16], [0xff; 16]] {
            let text = channel(ChannelId::from_bytes(*new_agent(random).as_bytes()));
            assert!(text.as_bytes()[14] == b'4' && b"89ab".contains(&text.as_bytes()[19]), "{text}");
        }
    }

    #[test]
    fn a_version_is_the_token_of_a_message_url() {
        let keyring = Keyring::new::<RustCrypto>(&[(KeyId(1), [1; 32])]).unwrap();
        let inbox = InboxId::from_bytes([3; 16]);
        let entry = EntryRef { inbox, position: Position::new(7), message: MessageId::from_bytes([5; 16]) };
        let text = version(entry, KeyId(1), &keyring).unwrap();
        assert_eq!(message(&text, &keyring), Some(entry));
        assert_eq!(keyring.path(&Capability::Message(entry), KeyId(1)), Some(format!("/message/{text}")));
        let set = keyring.path(&Capability::SubscriptionSet(inbox), KeyId(1)).unwrap();
        assert_eq!(message(set.rsplit('/').next().unwrap(), &keyring), None);
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "\\PC*") {
            let _ = (agent(&text), ChannelName::parse(text));
        }

        #[test]
        fn every_id_is_parsed_from_its_text(bytes: [u8; 16]) {
            prop_assert_eq!(agent(&uaid(InboxId::from_bytes(bytes))), Some(InboxId::from_bytes(bytes)));
            prop_assert_eq!(agent(&channel(ChannelId::from_bytes(bytes))), Some(InboxId::from_bytes(bytes)));
        }
    }
}

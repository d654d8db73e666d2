//! `Topic` (RFC 8030 §5.4): a message replaces the outstanding one with the same topic of the same subscription.

use std::fmt;

/// The most characters a `Topic` may have (RFC 8030 §5.4).
const TOPIC_CHARACTERS: usize = 32;

/// 1 to 32 characters of the URL-safe base64 alphabet; the alphabet is all that counts, it is never decoded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic {
    length: u8,
    characters: [u8; TOPIC_CHARACTERS],
}

impl Topic {
    /// Reads a topic; nothing else than the grammar's characters in the grammar's number passes.
    #[must_use]
    pub fn parse(word: &[u8]) -> Option<Self> {
        let allowed = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if word.is_empty() || word.len() > TOPIC_CHARACTERS || !word.iter().all(allowed) {
            return None;
        }
        let mut characters = [0; TOPIC_CHARACTERS];
        characters[..word.len()].copy_from_slice(word);
        Some(Self { length: u8::try_from(word.len()).ok()?, characters })
    }

    /// The characters, for storage.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.characters[..usize::from(self.length)]
    }
}

/// Hidden: a topic can say what a user is told about.
impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Topic(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r8030_5_4_a_grammar() {
        let longest = [b'a'; 32];
        for good in [&b"a"[..], b"upd-_09AZ", &longest] {
            assert_eq!(Topic::parse(good).unwrap().as_bytes(), good);
        }
        let too_long = [b'a'; 33];
        for bad in [&b""[..], b"a b", b"a,b", b"a=", b"\xc3\xa9", &too_long] {
            assert_eq!(Topic::parse(bad), None);
        }
    }
}

//! `Topic` (RFC 8030 §5.4).

use std::fmt;

/// Maximum length of a topic (RFC 8030 §5.4).
const TOPIC_CHARACTERS: usize = 32;

/// The topic of a message: 1 to 32 characters of the URL-safe base64 alphabet. It is never decoded.
///
/// A message replaces the undelivered message with the same topic of the same subscription.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic {
    length: u8,
    characters: [u8; TOPIC_CHARACTERS],
}

impl Topic {
    /// Parses a topic; `None` if it does not follow the grammar.
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

    /// Returns the characters.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.characters[..usize::from(self.length)]
    }
}

/// Hides the topic, which can reveal the subject of a message.
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

//! Keys of rows in memory: of fixed size, without allocation, and compared eight bytes at a time.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;

/// The longest key: two IDs and a topic.
pub(super) const KEY_BYTES: usize = 64;

/// The key of a row. Sorts like its bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    /// Padded with zeros.
    bytes: [u8; KEY_BYTES],
    length: u8,
}

impl Key {
    /// No key sorts after this one.
    pub(super) const LAST: Self = Self { bytes: [u8::MAX; KEY_BYTES], length: KEY_BYTES as u8 };

    /// Creates a key from bytes that were read; `None` if they are longer than any key.
    pub(super) fn read(key: &[u8]) -> Option<Self> {
        let mut bytes = [0; KEY_BYTES];
        bytes.get_mut(..key.len())?.copy_from_slice(key);
        Some(Self { bytes, length: u8::try_from(key.len()).ok()? })
    }

    /// Returns the next key in order.
    pub(super) fn next(mut self) -> Self {
        if usize::from(self.length) < KEY_BYTES {
            self.length += 1;
            return self;
        }
        for byte in self.bytes.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
        self
    }

    fn words(&self) -> impl Iterator<Item = u64> {
        self.bytes.as_chunks().0.iter().map(|word| u64::from_be_bytes(*word))
    }
}

impl From<&[u8]> for Key {
    /// Only for keys of [`super::rows`].
    fn from(key: &[u8]) -> Self {
        debug_assert!(key.len() <= KEY_BYTES, "no key is longer");
        Self::read(key).unwrap_or_default()
    }
}

impl<const N: usize> From<[u8; N]> for Key {
    fn from(key: [u8; N]) -> Self {
        const { assert!(N <= KEY_BYTES) }
        Self::from(&key[..])
    }
}

impl Default for Key {
    fn default() -> Self {
        Self { bytes: [0; KEY_BYTES], length: 0 }
    }
}

impl Deref for Key {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        // A shorter key is padded with zeros, so the length decides only between keys that are equal up to there.
        self.words().cmp(other.words()).then(self.length.cmp(&other.length))
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_sort_like_their_bytes(a in vec(0..3_u8, 0..=64), b in vec(0..3_u8, 0..=64), same in 0..=64_usize) {
            let mut b = [&a[..same.min(a.len())], &b].concat();
            b.truncate(KEY_BYTES);
            let (key_a, key_b) = (Key::from(&a[..]), Key::from(&b[..]));
            prop_assert_eq!(key_a.cmp(&key_b), a.cmp(&b));
            prop_assert_eq!(key_a == key_b, a == b);
            prop_assert_eq!(&key_a[..], &a[..]);
        }
    }

    #[test]
    fn nothing_is_between_a_key_and_the_next() {
        let short = Key::from(*b"key");
        assert_eq!(&short.next()[..], b"key\0");
        let mut long = [7; KEY_BYTES];
        assert!(Key::from(long).next() > Key::from(long));
        long[KEY_BYTES - 1] = u8::MAX;
        let next = Key::from(long).next();
        assert_eq!((next[KEY_BYTES - 2], next[KEY_BYTES - 1]), (8, 0));
        assert_eq!(Key::read(&[1; KEY_BYTES + 1]), None);
    }
}

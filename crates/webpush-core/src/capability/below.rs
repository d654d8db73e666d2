//! Capability paths below the path of an origin, such as `/base/push/…`.

use super::{Capability, Keyring};

/// Maximum depth at which a capability path is looked for.
const MAX_DEPTH: usize = 8;

impl Keyring {
    /// Returns the capability of the path of a URL, which may be below the path of an origin.
    ///
    /// Tokens are sealed, so nothing else is mistaken for one.
    #[must_use]
    pub fn open_below(&self, path: &str) -> Option<Capability> {
        let starts = path.match_indices('/').map(|(at, _)| at).take(MAX_DEPTH);
        starts.filter_map(|at| path.get(at..)).find_map(|path| self.open(path))
    }
}

#[cfg(test)]
mod tests {
    use super::super::KeyId;
    use super::super::testing::RustCrypto;
    use super::*;
    use crate::id::InboxId;

    #[test]
    fn a_capability_is_found_below_another_path() {
        let keyring = Keyring::new::<RustCrypto>(&[(KeyId(1), [1; 32])]).unwrap();
        let set = Capability::SubscriptionSet(InboxId::from_bytes([7; 16]));
        let path = keyring.path(&set, KeyId(1)).unwrap();
        for base in ["", "/push", "/a/b", "/subscription-set"] {
            assert_eq!(keyring.open_below(&format!("{base}{path}")), Some(set), "{base}");
        }
        assert_eq!(keyring.open_below(&format!("{}{path}", "/a".repeat(9))), None);
        assert_eq!(keyring.open_below("/push/x"), None);
    }
}

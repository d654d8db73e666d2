//! The credentials of a device.

use crate::id::InboxId;
use std::fmt;
use std::num::NonZeroU64;

/// The credentials of a browser profile: `android_id` and `security_token`.
///
/// Together they are the ID of the device's inbox, as an autopush `uaid` is. So only the device knows it, and nothing
/// needs to be compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DeviceCredentials {
    android_id: NonZeroU64,
    security_token: NonZeroU64,
}

impl DeviceCredentials {
    /// Creates the credentials of a new device from random bits.
    ///
    /// Zero is invalid, and the sign bits are left out, since some messages have the numbers as signed integers.
    #[must_use]
    pub fn from_random(random: [u8; 16]) -> Self {
        let half = |bits: u128| NonZeroU64::MIN | (bits as u64 & (u64::MAX >> 1));
        let bits = u128::from_be_bytes(random);
        Self { android_id: half(bits >> 64), security_token: half(bits) }
    }

    /// Creates credentials from the numbers of a device; `None` if one is zero.
    #[must_use]
    pub fn new(android_id: u64, security_token: u64) -> Option<Self> {
        let (android_id, security_token) = (NonZeroU64::new(android_id)?, NonZeroU64::new(security_token)?);
        Some(Self { android_id, security_token })
    }

    /// Parses both numbers as decimal text.
    #[must_use]
    pub fn parse(android_id: &str, security_token: &str) -> Option<Self> {
        Self::new(decimal(android_id)?, decimal(security_token)?)
    }

    /// Parses an `Authorization` header of the form `AidLogin ANDROID_ID:SECURITY_TOKEN`.
    #[must_use]
    pub fn from_authorization(value: &str) -> Option<Self> {
        let (android_id, security_token) = value.strip_prefix("AidLogin ")?.split_once(':')?;
        Self::parse(android_id, security_token)
    }

    /// Returns the number that identifies the device.
    #[must_use]
    pub const fn android_id(&self) -> u64 {
        self.android_id.get()
    }

    /// Returns the secret number.
    #[must_use]
    pub const fn security_token(&self) -> u64 {
        self.security_token.get()
    }

    /// Returns the ID of the device's inbox.
    #[must_use]
    pub fn inbox(&self) -> InboxId {
        let bits = u128::from(self.android_id()) << 64 | u128::from(self.security_token());
        InboxId::from_bytes(bits.to_be_bytes())
    }
}

/// Hides the numbers, which are a secret.
impl fmt::Debug for DeviceCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceCredentials(…)")
    }
}

/// Parses digits only; `parse` would accept a sign.
fn decimal(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn zero_and_other_texts_are_not_credentials() {
        for value in [
            "",
            "AidLogin",
            "AidLogin 1",
            "AidLogin 0:1",
            "AidLogin 1:0",
            "AidLogin +1:1",
            "AidLogin 1:2:3",
            "Bearer 1:2",
        ] {
            assert_eq!(DeviceCredentials::from_authorization(value), None, "{value}");
        }
        let parsed = DeviceCredentials::from_authorization("AidLogin 18446744073709551615:2").unwrap();
        assert_eq!((parsed.android_id(), parsed.security_token()), (u64::MAX, 2));
        assert!(!format!("{parsed:?}").contains('2'));
    }

    proptest! {
        #[test]
        fn new_credentials_are_valid_and_name_one_inbox(random: [u8; 16]) {
            let new = DeviceCredentials::from_random(random);
            let (android_id, security_token) = (new.android_id(), new.security_token());
            prop_assert!(i64::try_from(android_id).is_ok() && i64::try_from(security_token).is_ok());
            let parsed = DeviceCredentials::parse(&android_id.to_string(), &security_token.to_string());
            prop_assert_eq!(parsed.map(|parsed| parsed.inbox()), Some(new.inbox()));
        }
    }
}

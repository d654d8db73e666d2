//! The push service that an endpoint seems to belong to.

use crate::vendor::Vendor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// This server, or one that it imitates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServiceName {
    /// This server, without TLS.
    Local,
    /// This server, with TLS.
    Https,
    /// A browser vendor's.
    Vendor(Vendor),
}

impl ServiceName {
    const OWN: [Self; 2] = [Self::Local, Self::Https];

    /// Returns the name in the control API.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Https => "https",
            Self::Vendor(vendor) => vendor.name(),
        }
    }

    fn all() -> impl Iterator<Item = Self> {
        Self::OWN.into_iter().chain(Vendor::ALL.into_iter().map(Self::Vendor))
    }

    /// Returns the vendor, if it is one's.
    pub(crate) const fn vendor(self) -> Option<Vendor> {
        match self {
            Self::Vendor(vendor) => Some(vendor),
            Self::Local | Self::Https => None,
        }
    }
}

impl Serialize for ServiceName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ServiceName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::all().find(|name| name.as_str() == text).ok_or_else(|| {
            let names: Vec<_> = Self::all().map(Self::as_str).collect();
            serde::de::Error::custom(format!("the service must be one of {}", names.join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_and_others_are_listed() {
        for name in ServiceName::all() {
            let text = serde_json::to_string(&name).unwrap();
            assert_eq!(serde_json::from_str::<ServiceName>(&text).unwrap(), name);
        }
        let error = serde_json::from_str::<ServiceName>("\"gcm\"").unwrap_err().to_string();
        assert!(error.contains("local, https, fcm"), "{error}");
    }
}

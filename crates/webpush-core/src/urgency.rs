//! `Urgency` (RFC 8030 §5.3).

/// The urgency of a message.
///
/// Each level names the device state in which an agent should still receive it. The default applies to requests without the header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// On power and Wi-Fi.
    VeryLow,
    /// On either power or Wi-Fi.
    Low,
    /// On neither power nor Wi-Fi.
    #[default]
    Normal,
    /// Low battery.
    High,
}

impl Urgency {
    /// All levels, lowest first.
    pub const ALL: [Self; 4] = [Self::VeryLow, Self::Low, Self::Normal, Self::High];

    /// Returns the header value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VeryLow => "very-low",
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }

    /// Parses a header value. ABNF strings are case-insensitive (RFC 5234 §2.3).
    #[must_use]
    pub fn parse(word: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|urgency| word.eq_ignore_ascii_case(urgency.as_str().as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_ordered_and_parsed() {
        assert!(Urgency::ALL.is_sorted());
        for urgency in Urgency::ALL {
            assert_eq!(Urgency::parse(urgency.as_str().as_bytes()), Some(urgency));
        }
        assert_eq!(Urgency::parse(b"HIGH"), Some(Urgency::High));
        for wrong in [&b""[..], b"highest", b"low,high", b" low"] {
            assert_eq!(Urgency::parse(wrong), None);
        }
    }
}

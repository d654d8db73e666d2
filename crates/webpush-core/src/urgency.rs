//! `Urgency` (RFC 8030 §5.3): how much a message matters to the user, and what an agent on battery will take.

/// Four steps, in order. The default is what a request without the header means.
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
    /// All of them, lowest first.
    pub const ALL: [Self; 4] = [Self::VeryLow, Self::Low, Self::Normal, Self::High];

    /// The word of the standard.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VeryLow => "very-low",
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }

    /// Reads one word. ABNF strings are case-insensitive (RFC 5234 §2.3).
    #[must_use]
    pub fn parse(word: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|urgency| word.eq_ignore_ascii_case(urgency.as_str().as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_order() {
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

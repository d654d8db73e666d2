//! Status codes and reasons of closes (RFC 6455 §7.4).

/// Returns true if a close may contain this code (RFC 6455 §7.4.2, IANA registry).
pub(super) const fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Truncates a reason to the maximum length in a close (RFC 6455 §5.5), between characters.
pub(super) fn truncate(reason: &str) -> &str {
    const MAX_BYTES: usize = 123;
    let ends = reason.char_indices().map(|(at, character)| at + character.len_utf8());
    &reason[..ends.take_while(|end| *end <= MAX_BYTES).last().unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_codes_may_not_be_sent() {
        let wrong = [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, u16::MAX];
        assert!(!wrong.into_iter().any(may_be_sent));
        let right = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1013, 3000, 4774, 4999];
        assert!(right.into_iter().all(may_be_sent));
    }

    #[test]
    fn a_long_reason_is_truncated_between_characters() {
        assert_eq!(truncate("short"), "short");
        assert_eq!(truncate(&"é".repeat(100)).len(), 122);
    }
}

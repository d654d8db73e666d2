//! Status codes of a close (RFC 6455 §7.4).

/// Whether a peer may send a code: defined for the wire, registered since, or left to applications (RFC 6455 §7.4.2).
pub(super) const fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// A reason that fits into a control frame beside its code (RFC 6455 §5.5), cut between characters.
pub(super) fn cut(reason: &str) -> &str {
    const MOST_BYTES: usize = 123;
    let ends = reason.char_indices().map(|(at, character)| at + character.len_utf8());
    &reason[..ends.take_while(|end| *end <= MOST_BYTES).last().unwrap_or_default()]
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
    fn a_long_reason_is_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"é".repeat(100)).len(), 122);
    }
}

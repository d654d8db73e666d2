//! Byte order marks, which some text editors put at the beginning of UTF-8 files.

/// Returns text without its byte order mark.
///
/// ```
/// assert_eq!(webpush_core::byte_order_mark::strip("\u{feff}{}"), "{}");
/// ```
#[must_use]
pub fn strip(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

//! Strings of JSON that hold bytes of others.

/// Writes a string of JSON in ASCII, so that it can't hold the end of a line. Header values are bytes; each is a
/// character, as in the web's own API for them (Fetch, "isomorphic decode"), so that none is lost.
pub(super) fn push_string(text: &mut String, bytes: &[u8]) {
    text.reserve(bytes.len() + 2);
    text.push('"');
    for byte in bytes {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => text.push_str(&format!("\\u{byte:04x}")),
        }
    }
    text.push('"');
}

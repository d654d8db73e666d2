//! JSON strings from bytes.

/// Appends bytes as a JSON string in ASCII, without line breaks.
///
/// Each byte becomes one character, as browsers decode header values (Infra, "isomorphic decode").
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

//! base64url, compared with an implementation that is too simple to be wrong.

use webpush_core::base64url;

pub(super) fn run(input: &[u8]) {
    let text = base64url::encode(input);
    assert_eq!(model(&text).as_deref(), Some(input));
    assert_eq!(base64url::decode(&text).as_deref(), Some(input));
    assert_eq!(base64url::decode_lenient(&text).as_deref(), Some(input));
    let mut pushed = "before".to_owned();
    base64url::push(&mut pushed, input);
    assert_eq!(pushed, format!("before{text}"));
    if let Ok(text) = str::from_utf8(input) {
        assert_decoded(text);
    }
}

fn assert_decoded(text: &str) {
    let expected = model(text);
    assert_eq!(base64url::decode(text), expected, "{text}");
    let mut buffer = [0; 64];
    let read = base64url::read(text, &mut buffer).map(|length| buffer[..length].to_vec());
    assert_eq!(read, expected.filter(|bytes| bytes.len() <= buffer.len()), "{text}");
    let plain = text.replace('+', "-").replace('/', "_");
    let lenient = match plain.find('=') {
        None => model(&plain),
        Some(end) => model(&plain[..end]).filter(|_| {
            plain.len().is_multiple_of(4)
                && plain.len() - end < 4
                && plain[end..].bytes().all(|byte| byte == b'=')
        }),
    };
    if lenient.is_some() {
        assert_eq!(base64url::decode_lenient(text), lenient, "{text}");
    } else if let Some(decoded) = base64url::decode_lenient(text) {
        assert_eq!(model(plain.trim_end_matches('=')), Some(decoded), "{text}");
    }
}

/// Decodes text a bit at a time. The bits behind the last byte must be zero, and fewer than six.
fn model(text: &str) -> Option<Vec<u8>> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bits = Vec::new();
    for character in text.chars() {
        let number = ALPHABET.find(character)?;
        bits.extend((0..6).rev().map(|bit| number >> bit & 1));
    }
    let (bytes, rest) = bits.as_chunks::<8>();
    let is_canonical = rest.len() < 6 && rest.iter().all(|bit| *bit == 0);
    is_canonical
        .then(|| bytes.iter().map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | *bit as u8)).collect())
}

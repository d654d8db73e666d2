//! `Link`.

use http::HeaderValue;
use http::header::LINK;
use webpush_core::header::{Link, links};

use super::request;
use crate::input::Input;

pub(super) const TOKENS: &[&[u8]] = &[
    b"<",
    b">",
    b"; rel=",
    b"; rel=\"",
    b"\"",
    b"\\",
    b",",
    b"; REL = a",
    b"; title*=UTF-8''x",
    b"urn:ietf:params:push:receipt",
    b"https://push.example/",
    b"link: </x>; rel=\"a b\"",
];
const ORIGIN: &str = "https://push.example";

pub(super) fn run(input: &[u8]) {
    assert_lists(input);
    assert_written(Input::new(input));
}

/// Several headers are one list, and each member has a target and a relation.
fn assert_lists(input: &[u8]) {
    let (headers, _) = request::read(input);
    let values: Vec<_> = headers.get_all(LINK).iter().collect();
    let whole = links(&headers);
    let parts: Vec<_> = values.iter().map(|value| links(&request::headers(&LINK, &[value]))).collect();
    match &whole {
        Ok(all) => {
            let joined: Vec<_> = parts.iter().flat_map(|part| part.clone().unwrap()).collect();
            assert_eq!(*all, joined);
            assert!(all.len() <= 64);
            all.iter().for_each(assert_path);
        }
        Err(_) => {
            let number: usize = parts.iter().flatten().map(Vec::len).sum();
            assert!(parts.iter().any(Result::is_err) || number > 64);
        }
    }
    if let (Ok(all), [first, second]) = (&whole, &values[..]) {
        let list = [first.as_bytes(), b" , ", second.as_bytes()].concat();
        let list = HeaderValue::from_bytes(&list).unwrap();
        assert_eq!(links(&request::headers(&LINK, &[&list])).as_ref(), Ok(all));
    }
}

/// A path is what follows the origin, never another host.
fn assert_path(link: &Link) {
    if let Some(path) = link.path_on(ORIGIN) {
        assert!(path.starts_with('/') && link.target.ends_with(path));
        let before = &link.target[..link.target.len() - path.len()];
        assert!(before.is_empty() && !path.starts_with("//") || before.eq_ignore_ascii_case(ORIGIN));
    }
}

/// A link is read as it was written, with its relation quoted or not, among other parameters.
fn assert_written(mut input: Input<'_>) {
    let style = input.byte();
    let target: String =
        input.short().iter().map(|byte| char::from(byte & 0x7f)).filter(is_of_target).collect();
    let rel: String = input.short().iter().map(|byte| char::from(byte & 0x7f)).filter(is_quotable).collect();
    let quoted: String = rel
        .chars()
        .flat_map(|c| ['\\'].into_iter().take(usize::from("\"\\".contains(c))).chain([c]))
        .collect();
    let other = if style & 1 == 0 { "" } else { r#"; title="<b>; rel=no, \"""# };
    let first = if style & 2 == 0 { "" } else { "</first>;rel=first, " };
    let text = format!(r#"{first}<{target}>{other} ; Rel = "{quoted}"; rel=second"#);
    let Ok(value) = HeaderValue::from_str(&text) else { return };
    let all = links(&request::headers(&LINK, &[&value])).unwrap();
    assert_eq!(all.len(), 1 + first.len().min(1), "{text}");
    let link = all.last().unwrap();
    assert_eq!(link.target, target.trim());
    for name in rel.split_ascii_whitespace() {
        assert!(link.has_rel(name) && link.has_rel(&name.to_ascii_uppercase()), "{text}");
    }
    assert!(
        rel.to_ascii_lowercase().contains("second") || !link.has_rel("second"),
        "the first rel counts: {text}"
    );
}

fn is_of_target(character: &char) -> bool {
    (' '..='~').contains(character) && *character != '>'
}

fn is_quotable(character: &char) -> bool {
    (' '..='~').contains(character)
}

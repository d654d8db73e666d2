//! Unique names: no two visible types of the shipped crates have the same name.

use std::collections::BTreeMap;

use super::breach::{Breach, Rule};
use super::source::Source;

/// Conventional names that many modules use.
const CONVENTIONS: [&str; 2] = ["Args", "Error"];
/// Never shipped.
const EXEMPT_PACKAGES: [&str; 6] =
    ["webpush-load", "webpush-powercut", "webpush-fuzz", "webpush-sim", "xtask", "fuzz"];

/// Checks the types of all crates together.
pub(super) fn check(sources: &[Source], breaches: &mut Vec<Breach>) {
    let mut first: BTreeMap<String, String> = BTreeMap::new();
    for source in sources.iter().filter(|source| !EXEMPT_PACKAGES.contains(&source.package())) {
        let Some(code) = source.shipped_code() else { continue };
        for (number, line) in code.lines().enumerate() {
            let Some(name) = visible_type(line).filter(|name| !CONVENTIONS.contains(name)) else { continue };
            let Some(other) = first.get(name).filter(|other| **other != source.path) else {
                first.insert(name.to_owned(), source.path.clone());
                continue;
            };
            let advice = format!("type `{name}` is also in {other}: give one of them a name of its own");
            breaches.push(Breach { rule: Rule::Name, path: source.path.clone(), line: number + 1, advice });
        }
    }
}

/// The name of a type that other files may see, if the line declares one.
fn visible_type(line: &str) -> Option<&str> {
    let mut words = line.strip_prefix("pub")?.split(|c: char| !c.is_alphanumeric() && c != '_');
    let is_type = |word: &&str| matches!(*word, "struct" | "enum" | "trait" | "type");
    words.find(is_type)?;
    words.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_declared_once() {
        let source = |path: &str, text: &str| Source::new(format!("crates/{path}"), text);
        let sources = [
            source("webpush-core/src/a.rs", "pub struct Page;\npub(crate) enum Kind {}\nstruct Own;\n"),
            source("webpush-http/src/b.rs", "pub(super) trait Page {}\nstruct Own;\npub struct Kinds;\n"),
            source("webpush-load/src/c.rs", "pub struct Page;\n"),
            source("webpush-http/tests/it/d.rs", "pub struct Page;\n"),
        ];
        let mut breaches = Vec::new();
        check(&sources, &mut breaches);
        let [breach] = &breaches[..] else { panic!("{breaches:?}") };
        assert_eq!((breach.path.as_str(), breach.line), ("crates/webpush-http/src/b.rs", 1));
        assert!(breach.advice.starts_with("type `Page` is also in crates/webpush-core/src/a.rs"));
    }
}

//! Links of documents, which must lead to a file, and to a heading in it.

use std::fs;
use std::path::Path;

use super::breach::{Breach, Rule};
use super::source::Source;

/// Checks a document; other files have no breach. Links to other sites are not followed.
pub(super) fn check(root: &Path, source: &Source, breaches: &mut Vec<Breach>) {
    if !source.path.ends_with(".md") {
        return;
    }
    for (number, line) in source.text.lines().enumerate() {
        for link in links(line) {
            if let Some(missing) = missing(&root.join(&source.path), link) {
                let advice = format!("the link {link} leads to no {missing}");
                breaches.push(Breach {
                    rule: Rule::Link,
                    path: source.path.clone(),
                    line: number + 1,
                    advice,
                });
            }
        }
    }
}

fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
    targets
        .filter(|target| !target.contains("://") && !target.contains(' ') && !target.starts_with("mailto:"))
}

/// Returns the missing target of a link: a file or a heading.
fn missing(document: &Path, link: &str) -> Option<&'static str> {
    let (path, heading) = link.split_once('#').unwrap_or((link, ""));
    let target = match path {
        "" => document.to_owned(),
        path => document.parent()?.join(path),
    };
    if !target.exists() {
        return Some("file");
    }
    let is_document = target.extension().is_some_and(|extension| extension == "md");
    if heading.is_empty() || !is_document {
        return None;
    }
    let text = fs::read_to_string(&target).unwrap_or_default();
    (!headings(&text).any(|found| found == heading)).then_some("heading")
}

/// The anchors of a document's headings, as GitHub makes them.
fn headings(text: &str) -> impl Iterator<Item = String> {
    let mut is_code = false;
    text.lines().filter_map(move |line| {
        is_code ^= line.starts_with("```");
        let title =
            line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#') && !is_code)?;
        let kept = title.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        Some(kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_called_as_github_calls_them() {
        let text = "# The page, and `X`\n```\n# no heading\n```\n## Certificates by ACME\nno #heading\n";
        assert_eq!(headings(text).collect::<Vec<_>>(), ["the-page-and-x", "certificates-by-acme"]);
    }

    #[test]
    fn a_link_must_lead_somewhere() {
        let directory = tempfile::tempdir().unwrap();
        let document = directory.path().join("a.md");
        fs::write(&document, "# One\n[a](#one) [b](b.md#two) [c](https://x/#y)").unwrap();
        fs::write(directory.path().join("b.md"), "## Two\n").unwrap();
        assert_eq!(links(&fs::read_to_string(&document).unwrap()).collect::<Vec<_>>(), ["#one", "b.md#two"]);
        for (link, why) in [
            ("#one", None),
            ("b.md#two", None),
            ("b.md", None),
            ("#two", Some("heading")),
            ("b.md#one", Some("heading")),
            ("c.md", Some("file")),
        ] {
            assert_eq!(missing(&document, link), why, "{link}");
        }
    }
}

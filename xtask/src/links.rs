//! Links of the documents, which must lead to a file, and to a heading in it.

use anyhow::Context as _;
use std::fs;
use std::path::{Path, PathBuf};

/// A sentence for each link that leads nowhere. Links to other sites are not followed.
pub(crate) fn dead(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut dead = Vec::new();
    for document in documents(root)? {
        let text = fs::read_to_string(&document)?;
        let shown = document.strip_prefix(root).unwrap_or(&document).display();
        for link in links(&text) {
            if let Some(why) = why_dead(&document, link) {
                dead.push(format!("{shown}: the link {link} leads to no {why}"));
            }
        }
    }
    Ok(dead)
}

/// Those that people read: of the repository itself, and in these folders.
fn documents(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut documents = Vec::new();
    for folder in ["", "docs", "docs/architecture", "docs/decisions", "docs/internals", "interop", "fuzz"] {
        let folder = root.join(folder);
        for entry in fs::read_dir(&folder).with_context(|| format!("{} can't be read", folder.display()))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "md") {
                documents.push(path);
            }
        }
    }
    Ok(documents)
}

fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
    targets
        .filter(|target| !target.contains("://") && !target.contains(' ') && !target.starts_with("mailto:"))
}

fn why_dead(document: &Path, link: &str) -> Option<&'static str> {
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

/// What headings are called in links, as GitHub does it.
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
        let folder = tempfile::tempdir().unwrap();
        let document = folder.path().join("a.md");
        fs::write(&document, "# One\n[a](#one) [b](b.md#two) [c](https://x/#y)").unwrap();
        fs::write(folder.path().join("b.md"), "## Two\n").unwrap();
        assert_eq!(links(&fs::read_to_string(&document).unwrap()).collect::<Vec<_>>(), ["#one", "b.md#two"]);
        for (link, why) in [
            ("#one", None),
            ("b.md#two", None),
            ("b.md", None),
            ("#two", Some("heading")),
            ("b.md#one", Some("heading")),
            ("c.md", Some("file")),
        ] {
            assert_eq!(why_dead(&document, link), why, "{link}");
        }
    }
}

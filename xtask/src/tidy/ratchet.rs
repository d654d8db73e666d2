//! Breaches that are still allowed, by rule and file; their number only goes down.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail};

use super::breach::{Breach, Rule};

const HEAD: &str = "\
# Breaches of the house rules that are still allowed, by rule and file. `cargo xtask tidy --update` lowers the numbers,
# and refuses to raise the sum of a rule. `cargo xtask tidy --all` shows the places.
";

/// The allowed number of breaches, by rule and file.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Ratchet(BTreeMap<(Rule, String), usize>);

impl Ratchet {
    /// Counts breaches.
    pub(super) fn count(breaches: &[Breach]) -> Self {
        let mut counts = BTreeMap::new();
        for breach in breaches {
            *counts.entry((breach.rule, breach.path.clone())).or_default() += 1;
        }
        Self(counts)
    }

    /// Parses the file. Fails with the first invalid line.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let entries = lines.map(|line| entry(line).with_context(|| format!("not an entry: {line}")));
        Ok(Self(entries.collect::<Result<_>>()?))
    }

    /// Returns the text of the file.
    pub(super) fn to_text(&self) -> String {
        let mut text = HEAD.to_owned();
        for ((rule, path), count) in &self.0 {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{rule:<12} {count:>4} {path}");
        }
        text
    }

    /// Returns the rules and files with more breaches in `found` than allowed.
    pub(super) fn exceeded<'a>(
        &self,
        found: &'a Self,
    ) -> impl Iterator<Item = (&'a (Rule, String), usize, usize)> {
        let allowed = |key| self.0.get(key).copied().unwrap_or_default();
        found
            .0
            .iter()
            .map(move |(key, count)| (key, *count, allowed(key)))
            .filter(|(_, count, most)| count > most)
    }

    /// Returns `found` as the next ratchet. Fails if a rule has more breaches than before.
    pub(super) fn lowered(&self, found: Self) -> Result<Self> {
        for rule in Rule::ALL {
            let (before, now) = (self.total(rule), found.total(rule));
            if now > before {
                bail!("{rule}: {now} breaches, and {before} are allowed: fix {} of them first", now - before);
            }
        }
        Ok(found)
    }

    /// Returns the number of breaches of a rule in all files.
    pub(super) fn total(&self, rule: Rule) -> usize {
        self.0.iter().filter(|((of, _), _)| *of == rule).map(|(_, count)| count).sum()
    }
}

fn entry(line: &str) -> Option<((Rule, String), usize)> {
    let mut fields = line.split_whitespace();
    let name = fields.next()?;
    let rule = Rule::ALL.into_iter().find(|rule| rule.as_str() == name)?;
    let count = fields.next()?.parse().ok()?;
    Some(((rule, fields.next()?.to_owned()), count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaches(paths: &[&str]) -> Ratchet {
        let breach = |path: &&str| Breach {
            rule: Rule::Word,
            path: (*path).to_owned(),
            line: 1,
            advice: String::new(),
        };
        Ratchet::count(&paths.iter().map(breach).collect::<Vec<_>>())
    }

    #[test]
    fn the_file_is_read_as_it_is_written() {
        let ratchet = breaches(&["a.rs", "b.rs", "a.rs"]);
        assert_eq!(Ratchet::parse(&ratchet.to_text()).unwrap(), ratchet);
        assert_eq!(Ratchet::parse("word x a.rs\n").unwrap_err().to_string(), "not an entry: word x a.rs");
    }

    #[test]
    fn a_file_may_have_what_it_had() {
        let allowed = breaches(&["a.rs", "b.rs"]);
        assert_eq!(allowed.exceeded(&breaches(&["a.rs"])).count(), 0);
        let found = breaches(&["a.rs", "a.rs"]);
        assert_eq!(allowed.exceeded(&found).next(), Some((&(Rule::Word, "a.rs".to_owned()), 2, 1)));
        assert_eq!(allowed.exceeded(&breaches(&["c.rs"])).count(), 1);
    }

    #[test]
    fn sums_only_go_down() {
        let allowed = breaches(&["a.rs", "b.rs"]);
        assert_eq!(allowed.lowered(breaches(&["moved.rs"])).unwrap(), breaches(&["moved.rs"]));
        let error = allowed.lowered(breaches(&["a.rs", "b.rs", "c.rs"])).unwrap_err().to_string();
        assert_eq!(error, "word: 3 breaches, and 2 are allowed: fix 1 of them first");
    }
}

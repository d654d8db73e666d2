//! The table of broadcasts. Its keys are the names of the broadcasts.

use crate::document::{Document, type_name};
use crate::error::ConfigError;
use std::collections::BTreeMap;
use std::fmt;
use toml::Spanned;
use toml::de::DeValue;

/// The name of the table.
pub const TABLE: &str = "broadcasts";

/// Versions by name of the broadcast.
pub type BroadcastVersions = BTreeMap<String, String>;

/// Limits on broadcasts, set by the server.
#[derive(Clone, Copy)]
pub struct BroadcastRules {
    /// Validates a name and its version, and returns a message if either is invalid.
    pub check: fn(name: &str, version: &str) -> Result<(), String>,
    /// Maximum number of broadcasts.
    pub max: usize,
}

pub(crate) fn read_table(
    document: Document<'_>,
    table: &Spanned<DeValue<'_>>,
    rules: BroadcastRules,
) -> Result<BroadcastVersions, ConfigError> {
    let DeValue::Table(table) = table.get_ref() else {
        let found = type_name(table.get_ref());
        let message = format!("{TABLE}: expected a table [{TABLE}], not {found}");
        return Err(ConfigError::new(document.line(&table.span()), message));
    };
    let mut versions = BroadcastVersions::new();
    for (key, value) in table {
        let name = &**key.get_ref();
        let error = |message: &dyn fmt::Display| {
            ConfigError::new(document.line(&key.span()), format!("{TABLE}.{name}: {message}"))
        };
        let version = match value.get_ref() {
            DeValue::String(version) => version,
            DeValue::Table(_) => {
                return Err(error(&"expected a version in quotes; a name with a dot needs quotes"));
            }
            other => {
                return Err(error(&format!("expected a version in quotes, not {}", type_name(other))));
            }
        };
        (rules.check)(name, version).map_err(|message| error(&message))?;
        if versions.len() == rules.max {
            return Err(error(&format!("more than {} broadcasts", rules.max)));
        }
        versions.insert(name.to_owned(), version.to_string());
    }
    Ok(versions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file;
    use std::path::Path;
    use std::sync::Arc;

    const RULES: BroadcastRules = BroadcastRules { check, max: 2 };

    fn check(name: &str, version: &str) -> Result<(), String> {
        if name.contains(' ') || version.is_empty() { Err("not a broadcast".to_owned()) } else { Ok(()) }
    }

    fn read(text: &str) -> Result<BroadcastVersions, String> {
        let path = Arc::from(Path::new("a.toml"));
        let mut errors = Vec::new();
        let contents = file::read(Document { path: &path, text }, &[], RULES, &mut errors);
        match errors.first() {
            Some(error) => Err(error.to_string()),
            None => Ok(contents.broadcasts),
        }
    }

    #[test]
    fn broadcasts_have_names_and_versions() {
        let text = "# ours\n[broadcasts]\n\"remote-settings/monitor_changes\" = \"\\\"17\\\"\"\nnews = '2'\n";
        let pairs = [("remote-settings/monitor_changes", "\"17\""), ("news", "2")];
        let versions = pairs.map(|(name, version)| (name.to_owned(), version.to_owned())).into();
        assert_eq!(read(text), Ok(versions));
        assert_eq!(read(""), Ok(BroadcastVersions::new()));
    }

    #[test]
    fn errors_name_the_line_the_key_and_the_expected_type() {
        for (text, expected) in [
            ("\n[brodcasts]\n", "a.toml:2: "),
            ("broadcasts = 'a'", "a.toml:1: broadcasts: expected a table [broadcasts], not text"),
            ("[[broadcasts]]", "a.toml:1: broadcasts: expected a table [broadcasts], not a list"),
            (
                "[broadcasts]\n\nnews = 5",
                "a.toml:3: broadcasts.news: expected a version in quotes, not a number",
            ),
            (
                "[broadcasts]\na.b = '5'",
                "a.toml:2: broadcasts.a: expected a version in quotes; a name with a dot",
            ),
            ("[broadcasts]\n\"a b\" = '5'", "a.toml:2: broadcasts.a b: not a broadcast"),
            ("[broadcasts]\na = ''", "a.toml:2: broadcasts.a: not a broadcast"),
            ("[broadcasts]\na/b = '1'", "a.toml:2: "),
            ("[broadcasts]\na = '1'\na = '2'", "a.toml:3: "),
            ("[broadcasts", "a.toml:1: "),
            ("[broadcasts]\na = '1'\nb = '1'\nc = '1'", "a.toml:4: broadcasts.c: more than 2 broadcasts"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(expected), "{text}: {error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
}

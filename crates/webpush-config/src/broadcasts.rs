//! The table of broadcasts, whose keys are names that an administrator gives.

use crate::error::ConfigError;
use crate::file::{Text, kind};
use std::collections::BTreeMap;
use std::fmt;
use toml::Spanned;
use toml::de::DeValue;

/// The name of the table.
pub const TABLE: &str = "broadcasts";

/// The version of each broadcast.
pub type Versions = BTreeMap<String, String>;

/// Which broadcasts a service takes.
#[derive(Clone, Copy)]
pub struct BroadcastRules {
    /// Checks a name and its version, and returns what is wrong with them.
    pub check: fn(name: &str, version: &str) -> Result<(), String>,
    /// Maximum number of broadcasts.
    pub most: usize,
}

/// Reads the table.
pub(crate) fn table(
    text: Text<'_>,
    table: &Spanned<DeValue<'_>>,
    rules: BroadcastRules,
) -> Result<Versions, ConfigError> {
    let DeValue::Table(table) = table.get_ref() else {
        let found = kind(table.get_ref());
        let what = format!("{TABLE}: expected a table [{TABLE}], not {found}");
        return Err(ConfigError::new(text.line(&table.span()), what));
    };
    let mut versions = Versions::new();
    for (key, value) in table {
        let name = &**key.get_ref();
        let at = |what: &dyn fmt::Display| {
            ConfigError::new(text.line(&key.span()), format!("{TABLE}.{name}: {what}"))
        };
        let version = match value.get_ref() {
            DeValue::String(version) => version,
            DeValue::Table(_) => {
                return Err(at(&"expected a version in quotes; a name with a dot needs quotes"));
            }
            other => return Err(at(&format!("expected a version in quotes, not {}", kind(other)))),
        };
        (rules.check)(name, version).map_err(|wrong| at(&wrong))?;
        if versions.len() == rules.most {
            return Err(at(&format!("more than {} broadcasts", rules.most)));
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

    const RULES: BroadcastRules = BroadcastRules { check, most: 2 };

    fn check(name: &str, version: &str) -> Result<(), String> {
        if name.contains(' ') || version.is_empty() { Err("not a broadcast".to_owned()) } else { Ok(()) }
    }

    fn read(source: &str) -> Result<Versions, String> {
        let path = Arc::from(Path::new("a.toml"));
        let mut faults = Vec::new();
        let contents = file::read(Text { path: &path, text: source }, &[], RULES, &mut faults);
        match faults.first() {
            Some(fault) => Err(fault.to_string()),
            None => Ok(contents.broadcasts),
        }
    }

    #[test]
    fn broadcasts_are_names_and_versions() {
        let text = "# ours\n[broadcasts]\n\"remote-settings/monitor_changes\" = \"\\\"17\\\"\"\nnews = '2'\n";
        let pairs = [("remote-settings/monitor_changes", "\"17\""), ("news", "2")];
        let versions = pairs.map(|(name, version)| (name.to_owned(), version.to_owned())).into();
        assert_eq!(read(text), Ok(versions));
        assert_eq!(read(""), Ok(Versions::new()));
    }

    #[test]
    fn a_fault_names_line_and_key_and_what_is_expected() {
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
            let fault = read(text).unwrap_err();
            assert!(fault.starts_with(expected), "{text}: {fault}");
            assert_eq!(fault.lines().count(), 1, "{fault}");
        }
    }
}

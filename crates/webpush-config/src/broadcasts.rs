//! The table of broadcasts, whose keys are names that an operator gives.

use crate::error::ConfigError;
use crate::file::{Text, kind};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use toml::Spanned;
use toml::de::DeValue;
use webpush_core::protocol::autopush::broadcasts::BROADCASTS;
use webpush_core::protocol::autopush::{Broadcast, Versions};

/// Its name.
pub const TABLE: &str = "broadcasts";

/// Reads a file that has nothing but this table.
///
/// # Errors
/// When it is not as it should be.
pub fn parse(path: &Path, text: &str) -> Result<Versions, ConfigError> {
    let text = Text { path: &Arc::from(path), text };
    let mut versions = Versions::new();
    for (key, value) in &text.parse()? {
        if key.get_ref() != TABLE {
            return Err(ConfigError::new(
                text.line(&key.span()),
                format!("the key {} is unknown", key.get_ref()),
            ));
        }
        versions = table(text, value)?;
    }
    Ok(versions)
}

/// Reads the table.
pub(crate) fn table(text: Text<'_>, table: &Spanned<DeValue<'_>>) -> Result<Versions, ConfigError> {
    let DeValue::Table(table) = table.get_ref() else {
        let found = kind(table.get_ref());
        let what = format!("{TABLE}: a table [{TABLE}] is expected, not {found}");
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
                return Err(at(&"a version in quotes is expected; a name with a dot needs quotes"));
            }
            other => return Err(at(&format!("a version in quotes is expected, not {}", kind(other)))),
        };
        let broadcast = Broadcast::new(name, &**version).map_err(|unfit| at(&unfit))?;
        if versions.len() == BROADCASTS {
            return Err(at(&format!("there may be {BROADCASTS} broadcasts, and these are more")));
        }
        broadcast.put_into(&mut versions);
    }
    Ok(versions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use webpush_core::protocol::autopush::broadcasts::{
        BROADCAST_NAME_CHARACTERS, BROADCAST_VERSION_CHARACTERS,
    };

    fn read(text: &str) -> Result<Versions, ConfigError> {
        parse(Path::new("a.toml"), text)
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
        let long_name = format!("[broadcasts]\n{} = '1'", "x".repeat(BROADCAST_NAME_CHARACTERS + 1));
        let long_version = format!("[broadcasts]\na = '{}'", "1".repeat(BROADCAST_VERSION_CHARACTERS + 1));
        let many: String = (0..=BROADCASTS).map(|number| format!("b{number} = '1'\n")).collect();
        for (text, said) in [
            ("\n[brodcasts]\n", "a.toml:2: the key brodcasts is unknown"),
            ("port = 1", "a.toml:1: the key port is unknown"),
            ("broadcasts = 'a'", "a.toml:1: broadcasts: a table [broadcasts] is expected, not text"),
            ("[[broadcasts]]", "a.toml:1: broadcasts: a table [broadcasts] is expected, not a list"),
            (
                "[broadcasts]\n\nnews = 5",
                "a.toml:3: broadcasts.news: a version in quotes is expected, not a number",
            ),
            (
                "[broadcasts]\na.b = '5'",
                "a.toml:2: broadcasts.a: a version in quotes is expected; a name with a dot",
            ),
            ("[broadcasts]\n\"a b\" = '5'", "a.toml:2: broadcasts.a b: the name of a broadcast has 1 to 128"),
            ("[broadcasts]\na = ''", "a.toml:2: broadcasts.a: the version of a broadcast has 1 to 256"),
            ("[broadcasts]\nerrors = '1'", "a.toml:2: broadcasts.errors: no broadcast can be called errors"),
            ("[broadcasts]\na/b = '1'", "a.toml:2: this is not TOML"),
            ("[broadcasts]\na = '1'\na = '2'", "a.toml:3: this is not TOML"),
            ("[broadcasts", "a.toml:1: this is not TOML"),
            (&long_name, "a.toml:2: broadcasts.xxx"),
            (&long_version, "a.toml:2: broadcasts.a: the version"),
            (&format!("[broadcasts]\n{many}"), "there may be 256 broadcasts"),
        ] {
            let fault = read(text).unwrap_err().to_string();
            assert!(
                fault.starts_with(said) || fault.contains(said) && !said.starts_with("a.toml"),
                "{text}: {fault}"
            );
            assert_eq!(fault.lines().count(), 1, "{fault}");
        }
    }
}

//! The configuration file: TOML, read whole at the start, in which every key must be known.

use anyhow::Context as _;
use std::fmt;
use std::fs;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use webpush_core::dialect::autopush::{Broadcast, Versions};
use webpush_core::limits::BROADCASTS;

/// The table with the versions of broadcasts, by name.
const BROADCASTS_TABLE: &str = "broadcasts";

/// What may stand at the top of the file.
const TABLES: [&str; 1] = [BROADCASTS_TABLE];

/// How alike two keys must be (Jaro) for one to be meant by the other.
const ALIKE: f64 = 0.7;

/// What a file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The versions of broadcasts.
    pub broadcasts: Versions,
}

/// What is wrong with a file, and where.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    line: usize,
    what: String,
}

impl Config {
    /// Reads the file that `--config` names.
    ///
    /// # Errors
    /// When it can't be read or is not as it should be: names the line and the key, and says what is expected.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let text = fs::read_to_string(path)
            .with_context(|| format!("the configuration file {shown} (--config) can't be read"))?;
        Self::parse(&text).with_context(|| format!("the configuration file {shown} (--config)"))
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let document = DeTable::parse(text).map_err(|error| {
            let at = error.span().unwrap_or_default();
            fault(text, &at, format!("this is not TOML: {}", error.message()))
        })?;
        let mut config = Self::default();
        for (key, value) in document.get_ref() {
            match &**key.get_ref() {
                BROADCASTS_TABLE => config.broadcasts = broadcasts(text, value)?,
                unknown => return Err(fault(text, &key.span(), unknown_key(unknown))),
            }
        }
        Ok(config)
    }
}

fn broadcasts(text: &str, table: &Spanned<DeValue<'_>>) -> Result<Versions, Fault> {
    let DeValue::Table(table) = table.get_ref() else {
        let found = table.get_ref().type_str();
        let what = format!("{BROADCASTS_TABLE}: a table [{BROADCASTS_TABLE}] is expected, not one {found}");
        return Err(fault(text, &table.span(), what));
    };
    let mut versions = Versions::new();
    for (key, value) in table {
        let name = &**key.get_ref();
        let at =
            |what: &dyn fmt::Display| fault(text, &key.span(), format!("{BROADCASTS_TABLE}.{name}: {what}"));
        let version = match value.get_ref() {
            DeValue::String(version) => version,
            DeValue::Table(_) => {
                return Err(at(&"a version in quotes is expected; a name with a dot needs quotes"));
            }
            other => {
                return Err(at(&format!("a version in quotes is expected, not one {}", other.type_str())));
            }
        };
        let broadcast = Broadcast::new(name, &**version).map_err(|unfit| at(&unfit))?;
        if versions.len() == BROADCASTS {
            return Err(at(&format!("there may be {BROADCASTS} broadcasts, and these are more")));
        }
        broadcast.put_into(&mut versions);
    }
    Ok(versions)
}

fn unknown_key(key: &str) -> String {
    match TABLES.iter().find(|known| strsim::jaro(known, key) > ALIKE) {
        Some(meant) => format!("the key {key} is unknown; did you mean {meant}?"),
        None => format!("the key {key} is unknown; known is {}", TABLES.join(", ")),
    }
}

fn fault(text: &str, at: &Range<usize>, what: String) -> Fault {
    let before = text.as_bytes().get(..at.start).unwrap_or_default();
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    // What the parser says may have several lines, and a log line has one.
    Fault { line, what: what.replace('\n', " ") }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;
    use webpush_core::limits::{BROADCAST_NAME_CHARACTERS, BROADCAST_VERSION_CHARACTERS};

    #[test]
    fn broadcasts_are_names_and_versions() {
        let text = "# ours\n[broadcasts]\n\"remote-settings/monitor_changes\" = \"\\\"17\\\"\"\nnews = '2'\n";
        let pairs = [("remote-settings/monitor_changes", "\"17\""), ("news", "2")];
        let broadcasts = pairs.map(|(name, version)| (name.to_owned(), version.to_owned())).into();
        assert_eq!(Config::parse(text), Ok(Config { broadcasts }));
        assert_eq!(Config::parse(""), Ok(Config::default()));
    }

    #[test]
    fn a_fault_names_line_and_key_and_what_is_expected() {
        let long_name = format!("[broadcasts]\n{} = '1'", "x".repeat(BROADCAST_NAME_CHARACTERS + 1));
        let long_version = format!("[broadcasts]\na = '{}'", "1".repeat(BROADCAST_VERSION_CHARACTERS + 1));
        let many: String = (0..=BROADCASTS).map(|number| format!("b{number} = '1'\n")).collect();
        for (text, said) in [
            ("\n[brodcasts]\n", "line 2: the key brodcasts is unknown; did you mean broadcasts?"),
            ("port = 1", "line 1: the key port is unknown; known is broadcasts"),
            ("broadcasts = 'a'", "line 1: broadcasts: a table [broadcasts] is expected, not one string"),
            ("[[broadcasts]]", "line 1: broadcasts: a table [broadcasts] is expected, not one array"),
            (
                "[broadcasts]\n\nnews = 5",
                "line 3: broadcasts.news: a version in quotes is expected, not one integer",
            ),
            (
                "[broadcasts]\na.b = '5'",
                "line 2: broadcasts.a: a version in quotes is expected; a name with a dot",
            ),
            ("[broadcasts]\n\"a b\" = '5'", "line 2: broadcasts.a b: the name of a broadcast has 1 to 128"),
            ("[broadcasts]\na = ''", "line 2: broadcasts.a: the version of a broadcast has 1 to 256"),
            ("[broadcasts]\nerrors = '1'", "line 2: broadcasts.errors: no broadcast can be called errors"),
            ("[broadcasts]\na/b = '1'", "line 2: this is not TOML"),
            ("[broadcasts]\na = '1'\na = '2'", "line 3: this is not TOML"),
            ("[broadcasts", "line 1: this is not TOML"),
            (&long_name, "line 2: broadcasts.xxx"),
            (&long_version, "line 2: broadcasts.a: the version"),
            (&format!("[broadcasts]\n{many}"), "there may be 256 broadcasts"),
        ] {
            let fault = Config::parse(text).unwrap_err().to_string();
            assert!(
                fault.starts_with(said) || fault.contains(said) && !said.starts_with("line"),
                "{text}: {fault}"
            );
            assert_eq!(fault.lines().count(), 1, "{fault}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing.toml");
        let error = format!("{:#}", Config::load(&missing).unwrap_err());
        assert!(
            error.contains("missing.toml") && error.contains("--config") && error.contains("can't be read"),
            "{error}"
        );
        let wrong = folder.path().join("wrong.toml");
        fs::write(&wrong, "port = 1").unwrap();
        let error = format!("{:#}", Config::load(&wrong).unwrap_err());
        assert!(error.contains("wrong.toml (--config): line 1: the key port"), "{error}");
    }
}

//! The file of the versions that were set at run time, in the format of the configuration file.

use anyhow::{Context as _, anyhow, ensure};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use webpush_client::private_file;
use webpush_core::protocol::autopush::broadcasts::BROADCASTS;
use webpush_core::protocol::autopush::{Broadcast, Versions};

/// Name of the file in the data directory.
pub(super) const NAME: &str = "broadcasts.toml";

const HEADER: &str = "\
# Versions of broadcasts that were set through the admin API of webpush-server. They override its configuration.
# The server overwrites this file: change versions through the admin API.
";

/// Reads the file. A missing file has no versions.
pub(super) fn load(path: &Path) -> anyhow::Result<Versions> {
    match fs::read_to_string(path) {
        Ok(text) => parse(&text).with_context(|| format!("{} is invalid", path.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Versions::new()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// The tables of the file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tables {
    #[serde(default)]
    broadcasts: Versions,
}

fn parse(text: &str) -> anyhow::Result<Versions> {
    let tables: Tables = toml::from_str(text).map_err(|error| {
        // The first line has the position; the others quote the file.
        let text = error.to_string();
        anyhow!("{}: {}", text.lines().next().unwrap_or_default(), error.message())
    })?;
    ensure!(tables.broadcasts.len() <= BROADCASTS, "there are more than {BROADCASTS} broadcasts");
    let mut versions = Versions::new();
    for (name, version) in tables.broadcasts {
        let broadcast = Broadcast::new(&*name, version).with_context(|| format!("broadcasts.{name}"))?;
        broadcast.insert_into(&mut versions);
    }
    Ok(versions)
}

/// Replaces the file atomically.
pub(super) fn save(path: &Path, versions: &Versions) -> io::Result<()> {
    let table = BTreeMap::from([("broadcasts", versions)]);
    let text = toml::to_string(&table).map_err(io::Error::other)?;
    private_file::replace(path, format!("{HEADER}{text}").as_bytes()).map_err(|error| error.source)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_versions_with_any_character_are_stored() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(NAME);
        assert_eq!(load(&path).unwrap(), Versions::new());
        let printable: String = (b' '..=b'~').map(char::from).collect();
        let name: String = printable.trim_start().to_owned();
        let versions = Versions::from([(name, printable), ("a.b".into(), "'''\"\"\"\\".into())]);
        for versions in [&versions, &Versions::new()] {
            save(&path, versions).unwrap();
            assert_eq!(&load(&path).unwrap(), versions);
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn an_invalid_file_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(NAME);
        fs::write(&path, "[broadcasts]\na = 1").unwrap();
        let error = format!("{:#}", load(&path).unwrap_err());
        assert!(error.contains("broadcasts.toml") && error.contains("line 2"), "{error}");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        let error = format!("{:#}", load(&path).unwrap_err());
        assert!(error.contains("cannot read") && error.contains("broadcasts.toml"), "{error}");
    }
}

//! The file of the versions that were set at run time, in the format of the configuration file.

use crate::check_line::{self, Checked};
use anyhow::{Context as _, anyhow, bail, ensure};
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
# If you edit it while the server is stopped, delete the last line.
";

/// Reads the file. A missing file has no versions.
pub(super) fn load(path: &Path) -> anyhow::Result<Versions> {
    match fs::read_to_string(path) {
        Ok(text) if is_changed(&text) => bail!(
            "{} is damaged, or was edited: its last line does not match. If you edited it, delete that line; otherwise \
             delete the file, and set the broadcasts again",
            path.display()
        ),
        Ok(text) => parse(&text).with_context(|| format!("{} is invalid", path.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Versions::new()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Returns true if the text differs from what was written. Files of earlier builds do not tell.
fn is_changed(text: &str) -> bool {
    let is_foreign = |checked: Checked<'_>| !checked.is_intact || !checked.added.trim().is_empty();
    check_line::split(text).is_some_and(is_foreign)
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
    private_file::replace(path, check_line::add(&format!("{HEADER}{text}")).as_bytes())
        .map_err(|error| error.source)
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

    /// B7g: a file that has changed by itself is not used.
    #[test]
    fn every_flipped_bit_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(NAME);
        let versions = Versions::from([("name".into(), "version".into())]);
        save(&path, &versions).unwrap();
        let whole = fs::read(&path).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, damaged).unwrap();
            if let Ok(found) = load(&path) {
                assert_eq!(found, versions, "bit {bit}");
            }
        }
        let edited = String::from_utf8(whole).unwrap().replace("version\"", "other\"");
        fs::write(&path, &edited).unwrap();
        assert!(load(&path).is_err());
        fs::write(
            &path,
            edited.lines().filter(|line| !line.starts_with(check_line::CHECK)).collect::<Vec<_>>().join("\n"),
        )
        .unwrap();
        assert_eq!(load(&path).unwrap(), Versions::from([("name".into(), "other".into())]));
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

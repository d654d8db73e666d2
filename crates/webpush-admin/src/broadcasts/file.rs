//! The file that keeps what was set while the service ran. It has the form of a configuration file.

use anyhow::Context as _;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;
use webpush_config::broadcasts;
use webpush_core::protocol::autopush::Versions;

/// Its name in the data folder.
pub(super) const NAME: &str = "broadcasts.toml";

const HEADER: &str = "\
# The versions of broadcasts that were set over the admin listener of webpush-server. They win over its configuration.
# Written by the service: change them there.
";

/// Reads the file; nothing was ever set where there is none.
pub(super) fn load(path: &Path) -> anyhow::Result<Versions> {
    let shown = path.display();
    match fs::read_to_string(path) {
        Ok(text) => Ok(broadcasts::parse(path, &text)?),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Versions::new()),
        Err(error) => Err(error).with_context(|| format!("{shown} can't be read")),
    }
}

/// Replaces the file at once or not at all. Whoever calls has the data folder for itself.
pub(super) fn save(path: &Path, versions: &Versions) -> io::Result<()> {
    let table = BTreeMap::from([("broadcasts", versions)]);
    let text = toml::to_string(&table).map_err(io::Error::other)?;
    let beside = path.with_extension("toml.new");
    let mut file = File::create(&beside)?;
    file.write_all(HEADER.as_bytes())?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    // A name is safe when its folder is.
    File::open(path.parent().unwrap_or_else(|| Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_whatever_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        assert_eq!(load(&path).unwrap(), Versions::new());
        let printable: String = (b' '..=b'~').map(char::from).collect();
        let name: String = printable.trim_start().to_owned();
        let versions = Versions::from([(name, printable), ("a.b".into(), "'''\"\"\"\\".into())]);
        // A crash may have left half of one.
        fs::write(path.with_extension("toml.new"), "half").unwrap();
        for versions in [&versions, &Versions::new()] {
            save(&path, versions).unwrap();
            assert_eq!(&load(&path).unwrap(), versions);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_file_that_was_spoilt_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        fs::write(&path, "[broadcasts]\na = 1").unwrap();
        let error = format!("{:#}", load(&path).unwrap_err());
        assert!(error.contains("broadcasts.toml:2: broadcasts.a"), "{error}");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        let error = format!("{:#}", load(&path).unwrap_err());
        assert!(error.contains("broadcasts.toml can't be read"), "{error}");
    }
}

//! The file with the keys that capability URLs are sealed with: made once, kept for ever.
//!
//! One key a line, `<id> <base64url of 32 bytes>`, the current one last. An operator rotates by adding a line.

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use webpush_core::capability::{KeyId, Keyring};

/// The name of the file in the data folder.
pub const FILE_NAME: &str = "sealing-keys";

const HEADER: &str = "\
# Keys that the URLs of this webpush-server are sealed with: <id> <key>, the last line seals what is new.
# Without this file no existing URL works: keep it secret, back it up, never remove a line that is in use.
";

/// Reads the keys of a data folder, or makes the first one when the folder is new.
///
/// # Errors
/// When the file can't be read or is not as it should be, or is missing although `store_exists`.
pub fn load_or_create(folder: &Path, store_exists: bool) -> anyhow::Result<Keyring> {
    let path = folder.join(FILE_NAME);
    match fs::read_to_string(&path) {
        Ok(text) => parse(&text).with_context(|| format!("{} can't be used", path.display())),
        Err(error) if error.kind() == ErrorKind::NotFound && store_exists => bail!(
            "{} is missing, but the folder holds messages: without it no URL that was given out works. \
             Put it back from a backup, or move the whole folder away to begin anew",
            path.display()
        ),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            create(&path)?;
            load_or_create(folder, true)
        }
        Err(error) => Err(error).with_context(|| format!("{} can't be read", path.display())),
    }
}

/// Reads the keys of a data folder.
///
/// # Errors
/// When the file can't be read or is not as it should be.
pub fn load(folder: &Path) -> anyhow::Result<Keyring> {
    let path = folder.join(FILE_NAME);
    let text = fs::read_to_string(&path)
        .with_context(|| format!("{} can't be read (--data-dir)", path.display()))?;
    parse(&text).with_context(|| format!("{} can't be used", path.display()))
}

fn create(path: &Path) -> anyhow::Result<()> {
    let key = crate::fresh::random::<32>()?;
    let text = format!("{HEADER}1 {}\n", URL_SAFE_NO_PAD.encode(key));
    // Written beside and linked: a crash leaves a whole file or none, and of two processes that start at the same time
    // one finds the keys of the other.
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    let write = || -> std::io::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        match fs::hard_link(&beside, path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        fs::File::open(path.parent().unwrap_or_else(|| Path::new(".")))?.sync_all()
    };
    let written = write().with_context(|| format!("{} can't be written", path.display()));
    // It may not be there, after an early failure.
    drop(fs::remove_file(&beside));
    written
}

fn parse(text: &str) -> anyhow::Result<Keyring> {
    let mut keys = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = || format!("line {} is not «<id 0-255> <base64url of 32 bytes>»", number + 1);
        let (id, key) = line.split_once(' ').with_context(wrong)?;
        let key = URL_SAFE_NO_PAD.decode(key.trim()).ok().and_then(|key| key.try_into().ok());
        keys.push((KeyId(id.parse().with_context(wrong)?), key.with_context(wrong)?));
    }
    Keyring::new(&keys).context("it must hold at least one key, and no id twice")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn made_once_then_kept_and_for_the_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        load_or_create(folder.path(), false).unwrap();
        let path = folder.path().join(FILE_NAME);
        let first = fs::read(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        load_or_create(folder.path(), true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), first);
        fs::remove_file(&path).unwrap();
        let error = load_or_create(folder.path(), true).unwrap_err().to_string();
        assert!(error.contains("is missing, but the folder holds messages"), "{error}");
    }

    #[test]
    fn rotation_adds_a_line_and_wrong_lines_are_named() {
        let key = |n: u8| URL_SAFE_NO_PAD.encode([n; 32]);
        let keyring = parse(&format!("# keys\n1 {}\n2 {}\n", key(1), key(2))).unwrap();
        assert_eq!(keyring.current(), KeyId(2));
        for wrong in ["", "1", "1 abc", "256 x", &format!("1 {0}\n1 {0}", key(1))] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        let error = format!("{:#}", parse("# x\nfoo bar").unwrap_err());
        assert!(error.contains("line 2") && !error.contains("bar"), "{error}");
    }
}

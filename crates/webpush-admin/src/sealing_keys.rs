//! The file of the keys that seal capability URLs.
//!
//! Each line is a key, `<id> <base64url of 32 bytes>`. The last one is the current key, which seals new URLs; the others
//! only open old ones. To rotate, a key is appended. `file` has the check value of the file and its copy. The nodes of a cluster
//! have their keys in its database instead; see `source`.

mod file;
mod source;

pub use source::KeySource;

use crate::check_line;
use anyhow::{Context as _, bail};
use std::io::ErrorKind;
use std::path::Path;
use webpush_client::private_file;
use webpush_core::base64url;
use webpush_core::capability::{KeyId, Keyring};
use webpush_service::sealing_cipher::Aes256GcmSiv;

/// Name of the file in the data directory.
pub const FILE_NAME: &str = "sealing-keys";

/// Name of its copy. It exists once the store of the data directory was opened.
pub const COPY_NAME: &str = "sealing-keys.copy";

/// Keys in the order of the file: the current one is the last.
pub type Keys = Vec<(KeyId, [u8; 32])>;

const INVALID_KEYS: &str = "there must be at least one key, and no two keys with the same ID";

const HEADER: &str = "\
# The keys that seal the URLs of this webpush-server: <id> <key>. The last one seals new URLs.
# Without this file no existing URL works: keep it secret, back it up, and do not remove keys that are in use.
";

/// Reads the keys, or creates the first one in a new data directory.
///
/// # Errors
/// Fails if the file and its copy cannot be used, or if they are missing although `store_exists`.
pub fn load_or_create(data_dir: &Path, store_exists: bool) -> anyhow::Result<Keyring> {
    let path = data_dir.join(FILE_NAME);
    match file::load(data_dir)? {
        Some(text) => keyring(&text).with_context(|| format!("{} is invalid", path.display())),
        None if store_exists => bail!(
            "{} is missing, but the data directory has messages, whose URLs do not work without it: restore it from a \
             backup, or move the data directory away to start with a new one",
            path.display()
        ),
        None => {
            create(&path)?;
            load_or_create(data_dir, true)
        }
    }
}

/// Writes the copy of the file, after the store was opened.
///
/// # Errors
/// Fails if the file cannot be used, or the copy cannot be written.
pub fn keep_copy(data_dir: &Path) -> anyhow::Result<()> {
    file::load(data_dir)?.map_or(Ok(()), |text| file::keep_copy(data_dir, &text))
}

/// Reads the keys as a keyring.
///
/// # Errors
/// See [`read`]. Also fails if there is no key, or one with the ID of another.
pub fn load(data_dir: &Path) -> anyhow::Result<Keyring> {
    Keyring::new::<Aes256GcmSiv>(&read(data_dir)?).context(INVALID_KEYS)
}

/// Reads the keys.
///
/// # Errors
/// Fails if the file cannot be read or is damaged.
pub fn read(data_dir: &Path) -> anyhow::Result<Keys> {
    file::read(data_dir)
}

/// Writes the keys of a data directory that has none.
///
/// # Errors
/// Fails if there is a file already, if it cannot be written, or if the keys are invalid.
pub fn write_new(data_dir: &Path, keys: &[(KeyId, [u8; 32])]) -> anyhow::Result<()> {
    Keyring::new::<Aes256GcmSiv>(keys).context(INVALID_KEYS)?;
    let lines: String = keys.iter().map(|(id, key)| line(*id, key)).collect();
    let text = format!("{HEADER}{lines}");
    private_file::create(&data_dir.join(FILE_NAME), check_line::add(&text).as_bytes())?;
    file::keep_copy(data_dir, &text)
}

/// Checks that a data directory may become one of the service that has these keys.
///
/// # Errors
/// Fails if it has a key that is not among them, or files that cannot be used.
pub fn check_adoptable(data_dir: &Path, keys: &[(KeyId, [u8; 32])]) -> anyhow::Result<()> {
    let existing = file::load(data_dir)?.map(|text| parse(&text)).transpose()?;
    match existing {
        Some(existing) if existing.iter().all(|key| keys.contains(key)) => Ok(()),
        Some(_) => bail!(
            "{} belongs to another service: it has sealing keys that the source does not have",
            data_dir.display()
        ),
        None => Ok(()),
    }
}

/// Writes the keys of the service that moves into a data directory.
///
/// They replace those that are there.
///
/// # Errors
/// Fails like [`check_adoptable`], or if the files cannot be written.
pub fn adopt(data_dir: &Path, keys: &[(KeyId, [u8; 32])]) -> anyhow::Result<()> {
    check_adoptable(data_dir, keys)?;
    let lines: String = keys.iter().map(|(id, key)| line(*id, key)).collect();
    replace(data_dir, &format!("{HEADER}{lines}"))
}

/// Appends a new current key to the file, then to the keyring. Callers must not run this concurrently.
///
/// # Errors
/// Fails if all IDs are in use, or the file cannot be written.
pub fn rotate(data_dir: &Path, keyring: &Keyring) -> anyhow::Result<KeyId> {
    rotate_avoiding(data_dir, keyring, &[])
}

/// Rotates to an ID that none of `others` has either.
fn rotate_avoiding(
    data_dir: &Path,
    keyring: &Keyring,
    others: &[(KeyId, [u8; 32])],
) -> anyhow::Result<KeyId> {
    let existing = read(data_dir)?;
    let current = existing.last().map_or(0, |(id, _)| id.0);
    let contains = |keys: &[(KeyId, [u8; 32])], id: &KeyId| keys.iter().any(|(other, _)| other == id);
    let is_free = |id: &KeyId| {
        !contains(&existing, id) && !contains(others, id) && !keyring.ids().any(|other| other == *id)
    };
    let id = (1..=u8::MAX).map(|step| KeyId(current.wrapping_add(step))).find(is_free);
    let id = id.context("all 256 IDs of sealing keys are in use")?;
    let key = webpush_service::system::env().random::<32>()?;
    let mut text = text(data_dir)?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&line(id, &key));
    replace(data_dir, &text)?;
    if !keyring.insert(id, &key) || !keyring.set_current(id) {
        bail!(conflict_in_memory(id));
    }
    Ok(id)
}

/// Adds keys of another server to the file, then to the keyring, so that its URLs work here.
///
/// The current key stays the current one. Callers must not run this concurrently.
///
/// # Errors
/// Fails if an ID belongs to a different key here, or the file cannot be written.
pub fn import_keys(data_dir: &Path, keyring: &Keyring, keys: &[(KeyId, [u8; 32])]) -> anyhow::Result<()> {
    let existing = read(data_dir)?;
    let find = |id: KeyId| existing.iter().find(|(other, _)| *other == id).map(|(_, key)| key);
    if let Some((id, _)) = keys.iter().find(|(id, key)| find(*id).is_some_and(|other| other != key)) {
        bail!(
            "the ID {} belongs to a different sealing key on this server, so URLs that the file's key sealed cannot \
             work here: restore the file into a new data directory instead",
            id.0
        );
    }
    let new: Vec<_> = keys.iter().filter(|(id, _)| find(*id).is_none()).collect();
    if new.is_empty() {
        return Ok(());
    }
    if existing.len() == 1 {
        // Imported keys go between the first key, which log IDs are derived from, and the last one, which seals.
        rotate_avoiding(data_dir, keyring, keys)?;
    }
    let text = text(data_dir)?;
    let is_key = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.iter().rposition(is_key).unwrap_or(lines.len());
    let join = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let added: String = new.iter().map(|(id, key)| line(*id, key)).collect();
    replace(data_dir, &format!("{}{added}{}", join(&lines[..last]), join(&lines[last..])))?;
    for (id, key) in new {
        if !keyring.insert(*id, key) {
            bail!(conflict_in_memory(*id));
        }
    }
    Ok(())
}

/// The message for a file that was edited while the server runs.
fn conflict_in_memory(id: KeyId) -> String {
    format!("the running server uses another sealing key with the ID {}: restart it", id.0)
}

/// Replaces the file and its copy, unless the next start could not use the new text.
fn replace(data_dir: &Path, text: &str) -> anyhow::Result<()> {
    keyring(text).with_context(|| format!("{} was not changed", data_dir.join(FILE_NAME).display()))?;
    file::replace(data_dir, text)
}

/// Returns the text of the file.
fn text(data_dir: &Path) -> anyhow::Result<String> {
    file::load(data_dir)?.with_context(|| format!("{} is missing", data_dir.join(FILE_NAME).display()))
}

fn line(id: KeyId, key: &[u8; 32]) -> String {
    format!("{} {}\n", id.0, base64url::encode(key))
}

fn keyring(text: &str) -> anyhow::Result<Keyring> {
    Keyring::new::<Aes256GcmSiv>(&parse(text)?).context(INVALID_KEYS)
}

fn create(path: &Path) -> anyhow::Result<()> {
    let key = webpush_service::system::env().random::<32>()?;
    // A random ID makes it unlikely that two servers have the same one, so that agents can be moved between them.
    let [id] = webpush_service::system::env().random::<1>()?;
    let text = format!("{HEADER}{}", line(KeyId(id), &key));
    match private_file::create(path, check_line::add(&text).as_bytes()) {
        // Another process started at the same time; both use its key.
        Err(error) if error.source.kind() == ErrorKind::AlreadyExists => Ok(()),
        created => Ok(created?),
    }
}

fn parse(text: &str) -> anyhow::Result<Keys> {
    let mut keys = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // Does not quote the line, which may hold a key.
        let malformed = || format!("line {}: expected `<id 0-255> <base64url of 32 bytes>`", number + 1);
        let (id, key) = line.split_once(' ').with_context(malformed)?;
        let key = base64url::decode(key.trim()).and_then(|key| key.try_into().ok());
        keys.push((KeyId(id.parse().with_context(malformed)?), key.with_context(malformed)?));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests;

//! The file with the keys that capability URLs are sealed with: made once, kept for ever.
//!
//! One key a line, `<id> <base64url of 32 bytes>`, the current one last. An operator rotates by adding a line.

use anyhow::{Context as _, bail};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use webpush_client::private_file;
use webpush_core::base64url;
use webpush_core::capability::{KeyId, Keyring};
use webpush_service::sealing::Aes256GcmSiv;

/// The name of the file in the data folder.
pub const FILE_NAME: &str = "sealing-keys";

/// Keys, the one that seals what is new last.
pub type Keys = Vec<(KeyId, [u8; 32])>;

const UNUSABLE: &str = "it must hold at least one key, and no id twice";

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
        Ok(text) => keyring(&text).with_context(|| format!("{} can't be used", path.display())),
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

/// The keys of a data folder, as they open and seal URLs.
///
/// # Errors
/// As [`read`].
pub fn load(folder: &Path) -> anyhow::Result<Keyring> {
    Keyring::new::<Aes256GcmSiv>(&read(folder)?).context(UNUSABLE)
}

/// The keys of a data folder, the current one last.
///
/// # Errors
/// When the file can't be read or is not as it should be.
pub fn read(folder: &Path) -> anyhow::Result<Keys> {
    let path = folder.join(FILE_NAME);
    let text = fs::read_to_string(&path)
        .with_context(|| format!("{} can't be read (--data-dir)", path.display()))?;
    parse(&text).with_context(|| format!("{} can't be used", path.display()))
}

/// Writes the keys of a folder that has none.
///
/// # Errors
/// When that can't be done, or they are none that a service could use.
pub fn write_new(folder: &Path, keys: &[(KeyId, [u8; 32])]) -> anyhow::Result<()> {
    Keyring::new::<Aes256GcmSiv>(keys).context(UNUSABLE)?;
    let lines: String = keys.iter().map(|(id, key)| line(*id, key)).collect();
    private_file::create(&folder.join(FILE_NAME), format!("{HEADER}{lines}").as_bytes())?;
    Ok(())
}

/// Makes a new key that seals what is new: in the file first, then in force. Not to be called by two at once.
///
/// # Errors
/// When every id has a key, or the file can't be written.
pub fn rotate(folder: &Path, keyring: &Keyring) -> anyhow::Result<KeyId> {
    rotate_beside(folder, keyring, &[])
}

/// The same with an id that none of these keys has.
fn rotate_beside(folder: &Path, keyring: &Keyring, others: &[(KeyId, [u8; 32])]) -> anyhow::Result<KeyId> {
    let held = read(folder)?;
    let current = held.last().map_or(0, |(id, _)| id.0);
    let is_among = |keys: &[(KeyId, [u8; 32])], id: &KeyId| keys.iter().any(|(taken, _)| taken == id);
    let is_free = |id: &KeyId| {
        !is_among(&held, id) && !is_among(others, id) && !keyring.ids().any(|taken| taken == *id)
    };
    let id = (1..=u8::MAX).map(|step| KeyId(current.wrapping_add(step))).find(is_free);
    let id = id.context("there are 256 sealing keys, one for each id, and so no room for another")?;
    let key = webpush_service::system::env().random::<32>()?;
    let path = folder.join(FILE_NAME);
    let mut text = private_file::read(&path)?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&line(id, &key));
    replace(&path, &text)?;
    if !keyring.insert(id, &key) || !keyring.set_current(id) {
        bail!("the service has another key with the id {} in force: restart it", id.0);
    }
    Ok(id)
}

/// Takes keys of another service in, so that its URLs work here; none of them seals what is new. In the file first, then
/// in force. Not to be called by two at once.
///
/// # Errors
/// When an id stands for another key here, or the file can't be written.
pub fn import_keys(folder: &Path, keyring: &Keyring, keys: &[(KeyId, [u8; 32])]) -> anyhow::Result<()> {
    let held = read(folder)?;
    let here = |id: KeyId| held.iter().find(|(taken, _)| *taken == id).map(|(_, key)| key);
    if let Some((id, _)) = keys.iter().find(|(id, key)| here(*id).is_some_and(|held| held != key)) {
        bail!(
            "sealing key {} is another one here, so URLs that it has sealed can't work: restore the file into a new \
             folder instead",
            id.0
        );
    }
    let new: Vec<_> = keys.iter().filter(|(id, _)| here(*id).is_none()).collect();
    if new.is_empty() {
        return Ok(());
    }
    if held.len() == 1 {
        // The first key names agents in front of people, and the last one seals: both stay where they are.
        rotate_beside(folder, keyring, keys)?;
    }
    let path = folder.join(FILE_NAME);
    let text = private_file::read(&path)?;
    // Before the last key, which goes on to seal what is new.
    let is_key = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.iter().rposition(is_key).unwrap_or(lines.len());
    let as_they_are = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let added: String = new.iter().map(|(id, key)| line(*id, key)).collect();
    replace(&path, &format!("{}{added}{}", as_they_are(&lines[..last]), as_they_are(&lines[last..])))?;
    for (id, key) in new {
        if !keyring.insert(*id, key) {
            bail!("the service has another key with the id {} in force: restart it", id.0);
        }
    }
    Ok(())
}

/// Only with what the next start can use.
fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    keyring(text).with_context(|| format!("{} is left as it is", path.display()))?;
    Ok(private_file::replace(path, text.as_bytes())?)
}

fn line(id: KeyId, key: &[u8; 32]) -> String {
    format!("{} {}\n", id.0, base64url::encode(key))
}

fn keyring(text: &str) -> anyhow::Result<Keyring> {
    Keyring::new::<Aes256GcmSiv>(&parse(text)?).context(UNUSABLE)
}

fn create(path: &Path) -> anyhow::Result<()> {
    let key = webpush_service::system::env().random::<32>()?;
    // Two services are unlikely to begin with the same id, so that agents can be moved from one to the other.
    let [id] = webpush_service::system::env().random::<1>()?;
    let text = format!("{HEADER}{}", line(KeyId(id), &key));
    match private_file::create(path, text.as_bytes()) {
        // Of two processes that start at the same time, one uses the keys of the other.
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
        let wrong = || format!("line {} is not «<id 0-255> <base64url of 32 bytes>»", number + 1);
        let (id, key) = line.split_once(' ').with_context(wrong)?;
        let key = base64url::decode(key.trim()).and_then(|key| key.try_into().ok());
        keys.push((KeyId(id.parse().with_context(wrong)?), key.with_context(wrong)?));
    }
    Ok(keys)
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
        let key = |n: u8| base64url::encode([n; 32]);
        let keyring = keyring(&format!("# keys\n1 {}\n2 {}\n", key(1), key(2))).unwrap();
        assert_eq!(keyring.current(), KeyId(2));
        for wrong in ["", "1", "1 abc", "256 x", &format!("1 {0}\n1 {0}", key(1))] {
            assert!(super::keyring(wrong).is_err(), "{wrong}");
        }
        let error = format!("{:#}", parse("# x\nfoo bar").unwrap_err());
        assert!(error.contains("line 2") && !error.contains("bar"), "{error}");
    }

    #[test]
    fn a_key_that_is_made_is_in_the_file_and_in_force_until_there_are_256() {
        let folder = tempfile::tempdir().unwrap();
        let keyring = load_or_create(folder.path(), false).unwrap();
        let first = keyring.current();
        for _ in 1..256 {
            let id = rotate(folder.path(), &keyring).unwrap();
            assert_eq!((keyring.current(), read(folder.path()).unwrap().last().unwrap().0), (id, id));
        }
        assert_eq!(keyring.current(), KeyId(first.0.wrapping_sub(1)));
        let error = rotate(folder.path(), &keyring).unwrap_err().to_string();
        assert!(error.contains("256 sealing keys"), "{error}");
        let again = load_or_create(folder.path(), true).unwrap();
        assert_eq!((again.current(), again.ids().count()), (keyring.current(), 256));
        let mode = fs::metadata(folder.path().join(FILE_NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn no_key_that_comes_takes_the_id_of_one_that_is_made_or_that_stands_before_a_comment() {
        let folder = tempfile::tempdir().unwrap();
        write_new(folder.path(), &[(KeyId(4), [4; 32])]).unwrap();
        let path = folder.path().join(FILE_NAME);
        fs::write(&path, fs::read_to_string(&path).unwrap() + "# of 2026\n").unwrap();
        let keyring = load_or_create(folder.path(), true).unwrap();
        // Of a service that had the same first key, and has rotated since.
        let theirs = [(KeyId(4), [4; 32]), (KeyId(5), [5; 32])];
        import_keys(folder.path(), &keyring, &theirs).unwrap();
        let again = load_or_create(folder.path(), true).unwrap();
        assert_eq!((again.ids().count(), again.oldest()), (3, KeyId(4)));
        assert!(again.current() == keyring.current() && ![KeyId(4), KeyId(5)].contains(&again.current()));
        assert!(read(folder.path()).unwrap().contains(&theirs[1]));
        assert!(fs::read_to_string(&path).unwrap().contains("# of 2026"));
    }

    #[test]
    fn keys_of_another_service_open_and_do_not_seal() {
        let folder = tempfile::tempdir().unwrap();
        write_new(folder.path(), &[(KeyId(4), [4; 32]), (KeyId(5), [5; 32])]).unwrap();
        let keyring = load_or_create(folder.path(), true).unwrap();
        import_keys(folder.path(), &keyring, &[(KeyId(6), [6; 32]), (KeyId(4), [4; 32])]).unwrap();
        let expected = [(KeyId(4), [4; 32]), (KeyId(6), [6; 32]), (KeyId(5), [5; 32])];
        assert_eq!(read(folder.path()).unwrap(), expected);
        assert_eq!((keyring.current(), keyring.ids().count()), (KeyId(5), 3));
        let error = import_keys(folder.path(), &keyring, &[(KeyId(7), [7; 32]), (KeyId(4), [9; 32])]);
        assert!(error.unwrap_err().to_string().contains("sealing key 4"));
        assert_eq!(read(folder.path()).unwrap(), expected);
        assert!(write_new(folder.path(), &[(KeyId(1), [1; 32])]).is_err(), "there are some");
    }
}

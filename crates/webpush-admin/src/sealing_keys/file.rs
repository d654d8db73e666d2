//! The file of the sealing keys on disk: its check value, and its copy.
//!
//! A changed character would turn every URL into 404, and senders would delete their subscriptions. So the last line has a
//! checksum of all lines before it, as a comment, and there is a second file. A damaged file is replaced with the other
//! one. Files of earlier builds have no check value, and get one.
//!
//! The copy is first written when the store has been opened, so it also shows that a store must be there.

use super::{COPY_NAME, FILE_NAME, Keys, keyring, parse};
use crate::check_line::{self, CHECK, Checked};
use anyhow::{Context as _, bail};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use webpush_client::private_file;
use webpush_core::byte_order_mark;

/// The content of a file.
enum Content {
    /// Keys, with a check value that is right.
    Checked(String),
    /// Keys without a check value for all of them.
    Unchecked(String),
    Missing,
    /// The reason why it cannot be used.
    Damaged(String),
}

/// Returns the text without its check value. Damage is repaired from the copy.
///
/// # Errors
/// Fails if neither file can be used.
pub(super) fn load(data_dir: &Path) -> anyhow::Result<Option<String>> {
    let (path, copy_path) = (data_dir.join(FILE_NAME), data_dir.join(COPY_NAME));
    let (main, copy) = (content(&path)?, content(&copy_path)?);
    let is_missing = matches!(main, Content::Missing);
    let reason = match main {
        Content::Unchecked(text) if lacks_keys(&text, &copy) => "keys of its copy are missing".to_owned(),
        Content::Checked(text) | Content::Unchecked(text) => {
            // Either file may have no check value, or be from before a change that was interrupted.
            write(&path, &text)?;
            if !matches!(copy, Content::Missing) {
                keep_copy(data_dir, &text)?;
            }
            return Ok(Some(text));
        }
        Content::Missing => "it is missing".to_owned(),
        Content::Damaged(reason) => reason,
    };
    match copy {
        Content::Checked(text) => {
            write(&path, &text)?;
            tracing::error!(
                file = %path.display(),
                reason,
                "the file of the sealing keys was damaged and has been replaced with its copy; check the disk"
            );
            Ok(Some(text))
        }
        Content::Missing | Content::Unchecked(_) if is_missing => Ok(None),
        _ => bail!(
            "{} is damaged ({reason}), and its copy {} cannot be used either: restore one of them from a backup of the \
             directory. If you have changed the file yourself, delete the copy, and the line that begins with \"{}\"",
            path.display(),
            copy_path.display(),
            CHECK.trim_end()
        ),
    }
}

/// Returns true if a file lacks keys of its copy, as one that was cut off does.
fn lacks_keys(text: &str, copy: &Content) -> bool {
    let Content::Checked(copy) = copy else { return false };
    let (Ok(keys), Ok(all)) = (parse(text), parse(copy)) else { return false };
    !all.iter().all(|key| keys.contains(key))
}

/// Reads the keys without repairing anything.
///
/// # Errors
/// Fails if the file cannot be read or is damaged.
pub(super) fn read(data_dir: &Path) -> anyhow::Result<Keys> {
    let path = data_dir.join(FILE_NAME);
    match content(&path)? {
        Content::Checked(text) | Content::Unchecked(text) => parse(&text),
        Content::Missing => bail!("cannot read {} (--data-dir): it does not exist", path.display()),
        Content::Damaged(reason) => {
            bail!("{} is damaged ({reason}): the server repairs it when it starts", path.display())
        }
    }
}

/// Writes both files.
///
/// # Errors
/// Fails if one cannot be written.
pub(super) fn replace(data_dir: &Path, text: &str) -> anyhow::Result<()> {
    write(&data_dir.join(FILE_NAME), text)?;
    keep_copy(data_dir, text)
}

/// Writes the copy.
///
/// # Errors
/// Fails if it cannot be written.
pub(super) fn keep_copy(data_dir: &Path, text: &str) -> anyhow::Result<()> {
    write(&data_dir.join(COPY_NAME), text)
}

/// Writes a file, unless it is the same already.
fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let text = check_line::add(text);
    if fs::read(path).is_ok_and(|there| there == text.as_bytes()) {
        return Ok(());
    }
    Ok(private_file::replace(path, text.as_bytes())?)
}

fn content(path: &Path) -> anyhow::Result<Content> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Content::Missing),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {} (--data-dir)", path.display()));
        }
    };
    let Ok(text) = String::from_utf8(bytes) else {
        return Ok(Content::Damaged("it is not text".to_owned()));
    };
    let text = byte_order_mark::strip(&text).to_owned();
    let content = match check_line::split(&text) {
        Some(Checked { is_intact: false, .. }) => {
            Content::Damaged("its check value does not match".to_owned())
        }
        Some(Checked { before, added, .. }) if added.trim().is_empty() => Content::Checked(before.to_owned()),
        // A key that an administrator has added to the end.
        Some(Checked { before, added, .. }) => Content::Unchecked(format!("{before}{added}")),
        None => Content::Unchecked(text),
    };
    Ok(match &content {
        Content::Checked(text) | Content::Unchecked(text) => match keyring(text) {
            Ok(_) => content,
            Err(error) => Content::Damaged(format!("{error:#}")),
        },
        Content::Missing | Content::Damaged(_) => content,
    })
}

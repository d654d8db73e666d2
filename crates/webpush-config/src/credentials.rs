//! systemd credentials: files in `$CREDENTIALS_DIRECTORY` (`LoadCredential=tls.key:/etc/...`).
//!
//! A credential has the name of its setting, without `_file`.

use crate::setting::{Form, Setting};
use crate::source::{Source, SourcedValue};
use std::collections::BTreeMap;
use std::path::Path;

/// Suffix of keys for the file of a secret.
pub(crate) const FILE_SUFFIX: &str = "_file";

/// Returns the name of the credential for a setting, if it can have one.
#[must_use]
pub fn name(setting: &Setting) -> Option<&str> {
    let has_credentials = match setting.section() {
        "tls" | "subscribe" | "admin" => true,
        "storage" => setting.name.ends_with(FILE_SUFFIX),
        _ => false,
    };
    (has_credentials && setting.form == Form::Path)
        .then(|| setting.name.strip_suffix(FILE_SUFFIX).unwrap_or(&setting.name))
}

/// Finds the credentials of settings that no other source sets, with or without `_file`.
pub(crate) fn read(
    directory: &Path,
    settings: &[Setting],
    already_set: &BTreeMap<String, SourcedValue>,
) -> BTreeMap<String, SourcedValue> {
    let mut values = BTreeMap::new();
    for setting in settings {
        let Some(name) = name(setting) else { continue };
        let path = directory.join(name);
        let is_set = already_set.contains_key(&setting.name) || already_set.contains_key(name);
        if !is_set && path.exists() {
            let source = Source::Credential(name.to_owned());
            values.insert(setting.name.clone(), SourcedValue { texts: vec![path.into_os_string()], source });
        }
    }
    values
}

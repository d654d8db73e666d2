//! Credentials of systemd: files of `$CREDENTIALS_DIRECTORY`, named like the setting that they are for, without `_file`
//! (`LoadCredential=tls.key:/etc/…`).

use crate::setting::{Form, Setting};
use crate::source::{Source, SourcedValue};
use std::collections::BTreeMap;
use std::path::Path;

/// The suffix of keys that name the file of a secret.
pub(crate) const FILE_SUFFIX: &str = "_file";

/// Returns the credential of a setting, if it can have one.
#[must_use]
pub fn name(setting: &Setting) -> Option<&str> {
    let file = setting.form == Form::Path && matches!(setting.section(), "tls" | "subscribe" | "admin");
    file.then(|| setting.name.strip_suffix(FILE_SUFFIX).unwrap_or(&setting.name))
}

/// Reads the credentials of settings that no other source sets, with or without `_file`.
pub(crate) fn read(
    directory: &Path,
    settings: &[Setting],
    said: &BTreeMap<String, SourcedValue>,
) -> BTreeMap<String, SourcedValue> {
    let mut values = BTreeMap::new();
    for setting in settings {
        let Some(name) = name(setting) else { continue };
        let path = directory.join(name);
        if !said.contains_key(&setting.name) && !said.contains_key(name) && path.exists() {
            let source = Source::Credential(name.to_owned());
            values.insert(setting.name.clone(), SourcedValue { texts: vec![path.into_os_string()], source });
        }
    }
    values
}

//! Credentials of systemd: files of `$CREDENTIALS_DIRECTORY`, named like the setting that they are for, without `_file`
//! (`LoadCredential=tls.key:/etc/…`).

use crate::setting::{Form, Setting};
use crate::source::{Given, Source};
use std::collections::BTreeMap;
use std::path::Path;

/// What ends the key of a setting that names the file of a secret.
pub(crate) const FILE_SUFFIX: &str = "_file";

/// The name of the credential for a setting, if it names a file that may be one.
#[must_use]
pub fn name(setting: &Setting) -> Option<&str> {
    let file = setting.form == Form::Path && matches!(setting.section(), "tls" | "subscribe" | "admin");
    file.then(|| setting.name.strip_suffix(FILE_SUFFIX).unwrap_or(&setting.name))
}

/// The credentials that are there, for settings of which nothing is said, neither here nor with `_file`.
pub(crate) fn read(
    folder: &Path,
    settings: &[Setting],
    said: &BTreeMap<String, Given>,
) -> BTreeMap<String, Given> {
    let mut values = BTreeMap::new();
    for setting in settings {
        let Some(name) = name(setting) else { continue };
        let path = folder.join(name);
        if !said.contains_key(&setting.name) && !said.contains_key(name) && path.exists() {
            let source = Source::Credential(name.to_owned());
            values.insert(setting.name.clone(), Given { texts: vec![path.into_os_string()], source });
        }
    }
    values
}

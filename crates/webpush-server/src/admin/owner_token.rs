//! The token in the data folder: who can read it owns the service, whatever else is on the machine.
//!
//! Everybody on a machine can connect to a loopback address. To look is harmless; to take a copy of all messages and keys,
//! or to remove an agent, is not.

use crate::bearer_tokens::BearerTokens;
use crate::client::private_file;
use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// The name of the file in the data folder.
pub const FILE_NAME: &str = "admin-token";

/// The token of a data folder, made when it is not there yet.
///
/// # Errors
/// When the file can't be read or written, or holds no token.
pub(super) fn load_or_create(folder: &Path) -> anyhow::Result<BearerTokens> {
    let path = folder.join(FILE_NAME);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let text = format!("{}\n", URL_SAFE_NO_PAD.encode(crate::fresh::random::<24>()?));
            private_file::replace(&path, text.as_bytes())?;
            text
        }
        read => read.with_context(|| format!("{} can't be read", path.display()))?,
    };
    BearerTokens::parse(&text).with_context(|| format!("{} can't be used", path.display()))
}

/// The token, for a client that may read the folder.
#[must_use]
pub fn read(folder: &Path) -> Option<String> {
    fs::read_to_string(folder.join(FILE_NAME)).ok().map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_once_and_admitted() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()), None);
        load_or_create(folder.path()).unwrap();
        let token = read(folder.path()).unwrap();
        let tokens = load_or_create(folder.path()).unwrap();
        assert!(tokens.admit(&token) && !tokens.admit("0123456789abcdef"));
    }
}

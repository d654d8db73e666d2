//! The token in the data folder: who can read it owns the service, whatever else is on the machine.
//!
//! Everybody on a machine can connect to a loopback address. To look is harmless; to take a copy of all messages and keys,
//! or to remove an agent, is not.

use std::fs;
use std::path::Path;
use webpush_client::private_file;
use webpush_core::base64url;
use webpush_core::env::Env;
use webpush_service::bearer_tokens::BearerTokens;

/// The name of the file in the data folder.
pub const FILE_NAME: &str = "admin-token";

/// A new token for a data folder. One for each start: whoever has listened in the place of a service that was away, and
/// was shown one, has nothing of it.
///
/// # Errors
/// When the file can't be written.
pub(super) fn make(folder: &Path, env: &Env) -> anyhow::Result<BearerTokens> {
    let text = format!("{}\n", base64url::encode(env.random::<24>()?));
    private_file::replace(&folder.join(FILE_NAME), text.as_bytes())?;
    BearerTokens::parse(&text, env)
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
    fn each_start_has_its_own() {
        let (folder, env) = (tempfile::tempdir().unwrap(), webpush_service::system::env());
        assert_eq!(read(folder.path()), None);
        let first = make(folder.path(), &env).unwrap();
        let token = read(folder.path()).unwrap();
        assert!(first.contains(&token) && !first.contains("0123456789abcdef"));
        assert!(!make(folder.path(), &env).unwrap().contains(&token));
    }
}

//! The admin token, which the server writes to its data directory.
//!
//! Every local user can connect to a loopback address. Reading status is harmless; copying all messages and keys, or
//! removing an agent, is not. These operations require the token, so the file permissions decide who may do them.

use super::auth::AdminTokens;
use std::fs;
use std::path::Path;
use webpush_client::private_file;
use webpush_core::env::Env;
use webpush_core::{base64url, byte_order_mark};

/// Name of the file in the data directory.
pub const FILE_NAME: &str = "admin-token";

/// Writes a new token.
///
/// Each start has its own, so that a program that received one in place of a stopped server cannot use it later.
///
/// # Errors
/// Fails if there are no random bytes, or the file cannot be written.
pub(super) fn create(data_dir: &Path, env: &Env) -> anyhow::Result<AdminTokens> {
    let token = base64url::encode(env.random::<24>()?);
    private_file::replace(&data_dir.join(FILE_NAME), format!("{token}\n").as_bytes())?;
    AdminTokens::one(&token, env)
}

/// Returns the token, or `None` if its file cannot be read.
#[must_use]
pub fn read(data_dir: &Path) -> Option<String> {
    fs::read_to_string(data_dir.join(FILE_NAME))
        .ok()
        .map(|text| byte_order_mark::strip(&text).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_start_has_its_own_token() {
        let (data_dir, env) = (tempfile::tempdir().unwrap(), webpush_service::system::env());
        assert_eq!(read(data_dir.path()), None);
        let first = create(data_dir.path(), &env).unwrap();
        let token = read(data_dir.path()).unwrap();
        assert!(first.contains(&token) && !first.contains("0123456789abcdef"));
        assert!(!create(data_dir.path(), &env).unwrap().contains(&token));
    }
}

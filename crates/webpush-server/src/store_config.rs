//! The configuration of the database of a cluster.

use anyhow::{Context as _, bail};
use std::fs;
use std::path::{Path, PathBuf};
use webpush_service::secret::Secret;
use webpush_service::shared_keys;

/// The text in place of a password.
const HIDDEN: &str = "***";

/// The configuration of the database of a cluster.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// The URL of the database, perhaps with a password.
    pub url: Secret,
    /// The file of the password.
    pub password_file: Option<PathBuf>,
    /// The file of the certificates to trust.
    pub ca_file: Option<PathBuf>,
    /// The file of the secret that encrypts sealing keys.
    pub secret_file: PathBuf,
    /// The schema of the tables.
    pub schema: String,
    /// The number of connections for commits.
    pub connections: usize,
}

impl StoreConfig {
    /// Checks the URL, and reads the files.
    ///
    /// # Errors
    /// Fails if the URL is not one of PostgreSQL, or if a file cannot be used.
    pub fn check(&self) -> anyhow::Result<()> {
        let url = self.url.expose();
        if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            bail!(
                "--store must be the URL of a PostgreSQL database, such as postgres://webpush@db.example/webpush"
            );
        }
        if self.password_file.is_some() && redact(url) != url {
            bail!(
                "the password is in the URL of --store as well as in --store-password-file: remove one of them"
            );
        }
        self.password()?;
        self.ca()?;
        shared_keys::check_secret(self.secret()?.expose().as_bytes())
            .with_context(|| format!("cannot use {} (--store-secret-file)", self.secret_file.display()))
    }

    /// Reads the password, unless it is in the URL.
    ///
    /// # Errors
    /// Fails if the file cannot be read or is empty.
    pub fn password(&self) -> anyhow::Result<Option<Secret>> {
        self.password_file.as_deref().map(|file| read(file, "--store-password-file")).transpose()
    }

    /// Reads the secret that encrypts sealing keys.
    ///
    /// # Errors
    /// Fails if the file cannot be read or is empty.
    pub fn secret(&self) -> anyhow::Result<Secret> {
        read(&self.secret_file, "--store-secret-file")
    }

    /// Reads the certificates to trust; `None` for those of the system.
    ///
    /// # Errors
    /// Fails if the file cannot be read.
    pub fn ca(&self) -> anyhow::Result<Option<Vec<u8>>> {
        let Some(file) = &self.ca_file else { return Ok(None) };
        let pem = fs::read(file);
        pem.map(Some).with_context(|| format!("cannot read {} (--store-ca-file)", file.display()))
    }

    /// Returns the URL without its password.
    #[must_use]
    pub fn display_url(&self) -> String {
        redact(self.url.expose())
    }
}

/// Reads a secret, without the line break at its end.
fn read(file: &Path, flag: &str) -> anyhow::Result<Secret> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {} ({flag})", file.display()))?;
    match text.trim() {
        "" => bail!("{} is empty ({flag})", file.display()),
        text => Ok(text.parse()?),
    }
}

/// Returns a URL with its passwords hidden.
///
/// A text that is no URL is hidden as a whole.
pub fn redact(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return HIDDEN.to_owned() };
    // A password with characters that should have been encoded is hidden as well.
    let (user, rest) = rest.rsplit_once('@').map_or((None, rest), |(user, rest)| (Some(user), rest));
    // The character may also be in a parameter.
    if user.is_some_and(|user| !user.contains(':') && user.contains('?')) {
        return format!("{scheme}://{HIDDEN}");
    }
    let user = user.map(|user| match user.split_once(':') {
        Some((user, _)) => format!("{user}:{HIDDEN}@"),
        None => format!("{user}@"),
    });
    let (hosts, parameters) = rest.split_once('?').map_or((rest, None), |(hosts, all)| (hosts, Some(all)));
    let parameters = parameters.map(|all| {
        let hide = |parameter: &str| match parameter.split_once('=') {
            Some((name, _)) if name.to_ascii_lowercase().contains("password") => format!("{name}={HIDDEN}"),
            _ => parameter.to_owned(),
        };
        format!("?{}", all.split('&').map(hide).collect::<Vec<_>>().join("&"))
    });
    format!("{scheme}://{}{hosts}{}", user.unwrap_or_default(), parameters.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_urls_are_hidden() {
        for (url, shown) in [
            ("postgres://db/push", "postgres://db/push"),
            ("postgres://push@a:1,b:2/push?sslmode=require", "postgres://push@a:1,b:2/push?sslmode=require"),
            ("postgres://push:open@a,b/push", "postgres://push:***@a,b/push"),
            ("postgres://push:o/p?e@n@a/push", "postgres://push:***@a/push"),
            ("postgres://a/push?user=x&Password=open&x=y", "postgres://a/push?user=x&Password=***&x=y"),
            ("postgres://a/push?user=x&password=op@en", "postgres://***"),
            ("host=a password=open", "***"),
        ] {
            assert_eq!(redact(url), shown, "{url}");
            assert!(!redact(url).contains("open"));
        }
    }

    #[test]
    fn unusable_configurations_are_explained() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let config = |url: &str| StoreConfig {
            url: url.parse().unwrap(),
            password_file: None,
            ca_file: None,
            secret_file: file("secret", "0123456789abcdef0123456789abcdef\n"),
            schema: "webpush".to_owned(),
            connections: 4,
        };
        config("postgres://push:open@a/b").check().unwrap();
        assert_eq!(config("").secret().unwrap().expose().len(), 32);
        let error = |config: StoreConfig| format!("{:#}", config.check().unwrap_err());
        let wrong = error(config("mysql://push:open@a/b"));
        assert!(wrong.contains("postgres://") && !wrong.contains("open"), "{wrong}");
        let password_file = Some(file("password", "open\n"));
        let twice =
            StoreConfig { password_file: password_file.clone(), ..config("postgres://push:open@a/b") };
        assert!(error(twice).contains("--store-password-file"));
        let apart = StoreConfig { password_file, ..config("postgres://push@a/b") };
        apart.check().unwrap();
        assert_eq!(apart.password().unwrap().unwrap().expose(), "open");
        let short = StoreConfig { secret_file: file("short", "secret"), ..config("postgres://a/b") };
        assert!(error(short).contains("32"));
        let empty = StoreConfig { secret_file: file("empty", "\n"), ..config("postgres://a/b") };
        assert!(error(empty).contains("is empty (--store-secret-file)"));
        let missing = StoreConfig { ca_file: Some("/nowhere".into()), ..config("postgres://a/b") };
        assert!(error(missing).contains("--store-ca-file"));
    }
}

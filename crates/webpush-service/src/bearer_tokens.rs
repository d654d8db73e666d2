//! Bearer tokens from files or the configuration, and from requests (RFC 6750 §2.1).

use crate::secret::Secret;
use anyhow::{Context as _, bail};
use aws_lc_rs::hmac;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use std::collections::HashSet;
use std::error::Error;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use webpush_core::byte_order_mark;
use webpush_core::env::Env;

/// Minimum length of a token, in characters.
const MIN_CHARACTERS: usize = 16;

/// Maximum length of a token, in characters.
const MAX_CHARACTERS: usize = 256;

/// Length of a token's MAC.
const MAC_BYTES: usize = 32;

/// A set of tokens.
///
/// Only MACs under a random key are kept. Looking one up takes the same time for any number of correctly guessed
/// characters, because clients cannot know how MACs relate.
pub struct BearerTokens {
    key: hmac::Key,
    macs: HashSet<[u8; MAC_BYTES]>,
}

/// Where tokens are configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// A file with one token per line. Empty lines and lines that start with `#` are ignored.
    File {
        /// Its path.
        path: PathBuf,
        /// The flag that sets it, for error messages.
        flag: &'static str,
    },
    /// The configuration itself.
    Inline(Vec<Secret>),
}

impl TokenSource {
    /// Returns the source of a file or of tokens, or `None` if there is neither.
    #[must_use]
    pub fn new(file: Option<PathBuf>, tokens: Vec<Secret>, flag: &'static str) -> Option<Self> {
        match file {
            Some(path) => Some(Self::File { path, flag }),
            None if tokens.is_empty() => None,
            None => Some(Self::Inline(tokens)),
        }
    }

    /// Returns any one of the tokens, for a client that needs to present one.
    ///
    /// # Errors
    /// Fails if the file cannot be read or has no token.
    pub fn read_first(&self) -> anyhow::Result<String> {
        let text = self.read()?;
        let token = tokens(&text).next().map(|(_, token)| token.to_owned());
        token.with_context(|| format!("{self} has no token"))
    }

    /// Returns all tokens, without checking them.
    ///
    /// # Errors
    /// Fails if the file cannot be read.
    pub fn read_all(&self) -> anyhow::Result<Vec<String>> {
        Ok(tokens(&self.read()?).map(|(_, token)| token.to_owned()).collect())
    }

    fn read(&self) -> anyhow::Result<String> {
        match self {
            Self::File { path, .. } => {
                let text = fs::read_to_string(path).with_context(|| format!("cannot read {self}"))?;
                Ok(byte_order_mark::strip(&text).to_owned())
            }
            Self::Inline(tokens) => Ok(tokens.iter().map(Secret::expose).collect::<Vec<_>>().join("\n")),
        }
    }
}

impl fmt::Display for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, flag } => write!(f, "the token file {} ({flag})", path.display()),
            Self::Inline(_) => f.write_str("the list of tokens"),
        }
    }
}

impl BearerTokens {
    /// Reads the tokens of a source. `env` provides the random key.
    ///
    /// # Errors
    /// Fails if the file cannot be read, has no token, or an invalid one. The message has the line, but not the token.
    pub fn load(source: &TokenSource, env: &Env) -> anyhow::Result<Self> {
        Self::parse(&source.read()?, env).with_context(|| source.to_string())
    }

    /// Parses tokens, one per line. Ignores empty lines and lines that start with `#`.
    ///
    /// # Errors
    /// Fails if there is no token, or an invalid one. The message has the line, but not the token.
    pub fn parse(text: &str, env: &Env) -> anyhow::Result<Self> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &env.random::<MAC_BYTES>()?);
        let mut set = Self { key, macs: HashSet::new() };
        for (line, token) in tokens(text) {
            validate(token).with_context(|| format!("line {line}"))?;
            set.macs.insert(set.mac(token));
        }
        if set.macs.is_empty() {
            bail!("no token: write one per line, for example the output of `openssl rand -hex 16`");
        }
        Ok(set)
    }

    /// Returns true if `token` is in the set.
    #[must_use]
    pub fn contains(&self, token: &str) -> bool {
        token.len() <= MAX_CHARACTERS && self.macs.contains(&self.mac(token))
    }

    fn mac(&self, token: &str) -> [u8; MAC_BYTES] {
        let mut mac = [0; MAC_BYTES];
        for (to, from) in mac.iter_mut().zip(hmac::sign(&self.key, token.as_bytes()).as_ref()) {
            *to = *from;
        }
        mac
    }
}

/// Iterates over the tokens of a text with their line numbers.
fn tokens(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().map(str::trim).zip(1..).map(|(token, line)| (line, token));
    lines.filter(|(_, token)| !token.is_empty() && !token.starts_with('#'))
}

/// Returns the token of the first `Authorization` header with the scheme Bearer.
///
/// Other headers may have other schemes (RFC 9110 §11.4).
#[must_use]
pub fn from_headers(headers: &HeaderMap) -> Option<&str> {
    headers.get_all(AUTHORIZATION).iter().find_map(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    })
}

/// An unusable token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidToken {
    /// It is so short that it could be guessed.
    TooShort,
    /// It is too long.
    TooLong,
    /// It has a character that needs encoding in a URL.
    Character,
}

impl fmt::Display for InvalidToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => {
                write!(f, "a token needs at least {MIN_CHARACTERS} characters, or it could be guessed")
            }
            Self::TooLong => write!(f, "a token may have at most {MAX_CHARACTERS} characters"),
            Self::Character => f.write_str(
                "a token may have only letters, digits and - . _ ~, because it can be part of a URL",
            ),
        }
    }
}

impl Error for InvalidToken {}

/// Checks that a token is hard to guess, and needs no encoding in headers and paths (RFC 3986 §2.3).
///
/// # Errors
/// Fails with [`InvalidToken`], which does not contain the token.
pub fn validate(token: &str) -> Result<(), InvalidToken> {
    if token.len() < MIN_CHARACTERS {
        return Err(InvalidToken::TooShort);
    }
    if token.len() > MAX_CHARACTERS {
        return Err(InvalidToken::TooLong);
    }
    if !token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)) {
        return Err(InvalidToken::Character);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system;

    #[test]
    fn unusable_files_are_refused_without_repeating_a_token() {
        for (text, expected) in [
            ("", "no token"),
            ("# only this\n", "no token"),
            ("a-long-enough-token\nshort-secret", "line 2: a token needs at least 16"),
            ("secret-with/slash-in-it", "line 1: a token may have only letters"),
            (&"x".repeat(257), "256"),
        ] {
            let error = format!("{:#}", BearerTokens::parse(text, &system::env()).err().unwrap());
            assert!(error.contains(expected) && !error.contains("secret"), "{error}");
        }
    }
}

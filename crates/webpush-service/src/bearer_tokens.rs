//! Files of tokens, and requests that show one: `Authorization: Bearer <token>` (RFC 6750 §2.1).

use crate::secret::Secret;
use anyhow::{Context as _, bail};
use aws_lc_rs::hmac;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

/// The shortest subscribe token.
const TOKEN_CHARACTERS: usize = 16;

/// The longest subscribe token.
const MOST_TOKEN_CHARACTERS: usize = 256;

/// Length of a token's mark.
const MARK_BYTES: usize = 32;

/// The tokens of one file. They are kept as marks under a key that is this process's own: to look a mark up takes the
/// same time however many characters of a guess are right, as the guesser can't know how marks relate.
pub struct BearerTokens {
    key: hmac::Key,
    marks: HashSet<[u8; MARK_BYTES]>,
}

/// Where tokens are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// In a file: one a line; empty lines and lines with `#` in front count for nothing.
    File {
        /// The file.
        path: PathBuf,
        /// What names it, for people.
        flag: &'static str,
    },
    /// In the configuration.
    Inline(Vec<Secret>),
}

impl TokenSource {
    /// A file, tokens, or neither.
    #[must_use]
    pub fn new(file: Option<PathBuf>, given: Vec<Secret>, flag: &'static str) -> Option<Self> {
        match file {
            Some(path) => Some(Self::File { path, flag }),
            None if given.is_empty() => None,
            None => Some(Self::Inline(given)),
        }
    }

    /// A token, for whoever asks with one: any will do.
    ///
    /// # Errors
    /// When the file can't be read, or there is none.
    pub fn read_first(&self) -> anyhow::Result<String> {
        let is_token = |line: &&str| !line.is_empty() && !line.starts_with('#');
        match self {
            Self::File { path, flag } => {
                let shown = path.display();
                let text = fs::read_to_string(path)
                    .with_context(|| format!("the token file {shown} can't be read ({flag})"))?;
                let token = text.lines().map(str::trim).find(is_token).map(str::to_owned);
                token.with_context(|| format!("the token file {shown} holds no token ({flag})"))
            }
            Self::Inline(tokens) => {
                tokens.first().map(|token| token.expose().to_owned()).context("there is no token")
            }
        }
    }
}

impl BearerTokens {
    /// Those that are there now.
    ///
    /// # Errors
    /// When there is no such file, no token in it, or one that can't be used. Says the line, never the token.
    pub fn load(source: &TokenSource) -> anyhow::Result<Self> {
        match source {
            TokenSource::File { path, flag } => {
                let shown = path.display();
                let text = fs::read_to_string(path)
                    .with_context(|| format!("the token file {shown} can't be read ({flag})"))?;
                Self::parse(&text).with_context(|| format!("the token file {shown} ({flag})"))
            }
            TokenSource::Inline(tokens) => {
                Self::parse(&tokens.iter().map(Secret::expose).collect::<Vec<_>>().join("\n"))
            }
        }
    }

    /// Parses tokens, one a line; empty lines and lines that begin with `#` do not count.
    ///
    /// # Errors
    /// Fails if there is no token, or one that cannot be used. Says the line, never the token.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let random = aws_lc_rs::rand::SystemRandom::new();
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &random).context("a random key can't be made")?;
        let mut tokens = Self { key, marks: HashSet::new() };
        for (line, token) in text.lines().map(str::trim).enumerate() {
            if token.is_empty() || token.starts_with('#') {
                continue;
            }
            if let Err(why) = validate(token) {
                bail!("line {}: {why}", line + 1);
            }
            tokens.marks.insert(tokens.mark(token));
        }
        if tokens.marks.is_empty() {
            bail!("holds no token: write one a line, for example what openssl rand -hex 16 prints");
        }
        Ok(tokens)
    }

    /// Whether this is one of them.
    #[must_use]
    pub fn contains(&self, token: &str) -> bool {
        token.len() <= MOST_TOKEN_CHARACTERS && self.marks.contains(&self.mark(token))
    }

    fn mark(&self, token: &str) -> [u8; MARK_BYTES] {
        let mut mark = [0; MARK_BYTES];
        for (to, from) in mark.iter_mut().zip(hmac::sign(&self.key, token.as_bytes()).as_ref()) {
            *to = *from;
        }
        mark
    }
}

/// The token of the first `Authorization` that is for a bearer; others may be for somebody else (RFC 9110 §11.4).
#[must_use]
pub fn from_headers(headers: &HeaderMap) -> Option<&str> {
    headers.get_all(AUTHORIZATION).iter().find_map(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    })
}

/// Whether a token can be told from a guess, and can stand in a header and in a path as it is (RFC 3986 §2.3).
///
/// # Errors
/// What is wrong with it, without the token.
pub fn validate(token: &str) -> Result<(), String> {
    if token.len() < TOKEN_CHARACTERS {
        return Err(format!("a token needs at least {TOKEN_CHARACTERS} characters, or it could be guessed"));
    }
    if token.len() > MOST_TOKEN_CHARACTERS {
        return Err(format!("a token may have {MOST_TOKEN_CHARACTERS} characters"));
    }
    if !token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)) {
        return Err("a token may have letters, digits and - . _ ~ only, so that it can stand in a URL".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_would_let_nobody_or_anybody_in_are_refused_and_not_repeated() {
        for (text, said) in [
            ("", "no token"),
            ("# only this\n", "no token"),
            ("a-long-enough-token\nshort-secret", "line 2: a token needs at least 16"),
            ("secret-with/slash-in-it", "line 1: a token may have letters"),
            (&"x".repeat(257), "256"),
        ] {
            let error = format!("{:#}", BearerTokens::parse(text).err().unwrap());
            assert!(error.contains(said) && !error.contains("secret"), "{error}");
        }
    }
}

//! Who may subscribe: anybody, or holders of a token. Anyone with a push URL may push either way.
//!
//! A token comes as `Authorization: Bearer <token>` (RFC 6750 §2.1), or in front of the path as `/t/<token>/…`, since
//! several user agents can only be given a URL.

use crate::http::peer::Caller;
use anyhow::{Context as _, bail};
use aws_lc_rs::hmac;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use std::collections::HashSet;
use std::fs;
use std::path::Path;
use webpush_core::limits::{MOST_TOKEN_CHARACTERS, TOKEN_CHARACTERS};
use webpush_core::problem::Problem;

/// What a path with a token in it begins with.
const PATH_PREFIX: &str = "/t/";

/// Length of a token's mark.
const MARK_BYTES: usize = 32;

/// The tokens that let their holders subscribe.
pub struct SubscribeTokens {
    known: Option<Known>,
}

/// Tokens are kept as marks under a key that is this process's own. To look a mark up takes the same time however many
/// characters of a guess are right, as the guesser can't know how marks relate.
struct Known {
    key: hmac::Key,
    marks: HashSet<[u8; MARK_BYTES]>,
}

impl SubscribeTokens {
    /// None needed.
    #[must_use]
    pub const fn not_needed() -> Self {
        Self { known: None }
    }

    /// Those of a file: one a line; empty lines and lines with `#` in front count for nothing.
    ///
    /// # Errors
    /// When there is no such file, no token in it, or one that can't be used. Says the line, never the token.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let text = fs::read_to_string(path)
            .with_context(|| format!("the token file {shown} can't be read (--subscribe-token-file)"))?;
        Self::parse(&text).with_context(|| format!("the token file {shown} (--subscribe-token-file)"))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let random = aws_lc_rs::rand::SystemRandom::new();
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &random).context("a random key can't be made")?;
        let mut known = Known { key, marks: HashSet::new() };
        for (line, token) in text.lines().map(str::trim).enumerate() {
            if token.is_empty() || token.starts_with('#') {
                continue;
            }
            if let Err(why) = check(token) {
                bail!("line {}: {why}", line + 1);
            }
            known.marks.insert(known.mark(token));
        }
        if known.marks.is_empty() {
            bail!("holds no token: write one a line, for example what openssl rand -hex 16 prints");
        }
        Ok(Self { known: Some(known) })
    }

    /// What to put in front of `/subscribe`, for people to read.
    #[must_use]
    pub const fn path_to_show(&self) -> &'static str {
        if self.known.is_some() { "/t/TOKEN" } else { "" }
    }

    /// Takes a token off a path: what is left, and whether it was a valid one. Where none is needed any will do, as the
    /// URLs that agents were given must outlive a change of mind.
    ///
    /// # Errors
    /// [`Problem::TokenRequired`] when it is wrong, whatever the rest of the path is.
    pub fn strip<'a>(&self, path: &'a str) -> Result<(&'a str, bool), Problem> {
        let Some((token, rest)) = split(path) else { return Ok((path, false)) };
        if self.admits(token) { Ok((rest, true)) } else { Err(Problem::TokenRequired { wrong: true }) }
    }

    /// Whether a caller may subscribe.
    ///
    /// # Errors
    /// [`Problem::TokenRequired`].
    pub fn check(&self, caller: Caller<'_>, headers: &HeaderMap) -> Result<(), Problem> {
        if self.known.is_none() || caller.token_in_path {
            return Ok(());
        }
        match bearer(headers) {
            Some(token) if self.admits(token) => Ok(()),
            token => Err(Problem::TokenRequired { wrong: token.is_some() }),
        }
    }

    fn admits(&self, token: &str) -> bool {
        let Some(known) = &self.known else { return true };
        token.len() <= MOST_TOKEN_CHARACTERS && known.marks.contains(&known.mark(token))
    }
}

impl Known {
    fn mark(&self, token: &str) -> [u8; MARK_BYTES] {
        let mut mark = [0; MARK_BYTES];
        for (to, from) in mark.iter_mut().zip(hmac::sign(&self.key, token.as_bytes()).as_ref()) {
            *to = *from;
        }
        mark
    }
}

/// A token and the path behind it, which keeps its first slash.
fn split(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix(PATH_PREFIX)?;
    match rest.find('/') {
        Some(end) => Some(rest.split_at(end)),
        None => Some((rest, "/")),
    }
}

/// The token of the first `Authorization` that is for a bearer; others may be for somebody else (RFC 9110 §11.4).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get_all(AUTHORIZATION).iter().find_map(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    })
}

/// Whether a token can be told from a guess, and can stand in a header and in a path as it is (RFC 3986 §2.3).
fn check(token: &str) -> Result<(), String> {
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
    use crate::http::peer::Peer;

    const TOKEN: &str = "0123456789abcdef";

    fn checked(tokens: &SubscribeTokens, authorization: &[&str]) -> Result<(), Problem> {
        let mut headers = HeaderMap::new();
        for value in authorization {
            headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        let peer = Peer::new([192, 0, 2, 1].into());
        tokens.check(Caller { peer: &peer, token_in_path: false }, &headers)
    }

    #[test]
    fn a_token_opens_by_header() {
        let tokens =
            SubscribeTokens::parse(&format!("# laptop\n\n  {TOKEN}  \nanother-token-of-mine\n")).unwrap();
        assert_eq!(checked(&tokens, &[&format!("Bearer {TOKEN}")]), Ok(()));
        assert_eq!(checked(&tokens, &["vapid t=x, k=y", &format!("bearer  {TOKEN}")]), Ok(()));
        for (given, wrong) in [
            (&[][..], false),
            (&["vapid t=x"], false),
            (&[TOKEN], false),
            (&["Bearer 0123456789abcdeF"], true),
            (&["Bearer 0123456789abcde"], true),
            (&["Bearer # laptop"], true),
            (&["Bearer "], true),
        ] {
            assert_eq!(checked(&tokens, given), Err(Problem::TokenRequired { wrong }), "{given:?}");
        }
        assert_eq!(checked(&SubscribeTokens::not_needed(), &[]), Ok(()));
    }

    #[test]
    fn a_token_is_taken_off_a_path() {
        let tokens = SubscribeTokens::parse(TOKEN).unwrap();
        assert_eq!(tokens.strip("/t/0123456789abcdef/subscribe"), Ok(("/subscribe", true)));
        assert_eq!(tokens.strip("/t/0123456789abcdef"), Ok(("/", true)));
        assert_eq!(tokens.strip("/subscribe"), Ok(("/subscribe", false)));
        assert_eq!(tokens.strip("/t"), Ok(("/t", false)));
        for wrong in ["/t/", "/t//subscribe", "/t/wrong/", "/t/0123456789abcdef0/subscribe"] {
            assert_eq!(tokens.strip(wrong), Err(Problem::TokenRequired { wrong: true }), "{wrong}");
        }
        assert_eq!(SubscribeTokens::not_needed().strip("/t/any/subscribe"), Ok(("/subscribe", true)));
    }

    #[test]
    fn files_that_would_let_nobody_or_anybody_in_are_refused_and_not_repeated() {
        for (text, said) in [
            ("", "no token"),
            ("# only this\n", "no token"),
            ("a-long-enough-token\nshort-secret", "line 2: a token needs at least 16"),
            ("secret-with/slash-in-it", "line 1: a token may have letters"),
            (&"x".repeat(257), "256"),
        ] {
            let error = format!("{:#}", SubscribeTokens::parse(text).err().unwrap());
            assert!(error.contains(said) && !error.contains("secret"), "{error}");
        }
    }
}

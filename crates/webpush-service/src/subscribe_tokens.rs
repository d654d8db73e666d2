//! Tokens that restrict who may subscribe. Anyone with a push URL may push in either case.
//!
//! Clients send a token as `Authorization: Bearer TOKEN` (RFC 6750 §2.1), or as a path prefix `/t/TOKEN/`, because several
//! user agents can be configured only with a URL.

use crate::bearer_tokens::{self, BearerTokens, TokenSource};
use crate::client_addr::Caller;
use http::HeaderMap;
use webpush_core::env::Env;
use webpush_core::problem::Problem;

/// Prefix of a path with a token.
const PATH_PREFIX: &str = "/t/";

/// The tokens that allow clients to subscribe, if the server requires one.
pub struct SubscribeTokens {
    tokens: Option<BearerTokens>,
}

impl SubscribeTokens {
    /// Allows anyone to subscribe.
    #[must_use]
    pub const fn open() -> Self {
        Self { tokens: None }
    }

    /// Reads the tokens of a source. Without one, anyone may subscribe.
    ///
    /// # Errors
    /// Fails if [`BearerTokens::load`] fails.
    pub fn load(source: Option<&TokenSource>, env: &Env) -> anyhow::Result<Self> {
        Ok(Self { tokens: source.map(|source| BearerTokens::load(source, env)).transpose()? })
    }

    /// Returns the prefix of `/subscribe` in examples.
    #[must_use]
    pub const fn example_prefix(&self) -> &'static str {
        if self.tokens.is_some() { "/t/TOKEN" } else { "" }
    }

    /// Strips the token from a path, and returns the rest and true if there was a valid token.
    ///
    /// If no token is required any is valid, so that configured URLs keep working after the requirement is dropped.
    ///
    /// # Errors
    /// Fails with [`Problem::TokenRequired`] for a wrong token.
    pub fn strip<'a>(&self, path: &'a str) -> Result<(&'a str, bool), Problem> {
        let Some((token, rest)) = split(path) else { return Ok((path, false)) };
        if self.admits(token) { Ok((rest, true)) } else { Err(Problem::TokenRequired { wrong: true }) }
    }

    /// Checks that a caller may subscribe.
    ///
    /// # Errors
    /// Fails with [`Problem::TokenRequired`] if a required token is missing or wrong.
    pub fn check(&self, caller: Caller<'_>, headers: &HeaderMap) -> Result<(), Problem> {
        if self.tokens.is_none() || caller.token_in_path {
            return Ok(());
        }
        match bearer_tokens::from_headers(headers) {
            Some(token) if self.admits(token) => Ok(()),
            token => Err(Problem::TokenRequired { wrong: token.is_some() }),
        }
    }

    fn admits(&self, token: &str) -> bool {
        self.tokens.as_ref().is_none_or(|tokens| tokens.contains(token))
    }
}

/// Splits a path into its token and the rest, which starts with a slash.
fn split(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix(PATH_PREFIX)?;
    match rest.find('/') {
        Some(end) => Some(rest.split_at(end)),
        None => Some((rest, "/")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_addr::ClientAddr;
    use http::header::AUTHORIZATION;

    const TOKEN: &str = "0123456789abcdef";

    fn tokens(text: &str) -> SubscribeTokens {
        SubscribeTokens { tokens: Some(BearerTokens::parse(text, &crate::system::env()).unwrap()) }
    }

    fn checked(tokens: &SubscribeTokens, authorization: &[&str]) -> Result<(), Problem> {
        let mut headers = HeaderMap::new();
        for value in authorization {
            headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        let client = ClientAddr::new([192, 0, 2, 1].into());
        tokens.check(Caller { client: &client, token_in_path: false }, &headers)
    }

    #[test]
    fn a_token_in_a_header_is_accepted() {
        let tokens = tokens(&format!("# laptop\n\n  {TOKEN}  \nanother-token-of-mine\n"));
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
        assert_eq!(checked(&SubscribeTokens::open(), &[]), Ok(()));
    }

    #[test]
    fn a_token_is_stripped_from_a_path() {
        let tokens = tokens(TOKEN);
        assert_eq!(tokens.strip("/t/0123456789abcdef/subscribe"), Ok(("/subscribe", true)));
        assert_eq!(tokens.strip("/t/0123456789abcdef"), Ok(("/", true)));
        assert_eq!(tokens.strip("/subscribe"), Ok(("/subscribe", false)));
        assert_eq!(tokens.strip("/t"), Ok(("/t", false)));
        for wrong in ["/t/", "/t//subscribe", "/t/wrong/", "/t/0123456789abcdef0/subscribe"] {
            assert_eq!(tokens.strip(wrong), Err(Problem::TokenRequired { wrong: true }), "{wrong}");
        }
        assert_eq!(SubscribeTokens::open().strip("/t/any/subscribe"), Ok(("/subscribe", true)));
    }
}

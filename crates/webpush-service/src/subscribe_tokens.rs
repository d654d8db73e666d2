//! Who may subscribe: anybody, or holders of a token. Anyone with a push URL may push either way.
//!
//! A token comes as `Authorization: Bearer <token>` (RFC 6750 §2.1), or in front of the path as `/t/<token>/…`, since
//! several user agents can only be given a URL.

use crate::bearer_tokens::{self, BearerTokens, TokenSource};
use crate::client_addr::Caller;
use http::HeaderMap;
use webpush_core::problem::Problem;

/// What a path with a token in it begins with.
const PATH_PREFIX: &str = "/t/";

/// The tokens that let their holders subscribe.
pub struct SubscribeTokens {
    known: Option<BearerTokens>,
}

impl SubscribeTokens {
    /// None needed.
    #[must_use]
    pub const fn open() -> Self {
        Self { known: None }
    }

    /// Those of a source; without one, none needed.
    ///
    /// # Errors
    /// As [`BearerTokens::load`].
    pub fn load(source: Option<&TokenSource>) -> anyhow::Result<Self> {
        Ok(Self { known: source.map(BearerTokens::load).transpose()? })
    }

    /// What to put in front of `/subscribe`, for people to read.
    #[must_use]
    pub const fn example_prefix(&self) -> &'static str {
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
        match bearer_tokens::from_headers(headers) {
            Some(token) if self.admits(token) => Ok(()),
            token => Err(Problem::TokenRequired { wrong: token.is_some() }),
        }
    }

    fn admits(&self, token: &str) -> bool {
        self.known.as_ref().is_none_or(|known| known.contains(token))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_addr::ClientAddr;
    use http::header::AUTHORIZATION;

    const TOKEN: &str = "0123456789abcdef";

    fn tokens(text: &str) -> SubscribeTokens {
        SubscribeTokens { known: Some(BearerTokens::parse(text).unwrap()) }
    }

    fn checked(tokens: &SubscribeTokens, authorization: &[&str]) -> Result<(), Problem> {
        let mut headers = HeaderMap::new();
        for value in authorization {
            headers.append(AUTHORIZATION, value.parse().unwrap());
        }
        let peer = ClientAddr::new([192, 0, 2, 1].into());
        tokens.check(Caller { peer: &peer, token_in_path: false }, &headers)
    }

    #[test]
    fn a_token_opens_by_header() {
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
    fn a_token_is_taken_off_a_path() {
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

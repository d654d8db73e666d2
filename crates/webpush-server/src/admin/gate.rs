//! Who may ask.

use super::refusal::Refusal;
use crate::bearer_tokens::{self, BearerTokens};
use http::HeaderMap;
use http::header::{HOST, HeaderValue};
use http::uri::Authority;
use std::net::IpAddr;

/// Whom a listener lets ask.
pub(super) enum Gate {
    /// Whoever can connect: the file system says who that is.
    Open,
    /// Whoever is on this machine.
    ThisMachine,
    /// Whoever has a token.
    Token(Box<BearerTokens>),
}

impl Gate {
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        match self {
            Self::Open => Ok(()),
            // A page in a browser on this machine can't ask elsewhere than at its own origin, but it can have the name of
            // that lead here («DNS rebinding»). It can't do that with an address.
            Self::ThisMachine if headers.get_all(HOST).iter().all(is_no_name) => Ok(()),
            Self::ThisMachine => Err(Refusal::ForeignHost),
            Self::Token(tokens) => match bearer_tokens::shown(headers) {
                Some(token) if tokens.admit(token) => Ok(()),
                token => Err(Refusal::TokenRequired { wrong: token.is_some() }),
            },
        }
    }
}

fn is_no_name(host: &HeaderValue) -> bool {
    let Ok(authority) = Authority::try_from(host.as_bytes()) else { return false };
    let host = authority.host();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().is_ok() || host.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{AUTHORIZATION, HeaderName};

    fn headers(name: &HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name.clone(), value.parse().unwrap())])
    }

    #[test]
    fn without_a_token_no_name_but_localhost_leads_here() {
        let gate = Gate::ThisMachine;
        for host in ["127.0.0.1:9090", "[::1]:9090", "localhost", "LocalHost:9090"] {
            assert!(gate.check(&headers(&HOST, host)).is_ok(), "{host}");
        }
        for host in ["push.example:9090", "localhost.example", "127.0.0.1.example", "x y", ""] {
            assert!(matches!(gate.check(&headers(&HOST, host)), Err(Refusal::ForeignHost)), "{host}");
        }
        assert!(gate.check(&HeaderMap::new()).is_ok());
        assert!(Gate::Open.check(&headers(&HOST, "any.example")).is_ok());
    }

    #[test]
    fn a_token_opens() {
        let gate = Gate::Token(Box::new(BearerTokens::parse("0123456789abcdef").unwrap()));
        assert!(gate.check(&headers(&AUTHORIZATION, "Bearer 0123456789abcdef")).is_ok());
        let wrong = gate.check(&headers(&AUTHORIZATION, "Bearer 0123456789abcdeF"));
        assert!(matches!(wrong, Err(Refusal::TokenRequired { wrong: true })));
        assert!(matches!(gate.check(&HeaderMap::new()), Err(Refusal::TokenRequired { wrong: false })));
    }
}

//! Who may ask.

use super::refusal::Refusal;
use http::HeaderMap;
use http::header::{HOST, HeaderValue, ORIGIN};
use http::uri::Authority;
use std::net::IpAddr;
use webpush_service::bearer_tokens::{self, BearerTokens};

/// Whom a listener lets ask.
pub(super) enum AdminAuth {
    /// Whoever can connect: the file system says who that is.
    Open,
    /// Whoever is on this machine; for what is the owner's alone, whoever can read the data folder.
    ThisMachine {
        /// The token in the data folder.
        owner: Box<BearerTokens>,
    },
    /// Whoever has a token.
    Token(Box<BearerTokens>),
}

/// What a request is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right {
    /// What does no harm to whoever is on the same machine.
    Ask,
    /// What shows secrets, or changes what agents have.
    Own,
}

impl AdminAuth {
    pub(super) fn check(&self, headers: &HeaderMap, right: Right) -> Result<(), Refusal> {
        if !is_same_origin(headers) {
            return Err(Refusal::ForeignPage);
        }
        match self {
            Self::Open => Ok(()),
            // A page in a browser on this machine can't ask elsewhere than at its own origin, but it can have the name of
            // that lead here («DNS rebinding»). It can't do that with an address.
            Self::ThisMachine { .. } if !headers.get_all(HOST).iter().all(is_no_name) => {
                Err(Refusal::ForeignHost)
            }
            Self::ThisMachine { .. } if right == Right::Ask => Ok(()),
            Self::ThisMachine { owner }
                if bearer_tokens::from_headers(headers).is_some_and(|token| owner.contains(token)) =>
            {
                Ok(())
            }
            Self::ThisMachine { .. } => Err(Refusal::OwnersOnly),
            Self::Token(tokens) => match bearer_tokens::from_headers(headers) {
                Some(token) if tokens.contains(token) => Ok(()),
                token => Err(Refusal::TokenRequired { wrong: token.is_some() }),
            },
        }
    }
}

/// A page of somebody else may send a request here, although it can't read the answer; a browser says whose page it is.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).map_or(&b""[..], HeaderValue::as_bytes);
    let from_here = |origin: &HeaderValue| {
        let origin = origin.as_bytes();
        let authority = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
    };
    headers.get_all(ORIGIN).iter().all(from_here)
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

    fn this_machine() -> AdminAuth {
        AdminAuth::ThisMachine {
            owner: Box::new(
                BearerTokens::parse("0123456789abcdef", &webpush_service::system::env()).unwrap(),
            ),
        }
    }

    #[test]
    fn what_is_the_owners_takes_the_token_of_the_data_folder() {
        let (gate, nothing) = (this_machine(), HeaderMap::new());
        assert!(gate.check(&nothing, Right::Ask).is_ok());
        assert!(matches!(gate.check(&nothing, Right::Own), Err(Refusal::OwnersOnly)));
        let token = headers(&AUTHORIZATION, "Bearer 0123456789abcdef");
        assert!(gate.check(&token, Right::Own).is_ok());
        assert!(AdminAuth::Open.check(&nothing, Right::Own).is_ok());
    }

    #[test]
    fn pages_of_others_may_not_ask() {
        for (origin, here) in [
            ("http://127.0.0.1:9090", true),
            ("https://127.0.0.1:9090", true),
            ("http://127.0.0.1:9091", false),
            ("https://page.example", false),
            ("null", false),
        ] {
            let mut asked = headers(&HOST, "127.0.0.1:9090");
            asked.insert(ORIGIN, origin.parse().unwrap());
            for gate in [this_machine(), AdminAuth::Open] {
                assert_eq!(gate.check(&asked, Right::Ask).is_ok(), here, "{origin}");
            }
        }
    }

    #[test]
    fn without_a_token_no_name_but_localhost_leads_here() {
        let gate = this_machine();
        for host in ["127.0.0.1:9090", "[::1]:9090", "localhost", "LocalHost:9090"] {
            assert!(gate.check(&headers(&HOST, host), Right::Ask).is_ok(), "{host}");
        }
        for host in ["push.example:9090", "localhost.example", "127.0.0.1.example", "x y", ""] {
            assert!(
                matches!(gate.check(&headers(&HOST, host), Right::Ask), Err(Refusal::ForeignHost)),
                "{host}"
            );
        }
        assert!(gate.check(&HeaderMap::new(), Right::Ask).is_ok());
        assert!(AdminAuth::Open.check(&headers(&HOST, "any.example"), Right::Ask).is_ok());
    }

    #[test]
    fn a_token_opens() {
        let gate = AdminAuth::Token(Box::new(
            BearerTokens::parse("0123456789abcdef", &webpush_service::system::env()).unwrap(),
        ));
        assert!(gate.check(&headers(&AUTHORIZATION, "Bearer 0123456789abcdef"), Right::Ask).is_ok());
        let wrong = gate.check(&headers(&AUTHORIZATION, "Bearer 0123456789abcdeF"), Right::Ask);
        assert!(matches!(wrong, Err(Refusal::TokenRequired { wrong: true })));
        assert!(matches!(
            gate.check(&HeaderMap::new(), Right::Ask),
            Err(Refusal::TokenRequired { wrong: false })
        ));
    }
}

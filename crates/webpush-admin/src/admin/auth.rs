//! Access to the admin listener.

use super::error::AdminError;
use super::proof::ProofKeys;
use super::reply::{Reply, json};
use http::HeaderMap;
use http::header::{HOST, HeaderValue, ORIGIN};
use http::uri::Authority;
use std::net::{IpAddr, SocketAddr};
use webpush_core::env::Env;
use webpush_http::body::Body;
use webpush_service::bearer_tokens::{self, BearerTokens, TokenSource};

/// Maximum size of a challenge.
const MAX_CHALLENGE_BYTES: usize = 1024;

/// The access rules of a listener.
pub(super) enum AdminAuth {
    /// Every client that can connect: the permissions of the socket file decide.
    Open,
    /// Local clients; admin access requires the admin token.
    LocalClients {
        /// The token in the data directory.
        admin_token: Box<AdminTokens>,
    },
    /// Clients that send one of these tokens.
    Token(Box<AdminTokens>),
}

/// The tokens of a listener.
pub(super) struct AdminTokens {
    bearer: BearerTokens,
    proofs: ProofKeys,
}

impl AdminTokens {
    /// Reads the tokens of a source.
    ///
    /// # Errors
    /// See [`BearerTokens::load`].
    pub(super) fn load(source: &TokenSource, env: &Env) -> anyhow::Result<Self> {
        let bearer = BearerTokens::load(source, env)?;
        let tokens = source.read_all()?;
        Ok(Self { bearer, proofs: ProofKeys::new(tokens.iter().map(String::as_str)) })
    }

    /// Returns a set of one token.
    ///
    /// # Errors
    /// See [`BearerTokens::parse`].
    pub(super) fn one(token: &str, env: &Env) -> anyhow::Result<Self> {
        Ok(Self { bearer: BearerTokens::parse(token, env)?, proofs: ProofKeys::new([token]) })
    }

    pub(super) fn contains(&self, token: &str) -> bool {
        self.bearer.contains(token)
    }
}

/// The access that a request requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Reading status, harmless to other local users.
    Read,
    /// Reading secrets or modifying data.
    Admin,
}

impl AdminAuth {
    /// Proves to a client that knows a token that this is the server.
    pub(super) async fn prove(
        &self,
        headers: &HeaderMap,
        body: &mut Body,
        address: Option<SocketAddr>,
    ) -> Result<Reply, AdminError> {
        if !is_same_origin(headers) {
            return Err(AdminError::ForeignOrigin);
        }
        let (Self::LocalClients { admin_token: tokens } | Self::Token(tokens), Some(address)) =
            (self, address)
        else {
            return Err(AdminError::NotFound);
        };
        let challenge = body.read(headers, MAX_CHALLENGE_BYTES).await;
        let challenge = challenge.map_err(|_| AdminError::bad_request("the challenge cannot be read"))?;
        match tokens.proofs.answer(&challenge, address) {
            Some(answer) => json(&answer),
            None => Err(AdminError::TokenRequired { wrong: true }),
        }
    }

    pub(super) fn check(&self, headers: &HeaderMap, access: Access) -> Result<(), AdminError> {
        if !is_same_origin(headers) {
            return Err(AdminError::ForeignOrigin);
        }
        match self {
            Self::Open => Ok(()),
            // A web page can make its own host name resolve to this address (DNS rebinding), but not an IP address.
            Self::LocalClients { .. } if !headers.get_all(HOST).iter().all(is_ip_literal_or_localhost) => {
                Err(AdminError::ForeignHost)
            }
            Self::LocalClients { .. } if access == Access::Read => Ok(()),
            Self::LocalClients { admin_token }
                if bearer_tokens::from_headers(headers).is_some_and(|token| admin_token.contains(token)) =>
            {
                Ok(())
            }
            Self::LocalClients { .. } => Err(AdminError::AdminTokenRequired),
            Self::Token(tokens) => match bearer_tokens::from_headers(headers) {
                Some(token) if tokens.contains(token) => Ok(()),
                token => Err(AdminError::TokenRequired { wrong: token.is_some() }),
            },
        }
    }
}

/// Returns false for requests of foreign web pages, which could send them without reading the response.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).map_or(&b""[..], HeaderValue::as_bytes);
    let is_same = |origin: &HeaderValue| {
        let origin = origin.as_bytes();
        let authority = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
    };
    headers.get_all(ORIGIN).iter().all(is_same)
}

fn is_ip_literal_or_localhost(host: &HeaderValue) -> bool {
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

    fn local_clients() -> AdminAuth {
        AdminAuth::LocalClients {
            admin_token: Box::new(
                AdminTokens::one("0123456789abcdef", &webpush_service::system::env()).unwrap(),
            ),
        }
    }

    #[test]
    fn admin_access_requires_the_admin_token() {
        let (auth, nothing) = (local_clients(), HeaderMap::new());
        assert!(auth.check(&nothing, Access::Read).is_ok());
        assert!(matches!(auth.check(&nothing, Access::Admin), Err(AdminError::AdminTokenRequired)));
        let token = headers(&AUTHORIZATION, "Bearer 0123456789abcdef");
        assert!(auth.check(&token, Access::Admin).is_ok());
        assert!(AdminAuth::Open.check(&nothing, Access::Admin).is_ok());
    }

    #[test]
    fn requests_of_foreign_pages_are_rejected() {
        for (origin, is_same) in [
            ("http://127.0.0.1:8079", true),
            ("https://127.0.0.1:8079", true),
            ("http://127.0.0.1:9091", false),
            ("https://page.example", false),
            ("null", false),
        ] {
            let mut headers = headers(&HOST, "127.0.0.1:8079");
            headers.insert(ORIGIN, origin.parse().unwrap());
            for auth in [local_clients(), AdminAuth::Open] {
                assert_eq!(auth.check(&headers, Access::Read).is_ok(), is_same, "{origin}");
            }
        }
    }

    #[test]
    fn without_tokens_the_only_host_name_allowed_is_localhost() {
        let auth = local_clients();
        for host in ["127.0.0.1:8079", "[::1]:8079", "localhost", "LocalHost:8079"] {
            assert!(auth.check(&headers(&HOST, host), Access::Read).is_ok(), "{host}");
        }
        for host in ["push.example:8079", "localhost.example", "127.0.0.1.example", "x y", ""] {
            assert!(
                matches!(auth.check(&headers(&HOST, host), Access::Read), Err(AdminError::ForeignHost)),
                "{host}"
            );
        }
        assert!(auth.check(&HeaderMap::new(), Access::Read).is_ok());
        assert!(AdminAuth::Open.check(&headers(&HOST, "any.example"), Access::Read).is_ok());
    }

    #[test]
    fn a_token_grants_access() {
        let auth = AdminAuth::Token(Box::new(
            AdminTokens::one("0123456789abcdef", &webpush_service::system::env()).unwrap(),
        ));
        assert!(auth.check(&headers(&AUTHORIZATION, "Bearer 0123456789abcdef"), Access::Read).is_ok());
        let wrong = auth.check(&headers(&AUTHORIZATION, "Bearer 0123456789abcdeF"), Access::Read);
        assert!(matches!(wrong, Err(AdminError::TokenRequired { wrong: true })));
        assert!(matches!(
            auth.check(&HeaderMap::new(), Access::Read),
            Err(AdminError::TokenRequired { wrong: false })
        ));
    }
}

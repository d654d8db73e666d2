//! Proof that the program at an address is the server, before a client sends its token there.
//!
//! Any local user can listen on the address while the server does not. So a client first proves that it knows a token,
//! and asks for the same proof in return, both as a MAC of a random number:
//!
//! 1. `POST /admin/proof` with `nonce` and `HMAC(token, "client" nonce)`.
//! 2. The server answers with the address that the client has reached, and `HMAC(token, "server" nonce address)`.
//! 3. The client sends its request, with the token, on the same connection.
//!
//! The address keeps a program from passing the challenge on to the server at another one. The server answers only
//! those who know a token, so strangers learn nothing from which they could guess one.

use aws_lc_rs::hmac;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::SocketAddr;
use webpush_core::base64url;
use webpush_core::env::Env;

/// The path of the resource.
pub const PATH: &str = "/admin/proof";

/// Length of the random number, in bytes.
const NONCE_BYTES: usize = 32;

/// The body of the request.
#[derive(Deserialize, Serialize)]
struct ProofRequest {
    nonce: String,
    proof: String,
}

/// The body of the response.
#[derive(Deserialize, Serialize)]
pub(super) struct ProofResponse {
    address: SocketAddr,
    proof: String,
}

/// The tokens with which the server proves what it is.
pub(super) struct ProofKeys(Vec<hmac::Key>);

/// A challenge of a client.
pub struct Challenge {
    key: hmac::Key,
    nonce: String,
}

/// The answer to a challenge does not prove knowledge of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotProved;

impl fmt::Display for NotProved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it does not know the admin token")
    }
}

impl std::error::Error for NotProved {}

impl ProofKeys {
    pub(super) fn new<'a>(tokens: impl IntoIterator<Item = &'a str>) -> Self {
        Self(tokens.into_iter().map(key).collect())
    }

    /// Answers a challenge on a connection to `address`; `None` if the client does not know a token.
    pub(super) fn answer(&self, question: &[u8], address: SocketAddr) -> Option<ProofResponse> {
        let ProofRequest { nonce, proof } = serde_json::from_slice(question).ok()?;
        let proof: Vec<u8> = base64url::decode(&proof)?;
        let of_client = message("client", &nonce, "");
        let key = self.0.iter().find(|key| hmac::verify(key, of_client.as_bytes(), &proof).is_ok())?;
        let address = canonical(address);
        Some(ProofResponse { address, proof: sign(key, &message("server", &nonce, &address.to_string())) })
    }
}

impl Challenge {
    /// Creates a challenge for a server that knows `token`.
    ///
    /// # Errors
    /// Fails if there are no random bytes.
    pub fn new(token: &str, env: &Env) -> anyhow::Result<Self> {
        Ok(Self { key: key(token), nonce: base64url::encode(env.random::<NONCE_BYTES>()?) })
    }

    /// Returns the body of the request to [`PATH`].
    ///
    /// # Errors
    /// None are expected.
    pub fn question(&self) -> serde_json::Result<Bytes> {
        let proof = sign(&self.key, &message("client", &self.nonce, ""));
        serde_json::to_vec(&ProofRequest { nonce: self.nonce.clone(), proof }).map(Bytes::from)
    }

    /// Returns the server's own address, which is that of the connection unless something forwards it.
    ///
    /// # Errors
    /// [`NotProved`].
    pub fn verify(&self, answer: &[u8]) -> Result<SocketAddr, NotProved> {
        let ProofResponse { address, proof } = serde_json::from_slice(answer).map_err(|_| NotProved)?;
        let proof: Vec<u8> = base64url::decode(&proof).ok_or(NotProved)?;
        let of_server = message("server", &self.nonce, &address.to_string());
        hmac::verify(&self.key, of_server.as_bytes(), &proof).map_err(|_| NotProved)?;
        Ok(address)
    }
}

/// Returns an address without the form of IPv4 addresses on sockets for both versions.
#[must_use]
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn key(token: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, token.as_bytes())
}

fn message(side: &str, nonce: &str, address: &str) -> String {
    format!("webpush-server admin proof\n{side}\n{nonce}\n{address}")
}

fn sign(key: &hmac::Key, message: &str) -> String {
    base64url::encode(hmac::sign(key, message.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "127.0.0.1:8079";

    fn challenge(token: &str) -> Challenge {
        Challenge::new(token, &webpush_service::system::env()).unwrap()
    }

    fn answer(server: &ProofKeys, client: &Challenge, address: &str) -> Option<Vec<u8>> {
        let answer = server.answer(&client.question().unwrap(), address.parse().unwrap())?;
        Some(serde_json::to_vec(&answer).unwrap())
    }

    #[test]
    fn a_server_that_knows_the_token_proves_it_and_its_address() {
        let server = ProofKeys::new(["another token", "the token"]);
        let client = challenge("the token");
        let proved = answer(&server, &client, ADDRESS).unwrap();
        assert_eq!(client.verify(&proved).unwrap().to_string(), ADDRESS);
        let mapped = answer(&server, &client, "[::ffff:127.0.0.1]:8079").unwrap();
        assert_eq!(client.verify(&mapped).unwrap().to_string(), ADDRESS);
    }

    #[test]
    fn strangers_prove_nothing_and_learn_nothing() {
        let (server, client) = (ProofKeys::new(["the token"]), challenge("the token"));
        assert!(answer(&server, &challenge("a guess"), ADDRESS).is_none());
        assert!(server.answer(b"{}", ADDRESS.parse().unwrap()).is_none());
        // Its own proof, sent back, is not that of a server.
        let question: serde_json::Value = serde_json::from_slice(&client.question().unwrap()).unwrap();
        let echo = serde_json::json!({ "address": ADDRESS, "proof": question["proof"] }).to_string();
        assert_eq!(client.verify(echo.as_bytes()), Err(NotProved));
        // Nor is the answer to another challenge, or one with another address.
        let other = answer(&server, &challenge("the token"), ADDRESS).unwrap();
        assert_eq!(client.verify(&other), Err(NotProved));
        let mut moved: serde_json::Value =
            serde_json::from_slice(&answer(&server, &client, ADDRESS).unwrap()).unwrap();
        moved["address"] = "127.0.0.1:9".into();
        assert_eq!(client.verify(moved.to_string().as_bytes()), Err(NotProved));
        assert_eq!(client.verify(b"404 page not found"), Err(NotProved));
    }
}

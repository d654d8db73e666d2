//! Ambiguous HTTP/1.1 requests (RFC 9112), with another one hidden behind.
//!
//! Each must get one response, or none, and the connection must end: the hidden request must not be handled.

use super::victim::{Attack, Victim};
use anyhow::{Context as _, ensure};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

/// The hidden request. Its resource is the only one here that exists.
const HIDDEN: &str = "GET /status HTTP/1.1\r\nHost: x\r\n\r\n";
/// Status of the response to the hidden request.
const HIDDEN_STATUS: &str = "HTTP/1.1 200 ";
/// How long the server may take to close.
const PATIENCE: Duration = Duration::from_secs(30);

/// The attacks.
pub(super) const ATTACKS: &[Attack] = &[Attack {
    name: "smuggling",
    about: "requests with a hidden one behind, in every way that we know",
    server: &["--body-timeout", "2s"],
    run: |victim| Box::pin(smuggle(victim)),
    ..Attack::USUAL
}];

/// A request that is ambiguous.
struct Ambiguity {
    name: &'static str,
    /// The request line and `Host`, unless they are ambiguous themselves.
    start: &'static str,
    /// The rest up to the hidden request.
    bytes: fn() -> String,
    /// The statuses that it may get; none if the connection may end without a response.
    statuses: &'static [u16],
}

/// All forms.
const ALL: &[Ambiguity] = &[
    // Handled by its Transfer-Encoding, after which the connection must end (RFC 9112 §6.1).
    with_body(
        "Content-Length and chunked",
        || "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(),
        &[404],
    ),
    with_body(
        "chunked and Content-Length",
        || "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n".into(),
        &[404],
    ),
    with_body("two lengths", || "Content-Length: 0\r\nContent-Length: 30\r\n\r\n".into(), &[400]),
    with_body("a list of lengths", || "Content-Length: 0, 30\r\n\r\n".into(), &[400]),
    with_body("a list of the same length", || "Content-Length: 0, 0\r\n\r\n".into(), &[400]),
    with_body("a length with a sign", || "Content-Length: +0\r\n\r\n".into(), &[400]),
    with_body("a negative length", || "Content-Length: -1\r\n\r\n".into(), &[400]),
    with_body("a hexadecimal length", || "Content-Length: 0x0\r\n\r\n".into(), &[400]),
    with_body("a length of 2^64", || "Content-Length: 18446744073709551616\r\n\r\n".into(), &[400]),
    with_body("an empty length", || "Content-Length: \r\n\r\n".into(), &[400]),
    with_body("a space before the colon", || "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n".into(), &[400]),
    with_body(
        "a coding that is not the last",
        || "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n".into(),
        &[400],
    ),
    with_body("an unknown coding", || "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n".into(), &[400]),
    with_body(
        "a coding with a vertical tab",
        || "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n".into(),
        &[400],
    ),
    with_body("a folded line", || "X: y\r\n Content-Length: 0\r\n\r\n".into(), &[400]),
    with_body("a folded coding", || "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n".into(), &[400]),
    with_body("a bare CR", || "X: y\rContent-Length: 0\r\n\r\n".into(), &[400]),
    with_body("a NUL", || "X: \0\r\nContent-Length: 0\r\n\r\n".into(), &[400]),
    with_body("a name with a space", || "Content Length: 0\r\n\r\n".into(), &[400]),
    with_body("a name with a control character", || "X\x01: y\r\n\r\n".into(), &[400]),
    with_body("a line without a colon", || "Content-Length\r\n\r\n".into(), &[400]),
    with_body("a line without a name", || ": y\r\n\r\n".into(), &[400]),
    with_body("many fields", || format!("{}\r\n", "X: y\r\n".repeat(200)), &[431]),
    with_body("a large field", || format!("X: {}\r\n\r\n", "y".repeat(20_000)), &[431]),
    with_body("no end of a chunk", || chunks("1\r\nx0\r\n\r\n"), &[400, 404]),
    with_body("a chunk size with a sign", || chunks("+0\r\n\r\n"), &[400, 404]),
    with_body("a hexadecimal prefix", || chunks("0x0\r\n\r\n"), &[400, 404]),
    with_body("a chunk size of 2^64", || chunks("10000000000000000\r\nx\r\n0\r\n\r\n"), &[400, 404]),
    with_body("an empty chunk size", || chunks("\r\n\r\n"), &[400, 404]),
    with_body("a line feed in an extension", || chunks("1;a\nx\r\n0\r\n\r\n"), &[400, 404]),
    with_body("a line feed after a chunk", || chunks("1\r\nx\n0\r\n\r\n"), &[400, 404]),
    with_body(
        "a huge extension",
        || chunks(&format!("1;{}\r\nx\r\n0\r\n\r\n", "a".repeat(20_000))),
        &[400, 404],
    ),
    with_body("a huge trailer", || chunks(&format!("0\r\nX: {}\r\n\r\n", "y".repeat(40_000))), &[400, 404]),
    Ambiguity {
        name: "chunked in HTTP/1.0",
        start: "",
        bytes: || "POST /nowhere HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(),
        statuses: &[400],
    },
    Ambiguity {
        name: "no host",
        start: "",
        bytes: || "GET /nowhere HTTP/1.1\r\nConnection: close\r\n\r\n".into(),
        statuses: &[400],
    },
    Ambiguity {
        name: "two hosts",
        start: "",
        bytes: || "GET /nowhere HTTP/1.1\r\nConnection: close\r\nHost: a\r\nHost: b\r\n\r\n".into(),
        statuses: &[400],
    },
    Ambiguity { name: "HTTP/0.9", start: "", bytes: || "GET /nowhere\r\n\r\n".into(), statuses: &[400] },
    Ambiguity {
        name: "HTTP/1.2",
        start: "",
        bytes: || "GET /nowhere HTTP/1.2\r\nHost: x\r\n\r\n".into(),
        statuses: &[400, 505],
    },
    Ambiguity {
        name: "two spaces",
        start: "",
        bytes: || "GET  /nowhere HTTP/1.1\r\nHost: x\r\n\r\n".into(),
        statuses: &[400],
    },
    Ambiguity {
        name: "a method with a colon",
        start: "",
        bytes: || "GE:T /nowhere HTTP/1.1\r\nHost: x\r\n\r\n".into(),
        statuses: &[400],
    },
    Ambiguity {
        name: "a long path",
        start: "",
        bytes: || format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "y".repeat(70_000)),
        statuses: &[414, 431],
    },
];

/// A request with fields that decide where its body ends.
const fn with_body(name: &'static str, bytes: fn() -> String, statuses: &'static [u16]) -> Ambiguity {
    Ambiguity { name, start: "POST /nowhere HTTP/1.1\r\nHost: x\r\n", bytes, statuses }
}

fn chunks(body: &str) -> String {
    format!("Transfer-Encoding: chunked\r\n\r\n{body}")
}

/// Sends all of them, again and again while the honest client is being served.
async fn smuggle(victim: Arc<Victim>) -> anyhow::Result<()> {
    loop {
        let mut failed = String::new();
        for ambiguity in ALL {
            if let Err(error) = ambiguity.send(&victim).await {
                writeln!(failed, "{}: {error:#}", ambiguity.name)?;
            }
            victim.count_refusal();
        }
        ensure!(failed.is_empty(), "{failed}");
        if !victim.is_under_attack() {
            return Ok(());
        }
    }
}

impl Ambiguity {
    async fn send(&self, victim: &Victim) -> anyhow::Result<()> {
        let mut stream = victim.dialer.connect_tcp().await?;
        // The server may close before it has read everything.
        let _ = stream.write_all(format!("{}{}{HIDDEN}", self.start, (self.bytes)()).as_bytes()).await;
        let mut answer = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        // A reset is an end as well.
        drop(read.context("the connection does not end")?);
        let answer = String::from_utf8_lossy(&answer);
        ensure!(!answer.contains(HIDDEN_STATUS), "the hidden request was handled");
        let statuses: Vec<u16> = answer
            .match_indices("HTTP/1.1 ")
            .filter_map(|(at, start)| answer.get(at + start.len()..)?.get(..3)?.parse().ok())
            .collect();
        ensure!(statuses.len() <= 1, "there are several responses: {statuses:?}");
        ensure!(statuses.iter().all(|status| self.statuses.contains(status)), "it returned {statuses:?}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_form_has_a_name_and_bytes_of_its_own() {
        let names: HashSet<_> = ALL.iter().map(|one| one.name).collect();
        let bytes: HashSet<_> = ALL.iter().map(|one| (one.bytes)()).collect();
        assert_eq!((names.len(), bytes.len()), (ALL.len(), ALL.len()));
    }
}

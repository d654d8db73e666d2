//! Addresses of further public listeners: `http://HOST:PORT`, `https://HOST:PORT` or `unix:PATH`.

use crate::transport::socket::PublicListener;
use crate::transport::{bind, unix_socket};
use std::fmt;
use std::io;
use std::net::Ipv6Addr;
use std::path::PathBuf;
use std::str::FromStr;

/// The longest path of a Unix socket, in bytes: `sun_path` without its final zero (unix(7)).
const LONGEST_PATH: usize = 107;

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicAddress {
    /// Host and port.
    Tcp {
        /// Accepts TLS; otherwise plain HTTP.
        tls: bool,
        /// Host without brackets.
        host: String,
        /// Port; 0 picks a free one.
        port: u16,
    },
    /// The path of a Unix socket, for plain HTTP from a proxy.
    Unix(PathBuf),
}

impl PublicAddress {
    /// Opens the socket. A Unix socket gets a mode.
    ///
    /// # Errors
    /// Fails if the address cannot be used.
    pub async fn bind(&self, mode: u32) -> io::Result<PublicListener> {
        Ok(match self {
            Self::Tcp { host, port, .. } => PublicListener::Tcp(bind::bind(host, *port).await?),
            Self::Unix(path) => {
                let (listener, file) = unix_socket::bind(path, mode).await?;
                PublicListener::Unix(listener, file)
            }
        })
    }

    /// Returns true if connections begin with TLS.
    #[must_use]
    pub const fn has_tls(&self) -> bool {
        matches!(self, Self::Tcp { tls: true, .. })
    }

    /// Returns the address with the port that an open socket has.
    #[must_use]
    pub fn bound(self, listener: &PublicListener) -> Self {
        match (self, listener) {
            (Self::Tcp { tls, host, port }, PublicListener::Tcp(listener)) => {
                let port = listener.local_addr().map_or(port, |address| address.port());
                Self::Tcp { tls, host, port }
            }
            (address, _) => address,
        }
    }
}

impl FromStr for PublicAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.len() {
                0 => Err(format!("'{text}' has no path: write unix:/run/webpush-server/push.sock")),
                1..=LONGEST_PATH => Ok(Self::Unix(path.into())),
                _ => Err(format!(
                    "the path of '{text}' is too long: a Unix socket can have {LONGEST_PATH} bytes"
                )),
            };
        }
        let tcp = ["http://", "https://"].into_iter().find_map(|scheme| {
            let address = text.strip_prefix(scheme)?;
            let (host, port) = address.strip_suffix('/').unwrap_or(address).rsplit_once(':')?;
            let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
            // The end of an IPv6 address could be the port.
            let is_host = bare.map_or_else(|| !host.contains([':', '/', '@']), is_ipv6);
            let host = bare.unwrap_or(host);
            let port = port.parse().ok().filter(|_| is_host && !host.is_empty())?;
            Some(Self::Tcp { tls: scheme == "https://", host: host.to_owned(), port })
        });
        tcp.ok_or_else(|| {
            format!(
                "'{text}' is not an address such as http://127.0.0.1:8081, https://[::1]:8443 or unix:/run/webpush-server/push.sock"
            )
        })
    }
}

/// Returns true for an IPv6 address, which may have a zone (RFC 4007 §11).
fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').unwrap_or((text, ""));
    address.parse::<Ipv6Addr>().is_ok()
        && zone.bytes().all(|byte| byte.is_ascii_graphic() && !b"[]/@".contains(&byte))
}

impl fmt::Display for PublicAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { tls, host, port } => {
                let scheme = if *tls { "https" } else { "http" };
                let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
                write!(f, "{scheme}://{open}{host}{close}:{port}")
            }
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// D: more than one public listener.
    #[test]
    fn addresses_are_urls_with_a_port_or_unix_sockets() {
        for text in
            ["http://127.0.0.1:8081", "https://[::1]:8443", "https://push.example:0", "unix:/run/push.sock"]
        {
            assert_eq!(text.parse::<PublicAddress>().unwrap().to_string(), text);
        }
        assert_eq!(
            "http://localhost:80/".parse::<PublicAddress>().unwrap().to_string(),
            "http://localhost:80"
        );
        let long = format!("unix:/{}", "x".repeat(LONGEST_PATH));
        for wrong in [
            "",
            "127.0.0.1:80",
            "http://127.0.0.1",
            "http://:80",
            "http://::1:80",
            "http://[]:80",
            "http://[a/b]:80",
            "http://[a@b]:80",
            "http://a:65536",
            "http://a/b:80",
            "http://u@a:80",
            "ftp://a:80",
            "unix:",
            &long,
        ] {
            assert!(wrong.parse::<PublicAddress>().is_err(), "{wrong}");
        }
    }
}

//! Addresses of the admin listener: host and port, or the path of a Unix socket.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The default address.
pub const DEFAULT: &str = "127.0.0.1:8079";

/// Prefix of the path of a Unix socket.
const UNIX: &str = "unix:";
/// Optional prefix of host and port, as in the address bar of a browser.
const HTTP: &str = "http://";
/// Disables the listener.
const OFF: &str = "off";

/// The value of `--admin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// No listener.
    Off,
    /// A listener at this address.
    On(Address),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == OFF { Ok(Self::Off) } else { text.parse().map(Self::On) }
    }
}

/// An address as the operator wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Host and port.
    Tcp(String),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix(UNIX).filter(|path| !path.is_empty()) {
            return Ok(Self::Unix(path.into()));
        }
        let address = text.strip_prefix(HTTP).map_or(text, |rest| rest.strip_suffix('/').unwrap_or(rest));
        match address.rsplit_once(':') {
            Some((host, port)) if is_host(host) && port.parse::<u16>().is_ok() => {
                Ok(Self::Tcp(address.to_owned()))
            }
            _ => Err(format!(
                "'{text}' is not an address such as {DEFAULT}, [::1]:8079 or unix:/run/admin.sock"
            )),
        }
    }
}

/// Returns true for a host; an IPv6 address needs brackets, since its end could be the port.
fn is_host(text: &str) -> bool {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    !bare.unwrap_or(text).is_empty() && (bare.is_some() || !text.contains(':'))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_host_and_port_or_a_unix_socket() {
        for text in ["127.0.0.1:8079", "[::1]:0", "localhost:8079", "unix:/run/admin.sock", "unix:admin"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert_eq!("unix:/a".parse(), Ok(Address::Unix("/a".into())));
        for page in ["http://127.0.0.1:8079", "http://127.0.0.1:8079/"] {
            assert_eq!(page.parse(), Ok(Address::Tcp(DEFAULT.into())), "{page}");
        }
        assert_eq!("off".parse(), Ok(Listen::Off));
        assert_eq!(DEFAULT.parse(), Ok(Listen::On(Address::Tcp(DEFAULT.into()))));
        for wrong in
            ["", "8079", ":8079", "127.0.0.1", "a:x", "a:65536", "::1:90", "[]:90", "unix:", "https://a:1"]
        {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }
}

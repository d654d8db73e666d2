//! Where an admin listener is: an address and a port, or a socket in the file system.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where it is when nothing else is said.
pub const DEFAULT: &str = "127.0.0.1:9090";

/// What a socket in the file system is written with.
const UNIX: &str = "unix:";
/// What the address of its page may be written with.
const HTTP: &str = "http://";
/// What no listener is written with.
const OFF: &str = "off";

/// Whether there is a listener, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// There is none.
    Off,
    /// It is there.
    On(Address),
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == OFF { Ok(Self::Off) } else { text.parse().map(Self::On) }
    }
}

/// The address as the operator wrote it.
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
        // As a browser shows where the page is.
        let address = text.strip_prefix(HTTP).map_or(text, |rest| rest.strip_suffix('/').unwrap_or(rest));
        match address.rsplit_once(':') {
            Some((host, port)) if is_host(host) && port.parse::<u16>().is_ok() => {
                Ok(Self::Tcp(address.to_owned()))
            }
            _ => Err(format!(
                "'{text}' is not an address such as {DEFAULT}, [::1]:9090 or unix:/run/admin.sock"
            )),
        }
    }
}

/// An IPv6 address needs brackets, or its end could be the port.
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
    fn addresses_are_of_two_kinds_and_nothing_else_passes() {
        for text in ["127.0.0.1:9090", "[::1]:0", "localhost:9090", "unix:/run/admin.sock", "unix:admin"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert_eq!("unix:/a".parse(), Ok(Address::Unix("/a".into())));
        for page in ["http://127.0.0.1:9090", "http://127.0.0.1:9090/"] {
            assert_eq!(page.parse(), Ok(Address::Tcp(DEFAULT.into())), "{page}");
        }
        assert_eq!("off".parse(), Ok(Listen::Off));
        assert_eq!(DEFAULT.parse(), Ok(Listen::On(Address::Tcp(DEFAULT.into()))));
        for wrong in
            ["", "9090", ":9090", "127.0.0.1", "a:x", "a:65536", "::1:90", "[]:90", "unix:", "https://a:1"]
        {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }
}

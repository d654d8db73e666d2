//! Further addresses to listen on.

use webpush_config::setting::NeedsRestart;
use webpush_http::transport::public_address::PublicAddress;

/// Flags of further public listeners.
#[derive(Debug, clap::Args)]
pub(crate) struct AlsoArgs {
    /// Also listen on http://ADDRESS:PORT, https://ADDRESS:PORT or unix:PATH, for a proxy; repeatable
    ///
    /// The proxy on a Unix socket is trusted, and its clients are never those of this machine.
    #[arg(
        long = "also-listen",
        env = "WEBPUSH_SERVER_LISTEN__ALSO", add = NeedsRestart,
        value_name = "LISTENER",
        value_delimiter = ','
    )]
    also: Vec<PublicAddress>,

    /// Mode of Unix sockets of --also-listen, in octal; their group is that of the server or its directory
    #[arg(
        long,
        env = "WEBPUSH_SERVER_LISTEN__SOCKET_MODE", add = NeedsRestart,
        value_name = "MODE",
        default_value = "0660",
        value_parser = parse_mode
    )]
    socket_mode: u32,
}

impl AlsoArgs {
    /// Returns the addresses.
    pub(crate) fn addresses(&self) -> Vec<PublicAddress> {
        self.also.clone()
    }

    /// Returns the mode of Unix sockets.
    pub(crate) const fn socket_mode(&self) -> u32 {
        self.socket_mode
    }
}

/// Parses the mode of a socket, which its owner must be able to use.
fn parse_mode(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if mode <= 0o777 && mode & 0o600 == 0o600 => Ok(mode),
        Ok(_) | Err(_) => Err(format!("'{text}' is not the mode of a socket, such as 0660 or 0600")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal() {
        for (text, mode) in [("0660", 0o660), ("600", 0o600), ("0o666", 0o666), ("777", 0o777)] {
            assert_eq!(parse_mode(text), Ok(mode));
        }
        for wrong in ["", "0", "0060", "1777", "8", "u=rw", "-660"] {
            assert!(parse_mode(wrong).is_err(), "{wrong}");
        }
    }
}
